"""What the estimator lab found: errors and coverage by effective sample size, rank order, propensities, the light.

Policies are banded by the ESS of PHWIS, which stands beside every value in the app. The clinicians' own policy is left
out of errors and coverage (its ratios are 1, so that every weighted estimate is the mean return), and counts in ranks.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.base.statistics import wilson
from core.base.types import OPEResult
from core.evaluation import support_light
from core.evaluation.support import apart
from core.experiments.estimator_cases import CLINICIAN
from core.experiments.estimator_evidence import ESS_FLOOR

BANDS = ((0.0, 10.0), (10.0, 30.0), (30.0, 100.0), (100.0, np.inf))
FLOORS = (0.0, 30.0, 100.0)  # policies that are ranked
FEWEST = 4  # policies that a rank correlation needs
GRADES = ("supported", "weak", "not supported")
Row = dict[str, Any]


def summarize(estimates: pd.DataFrame, curves: pd.DataFrame, settings: Row) -> Row:
    """All tables as lists of rows, JSON-ready."""
    main = estimates[~estimates["swept"]]
    return {
        "settings": settings,
        "by_ess": errors_by_ess(main),
        "above_floor": errors(main[main["ess"] >= ESS_FLOOR], ["study", "propensities", "estimator"]),
        "ranks": rank_correlations(main),
        "propensities": propensity_costs(estimates, curves),
        "light": lights(main),
    }


def errors(rows: pd.DataFrame, by: list[str]) -> list[Row]:
    """n, bias, rmse, coverage with its 95 % Wilson interval, mean width, mean standard error of the truth."""
    return [
        dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True)) | _errors(part)
        for key, part in rows[rows["policy"] != CLINICIAN].groupby(by, sort=False)
    ]


def _errors(part: pd.DataFrame) -> Row:
    error = (part["value"] - part["true_value"]).to_numpy()
    covered = ((part["low"] <= part["true_value"]) & (part["true_value"] <= part["high"])).to_numpy()
    low, high = wilson(covered.sum(), len(part))
    known = bool(part["low"].notna().all())
    return {
        "n": len(part),
        "bias": float(error.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "coverage": float(covered.mean()) if known else None,
        "coverage_low": float(low) if known else None,
        "coverage_high": float(high) if known else None,
        "width": float((part["high"] - part["low"]).mean()) if known else None,
        "truth_se": float(part["true_se"].mean()),
    }


def band(ess: float) -> str:
    """Name of the band of an effective sample size."""
    low, high = next((low, high) for low, high in BANDS if low <= ess < high)
    return f"{low:g}+" if math.isinf(high) else f"{low:g} to {high:g}"


def errors_by_ess(rows: pd.DataFrame) -> list[Row]:
    """`errors` within each band, lowest first."""
    banded = rows.assign(band=rows["ess"].map(band)).sort_values("ess", kind="stable")
    return errors(banded, ["study", "propensities", "band", "estimator"])


def rank_correlations(rows: pd.DataFrame) -> list[Row]:
    """Spearman correlation of estimates with true values over the policies of a seed: mean and SD over seeds.

    For all policies, and for those whose ESS is at least a floor (at least FEWEST of them).
    """
    found = []
    for floor in FLOORS:
        above = rows[rows["ess"] >= floor]
        for key, part in above.groupby(["study", "propensities", "estimator"], sort=False):
            values = [_rank(seed) for _, seed in part.groupby("seed") if len(seed) >= FEWEST]
            known = [value for value in values if np.isfinite(value)]
            if not known:
                continue
            found.append(
                dict(zip(("study", "propensities", "estimator"), key, strict=True))
                | {
                    "ess_floor": floor,
                    "seeds": len(known),
                    "policies": len(part) / max(part["seed"].nunique(), 1),
                    "rank_correlation": float(np.mean(known)),
                    "rank_sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
                }
            )
    return found


def _rank(part: pd.DataFrame) -> float:
    if part["value"].nunique() < 2 or part["true_value"].nunique() < 2:
        return float("nan")
    return float(part["value"].rank().corr(part["true_value"].rank()))  # Spearman's


def propensity_costs(estimates: pd.DataFrame, curves: pd.DataFrame) -> list[Row]:
    """Errors and median ESS by k and pseudo-count beside the true propensities, with their calibration."""
    by = ["study", "propensities", "k", "pseudo_count"]
    quality = curves[curves["what"] == "all doses"].drop_duplicates([*by, "seed"]).groupby(by)
    calibration = quality[["calibration_error", "log_loss", "log_ratio_rmse"]].mean().replace(np.inf, np.nan)
    found = []
    for row in errors(estimates, [*by, "estimator"]):
        same = estimates
        for name in (*by, "estimator"):
            same = same[same[name] == row[name]]
        known: dict[Hashable, Any] = dict(calibration.loc[tuple(row[name] for name in by)])
        measured = {str(name): _number(value) for name, value in known.items()}
        impossible = float(same["impossible_share"].mean())
        found.append({**row, "median_ess": float(same["ess"].median()), "impossible_share": impossible, **measured})
    return found


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a policy, seed, study and source of propensities: grade, reasons and distance of the estimators, beside
    the estimates of each estimator that is graded (PHWIS and PHWDR; FQE weighs nothing)."""
    found = []
    keys = ["study", "seed", "propensities", "policy"]
    for key, part in rows[rows["policy"] != CLINICIAN].groupby(keys, sort=False):
        results = {str(row.estimator): _result(row) for row in _tuples(part)}
        others = [results["phwdr"], results["fqe"]]
        pooled = float(part.loc[part["estimator"] == "wis", "own_ess"].iloc[0])
        unusual = float(part["unsupported_share"].iloc[0])
        light = support_light(results["phwis"], ESS_FLOOR, unusual, others, pooled)
        shared: Row = dict(zip(keys, key, strict=True)) | {
            "grade": light.grade,
            "reasons": " ".join(light.reasons),
            "apart": apart(results["phwis"], others),
        }
        columns = ["estimator", "value", "low", "high", "true_value", "true_se", "ess", "zero_weight", "max_weight"]
        part = part[part["estimator"] != "fqe"]
        found.append(part[[*columns, "unsupported_share"]].assign(**shared))
    return pd.concat(found, ignore_index=True)


