"""The estimator lab: how far each estimator came from the truth, by effective sample size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.files import read_json
from core.experiments.estimator_evidence import MEASURED, evidence_table, load_evidence
from core.experiments.judgment_evidence import COLUMNS, GOALS, judgment_evidence
from core.figures.experiments import coverage_by_band
from pages.components.experiments.folders import LAB, labs
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty, failed
from pages.components.shell.held import held

TABLES = {
    "by_ess": "Error and coverage by effective sample size",
    "above_floor": "Error and coverage where ESS is at least 30",
    "ranks": "Rank correlation with the true order",
    "light": "Error and coverage by grade of support",
    "propensities": "Estimated and true propensities",
}
CAPTIONS = {
    "by_ess": "Coverage: share of 95 % intervals that hold the true value, with its own 95 % Wilson interval. ESS is "
    "that of PHWIS. The clinicians' own policy is left out.",
    "above_floor": "The goal is a coverage of at least 0.90 here.",
    "ranks": "Spearman correlation over the policies of a seed, mean and standard deviation over seeds; the goal is "
    "at least 0.8.",
    "light": "Grades as the traffic light gives them.",
    "propensities": "What it costs to estimate the clinicians' probabilities from k neighbors with a pseudo-count.",
}
GOAL = 0.90
JUDGED = {
    "estimators": "Differences to the clinicians, by estimator",
    "worlds": "The mix, by world",
    "grades": "The mix, by grade",
    "advice": "What the default advice is truly worth",
}


def draw() -> None:
    """The lab of the mix, then: choose a lab, a study and a table."""
    _judged()
    st.markdown("**Published estimators of the value itself**")
    found = labs()
    if not found:
        _quoted()
        return
    name = st.selectbox("Estimator lab", list(found), **held("lab-name", found))
    try:
        _lab(found[name], name)
    except PhenoPolicyError as error:
        failed(error, "Reading this lab")


def _judged() -> None:
    """Differences to the clinicians held against the truth on fresh cohorts; nothing where none were published."""
    evidence = judgment_evidence()
    if evidence is None:
        return
    st.markdown("**The mix: differences to the clinicians, on cohorts that served no choice**")
    name = st.segmented_control(
        "Table", list(JUDGED), format_func=JUDGED.__getitem__, **held("lab-judged", JUDGED, "estimators"), required=True
    )
    rows = evidence.table(str(name or "estimators"))
    if "estimator" in rows:
        rows["estimator"] = [_in_words(text) for text in rows["estimator"]]
    table(
        rows.rename(columns=COLUMNS),
        "judged-lab",
        name=f"judged-{name}",
        caption=f"{evidence.on} Policies with {evidence.ess_floor:g} effective stays or more; signs and pairs of "
        f"differences above {evidence.clear:g}. Worlds with hidden causes stand under “by world” alone: no record can "
        f"be right there. {GOALS} Mix: what this app judges by, memories weighed by their noise and bias. The "
        "others are earlier forms, for comparison. Memories: the plain mean of estimates that look back on so many "
        "actions, its interval widened by how far they lie apart.",
        csv=rows,
    )


def _in_words(estimator: str) -> str:
    """'mix of 0 1 2 + spread' as 'memories of 0, 1, 2 actions'; other names as they are."""
    if estimator == "equal mix":
        return "memories that enough stays follow, alike"
    found = re.fullmatch(r"mix of ([\d ]+) \+ spread", estimator)
    return f"memories of {', '.join(found[1].split())} actions" if found else estimator


def _quoted() -> None:
    """What the project's own lab found, where none was run here."""
    evidence = load_evidence()
    if evidence is None:
        empty(
            "No estimators held against the truth yet",
            "On simulated patients, and on ICU-Sepsis, the true value of a policy is known, so every estimator can be "
            "checked. `make experiment` does so; the tables appear here once they are written.",
            icon=":material/straighten:",
        )
        return
    settings, goals = evidence["settings"], evidence["goals"]
    names = {"simulated": "Simulated cohorts", "icu-sepsis": "ICU-Sepsis"}
    studies = list(evidence["studies"])
    chosen = st.segmented_control(
        "Study", studies, format_func=names.__getitem__, **held("lab-quoted", studies), required=True
    )
    study = str(chosen or studies[0])
    rows = evidence_table(evidence, study)
    table(
        rows.round(3).rename(columns=MEASURED),
        "lab-quoted-table",
        name="estimators",
        caption=f"Found with this program on {evidence['date']}: {len(settings['seeds'])} seeds, {names[study]}, "
        f"policies with an effective sample size of {evidence['ess_floor']:g} or more, probabilities of the clinicians "
        f"estimated. Goals: coverage {goals['coverage']:g}, rank correlation {goals['rank_correlation']:g}. "
        "`make experiment` makes tables of your own, by effective sample size and grade of support.",
        csv=rows,
    )


def _lab(folder: Path, name: str) -> None:
    summary: dict[str, Any] = read_json(folder / LAB)
    settings = summary.get("settings", {})
    seeds = settings.get("seeds", [])
    st.caption(
        f"Simulated patients, known truth: {settings.get('n_patients', 0):,} patients a cohort, {len(seeds)} seeds, "
        f"{settings.get('n_bootstrap', 0)} bootstrap samples."
    )
    present = [key for key in TABLES if summary.get(key)]
    if not present:
        empty("Empty", "This lab has written no table yet.")
        return
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    with left:
        key = st.selectbox("Table", present, format_func=TABLES.__getitem__, **held("lab-table", present))
    rows = pd.DataFrame(summary[key])
    for column, place, label in (("study", middle, "Study"), ("propensities", right, "Propensities")):
        if column in rows and not (key == "propensities" and column == "propensities"):
            with place:
                chosen = st.selectbox(label, list(dict.fromkeys(rows[column])), key=f"lab-{column}-{key}")
            rows = rows[rows[column] == chosen].drop(columns=column)
    if key == "by_ess" and rows["coverage"].notna().any():
        known = rows.dropna(subset=["coverage"])
        show(
            coverage_by_band(known, GOAL),
            "lab-coverage",
            "Coverage of the 95 % intervals by effective sample size, one line an estimator: "
            + "; ".join(f"{r['estimator']} at ESS {r['band']}: {r['coverage']:.2f}" for r in known.to_dict("records")),
            caption="Share of 95 % intervals that hold the true value, with 95 % Wilson intervals; dashed: the goal.",
            data=known,
        )
    table(rows.round(3), f"lab-{key}", name=f"{name}-{key}", caption=CAPTIONS[key], csv=rows)
