"""The JSON that `registry evaluate` writes, in the form of the ICU study's."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import pandas as pd

from core.base.config import Config
from core.base.errors import CohortError, RunError
from core.fusion.dials import furthest_supported
from core.registry.advice import RegistryAdvice
from core.registry.ask.compared import DIALS, GREEDY, POLICIES, TITLES, along
from core.registry.ask.frontier import Frontier, frontier
from core.registry.ask.hidden import HIDDEN
from core.registry.ask.tables import Evaluation
from core.registry.cohort.table import RegistryCohort
from core.registry.fit.evaluate import ALL, BASELINE
from core.registry.view import RegistryView
from core.runs.document import Against, EvaluatedOn, Interval, Weighed, against, evaluated_on, number

Kind = TypeVar("Kind", bound=Interval)
TABLES = ("accuracy", "calibration", "matched", "modeled", "ope")
SHOWN_N = (1, 3, 5, 7, 10, 15, 20)


class Matched(Interval):
    """Mean reward of the n_matched decisions whose record agrees with the policy; confounded."""

    n_matched: float | None


class Graded(Against):
    """A policy against the experts, and the published off-policy estimates with the grade of their support; the truth
    where patients are simulated.

    hidden: what unrecorded causes could do to the difference, `core.registry.ask.hidden.HIDDEN`, null where unknown.
    """

    hidden: dict[str, float | None]
    phwis: Weighed
    phwdr: Weighed
    support: str
    support_reasons: str
    true_value: float | None
    true_se: float | None
    true_difference: float | None
    true_difference_se: float | None


class Reach(Graded):
    """The furthest supported point of a dial between the experts and a policy."""

    setting: float
    distance: float | None


class PolicyMetrics(Graded):
    """One policy; matched and modeled by decision, frontier by dial, null where no point of it is supported."""

    title: str
    matched: dict[str, Matched]
    modeled: dict[str, Interval]
    event_free: float | None
    frontier: dict[str, Reach | None]


class TopN(Config):
    """Share of decisions in which the experts' choice is among the n likeliest."""

    decision: str
    stage: str
    n: int
    accuracy: float | None
    low: float | None
    high: float | None


class Calibration(Config):
    """Expected calibration error and log loss of a screening network."""

    error: float | None
    log_loss: float | None


class CohortMetrics(EvaluatedOn):
    """The registry evaluated on."""

    rows: int


class RunMetrics(Config):
    """The run and what its estimates depend on."""

    name: str
    data_hash: str
    versions: dict[str, str]
    seed: int
    screen_n: int
    screen_threshold: float
    ess_floor: float


class Baseline(Config):
    """Predicted reward of all combinations but the recommended one."""

    modeled: dict[str, Interval]


class RegistryMetrics(Config):
    """The whole document. recommended: a policy with its dial, or "experts"; advice says on what grounds."""

    recommended: str
    advice: RegistryAdvice
    cohort: CohortMetrics
    run: RunMetrics
    policies: dict[str, PolicyMetrics]
    baseline: Baseline
    top_n: list[TopN]
    calibration: dict[str, Calibration]
    warning: str


def evaluate_registry(view: RegistryView, cohort: RegistryCohort) -> RegistryMetrics:
    """Value of every policy of a run: on the test patients of its own registry, on all of another one.

    The frontier of a policy is the furthest point between the experts and it that these patients support.
    """
    if not view.complete:
        raise RunError(f"the run in {view.path} is not complete; start the same training again to finish it.")
    own = cohort.data_hash == view.manifest.data_hash
    if own:
        tables = {name: getattr(view, name) for name in TABLES}
        patients = view.split.test
        judged = _stored(view) or frontier(Evaluation.own(view))
    else:
        patients = np.arange(cohort.n_patients)
        elsewhere = Evaluation(view, cohort, patients)
        tables, judged = _elsewhere(elsewhere), frontier(elsewhere)
    truth, along_truth = (table if own else table.iloc[:0] for table in (view.truth, view.frontier_truth))
    settings = view.config.evaluation
    on = evaluated_on(cohort, len(patients), own, "registry")
    return RegistryMetrics(
        recommended=judged.advice.recommended,
        advice=judged.advice,
        cohort=CohortMetrics(**on.model_dump(), rows=len(cohort.frame)),
        run=RunMetrics(
            name=view.manifest.name,
            data_hash=view.manifest.data_hash,
            versions=view.manifest.versions,
            seed=view.config.run.seed,
            screen_n=settings.screen_n,
            screen_threshold=settings.screen_threshold,
            ess_floor=settings.ess_floor,
        ),
        policies={name: _policy(name, tables, judged, truth, along_truth, settings.ess_floor) for name in POLICIES},
        baseline=Baseline(modeled=_by_decision(tables["modeled"], BASELINE, Interval)),
        top_n=_top_n(tables["accuracy"]),
        calibration=_calibration(tables["calibration"]),
        warning=view.warning,
    )


