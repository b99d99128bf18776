"""What nobody may conclude from a run's report."""

from __future__ import annotations

import numpy as np

from core.figures.theme import policy_style as style
from core.icu.ask.names import phenotype_texts
from core.icu.view import RunView
from core.report.parts import Section
from core.report.policies import NEAR_UNIFORM, policy_rows
from core.report.sections import MEASURES

SMALL = 100  # patients below which a cohort is called small


def the_limits(view: RunView) -> Section:
    """What nobody may conclude from this report; general limits first, then those of this run."""
    points = [
        "Estimates from records assume that all reasons for a dose were recorded; unrecorded ones bias them all.",
        "A policy far from what clinicians did is judged by a handful of patients: look at the ESS before the value.",
        "Phenotypes are groups that a method found, not diseases; another cohort may give others.",
        "Nothing here was tested on patients. No number may guide the care of anyone.",
    ]
    if view.manifest.simulated:
        points.insert(0, "All patients are simulated: no number here says anything about real patients.")
    return Section("limits", "Limits", points=[*points, *_own_limits(view)])


def _own_limits(view: RunView) -> list[str]:
    rows, floor = policy_rows(view), view.config.evaluation.ess_floor
    names = phenotype_texts(view, view.n_clusters)
    found = []
    if view.cohort.n_patients < SMALL:
        found.append(f"The cohort is small ({view.cohort.n_patients} patients): expect wide intervals.")
    bad = rows[rows["support"] == "not supported"]["policy"].drop_duplicates()
    if len(bad):
        named = ", ".join(style(policy, names).name for policy in bad)
        found.append(f"Not supported by the records (ESS under {floor:g}): {named}.")
    flat = rows[rows["entropy"] >= NEAR_UNIFORM]["policy"].drop_duplicates()
    if len(flat):
        named = ", ".join(style(policy, names).name for policy in flat)
        found.append(f"Near-uniform, hardly preferring any dose: {named}.")
    known = rows.dropna(subset=["true_value", "low", "high"])
    missed = known[(known["true_value"] < known["low"]) | (known["true_value"] > known["high"])]
    if len(known):
        found.append(f"{len(missed)} of {len(known)} intervals in the table of values do not hold the true value.")
    if view.config.fusion.mode == "retrospective":
        found.append("Retrospective mode weighs phenotypes by the whole stay, which no one knows while treating.")
    return found + _beaten(view)


def _beaten(view: RunView) -> list[str]:
    """Measures on which a plain rival is better than the encoder."""
    honesty = view.honesty[view.honesty["n_clusters"] == view.n_clusters]
    own, rivals = honesty[honesty["representation"] == "encoder"], honesty[honesty["representation"] != "encoder"]
    if own.empty or rivals.empty:
        return []
    better = []
    for name, sign in (("eta2_length", -1), ("bootstrap_ari", 1), ("early_ari", 1), ("truth_ari", 1)):
        if name in honesty and np.isfinite(rivals[name]).any():
            values = sign * rivals[name].to_numpy(dtype=float)
            place = int(np.nanargmax(values))
            if values[place] > sign * float(own[name].iloc[0]):
                better.append(f"{MEASURES[name]} ({rivals['representation'].iloc[place]})")
    return [f"A plain rival is ahead of the encoder on: {', '.join(better)}."] if better else []
