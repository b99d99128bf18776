"""A policy's tree: it finds planted groups, its words are the tree, and it stays small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policies.tree import DEPTH, LEAVES, Branch, Leaf, group_text, grow_tree, tree_lines
from core.study import load_study

STUDY = load_study("thrombocytopenia")
PLATELETS = STUDY.index("Platelets")
EDGE = sum(STUDY.columns[PLATELETS].plausible) / 2


def states(seed: int, n: int = 2_000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = np.array([column.plausible for column in STUDY.columns]).T
    found = low + (high - low) * rng.random((n, STUDY.n_columns))
    binary = [column.binary for column in STUDY.columns]
    found[:, binary] = (found[:, binary] > 0.5).astype(float)
    return found


def planted(x: np.ndarray) -> np.ndarray:
    """None for few platelets, else by sex the second or the third of three doses."""
    few = x[:, PLATELETS] <= EDGE
    return np.eye(3)[np.where(few, 0, 1 + x[:, STUDY.index("Gender")].astype(int))]


def test_planted_groups_are_found_and_told_in_words() -> None:
    x = states(0)
    tree = grow_tree(x, planted(x))
    assert isinstance(tree.root, Branch)
    edge = tree.root.threshold
    assert edge == pytest.approx(EDGE, abs=10)
    fresh = states(1)
    away = np.abs(fresh[:, PLATELETS] - EDGE) > 10  # a threshold has three digits
    np.testing.assert_allclose(tree.probs[tree.groups(fresh)][away], planted(fresh)[away], atol=0.01)
    said, unit = [["none", "little", "much"][int(p.argmax())] for p in tree.probs], STUDY.columns[PLATELETS].unit
    assert list(tree_lines(STUDY.columns, tree, said)) == [
        f"Platelets ≤ {edge:,g} {unit}: none",
        f"Platelets > {edge:,g} {unit}",
        "    male: little",
        "    female: much",
    ]
    assert group_text(STUDY.columns, tree, 2) == f"Platelets > {edge:,g} {unit}, female"


@given(st.integers(0, 10_000))
def test_groups_part_the_states_as_the_tree_does_and_hold_the_mean(seed: int) -> None:
    x = states(seed, 400)
    target = np.random.default_rng(seed).dirichlet(np.ones(4), size=len(x))
    tree = grow_tree(x, target)
    assert len(tree.limits) <= LEAVES

    def walk(node, row: np.ndarray, depth: int = 0) -> int:
        assert depth <= DEPTH
        if isinstance(node, Leaf):
            return node.number
        return walk(node.below if row[node.column] <= node.threshold else node.above, row, depth + 1)

    group = tree.groups(x)
    assert group.tolist() == [walk(tree.root, row) for row in x]
    for number in np.unique(group):
        np.testing.assert_allclose(tree.probs[number], target[group == number].mean(axis=0))
    assert tree.share.sum() == pytest.approx(1)
    inside = [(x[:, a.column] > a.low) & (x[:, a.column] <= a.high) for a in tree.limits[int(group[0])]]
    np.testing.assert_array_equal(np.all(inside, axis=0), group == group[0])


def test_a_policy_that_always_does_the_same_has_one_group() -> None:
    x = states(3, 300)
    tree = grow_tree(x, np.tile([0.0, 1.0], (300, 1)))
    assert (tree.root, len(tree.limits)) == (Leaf(0), 1)
    assert group_text(STUDY.columns, tree, 0) == "all states"
    assert list(tree_lines(STUDY.columns, tree, ["always"])) == ["always"]
