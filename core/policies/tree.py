"""A policy in words: a small tree on a study's columns that says what a policy does, group of states by group.

A regression tree on what the policy does at each step (a row of probabilities, the last perhaps "as clinicians do"),
grown best first by the squared error, which of probabilities is the Gini impurity. Thresholds are rounded to three
digits before anything is read off, so that the words are the tree and not nearly the tree (Breiman et al. 1984).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.study import Column

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeRegressor

DEPTH, LEAVES = 4, 8  # what a reader can hold
LEAST_SHARE = 0.02  # of the steps, in a group
LEAST_STEPS = 50
LONGEST = 20  # characters of a column's label in words; a longer one gives way to the column's short name
DIGITS = 3  # of a threshold


@dataclass(frozen=True)
class Leaf:
    """A group of states, by its number."""

    number: int


@dataclass(frozen=True)
class Branch:
    """States whose column is at most the threshold go below, all others above."""

    column: int
    threshold: float
    below: Branch | Leaf
    above: Branch | Leaf


@dataclass(frozen=True)
class Limit:
    """low < column <= high, in the study's unit."""

    column: int
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True, eq=False)
class PolicyTree:
    """root of the tree, limits of each group, probs (L, M) mean of what the policy does in it, share (L,) of the steps
    from which the tree was grown."""

    root: Branch | Leaf
    limits: tuple[tuple[Limit, ...], ...]
    probs: np.ndarray
    share: np.ndarray

    def groups(self, states: np.ndarray) -> np.ndarray:
        """(...) group 0..L-1 of states (..., D) in the study's units."""
        found = np.zeros(states.shape[:-1], dtype=np.int64)
        for number, limits in enumerate(self.limits):
            inside = np.ones(found.shape, dtype=bool)
            for limit in limits:
                inside &= (states[..., limit.column] > limit.low) & (states[..., limit.column] <= limit.high)
            found[inside] = number
        return found


def grow_tree(
    states: np.ndarray, targets: np.ndarray, depth: int = DEPTH, leaves: int = LEAVES, least_share: float = LEAST_SHARE
) -> PolicyTree:
    """The tree of states (n, D), in the study's units, and what a policy does there, targets (n, M): rows sum to 1."""
    from sklearn.tree import DecisionTreeRegressor

    least = max(min(LEAST_STEPS, len(states)), int(np.ceil(least_share * len(states))))
    grown = DecisionTreeRegressor(
        max_depth=depth, max_leaf_nodes=max(leaves, 2), min_samples_leaf=least, random_state=0
    ).fit(states, targets)
    root, limits = _read(grown, 0, (), [])
    tree = PolicyTree(root, tuple(limits), np.zeros((len(limits), targets.shape[1])), np.zeros(len(limits)))
    group = tree.groups(states)
    n = np.bincount(group, minlength=len(limits))
    total = np.stack([np.bincount(group, column, minlength=len(limits)) for column in targets.T], axis=1)
    # a group that rounding has emptied holds no state at all, and says what the policy does on the whole
    probs = np.where(n[:, None] > 0, total / np.maximum(n, 1)[:, None], targets.mean(axis=0))
    return PolicyTree(root, tuple(limits), probs, n / len(states))


def _read(
    grown: DecisionTreeRegressor, node: int, path: tuple[Limit, ...], found: list[tuple[Limit, ...]]
) -> tuple[Branch | Leaf, list[tuple[Limit, ...]]]:
    """The tree from a node on, whose limits are the path; appends the limits of its leaves from left to right."""
    inner: Any = grown.tree_
    if inner.children_left[node] < 0:
        found.append(path)
        return Leaf(len(found) - 1), found
    column, threshold = int(inner.feature[node]), float(f"{inner.threshold[node]:.{DIGITS}g}")
    below, _ = _read(grown, inner.children_left[node], _narrowed(path, column, high=threshold), found)
    above, _ = _read(grown, inner.children_right[node], _narrowed(path, column, low=threshold), found)
    return Branch(column, threshold, below, above), found


def _narrowed(path: tuple[Limit, ...], column: int, low: float = -np.inf, high: float = np.inf) -> tuple[Limit, ...]:
    """The limits with one column's narrowed, in the order in which columns came."""
    if all(limit.column != column for limit in path):
        return (*path, Limit(column, low, high))
    return tuple(
        Limit(column, max(limit.low, low), min(limit.high, high)) if limit.column == column else limit for limit in path
    )


def side_text(column: Column, above: bool, threshold: float) -> str:
    """'Platelets > 82 10^9/L'; of a 0/1 column its word."""
    title = column.label if 0 < len(column.label) <= LONGEST else column.name
    if column.binary:
        return column.word(float(above)) or (title if above else f"no {title[:1].lower()}{title[1:]}")
    unit = "" if column.unit == "1" else f" {column.unit}"
    return f"{title} {'>' if above else '≤'} {threshold:,g}{unit}"


def limit_text(columns: Sequence[Column], limit: Limit) -> str:
    """'Platelets > 50 and ≤ 82 10^9/L'."""
    column = columns[limit.column]
    if np.isinf(limit.low) or np.isinf(limit.high) or column.binary:
        above = np.isfinite(limit.low)
        return side_text(column, bool(above), limit.low if above else limit.high)
    upper = side_text(column, False, limit.high)
    return upper.replace(" ≤ ", f" > {limit.low:,g} and ≤ ")


def group_text(columns: Sequence[Column], tree: PolicyTree, number: int) -> str:
    """'SOFA score ≤ 6 points, Platelets > 82 10^9/L'; 'all states' where there is one group."""
    return ", ".join(limit_text(columns, limit) for limit in tree.limits[number]) or "all states"


def tree_lines(columns: Sequence[Column], tree: PolicyTree, said: list[str]) -> Iterator[str]:
    """The tree as indented lines, a group's line ending in what is `said` of it."""

    def walk(node: Branch | Leaf, indent: str) -> Iterator[str]:
        if isinstance(node, Leaf):
            yield f"{indent}{said[node.number]}"
            return
        column = columns[node.column]
        for child, above in ((node.below, False), (node.above, True)):
            text = f"{indent}{side_text(column, above, node.threshold)}"
            if isinstance(child, Leaf):
                yield f"{text}: {said[child.number]}"
            else:
                yield text
                yield from walk(child, f"{indent}    ")

    return walk(tree.root, "")
