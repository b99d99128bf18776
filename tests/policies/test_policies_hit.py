"""Falls under the drug and the 4Ts, by hand, against a slow twin, and without a look at what comes later."""

from __future__ import annotations

import numpy as np
import pytest

from core.policies.hit import OTHER, THROMBOCYTOPENIA, THROMBOSIS, TIMING, fall_under_drug, four_ts


def stay(counts: list[float], doses: list[int], every: float = 4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One stay as (1, T) counts, doses and hours."""
    return np.array([counts], dtype=float), np.array([doses]), every * np.arange(len(counts))[None]


def slow_fall(values: np.ndarray, actions: np.ndarray, hours: np.ndarray, within: float) -> np.ndarray:
    """The definition, step by step on lists."""
    falls = np.zeros(values.shape)
    for i, t in np.ndindex(*values.shape):
        earlier = [
            values[i, s]
            for s in range(t)
            if hours[i, t] - hours[i, s] <= within and any(actions[i, r] > 0 for r in range(s, t))
        ]
        highest = max(earlier, default=0.0)
        if highest > 0 and not np.isnan(values[i, t]):
            falls[i, t] = 100 * max(0.0, 1 - values[i, t] / highest)
    return falls


def test_a_fall_counts_from_the_highest_value_with_the_drug_in_between() -> None:
    counts, doses, hours = stay([200, 100, 180, 90, 120], [0, 0, 1, 0, 0])
    found = fall_under_drug(counts, doses, hours)
    np.testing.assert_allclose(found, [[0, 0, 0, 100 * (1 - 90 / 200), 100 * (1 - 120 / 200)]])
    near = fall_under_drug(counts, doses, hours, within=8.0)
    np.testing.assert_allclose(near, [[0, 0, 0, 50, 100 * (1 - 120 / 180)]])


def test_the_dose_of_a_step_comes_after_its_value() -> None:
    assert fall_under_drug(*stay([200, 100], [0, 3])).max() == 0
    assert fall_under_drug(*stay([200, 100], [3, 0]))[0, 1] == 50


def test_falls_are_those_of_the_slow_twin_at_uneven_hours() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 9, (60, 11)).astype(float)
    values[:10, 8:] = np.nan  # padding
    actions, hours = (rng.random((60, 11)) < 0.25).astype(int), np.cumsum(rng.uniform(0.5, 9, (60, 11)), axis=1)
    for within in (6.0, 24.0, np.inf):
        np.testing.assert_allclose(
            fall_under_drug(values, actions, hours, within), slow_fall(values, actions, hours, within)
        )


@pytest.mark.parametrize(
    ("counts", "points"),
    [
        ([100, 71], 0),  # 29 %
        ([100, 70], 1),  # 30 %
        ([100, 50], 1),  # 50 % is not more than 50
        ([100, 49], 2),
        ([60, 20], 2),
        ([60, 19], 1),  # more than 50 %, but a count under 20
        ([20, 19], 1),  # a count of 10 to 19 alone
        ([60, 9], 0),  # a count under 10 speaks against HIT
    ],
)
def test_points_for_the_count_are_those_of_the_table(counts: list[float], points: int) -> None:
    found = four_ts(*stay(counts, [1, 0]))
    assert found.low[0, 1, THROMBOCYTOPENIA] == found.high[0, 1, THROMBOCYTOPENIA] == points
    assert found.low[0, 0].tolist() == [0, 0, 0, 0], "before the first dose nothing can have come of it"


@pytest.mark.parametrize(
    ("day", "known", "points"),
    [
        (3, 0, (0, 0)),
        (4, 0, (1, 1)),
        (5, 0, (2, 2)),
        (10, 0, (2, 2)),
        (11, 0, (1, 1)),
        (1, 1, (2, 2)),
        (3, 1, (0, 2)),
        (1, None, (0, 2)),
        (7, None, (0, 2)),
    ],
)
def test_points_for_timing_are_known_where_earlier_heparin_is(
    day: int, known: int | None, points: tuple[int, int]
) -> None:
    """Steps of a day; the drug at the first, the fall after some days."""
    counts, doses, hours = stay([200.0] * day + [100.0], [1] + [0] * day, every=24.0)
    exposed = None if known is None else np.full(counts.shape, known)
    found = four_ts(counts, doses, hours, exposed=exposed)
    assert (found.low[0, -1, TIMING], found.high[0, -1, TIMING]) == points
    assert found.high[0, -2, TIMING] == 0, "without a fall there is nothing to time"


def test_thrombosis_counts_from_when_it_was_there_and_another_cause_as_told() -> None:
    counts, doses, hours = stay([200, 100, 100], [1, 0, 0])
    clot = np.array([[0, 1, 0]])
    found = four_ts(counts, doses, hours, "possible", thrombosis=clot)
    assert found.low[0, :, THROMBOSIS].tolist() == found.high[0, :, THROMBOSIS].tolist() == [0, 2, 2]
    assert set(found.low[..., OTHER].ravel()) == {1}
    unknown = four_ts(counts, doses, hours)
    assert (unknown.low[..., OTHER].max(), unknown.high[..., OTHER].min()) == (0, 2)


def test_a_word_is_said_only_where_what_is_not_recorded_cannot_change_it() -> None:
    counts, doses, hours = stay([200, 150, 130, 90], [1, 0, 0, 0])
    found = four_ts(counts, doses, hours, "definite")
    assert found.words.tolist() == [["unlikely", "unlikely", "unknown", "unknown"]]
    np.testing.assert_array_equal(found.low.sum(axis=-1), [[0, 0, 1, 2]])
    np.testing.assert_array_equal(found.high.sum(axis=-1), [[2, 2, 5, 6]])
    whole = four_ts(counts, doses, hours, "none", np.ones(counts.shape), np.ones(counts.shape))
    assert whole.words[0, -1] == "possible"
    assert (whole.low[0, -1] == whole.high[0, -1]).all()
    calm = four_ts(counts, doses, hours, "definite", np.zeros(counts.shape), np.zeros(counts.shape))
    assert set(calm.words.ravel()) == {"unlikely"}, "early, no thrombosis, another cause: two points at most"


def test_without_the_drug_on_record_it_is_unlikely() -> None:
    found = four_ts(*stay([200, 40, 15], [0, 0, 2]), other_cause="definite")
    assert set(found.words.ravel()) == {"unlikely"}
    assert not found.given.any()


def test_nothing_looks_ahead() -> None:
    """What is said of the first steps is the same whatever follows them."""
    rng = np.random.default_rng(1)
    counts, doses = rng.uniform(5, 300, (40, 12)), rng.integers(0, 3, (40, 12))
    hours = np.cumsum(rng.uniform(1, 30, (40, 12)), axis=1)
    exposed, clots = rng.integers(0, 2, (40, 12)), rng.integers(0, 2, (40, 12))
    whole = four_ts(counts, doses, hours, "possible", exposed, clots)
    for known in range(1, 12):
        past = np.where(np.arange(12) < known - 1, doses, 0)  # not even the dose of the step itself
        later = counts.copy()
        later[:, known:] = rng.uniform(5, 300, (40, 12 - known))
        part = four_ts(later, past, hours, "possible", exposed, clots)
        for name in ("low", "high", "fall", "lowest", "given"):
            np.testing.assert_array_equal(getattr(part, name)[:, :known], getattr(whole, name)[:, :known])
