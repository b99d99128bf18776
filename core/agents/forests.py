"""Forests as plain arrays: fitted by scikit-learn, then walked, averaged and stored without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, Literal

import numpy as np

from core.base.threads import side_by_side

CHUNK_ROWS = 8192  # walked at once by one thread
FEW_ROWS = 16  # walked by numpy: to read the compiler and the compiled walk takes longer


@dataclass(frozen=True, eq=False)
class Forest:
    """Which leaf of each tree a row falls into; what a leaf is worth is kept elsewhere.

    Nodes of all trees are numbered together: `feature`, `threshold` (nodes,), `child` (nodes, 2) with the left child
    (x <= threshold) at [:, 1]; a leaf is its own child. `leaf` (nodes,) numbers the leaves of all trees, -1 elsewhere.
    `roots` (n_trees,), `depth` the deepest leaf.
    """

    feature: np.ndarray
    threshold: np.ndarray
    child: np.ndarray
    leaf: np.ndarray
    roots: np.ndarray
    depth: int

    @property
    def n_trees(self) -> int:
        return len(self.roots)

    @property
    def n_leaves(self) -> int:
        """Leaves of all trees together."""
        return int(self.leaf.max()) + 1

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        """Leaf numbers of each row in each tree: (n, D) float32 -> (n, n_trees) int32."""
        if len(rows) <= FEW_ROWS:
            return self._leaves_of_few(np.asarray(rows, dtype=np.float32))
        import torch

        rows = np.require(rows, np.float32, ["C", "W"])  # the compiled walk takes no read-only array
        out = np.empty((len(rows), self.n_trees), dtype=np.int32)
        tree = self.feature, self.threshold, np.ascontiguousarray(self.child), self.leaf, self.roots, self.depth
        walk, chunks = _walk(), [slice(start, start + CHUNK_ROWS) for start in range(0, len(rows), CHUNK_ROWS)]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(lambda part: walk(rows[part], *tree, out[part]), chunks))
        return out

    def _leaves_of_few(self, rows: np.ndarray) -> np.ndarray:
        """`leaves`, all rows and trees going down a level at once."""
        node, row = np.tile(self.roots, (len(rows), 1)), np.arange(len(rows))[:, None]
        for _ in range(self.depth):
            node = self.child[node, (rows[row, self.feature[node]] <= self.threshold[node]).astype(np.int8)]
        return np.asarray(self.leaf[node])

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that defines the forest, for storage."""
        names = ("feature", "threshold", "child", "leaf", "roots")
        return {name: getattr(self, name) for name in names} | {"depth": np.array(self.depth)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_columns: int) -> Forest:
        """Rebuild from `arrays()`; raises `ValueError` where they do not form trees over `n_columns` columns."""
        names = ("feature", "threshold", "child", "leaf", "roots")
        feature, threshold, child, leaf, roots = (arrays[name] for name in names)
        n, leaves = len(feature), np.sort(leaf[leaf >= 0])
        depth = int(arrays["depth"])
        shapes = threshold.shape == leaf.shape == (n,) and child.shape == (n, 2) and roots.ndim == 1 and len(roots) > 0
        if not shapes or not np.array_equal(leaves, np.arange(len(leaves))) or not 0 <= depth <= n:
            raise ValueError("the arrays of a forest do not fit together")
        bounds = ((feature, n_columns), (child, n), (roots, n))
        if any(index.dtype.kind != "i" or index.min() < 0 or index.max() >= size for index, size in bounds):
            raise ValueError("the arrays of a forest point outside it")
        forest = cls(
            feature.astype(np.int32, copy=False),
            threshold.astype(np.float32, copy=False),
            child.astype(np.int32, copy=False),
            leaf.astype(np.int32, copy=False),
            roots.astype(np.int32, copy=False),
            depth,
        )
        if (forest.leaves(np.zeros((1, n_columns), dtype=np.float32)) < 0).any():
            raise ValueError("the arrays of a forest hold a branch without a leaf")
        return forest


