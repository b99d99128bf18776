"""SOFA scores against a plain reading of the definition, patient by patient and step by step."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from core.base.rng import stream
from core.cohort.extract.sofa import OrganValues, sofa2_scores, sofa_scores

RANGES = {
    "ratio_ventilated": (50, 500), "ratio_breathing": (50, 500), "platelets": (5, 300), "bilirubin": (0, 15),
    "pressure": (40, 110), "pressor": (0, 0.3), "dopamine": (0, 20), "dobutamine": (0, 10), "coma": (3, 15),
    "creatinine": (0.4, 7), "urine": (0, 1500),
}  # fmt: skip


def random_values(shape: tuple[int, int], seed: int) -> OrganValues:
    rng = stream(seed, "sofa")
    arrays = {}
    for name, (low, high) in RANGES.items():
        values = rng.uniform(low, high, shape)
        arrays[name] = np.where(rng.random(shape) < 0.6, np.nan, values)
    arrays["coma"] = np.round(arrays["coma"])
    return OrganValues(**arrays)


def nothing(steps: int = 8) -> OrganValues:
    """One patient of whom nothing is known."""
    empty = np.full((1, steps), np.nan)
    return OrganValues(
        **{field.name: empty for field in fields(OrganValues) if field.name not in ("dialysis", "weight")}
    )


def plain_sofa(v: OrganValues, i: int, t: int, steps: int) -> int:
    """The score of patient i at step t, written out."""
    days = range(max(t - steps + 1, 0), t + 1)

    def worst(name: str, worse) -> float | None:
        seen = [float(getattr(v, name)[i, d]) for d in days if not np.isnan(getattr(v, name)[i, d])]
        return worse(seen) if seen else None

    def low(name: str, cuts: tuple[float, ...]) -> int:
        value = worst(name, min)
        return 0 if value is None else sum(value < cut for cut in cuts)

    def high(name: str, cuts: tuple[float, ...]) -> int:
        value = worst(name, max)
        return 0 if value is None else sum(value >= cut for cut in cuts)

    circulation = [low("pressure", (70,))]
    circulation += [2] * ((worst("dobutamine", max) or 0) > 0 or (worst("dopamine", max) or 0) > 0)
    circulation += [3] * ((worst("dopamine", max) or 0) > 5 or (worst("pressor", max) or 0) > 0)
    circulation += [4] * ((worst("dopamine", max) or 0) > 15 or (worst("pressor", max) or 0) > 0.1)
    kidney = [high("creatinine", (1.2, 2, 3.5, 5))]
    kidney.append({0: 0, 1: 3, 2: 4}[low("urine", (500, 200))])
    return (
        max(low("ratio_breathing", (400, 300)), low("ratio_ventilated", (400, 300, 200, 100)))
        + low("platelets", (150, 100, 50, 20))
        + high("bilirubin", (1.2, 2, 6, 12))
        + max(circulation)
        + low("coma", (15, 13, 10, 6))
        + max(kidney)
    )


@pytest.mark.parametrize("step_hours", [1.0, 4.0, 8.0, 48.0])
def test_matches_the_plain_reading(step_hours: float) -> None:
    values = random_values((12, 14), seed=int(step_hours))
    scores = sofa_scores(values, step_hours)
    steps = max(round(24 / step_hours), 1)
    plain = [[plain_sofa(values, i, t, steps) for t in range(14)] for i in range(12)]
    np.testing.assert_array_equal(scores, plain)
    assert scores.dtype == np.float32
    assert 0 < scores.mean() < 24


def test_nothing_known_scores_zero_and_all_lost_scores_24() -> None:
    assert (sofa_scores(nothing(), 4.0) == 0).all()
    worst = {"ratio_ventilated": 80, "platelets": 10, "bilirubin": 13, "pressor": 0.2, "coma": 3, "creatinine": 6}
    filled = {name: np.full((1, 8), float(value)) for name, value in worst.items()}
    assert (sofa_scores(replace(nothing(), **filled), 4.0) == 24).all()


def test_a_bad_ratio_without_a_ventilator_scores_two() -> None:
    assert (sofa_scores(replace(nothing(), ratio_breathing=np.full((1, 8), 80.0)), 4.0) == 2).all()


def test_a_value_counts_for_a_day() -> None:
    platelets = np.full((1, 8), np.nan)
    platelets[0, 1] = 90
    assert sofa_scores(replace(nothing(), platelets=platelets), 4.0)[0].tolist() == [0, 2, 2, 2, 2, 2, 2, 0]


@pytest.mark.parametrize(
    ("organ", "points"),
    [
        ({"ratio_breathing": 300}, 1), ({"ratio_breathing": 100}, 2), ({"ratio_ventilated": 150}, 3),
        ({"ratio_ventilated": 75}, 4),
        ({"platelets": 151}, 0), ({"platelets": 80}, 3), ({"platelets": 50}, 4), ({"bilirubin": 3.0}, 1),
        ({"bilirubin": 12.1}, 4),
        ({"pressure": 69}, 1), ({"pressor": 0.2}, 2), ({"pressor": 0.3}, 3), ({"pressor": 0.1, "dobutamine": 2}, 3),
        ({"pressor": 0.5}, 4), ({"dopamine": 3}, 2), ({"coma": 9}, 2), ({"coma": 8}, 3), ({"coma": 5}, 4),
        ({"creatinine": 3.6}, 3), ({"dialysis": 100}, 4), ({"urine": 500, "weight": 80}, 3),
        ({"urine": 900, "weight": 80}, 2),
    ],
)  # fmt: skip
def test_the_score_of_2025_by_organ(organ: dict[str, float], points: int) -> None:
    filled = {name: np.full((1, 1 if name == "weight" else 8), float(value)) for name, value in organ.items()}
    assert (sofa2_scores(replace(nothing(), **filled), 4.0) == points).all()
