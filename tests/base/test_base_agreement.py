"""The adjusted Rand index is scikit-learn's, which takes longer to read than a lesson that needs no more of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from core.base.statistics import adjusted_rand

GROUPS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=60)


@given(GROUPS)
def test_it_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    assert adjusted_rand(first, second) == adjusted_rand_score(first, second)


def test_names_of_groups_do_not_matter_and_halves_agree_by_chance() -> None:
    labels = np.repeat([0, 1, 2], 40)
    assert adjusted_rand(labels, np.array(["c", "a", "b"])[labels]) == 1
    assert abs(adjusted_rand(labels, np.tile([0, 1], 60))) < 0.02
