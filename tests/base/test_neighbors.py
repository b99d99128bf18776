"""Nearest neighbors: exact against a full sort, nearly so where asked."""

from __future__ import annotations

import numpy as np
import pytest

from core.base.neighbors import FEWEST_APPROXIMATE, Neighbors


def brute_force(rows: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distance = np.sqrt(np.square(queries[:, None].astype(float) - rows).sum(axis=-1))
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distance, order, axis=1), order


@pytest.mark.parametrize("approximate", [False, True])
def test_few_rows_are_searched_exactly(approximate: bool) -> None:
    rng = np.random.default_rng(0)
    rows, queries = rng.normal(size=(500, 7)), rng.normal(size=(60, 7))
    distances, found = Neighbors(rows, approximate).search(queries, 40)
    expected, order = brute_force(rows.astype(np.float32), queries.astype(np.float32), 40)
    assert (found == order).all()
    assert distances == pytest.approx(expected, abs=1e-3)


def test_a_row_is_its_own_nearest_at_distance_zero() -> None:
    rows = np.random.default_rng(1).normal(size=(200, 5)) * 1e3
    distances, found = Neighbors(rows).search(rows, 3)
    assert (found[:, 0] == np.arange(200)).all()
    assert (distances[:, 0] < 1e-3 * distances[:, 1]).all()
    assert (np.diff(distances, axis=1) >= 0).all()


def test_blocks_of_queries_leave_the_answer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    index, queries = Neighbors(rng.normal(size=(300, 4))), rng.normal(size=(50, 4))
    whole = index.search(queries, 9)
    monkeypatch.setattr("core.base.neighbors.QUERY_BLOCK", 7)
    parts = index.search(queries, 9)
    assert (whole[1] == parts[1]).all()
    assert parts[0] == pytest.approx(whole[0], abs=1e-5)


def test_an_approximate_search_finds_nearly_all_neighbors_of_correlated_rows() -> None:
    """Rows like states of stays: they fill few directions of their space."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(FEWEST_APPROXIMATE, 6)) @ rng.normal(size=(6, 36))
    queries = rows[:200] + 0.1
    exact, near = Neighbors(rows).search(queries, 100)[1], Neighbors(rows, approximate=True).search(queries, 100)[1]
    recall = np.mean([len(np.intersect1d(a, b)) / 100 for a, b in zip(exact, near, strict=True)])
    assert recall > 0.9


def test_a_query_far_from_all_cells_of_the_approximate_search_still_gets_k_rows() -> None:
    rng = np.random.default_rng(4)
    rows = np.vstack([rng.normal(size=(FEWEST_APPROXIMATE, 4)), 50 + rng.normal(size=(40, 4))]).astype(np.float32)
    query, k = np.full((1, 4), 50, dtype=np.float32), 8_000  # 16 cells of 256 hold fewer
    distances, found = Neighbors(rows, approximate=True).search(query, k)
    expected, order = brute_force(rows, query, k)
    assert set(found[0]) == set(order[0])
    assert distances == pytest.approx(expected, rel=1e-3)
