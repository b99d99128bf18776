"""Against the clinicians: what a run shows first. Its policies' differences, its advice, and the hazards of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.evaluation.learned import said_of
from core.icu.advice import SURVIVAL_COLUMNS, stays_advised
from core.icu.ask.hazards import advised_hazard, rule_applies
from core.icu.ask.tables import all_judgments, known_truth
from core.icu.hidden_causes import HIDDEN_COLUMNS, HiddenCauses
from core.icu.view import RunView
from core.policies.families import names_at
from core.policies.hazards import ADVICE, GIVEN, violation_rates
from core.policies.key import CLINICIAN, KEY_COLUMNS
from core.policies.rules import Rule
from core.study import StudySpec

TRUE_COLUMNS = tuple(
    f"{what}{part}" for what in ("true_difference", "true_survival", "true_survival_difference") for part in ("", "_se")
)
Place = Literal["advised", "deferred", "last", "apart"]


def question(study: StudySpec) -> str:
    """What a run of the study asks, in a clinician's words."""
    who = study.population[:1].lower() + study.population[1:]
    what = f"How much {study.actions.drug}, if any" if study.actions.ordered else f"Which {study.actions.drug}"
    return f"{what}, every {study.step_hours:g} h, for {who}?"


def against_clinicians(view: RunView, mode: str) -> pd.DataFrame | None:
    """Judgments of every policy but the clinicians at the run's own K and lambda, after the dials of its advice.

    In the order of tables. Columns of `view.judgments`; true_difference, true_survival, true_survival_difference, each
    with its standard error as _se (NaN where either policy was not rolled out); learned, whether the policy's own Q
    agrees with its value, in words. The dials stand as the policies "advice:a". Survival is NaN in a run from before
    it was judged; None for one from before there were judgments.
    """
    table = all_judgments(view)
    if table is None:
        return None
    table = table.reindex(columns=list(dict.fromkeys([*table, *SURVIVAL_COLUMNS, *HIDDEN_COLUMNS])))
    table = table[table["mode"].isin(("", mode)) & (table["policy"] != CLINICIAN)].reset_index(drop=True)
    table = table.merge(true_differences(view), on=list(KEY_COLUMNS), how="left")
    nothing = view.study.actions.has_nothing
    order = names_at(view.n_clusters, view.baselines, view.n_clusters, view.added, nothing)
    table = table.sort_values("policy", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)
    if view.advice is not None:
        table = pd.concat([_dials(view), table], ignore_index=True)
    return table.assign(learned=said_of(view.learned, list(table["policy"])))


def _dials(view: RunView) -> pd.DataFrame:
    """The dials of the advice as rows; they were judged by all stays, each by a fold that never saw it."""
    assert view.advice is not None
    rows = [
        {
            "policy": f"{ADVICE}:{dial.share:g}",
            "difference": dial.value,
            "difference_low": dial.low,
            "difference_high": dial.high,
            "difference_se": dial.se,
            "ess": dial.ess,
            "n": view.advice.n,
            "grade": dial.grade,
            "doubts": dial.doubts,
            "true_difference": _known(dial.true_gain),
            "true_difference_se": _known(dial.true_se),
            "true_survival_difference": _known(dial.true_survival_gain),
            "true_survival_difference_se": _known(dial.true_survival_se),
        }
        | {name: _known(getattr(dial, name)) for name in SURVIVAL_COLUMNS}
        | ({} if dial.hidden is None else dial.hidden.row)
        for dial in view.advice.dials
    ]
    return pd.DataFrame(rows)


def points_text(row: Mapping[Any, Any], name: str) -> str:
    """A difference of shares and its interval in points of a hundred: '+1.2 [-3.4, +5.8]'; '–' where unknown."""
    value, low, high = (100 * float(row[f"{name}{part}"]) for part in ("", "_low", "_high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]" if np.isfinite(value) else "–"


def as_told(frame: pd.DataFrame, study: StudySpec) -> pd.DataFrame:
    """The table without its columns on survival, where the study's outcome does not tell who survived."""
    if study.tells_survival:
        return frame
    ends = tuple(f"{label}{part}" for label in (study.survived_label, study.died_label) for part in ("", ", interval"))
    said = [name for name in map(str, frame) if name in ends or "survival" in name or "published figure" in name]
    return frame.drop(columns=said)


def hidden_text(row: Mapping[Any, Any]) -> str:
    """The Gamma at which a claimed gain dies, 'no gain claimed', or '–' where it is not known."""
    found = HiddenCauses.of_row(row)
    return "–" if found is None else found.short


def true_points_text(row: Mapping[Any, Any]) -> str:
    """The true difference in survival with its standard error, in points of a hundred; '–' where unknown."""
    value, error = (100 * float(row[f"true_survival_difference{part}"]) for part in ("", "_se"))
    return f"{value:+.1f} ± {error:.1f}" if np.isfinite(value) else "–"


def _known(number: float | None) -> float:
    return np.nan if number is None else number


def true_differences(view: RunView) -> pd.DataFrame:
    """Key columns, and `TRUE_COLUMNS` of policies that were rolled out in the simulator."""
    known = known_truth(view)
    reference = known[known["policy"] == CLINICIAN] if "policy" in known else known
    if reference.empty:
        nothing = pd.DataFrame({name: view.judgments[name][:0] for name in KEY_COLUMNS})  # type: ignore[index]
        return nothing.assign(**dict.fromkeys(TRUE_COLUMNS, np.nan))
    found = known[[*KEY_COLUMNS, "true_survival", "true_survival_se"]].copy()
    for name, what in (("true_difference", "true_value"), ("true_survival_difference", "true_survival")):
        error = "true_se" if what == "true_value" else "true_survival_se"
        found[name] = known[what] - float(reference[what].iloc[0])
        found[f"{name}_se"] = np.hypot(known[error], float(reference[error].iloc[0]))
    return found


def advice_hazards(view: RunView, rules: Sequence[Rule], share: float) -> pd.DataFrame:
    """`violation_rates` of the recorded course and of the advice at a dial, one pair of rows a rule, on advised stays.

    Adds the columns rule (its number) and text.
    """
    stays = stays_advised(view.cohort.n_patients, view.config.run.seed)
    given = view.trajectories.actions[stays]
    tables = []
    for number, rule in enumerate(rules):
        rule.check(view.study)
        applies = rule_applies(view, rule, stays)
        recorded = (given >= rule.from_action).astype(float)
        hazard = {GIVEN: recorded, ADVICE: advised_hazard(view, rule, stays, share)}
        rng = stream(view.config.run.seed, "hazards", "bootstrap")
        table = violation_rates(hazard, applies, view.persons[stays], view.config.evaluation.n_bootstrap, rng)
        tables.append(table.assign(rule=number, text=rule.text(view.study)))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def advised_at(view: RunView, patient: int, step: int) -> tuple[Place, int]:
    """What the advice's own step takes at a step of a stay: "advised" and the dose bin; else why there is none (-1).

    "deferred": it does as clinicians do; "last": no next step is recorded, so that none is asked; "apart": the stay is
    not among those for which advice was learned.
    """
    if patient not in stays_advised(view.cohort.n_patients, view.config.run.seed):
        return "apart", -1
    if not view.trajectories.transition_mask[patient, step]:
        return "last", -1
    action = int(view.advised_action[patient, step])
    return ("advised", action) if action >= 0 else ("deferred", -1)