def lights(rows: pd.DataFrame) -> list[Row]:
    """Errors and coverage within each grade, best first."""
    table = judged(rows)
    order = table["grade"].map(GRADES.index)
    table = table.assign(order=order).sort_values("order", kind="stable")
    return errors(table, ["study", "propensities", "grade", "estimator"])


def _result(row: Any) -> OPEResult:
    numbers = row.value, row.low, row.high, int(row.n), row.ess, row.zero_weight, row.max_weight
    return OPEResult(*numbers, str(row.estimator))


def _tuples(frame: pd.DataFrame) -> Iterable[Any]:
    return frame.itertuples()


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def markdown(summary: Row) -> str:
    """The tables for people."""
    settings = summary["settings"]
    seeds = settings["seeds"]
    lines = [
        "# Off-policy estimators against the truth",
        "",
        f"Simulated patients: {settings['n_patients']:,} a cohort, 40 % of them the recorded stays; "
        f"{len(seeds)} seeds ({min(seeds)} to {max(seeds)}), {settings['n_bootstrap']} bootstrap samples. "
        "ESS: effective sample size of PHWIS. Coverage: share of 95 % intervals that hold the true value.",
    ]
    titles = {
        "by_ess": "Bias, error and coverage by ESS",
        "ranks": "Rank correlation with the true order",
        "propensities": "Estimated and true propensities",
        "light": "Coverage within each grade of support",
    }
    columns = {
        "by_ess": ("study", "propensities", "band", "estimator", "n", "bias", "rmse", "coverage", "width"),
        "ranks": ("study", "propensities", "estimator", "ess_floor", "seeds", "policies", "rank_correlation"),
        "propensities": (
            *("study", "propensities", "k", "pseudo_count", "estimator", "n", "bias", "rmse", "coverage"),
            *("median_ess", "calibration_error", "log_loss", "log_ratio_rmse", "impossible_share"),
        ),
        "light": ("study", "propensities", "grade", "estimator", "n", "bias", "rmse", "coverage", "width"),
    }
    for name, title in titles.items():
        lines += ["", f"## {title}", "", *_table(summary[name], columns[name])]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    head = [" | ".join(columns), " | ".join("---" for _ in columns)]
    body = [" | ".join(_text(row[name]) for name in columns) for row in rows]
    return [f"| {line} |" for line in (*head, *body)]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
