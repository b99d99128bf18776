"""Tables of the mix's lab: how near estimates came, whether intervals held the truth, what the advice was worth.

Estimates with fewer than `ESS_FLOOR` effective stays, by the ratio of whole stays, are left out. Worlds whose
clinicians know what no record holds are told apart: no estimate from records can be right there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from core.base.files import write_json
from core.base.statistics import Z95
from core.experiments.judgment_evidence import PATH
from tests.benchmarks.mix_worlds import HIDDEN

ESS_FLOOR, CLEAR = 30.0, 0.3  # CLEAR: true differences that are told apart
LOSS = 0.1  # of the advice against the clinicians that counts as one


def summaries(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables by name."""
    kept = rows[(rows["policy"] != "gate") & (rows["ess"] >= ESS_FLOOR)]
    open_worlds = kept[~kept["world"].isin(HIDDEN)]
    chosen = rows[rows["policy"] == "gate"]
    return {
        "estimators": _scored(open_worlds, ["patients", "estimator"]),
        "worlds": _scored(kept[kept["estimator"] == "mix"], ["patients", "world"]),
        "grades": _scored(open_worlds[open_worlds["estimator"] == "mix"], ["patients", "grade"]),
        "advice": _advice(chosen[chosen["estimator"] == "mix"], ["patients", "world"]),
        "gates": _advice(chosen[~chosen["world"].isin(HIDDEN)], ["patients", "estimator"]),
    }


def publish(rows: pd.DataFrame) -> None:
    """Keep the tables where pages read them."""
    tables = {name: _records(table) for name, table in summaries(rows).items()}
    seeds = sorted(int(seed) for seed in rows["seed"].unique())
    cells = rows.groupby("patients").apply(lambda part: part.groupby(["world", "seed"]).ngroups)
    head = {"schema_version": 1, "date": datetime.now(UTC).date().isoformat(), "ess_floor": ESS_FLOOR, "clear": CLEAR}
    counts = {str(size): int(count) for size, count in cells.items()}
    write_json(PATH, {**head, "seeds": [seeds[0], seeds[-1]], "cohorts": counts, "tables": tables})


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for row in table.to_dict("records"):
        rows.append({str(k): None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()})
    return rows


def _scored(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    groups = rows.groupby(by, sort=False)
    return pd.DataFrame([dict(zip(by, name, strict=True)) | _scores(part) for name, part in groups]).round(3)


def _scores(part: pd.DataFrame) -> dict[str, float]:
    """Errors of differences over the estimates; cover_se from the cohorts, whose estimates belong together."""
    part = part.assign(error=part["value"] - part["truth"])
    part["held"] = part["error"].abs() <= Z95 * part["se"]
    clear = part["truth"].abs() > CLEAR
    cohorts = [cohort for _, cohort in part.groupby(["world", "seed"])]
    apart = [cohort for cohort in cohorts if len(cohort) > 2 and cohort["truth"].std() > 0]
    return {
        "cohorts": len(cohorts),
        "n": len(part),
        "rmse": float(np.sqrt((part["error"] ** 2).mean())),
        "bias": part["error"].mean(),
        "covers": part["held"].mean(),
        "cover_se": _clustered(cohorts),
        "width": 2 * Z95 * part["se"].mean(),
        "sign": (np.sign(part["value"]) == np.sign(part["truth"]))[clear].mean(),
        "rank": _mean([cohort["value"].corr(cohort["truth"], method="spearman") for cohort in apart]),
        "pairs": _mean([concordance(cohort) for cohort in apart]),
    }


def _clustered(cohorts: Sequence[pd.DataFrame]) -> float:
    """Standard error of the share of intervals that hold, by cohort; NaN for one."""
    if len(cohorts) < 2:
        return float("nan")
    total = sum(len(cohort) for cohort in cohorts)
    mean = sum(cohort["held"].sum() for cohort in cohorts) / total
    off = np.array([(cohort["held"] - mean).sum() for cohort in cohorts])
    return float(np.sqrt(len(off) / (len(off) - 1) * (off**2).sum()) / total)


def _mean(found: Sequence[float]) -> float:
    """Of the cohorts that have one; NaN where none has."""
    known = [value for value in found if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def concordance(cohort: pd.DataFrame) -> float:
    """Share of clearly different pairs of policies in their true order; NaN where there are none."""
    truth, value = cohort["truth"].to_numpy(), cohort["value"].to_numpy()
    apart, order = truth[:, None] - truth, value[:, None] - value
    right = (np.sign(apart) == np.sign(order))[apart > CLEAR]
    return float(right.mean()) if len(right) else float("nan")


def _advice(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """What the gated advice is worth in truth; lost: cohorts whose patients it costs more than `LOSS`."""
    part = rows.astype({"falls_back": float, "claims": float, "ungated": float})
    part = part.assign(lost=part["truth"] < -LOSS)
    table = part.groupby(by, sort=False).agg(
        cohorts=("truth", "size"), ungated=("ungated", "mean"), gain=("truth", "mean"), worst=("truth", "min"),
        lost=("lost", "sum"), falls_back=("falls_back", "mean"), claims=("claims", "mean"),
    )  # fmt: skip
    return table.reset_index().round(3)
