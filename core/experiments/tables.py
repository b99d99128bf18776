"""The published tables in shape, from the table of an experiment: one row a preset, cohort, policy and mode.

Numbers are means and standard deviations over repeats. Published numbers stand in columns of their own; they are of
real patients, ours of the cohort named in each row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from core.experiments.published import ABLATIONS, display_name, published
from core.experiments.testing import holm, paired_test

ESTIMATORS = ("phwis", "phwdr")
GRADES = ("supported", "weak", "not supported")  # best first
GROUP = ["preset", "cohort"]
POLICY = ["policy", "mode"]
Row = dict[str, Any]


def value_table(table: pd.DataFrame) -> list[Row]:
    """PHWIS, PHWDR and expected survival of every policy, their support, and the published numbers."""
    rows = []
    for shared, part in _groups(table):
        for (policy, mode), own in part.groupby(POLICY, sort=False):
            first = own[own["estimator"] == "phwis"]
            row = {**shared, **_names(policy, mode), "repeats": int(own["repeat"].nunique())}
            for name in ESTIMATORS:
                row |= spread(name, own.loc[own["estimator"] == name, "value"])
            row |= spread("esr_percent", 100 * first["expected_survival"])
            row |= spread("survival_percent", 100 * first["survival"])
            row |= {"ess_mean": mean(first["ess"]), "ess_min": float(first["ess"].min()), "patients": mean(first["n"])}
            row |= graded(first["support"])
            row |= {f"published_{key}": value for key, value in published(shared["like"], str(policy)).items()}
            rows.append(row)
    return rows


def gain_table(table: pd.DataFrame, reference: str, test_to_train: float) -> list[Row]:
    """Each policy minus a reference on the same repeats, with paired tests, Holm-corrected within preset, cohort and
    estimator. test_to_train: see `paired_test`; on the external cohort all repeats test on the same patients, for which
    no such correction exists."""
    rows: list[Row] = []
    for shared, part in _groups(table):
        ratio = test_to_train if shared["cohort"] == "development" else math.nan
        for name in ESTIMATORS:
            family = [
                {
                    **shared,
                    **_names(policy, mode),
                    "reference": reference,
                    "estimator": name,
                    **_tested(pair["value"], ratio),
                    **graded(pair["support"]),
                }
                for policy, mode, pair in _pairs(part[part["estimator"] == name], reference)
            ]
            for test in ("p_t", "p_corrected", "p_flip"):
                for row, adjusted in zip(family, holm([row[test] for row in family]), strict=True):
                    row[f"{test}_holm"] = float(adjusted)
            for row in family:
                row["comparisons"] = len(family)
                row["published_difference"] = _published_difference(shared["like"], row["policy"], reference, name)
            rows += family
    return rows


def ablation_table(table: pd.DataFrame) -> list[Row]:
    """What each part of the fused policy is estimated to add: fused minus the policy without that part.

    Without stratification: one dueling double DQN for all patients. Without fusion: the single expert.
    """
    rows = []
    for shared, part in _groups(table[table["own_mode"]]):
        for name in ESTIMATORS:
            some = part[part["estimator"] == name]
            fused = some[some["policy"] == "fused"].set_index("repeat")
            for ablation, policy in ABLATIONS.items():
                without = some[some["policy"] == policy].set_index("repeat")
                pair = _pair(fused, without)
                if pair.empty:
                    continue
                row = {**shared, "policy": ablation, "name": display_name(ablation), "estimator": name}
                row |= {**spread("without", without["value"]), **spread("added", pair["value"]), "repeats": len(pair)}
                row |= graded(pair["support"])
                taken = _published_difference(shared["like"], ablation, "fused", name)
                row["published_added"] = None if taken is None else -taken
                rows.append(row)
    return rows


def truth_table(table: pd.DataFrame) -> list[Row]:
    """True value and survival of every policy that was rolled out, the estimates beside, and their error.

    true_se: of the mean over repeats, by the roll-outs alone; true_value_sd: between repeats.
    """
    known = table[table["true_value"].notna()] if "true_value" in table else table.iloc[:0]
    rows = []
    for shared, part in _groups(known):
        for (policy, mode), own in part.groupby(POLICY, sort=False):
            first = own[own["estimator"] == "phwis"]
            row = {**shared, **_names(policy, mode), "repeats": len(first), **graded(first["support"])}
            row |= spread("true_value", first["true_value"])
            row["true_se"] = math.sqrt(float((first["true_se"] ** 2).sum())) / max(len(first), 1)
            row |= spread("true_survival_percent", 100 * first["true_survival"])
            for name in (*ESTIMATORS, "fqe"):
                some = own[own["estimator"] == name]
                row[f"{name}_mean"] = mean(some["value"])
                row[f"{name}_error"] = mean(some["value"] - some["true_value"])
                inside = (some["low"] <= some["true_value"]) & (some["true_value"] <= some["high"])
                row[f"{name}_covers"] = int(inside.sum()) if some["low"].notna().any() else None
            rows.append(row)
    return rows


def shape_table(table: pd.DataFrame) -> list[Row]:
    """How each policy doses: entropy, distance from uniform dosing and from the clinicians, advice without data."""
    measures = ("entropy", "max_probability", "distance_from_uniform", "distance_from_clinicians", "concordance_rate",
                "unsupported_share")  # fmt: skip
    rows = []
    for shared, part in _groups(table[table["estimator"] == "phwis"]):
        for (policy, mode), own in part.groupby(POLICY, sort=False):
            row = {**shared, **_names(policy, mode)}
            for measure in measures:
                row |= spread(measure, own[measure])
            shares = np.mean([np.asarray(shares, dtype=np.float64) for shares in own["action_shares"]], axis=0)
            rows.append({**row, "action_shares": shares.tolist()})
    return rows


def spread(name: str, values: pd.Series) -> Row:
    """{name_mean, name_sd}: over repeats; the SD is None for one repeat."""
    known = values[np.isfinite(values.astype(np.float64))]
    return {f"{name}_mean": mean(known), f"{name}_sd": float(known.std(ddof=1)) if len(known) > 1 else None}


def mean(values: pd.Series) -> float:
    return float(values.mean()) if len(values) else math.nan


def _groups(table: pd.DataFrame) -> Iterator[tuple[Row, pd.DataFrame]]:
    """Each preset and cohort with what its rows share."""
    for (preset, cohort), part in table.groupby(GROUP, sort=False):
        first = part.iloc[0]
        yield (
            {
                "preset": preset,
                "cohort": cohort,
                "like": str(first["like"]),
                "simulated": bool(first["simulated"]),
            },
            part,
        )


def _names(policy: object, mode: object) -> Row:
    return {"policy": str(policy), "mode": str(mode), "name": display_name(str(policy), str(mode))}


def graded(grades: pd.Series) -> Row:
    """{supported, weak, not_supported}: number of repeats of each grade."""
    counts = grades.value_counts()
    return {grade.replace(" ", "_"): int(counts.get(grade, 0)) for grade in GRADES}


def _pair(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """One policy minus another on the repeats of both: value, and support, the worse of the two grades."""
    both = one[["value", "support"]].join(other[["value", "support"]].add_suffix("_other"), how="inner")
    worse = np.maximum(*(both[name].map(GRADES.index).to_numpy() for name in ("support", "support_other")))
    value = both["value"] - both["value_other"]
    return pd.DataFrame({"value": value, "support": [GRADES[i] for i in worse]}, index=both.index).dropna()


def _pairs(part: pd.DataFrame, reference: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(policy, mode, `_pair` over repeats) against the reference in the preset's own mode."""
    base = part[(part["policy"] == reference) & part["own_mode"]].set_index("repeat")
    if base.empty:
        return
    for (policy, mode), own in part.groupby(POLICY, sort=False):
        if policy == reference and bool(own["own_mode"].iloc[0]):
            continue
        yield str(policy), str(mode), _pair(own.set_index("repeat"), base)


def _tested(pair: pd.Series, ratio: float) -> Row:
    test = paired_test(pair.to_numpy(), ratio)
    return {
        "difference_mean": test.difference,
        "difference_sd": test.sd,
        "repeats": test.n,
        "p_t": test.p_t,
        "p_corrected": test.p_corrected,
        "p_flip": test.p_flip,
    }


def _published_difference(like: str, policy: str, reference: str, estimator: str) -> float | None:
    own, other = published(like, policy)[f"{estimator}_mean"], published(like, reference)[f"{estimator}_mean"]
    return None if own is None or other is None else own - other


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """A JSON document: numbers that are not finite become null."""
    return {key: _plain(value) for key, value in document.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