@cache
def _walk() -> Callable[..., None]:
    """`_walk_rows`, compiled when first needed and kept on disk; it runs without Python's lock."""
    from numba import njit

    arrays = "float32[:,::1], int32[::1], float32[::1], int32[:,::1], int32[::1], int32[::1], int64, int32[:,::1]"
    return njit(f"void({arrays})", nogil=True, cache=True)(_walk_rows)


def _walk_rows(
    rows: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    child: np.ndarray,
    leaf: np.ndarray,
    roots: np.ndarray,
    depth: int,
    out: np.ndarray,
) -> None:
    """The leaf of each row in each tree, into `out`; the arrays as in `Forest`.

    All trees go down one level before any goes down the next: their steps do not wait for each other in the processor,
    which more than halves the time of going down tree by tree.
    """
    for row in range(len(rows)):
        x, node = rows[row], out[row]
        for tree in range(len(roots)):
            node[tree] = roots[tree]
        for _ in range(depth):
            for tree in range(len(roots)):
                here = node[tree]
                node[tree] = child[here, 1 if x[feature[here]] <= threshold[here] else 0]
        for tree in range(len(roots)):
            node[tree] = leaf[node[tree]]


def fit_forest(
    rows: np.ndarray,
    targets: np.ndarray,
    *,
    kind: Literal["random_forest", "extra_trees"],
    n_trees: int,
    max_depth: int,
    min_leaf: int,
    seed: int,
    tree_sample: int | None = None,
) -> Forest:
    """Fit the structure of a forest: rows (n, D), targets (n,). Without rows every tree is a single leaf.

    Random forests bootstrap their rows (Breiman 2001); extra-trees draw thresholds at random on all rows, which is
    about ten times faster (Geurts et al. 2006; the forest of the first fitted Q iteration, Ernst et al. 2005). Where
    `tree_sample` is less than n, each tree of either kind is grown on so many rows of its own, drawn with replacement.
    """
    if len(rows) == 0:
        zeros = np.zeros(n_trees, dtype=np.int32)
        own = np.arange(n_trees, dtype=np.int32)
        return Forest(zeros, zeros.astype(np.float32), np.stack([own, own], axis=1), own, own, 0)
    rows, n = np.ascontiguousarray(rows, dtype=np.float32), len(rows)
    drawn = min(tree_sample or n, n) if kind == "random_forest" or (tree_sample or n) < n else None
    seeds = np.random.RandomState(seed).randint(np.iinfo(np.int32).max, size=n_trees)
    return join_trees(side_by_side(partial(_grow, kind, rows, targets, max_depth, min_leaf, drawn), seeds))


def _grow(
    kind: str, rows: np.ndarray, targets: np.ndarray, max_depth: int, min_leaf: int, drawn: int | None, seed: int
) -> Any:
    """One tree as scikit-learn's forests grow it, from its seed; drawn: rows drawn with replacement, None for all.

    Grown here, since its forests restore the process's warning filters from several threads at once, which can empty
    them and then warns of itself.
    """
    from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

    weights = None
    if drawn is not None:
        chosen = np.random.RandomState(seed).randint(0, len(rows), drawn)
        weights = np.bincount(chosen, minlength=len(rows)).astype(np.float64)
    tree = DecisionTreeRegressor if kind == "random_forest" else ExtraTreeRegressor
    settings = {"max_depth": max_depth, "min_samples_leaf": min_leaf, "max_features": 1.0, "random_state": int(seed)}
    return tree(**settings).fit(rows, targets, sample_weight=weights).tree_


