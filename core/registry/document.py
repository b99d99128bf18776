"""The JSON that `registry evaluate` writes, in the form of the ICU study's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import CohortError, RunError
from core.fusion.dials import furthest_supported
from core.registry.cohort import RegistryCohort
from core.registry.compared import DIALS, GREEDY, POLICIES, TITLES, along
from core.registry.evaluate import ALL, BASELINE
from core.registry.frontier import frontier_table
from core.registry.tables import Evaluation
from core.registry.view import RegistryView
from core.runs.basis import evaluated_on, number

TABLES = ("accuracy", "calibration", "matched", "modeled", "ope", "frontier")
SHOWN_N = (1, 3, 5, 7, 10, 15, 20)


def evaluate_registry(view: RegistryView, cohort: RegistryCohort) -> dict[str, Any]:
    """Value of every policy of a run: on the test patients of its own registry, on all of another one.

    {"cohort": ..., "run": ..., "policies": {name: {"matched": {decision: {value, low, high, n_matched}}, "modeled":
    {decision: {value, low, high}}, "phwis": {value, low, high, ess}, "phwdr": ..., "support", "support_reasons",
    "true_value", ..., "frontier": {dial: {"setting", "phwis", "phwdr", "support", ...}}}}, "baseline": ...,
    "top_n": ..., "calibration": ..., "warning": ...}; what is not known is null. frontier: the furthest point
    between the experts and the policy that these patients support; null where not even the experts' own is supported.
    """
    if not view.complete:
        raise RunError(f"the run in {view.path} is not complete; start the same training again to finish it.")
    own = cohort.data_hash == view.manifest.data_hash
    if own:
        tables = {name: getattr(view, name) for name in TABLES}
        patients = view.split.test
    else:
        patients = np.arange(cohort.n_patients)
        tables = _elsewhere(Evaluation(view, cohort, patients))
    truth, along_truth = (table if own else table.iloc[:0] for table in (view.truth, view.frontier_truth))
    floor = view.config.evaluation.ess_floor
    return {
        "cohort": _describe(cohort, patients, own),
        "run": {
            "name": view.manifest.name,
            "data_hash": view.manifest.data_hash,
            "versions": view.manifest.versions,
            "seed": view.config.run.seed,
            "screen_n": view.config.evaluation.screen_n,
            "screen_threshold": view.config.evaluation.screen_threshold,
            "ess_floor": floor,
        },
        "policies": {
            name: _policy(name, tables, truth) | {"frontier": _frontier(name, tables["frontier"], along_truth, floor)}
            for name in POLICIES
        },
        "baseline": {"modeled": _by_decision(tables["modeled"], BASELINE, ("value", "low", "high"))},
        "top_n": _top_n(tables["accuracy"]),
        "calibration": _calibration(tables["calibration"]),
        "warning": view.warning,
    }


def _elsewhere(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """All tables on another registry; `CohortError` where there is nothing to evaluate."""
    for decision in evaluation.view.treatments:
        if not evaluation.points(decision).followed.any():
            raise CohortError(
                f"the registry has no {decision} treatment whose outcome is recorded; nothing to evaluate."
            )
    accuracy, calibration = evaluation.screening_tables()
    return {
        "accuracy": accuracy,
        "calibration": calibration,
        "matched": evaluation.matched(),
        "modeled": evaluation.modeled(),
        "ope": evaluation.off_policy(),
        "frontier": frontier_table(evaluation),
    }


def _policy(name: str, tables: dict[str, pd.DataFrame], truth: pd.DataFrame) -> dict[str, Any]:
    ope = tables["ope"][tables["ope"]["policy"] == name]
    true = truth[truth["policy"] == name]
    matched = tables["matched"][tables["matched"]["group"] == ALL]
    return {
        "title": TITLES[name],
        "matched": _by_decision(matched, name, ("value", "low", "high", "n_matched")),
        "modeled": _by_decision(tables["modeled"], name, ("value", "low", "high")),
        **_estimates(ope),
        "true_value": number(true["true_value"].iloc[0]) if len(true) else None,
        "true_se": number(true["true_se"].iloc[0]) if len(true) else None,
        "event_free": number(true["event_free"].iloc[0]) if len(true) else None,
    }


def _estimates(rows: pd.DataFrame) -> dict[str, Any]:
    """{estimator: {value, low, high, ess}} of one policy with its grade."""
    return {
        **{
            str(row["estimator"]): {key: number(row[key]) for key in ("value", "low", "high", "ess")}
            for _, row in rows.iterrows()
        },
        "support": str(rows["support"].iloc[0]),
        "support_reasons": str(rows["reasons"].iloc[0]),
    }


def _frontier(name: str, table: pd.DataFrame, truth: pd.DataFrame, floor: float) -> dict[str, Any]:
    """The furthest supported point of each dial; nothing for the experts, from whom the dials start."""
    found: dict[str, Any] = {}
    for dial in DIALS if name in GREEDY else ():
        rows, known = along(table, name, dial), along(truth, name, dial)
        setting = furthest_supported(rows, floor)
        found[dial] = None
        if setting is not None:
            here = known[known["setting"] == setting]
            found[dial] = {
                "setting": setting,
                **_estimates(rows[rows["setting"] == setting]),
                "distance": number(rows.loc[rows["setting"] == setting, "distance"].iloc[0]),
                "true_value": number(here["true_value"].iloc[0]) if len(here) else None,
                "true_se": number(here["true_se"].iloc[0]) if len(here) else None,
            }
    return found


def _by_decision(table: pd.DataFrame, policy: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """{decision: {key: number}} of one policy over all stages; empty where the table does not hold it."""
    rows = table[table["policy"] == policy]
    if "stage" in rows:
        rows = rows[rows["stage"] == "all"]
    return {str(row["decision"]): {key: number(row[key]) for key in keys} for _, row in rows.iterrows()}


def _top_n(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table[table["n"].isin(SHOWN_N)]
    return [
        {
            "decision": row["decision"],
            "stage": row["stage"],
            "n": int(row["n"]),
            **{key: number(row[key]) for key in ("accuracy", "low", "high")},
        }
        for _, row in rows.iterrows()
    ]


def _calibration(table: pd.DataFrame) -> dict[str, Any]:
    """Expected calibration error and log loss of each screening network."""
    rows = table[table["stage"] == "all"].groupby("decision", sort=False).first()
    return {str(name): {key: number(row[key]) for key in ("error", "log_loss")} for name, row in rows.iterrows()}


def _describe(cohort: RegistryCohort, patients: np.ndarray, own: bool) -> dict[str, Any]:
    """What the estimates rest on, with a plain sentence."""
    return {"rows": len(cohort.frame), **evaluated_on(cohort, len(patients), own, "registry")}
