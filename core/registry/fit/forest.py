"""Random forest of the reward: regression on the features of the state and one indicator a drug.

Drug indicators, rather than one column a combination, let combinations share what is known of their drugs: most of
them were given to a handful of patients. The best action is the combination with the highest predicted reward.

A leaf is a box: it holds the rows whose state lies in its state bounds and whose drugs lie in its drug bounds. So the
forest's value of n states under A combinations is one product of two 0/1 matrices,

    Q = S diag(v) D^T / n_trees      S (n, leaves): state in the leaf's box; D (A, leaves): drugs in it; v: leaf means

instead of n A walks through every tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from core.agents.forests import Forest, LeafAverages, fit_forest
from core.base.errors import ArtifactError
from core.base.files import read_arrays, write_arrays
from core.base.rng import derive_seed
from core.registry.config import ForestConfig

CHUNK_NUMBERS = 8_000_000  # comparisons, or predictions, held at once


@dataclass(frozen=True, eq=False)
class RewardForest:
    """Structure and leaf means (leaves,) of a forest over n_columns state columns, then the drugs."""

    forest: Forest
    means: np.ndarray
    n_columns: int

    def predict(self, inputs: np.ndarray, drugs: np.ndarray) -> np.ndarray:
        """Predicted reward of each state under each combination: (n, D), (A, n_drugs) 0/1 -> (n, A) float32."""
        return np.concatenate([part for parts in self._predicted(inputs, drugs, self.means[None]) for part in parts])

    def best(self, inputs: np.ndarray, drugs: np.ndarray, means: np.ndarray) -> np.ndarray:
        """(J, n) combination of highest predicted reward, had the leaves these means (J, leaves): see `averaged`."""
        found = [np.stack([one.argmax(axis=1) for one in part]) for part in self._predicted(inputs, drugs, means)]
        return np.concatenate(found, axis=1)

    def averaged(self, inputs: np.ndarray, drugs: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        """(J, leaves) float32 means of the leaves, which stay as they are, in J other rewards of the decisions that the
        forest was grown on: inputs (n, D), drugs (n, n_drugs), rewards (n, J)."""
        rows = np.concatenate([inputs, drugs], axis=1).astype(np.float32)
        averages = LeafAverages(self.forest.leaves(rows), self.forest.n_leaves)
        return averages.average(np.asarray(rewards, dtype=np.float32)).T.astype(np.float32)

    def _predicted(self, inputs: np.ndarray, drugs: np.ndarray, means: np.ndarray) -> Iterator[Iterator[np.ndarray]]:
        """Of a part of the states at a time, predictions (part, A) under each of the means (J, leaves), one by one:
        what is held at once does not grow with the states nor with J."""
        low, high = self._bounds
        given = _inside(np.asarray(drugs, dtype=np.float32), low[:, self.n_columns :], high[:, self.n_columns :])
        allowed, rows = given.T.astype(np.float32), np.asarray(inputs, dtype=np.float32)
        step = max(1, CHUNK_NUMBERS // max(allowed.shape))
        for start in range(0, max(len(rows), 1), step):
            inside = _inside(rows[start : start + step], low[:, : self.n_columns], high[:, : self.n_columns])
            yield ((inside * one) @ allowed / self.forest.n_trees for one in means)

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """low, high (leaves, D + n_drugs): a row is in the leaf where low < x <= high in every column."""
        forest = self.forest
        width = max(self.n_columns + 1, int(forest.feature.max()) + 1)
        low = np.full((len(forest.feature), width), -np.inf, dtype=np.float32)
        high = np.full((len(forest.feature), width), np.inf, dtype=np.float32)
        level = forest.roots
        while len(level):
            inner = level[forest.leaf[level] < 0]
            right, left = forest.child[inner, 0], forest.child[inner, 1]
            column, cut = forest.feature[inner], forest.threshold[inner]
            low[left], high[left], low[right], high[right] = low[inner], high[inner], low[inner], high[inner]
            high[left, column] = np.minimum(high[inner, column], cut)
            low[right, column] = np.maximum(low[inner, column], cut)
            level = np.concatenate([left, right])
        node = np.empty(forest.n_leaves, dtype=np.int64)
        ends = np.flatnonzero(forest.leaf >= 0)
        node[forest.leaf[ends]] = ends
        return low[node], high[node]

    def save(self, path: Path) -> None:
        write_arrays(path, **self.forest.arrays(), means=self.means, n_columns=np.array(self.n_columns))


def load_reward_forest(path: Path, n_columns: int, n_drugs: int) -> RewardForest:
    """Read what `RewardForest.save` wrote; `ArtifactError` where it is broken or of another width."""
    arrays = read_arrays(path)
    try:
        forest = Forest.from_arrays(arrays, n_columns + n_drugs)
        means = arrays["means"]
        if int(arrays["n_columns"]) != n_columns or means.shape != (forest.n_leaves,):
            raise ValueError("its columns or leaf means do not fit")
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ArtifactError(f"{path} is not the forest of this run ({error}); restore it or train again.") from None
    return RewardForest(forest, means, n_columns)


def fit_reward_forest(
    config: ForestConfig, inputs: np.ndarray, drugs: np.ndarray, rewards: np.ndarray, *, name: str, seed: int
) -> RewardForest:
    """Fit on decisions: inputs (n, D), drugs (n, n_drugs) 0/1, rewards (n,)."""
    rows = np.concatenate([inputs, drugs], axis=1).astype(np.float32)
    forest = fit_forest(
        rows,
        rewards,
        kind="random_forest",
        n_trees=config.n_trees,
        max_depth=config.max_depth,
        min_leaf=config.min_leaf,
        seed=derive_seed(seed, "registry", "forest", name),
    )
    bare = RewardForest(forest, np.zeros(forest.n_leaves, dtype=np.float32), inputs.shape[1])
    return replace(bare, means=bare.averaged(inputs, drugs, rewards[:, None])[0])


def _inside(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(n, leaves) bool: row within the bounds of each leaf in every column (unbounded ones cost nothing)."""
    inside = np.ones((len(rows), len(low)), dtype=bool)
    for column in range(min(rows.shape[1], low.shape[1])):
        bounded = np.flatnonzero(np.isfinite(low[:, column]) | np.isfinite(high[:, column]))
        if len(bounded):
            x = rows[:, [column]]
            inside[:, bounded] &= (low[bounded, column] < x) & (x <= high[bounded, column])
    return inside