def join_trees(trees: list) -> Forest:
    """Join trees, described as scikit-learn does, into one numbering of nodes."""
    sizes = [tree.node_count for tree in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    feature = np.concatenate([tree.feature for tree in trees])
    is_leaf = feature < 0
    left = np.concatenate([tree.children_left + root for tree, root in zip(trees, roots, strict=True)])
    right = np.concatenate([tree.children_right + root for tree, root in zip(trees, roots, strict=True)])
    child = np.where(is_leaf[:, None], np.arange(len(feature))[:, None], np.stack([right, left], axis=1))
    leaf = np.where(is_leaf, np.cumsum(is_leaf) - 1, -1)
    exact = np.concatenate([tree.threshold for tree in trees])
    threshold = exact.astype(np.float32)  # largest float32 <= threshold: the same answer for every float32 row
    threshold = np.where(threshold > exact, np.nextafter(threshold, np.float32(-np.inf)), threshold)
    return Forest(
        np.where(is_leaf, 0, feature).astype(np.int32),
        threshold,
        child.astype(np.int32),
        leaf.astype(np.int32),
        roots,
        max(tree.max_depth for tree in trees),
    )


class LeafAverages:
    """The two linear maps between n rows and the leaves of a frozen forest, for any number of columns P.

    average: (n, P) -> (n_leaves, P), sum of the leaf's rows / (their number + shrinkage); 0 in an empty leaf.
    lookup:  (n_leaves, P) -> (n, P), mean over trees of the row's leaves.

    Both are sums over bags, of a row's leaves or of a leaf's rows, for which torch has a kernel that uses all threads.
    """

    def __init__(self, leaves: np.ndarray, n_leaves: int, shrinkage: float = 0.0) -> None:
        self.leaves, self.n_leaves, self.shrinkage = np.ascontiguousarray(leaves, dtype=np.int32), n_leaves, shrinkage

    @cached_property
    def _by_leaf(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows in order of their leaf, where each leaf's rows start, and 1 / (number of rows + shrinkage)."""
        from scipy.sparse import csr_matrix

        n, n_trees = self.leaves.shape
        starts = np.arange(0, n * n_trees + 1, n_trees)
        matrix = csr_matrix((np.ones(n * n_trees, np.int8), self.leaves.reshape(-1), starts), shape=(n, self.n_leaves))
        sorted_ = matrix.tocsc()  # a counting sort
        weight = np.diff(sorted_.indptr) + self.shrinkage
        per_leaf = np.divide(1, weight, out=np.zeros(self.n_leaves), where=weight > 0).astype(np.float32)
        return sorted_.indices.astype(np.int32), sorted_.indptr[:-1].astype(np.int32), per_leaf[:, None]

    def average(self, values: np.ndarray) -> np.ndarray:
        """Leaf averages of the rows' values."""
        rows, starts, per_leaf = self._by_leaf
        return np.asarray(_bag_sums(values, rows, starts) * per_leaf)

    def lookup(self, leaf_values: np.ndarray) -> np.ndarray:
        """Forest prediction at the rows."""
        n, n_trees = self.leaves.shape
        starts = np.arange(0, n * n_trees, n_trees, dtype=np.int32)
        return _bag_sums(leaf_values, self.leaves.reshape(-1), starts) / np.float32(n_trees)


class LeafChanges:
    """The linear map from leaf values to what n rows gain by moving from one set of leaves to another.

    lookup:  (n_leaves, P) -> (n, P), mean over trees of the new leaf's value minus the old one's.

    Only the trees in which they differ are read.
    """

    def __init__(self, old: np.ndarray, new: np.ndarray) -> None:
        (n, self.n_trees), (row, tree) = old.shape, np.nonzero(old != new)
        self.members = np.stack([new[row, tree], old[row, tree]], axis=1).reshape(-1)
        self.signs = np.tile(np.array([1, -1], dtype=np.float32), len(row))
        self.starts = (2 * np.searchsorted(row, np.arange(n))).astype(np.int32)

    def lookup(self, leaf_values: np.ndarray) -> np.ndarray:
        """Difference of the forest's predictions at the rows."""
        return _bag_sums(leaf_values, self.members, self.starts, self.signs) / np.float32(self.n_trees)


def _bag_sums(
    values: np.ndarray, members: np.ndarray, starts: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Sum of the rows of `values` (m, P) named by each bag's members: (bags, P) float32, 0 of an empty bag."""
    import torch
    from torch.nn.functional import embedding_bag

    if len(members) == 0:
        return np.zeros((len(starts), values.shape[1]), dtype=np.float32)
    flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
    table = torch.from_numpy(flat).view(values.shape)  # not of another stride, for which torch has no fast kernel
    scale = None if weights is None else torch.from_numpy(weights)
    with torch.inference_mode():
        bags = torch.from_numpy(members), torch.from_numpy(starts)
        return embedding_bag(bags[0], table, bags[1], mode="sum", per_sample_weights=scale).numpy()
