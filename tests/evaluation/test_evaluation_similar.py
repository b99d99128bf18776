"""Similar states share their hazards, are near in every column alike, and are never one's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation import find_similar
from core.evaluation.similar import similar_but_for_one


def states(seed: int, n: int = 60, d: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * [1, 10, 0.1, 100], rng.integers(0, 3, n), rng.integers(0, 12, n)


def slow(bank, bands, groups, state, band, group, k: int) -> tuple[list[int], float]:
    """Rows of the k nearest, by a plain loop, and their mean distance."""
    spread = bank.std(axis=0)
    far = sorted(
        (float(np.sqrt((((bank[i] - state) / spread) ** 2).sum())), i)
        for i in range(len(bank))
        if bands[i] == band and groups[i] != group
    )[:k]
    return [i for _, i in far], float(np.mean([d for d, _ in far])) if far else np.inf


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_the_search_is_that_of_a_plain_loop(seed: int, k: int) -> None:
    bank, bands, groups = states(seed)
    asked, theirs, whose = states(seed + 1, 7)
    found = find_similar(bank, bands, groups, asked, theirs, whose, k)
    for i in range(len(asked)):
        rows, distance = slow(bank, bands, groups, asked[i], theirs[i], whose[i], k)
        assert found.rows[i][found.rows[i] >= 0].tolist() == rows
        assert (found.rows[i] >= 0).tolist() == [j < len(rows) for j in range(k)]
        assert found.distance[i] == pytest.approx(distance, rel=1e-4)
        expected = (found.reference >= found.distance[i]).mean() if rows else 0.0
        assert found.support[i] == pytest.approx(expected, abs=1e-6)


def test_a_column_in_another_unit_changes_nothing() -> None:
    bank, bands, groups = states(5)
    asked = (bank[:9] + 0.01, bands[:9], groups[:9])
    scale = np.array([1000.0, 1.0, 1.0, 0.001])
    ours = find_similar(bank, bands, groups, *asked, k=5)
    theirs = find_similar(bank * scale, bands, groups, asked[0] * scale, *asked[1:], k=5)
    assert np.array_equal(ours.rows, theirs.rows)
    np.testing.assert_allclose(ours.distance, theirs.distance, rtol=1e-4)


def test_where_nobody_else_is_in_the_band_nothing_is_similar_and_nothing_is_supported() -> None:
    bank, bands, groups = states(6)
    groups[bands == 2] = 99  # one person alone meets this hazard
    found = find_similar(bank, bands, groups, bank[:1], np.array([2]), np.array([99]))
    assert (found.rows == -1).all()
    assert found.support[0] == 0
    assert np.isinf(found.distance[0])
    unseen = find_similar(bank, bands, groups, bank[:1], np.array([7]), np.array([0]))
    assert (unseen.rows == -1).all()


def test_an_earlier_reference_gives_the_same_support() -> None:
    bank, bands, groups = states(7)
    first = find_similar(bank, bands, groups, bank, bands, groups, 5, seed=1)
    again = find_similar(bank, bands, groups, bank[3:4], bands[3:4], groups[3:4], 5, reference=first.reference)
    assert again.support[0] == first.support[3]
    assert 0.4 < first.support.mean() < 0.6  # in the midst of its own kind


def test_shapes_that_do_not_fit_are_refused() -> None:
    bank, bands, groups = states(8)
    with pytest.raises(ValueError, match="do not fit together"):
        find_similar(bank, bands[:-1], groups, bank, bands, groups)
    with pytest.raises(ValueError, match="bands"):
        find_similar(bank, bands, groups, bank, bands[:-1], groups)


@given(st.integers(0, 10_000), st.integers(1, 70))
def test_nearest_but_for_one_column_is_nearest_without_the_column(seed: int, k: int) -> None:
    bank, bands, groups = states(seed)
    hazards = np.zeros((len(bank), 4), dtype=int)
    hazards[:, 2] = bands
    state, band, group = (part[0] for part in states(seed + 1, 1))
    mine = np.array([0, 0, band, 0])
    found = similar_but_for_one(bank, hazards, groups, state, mine, group, k)
    for j in range(4):
        kept = [i for i in range(4) if i != j]
        same = bands if j != 2 else np.full(len(bands), band)  # hazards of the column go with it
        rows, _ = slow(bank[:, kept], same, groups, state[kept], band, group, k)
        assert found[j][found[j] >= 0].tolist() == rows


def test_other_codes_are_as_far_apart_as_numbers_drawn_at_random() -> None:
    bank = np.array([[0.0, 3.0], [0.1, 7.0], [5.0, 3.0], [9.0, 7.0]])  # 7 is not nearer to 8 than 3 is
    nothing, groups = np.zeros((4, 2), dtype=int), np.arange(4)
    found = similar_but_for_one(bank, nothing, groups, bank[0], nothing[0], 0, 3, np.array([False, True]))
    assert found[0].tolist()[0] == 2, "with the number left out, the one of the same code comes first"
    assert found[1].tolist() == [1, 2, 3], "with the code left out, numbers alone count"