def _elsewhere(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """All tables on another registry; `CohortError` where there is nothing to evaluate."""
    for decision in evaluation.view.treatments:
        if not evaluation.points(decision).followed.any():
            raise CohortError(
                f"the registry has no decision '{decision}' whose outcome is recorded; nothing to evaluate."
            )
    accuracy, calibration = evaluation.screening_tables()
    return {
        "accuracy": accuracy,
        "calibration": calibration,
        "matched": evaluation.matched(),
        "modeled": evaluation.modeled(),
        "ope": evaluation.off_policy(),
    }


def _stored(view: RegistryView) -> Frontier | None:
    """The run's own frontier; None for a run from before there were judgments."""
    if view.judgments is None or view.advice is None:
        return None
    return Frontier(view.frontier, view.judgments, view.advice)


def _policy(
    name: str,
    tables: dict[str, pd.DataFrame],
    judged: Frontier,
    truth: pd.DataFrame,
    along_truth: pd.DataFrame,
    floor: float,
) -> PolicyMetrics:
    true = truth[truth["policy"] == name]
    matched = tables["matched"][tables["matched"]["group"] == ALL]
    return PolicyMetrics(
        **dict(_graded(tables["ope"][tables["ope"]["policy"] == name], along(judged.judgments, name, ""), true)),
        title=TITLES[name],
        matched=_by_decision(matched, name, Matched),
        modeled=_by_decision(tables["modeled"], name, Interval),
        event_free=_first(true, "event_free"),
        frontier=_frontier(name, judged, along_truth, floor),
    )


def _graded(rows: pd.DataFrame, judged: pd.DataFrame, true: pd.DataFrame) -> Graded:
    """One policy: its estimates, one row an estimator; its judgment and its truth, a row or none."""
    found = {str(row["estimator"]): Weighed.of(row) for _, row in rows.iterrows()}
    return Graded(
        **dict(against(judged.iloc[0])),
        hidden={name: number(judged.iloc[0].get(name, math.nan)) for name in HIDDEN},
        phwis=found["phwis"],
        phwdr=found["phwdr"],
        support=str(rows["support"].iloc[0]),
        support_reasons=str(rows["reasons"].iloc[0]),
        true_value=_first(true, "true_value"),
        true_se=_first(true, "true_se"),
        true_difference=_first(true, "true_difference"),
        true_difference_se=_first(true, "true_difference_se"),
    )


def _frontier(name: str, judged: Frontier, truth: pd.DataFrame, floor: float) -> dict[str, Reach | None]:
    """The furthest supported point of each dial; nothing for the experts, from whom the dials start."""
    found: dict[str, Reach | None] = {}
    for dial in DIALS if name in GREEDY else ():
        tables = judged.values, judged.judgments, truth
        rows, judgments, known = (along(table, name, dial) for table in tables)
        setting = furthest_supported(rows, floor)
        found[dial] = None
        if setting is not None:
            here = [part[part["setting"] == setting] for part in (rows, judgments, known)]
            found[dial] = Reach(**dict(_graded(*here)), setting=setting, distance=_first(here[0], "distance"))
    return found


def _by_decision(table: pd.DataFrame, policy: str, kind: type[Kind]) -> dict[str, Kind]:
    """One policy over all stages, by decision; empty where the table does not hold it."""
    rows = table[table["policy"] == policy]
    if "stage" in rows:
        rows = rows[rows["stage"] == "all"]
    return {str(row["decision"]): kind.of(row) for _, row in rows.iterrows()}


def _top_n(table: pd.DataFrame) -> list[TopN]:
    rows = table[table["n"].isin(SHOWN_N)]
    return [
        TopN(
            decision=row["decision"],
            stage=row["stage"],
            n=int(row["n"]),
            accuracy=number(row["accuracy"]),
            low=number(row["low"]),
            high=number(row["high"]),
        )
        for _, row in rows.iterrows()
    ]


def _calibration(table: pd.DataFrame) -> dict[str, Calibration]:
    """Expected calibration error and log loss of each screening network."""
    rows = table[table["stage"] == "all"].groupby("decision", sort=False).first()
    return {
        str(name): Calibration(error=number(row["error"]), log_loss=number(row["log_loss"]))
        for name, row in rows.iterrows()
    }


def _first(rows: pd.DataFrame, column: str) -> float | None:
    """The number of the first row, None where there is no row, no number or, in an earlier run, no such column."""
    return number(rows[column].iloc[0]) if len(rows) and column in rows else None
