"""Q by gradient boosting, for fitted Q iteration that refits: by xgboost, or by scikit-learn's histograms.

Trees leave both libraries as plain arrays (`BoostedQ.forest`), so that what is stored needs neither to be read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from core.agents.config import FQIConfig
from core.agents.forests import join_trees
from core.agents.q_forest import QForest, Structure, with_action
from core.base.errors import ConfigError
from core.base.rng import derive_seed


def xgboost_installed() -> bool:
    """True where the optional package can be loaded."""
    return find_spec("xgboost") is not None


@dataclass(frozen=True, eq=False)
class Nodes:
    """One tree, named as scikit-learn's: the left child takes x <= threshold; feature is -1 in a leaf; value (nodes,)
    is what a leaf adds to the prediction."""

    feature: np.ndarray
    threshold: np.ndarray
    children_left: np.ndarray
    children_right: np.ndarray
    value: np.ndarray
    max_depth: int

    @property
    def node_count(self) -> int:
        return len(self.feature)


NOTHING = Nodes(np.array([-1]), np.array([0.0]), np.array([0]), np.array([0]), np.array([0.0]), 0)  # adds nothing


class Boosted(Protocol):
    """A fitted regression: its predictions, and its trees with what is added to their sum."""

    def predict(self, rows: np.ndarray) -> np.ndarray: ...

    def trees(self) -> tuple[list[Nodes], float]: ...


@dataclass(frozen=True, eq=False)
class HistogramBoosting:
    """scikit-learn's HistGradientBoostingRegressor."""

    model: Any

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.predict(rows))

    def trees(self) -> tuple[list[Nodes], float]:
        found = []
        for (predictor,) in self.model._predictors:  # no public way leads to the trees
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            found.append(
                Nodes(
                    np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
                    nodes["num_threshold"],
                    nodes["left"].astype(np.int64),
                    nodes["right"].astype(np.int64),
                    nodes["value"],
                    int(nodes["depth"].max()),
                )
            )
        return found, float(np.ravel(self.model._baseline_prediction)[0])


@dataclass(frozen=True, eq=False)
class ExtremeBoosting:
    """xgboost; `offset` is the mean of the targets, which it fits around."""

    model: Any
    offset: float

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.inplace_predict(np.asarray(rows, dtype=np.float32)) + np.float32(self.offset))

    def trees(self) -> tuple[list[Nodes], float]:
        stored = json.loads(bytes(self.model.save_raw("json")))
        found = [_of_xgboost(tree) for tree in stored["learner"]["gradient_booster"]["model"]["trees"]]
        return found, self.offset


def _of_xgboost(tree: dict[str, Any]) -> Nodes:
    """xgboost sends x < threshold to the left, and keeps a leaf's value where others keep a threshold."""
    left, right = (np.array(tree[name], dtype=np.int64) for name in ("left_children", "right_children"))
    conditions, leaf = np.array(tree["split_conditions"], dtype=np.float32), left < 0
    parents = np.array(tree["parents"], dtype=np.int64)
    depth, level = 0, np.flatnonzero(~leaf & (np.arange(len(left)) == 0))
    while len(level):
        depth, level = depth + 1, np.flatnonzero(np.isin(parents, level) & ~leaf)
    return Nodes(
        np.where(leaf, -1, np.array(tree["split_indices"], dtype=np.int64)),
        np.nextafter(conditions, np.float32(-np.inf)),
        left,
        right,
        conditions,
        depth,
    )


@dataclass(frozen=True, eq=False)
class BoostedQ:
    """`joint`: one model of (s, one-hot a). `per_action`: a model of s, plus one per action on its residuals, or None
    where the action has fewer transitions than two leaves need."""

    base: Boosted
    own: tuple[Boosted | None, ...] | None
    n_actions: int

    def q_values(self, states: np.ndarray) -> np.ndarray:
        """Q at states (..., D): (..., A) float32."""
        states = np.asarray(states, dtype=np.float32)
        rows = states.reshape(-1, states.shape[-1])
        out = np.empty((len(rows), self.n_actions), dtype=np.float32)
        if self.own is None:
            for action in range(self.n_actions):
                out[:, action] = self.base.predict(with_action(rows, np.full(len(rows), action), self.n_actions))
        else:
            out[:] = self.base.predict(rows)[:, None]
            for action, model in enumerate(self.own):
                if model is not None:
                    out[:, action] += model.predict(rows)
        return out.reshape(*states.shape[:-1], self.n_actions)

    def forest(self, n_columns: int, columns: Sequence[str]) -> QForest:
        """The same Q as plain arrays: trees whose leaves are worth so much that their mean is the boosted sum."""
        models = [self.base, *(self.own or ())]
        fitted = [([NOTHING], 0.0) if model is None else model.trees() for model in models]
        n_trees = max(len(trees) for trees, _ in fitted)  # of every model, as the stored form wants
        padded = [(trees + [NOTHING] * (n_trees - len(trees)), offset) for trees, offset in fitted]
        values = [
            (np.concatenate([tree.value[tree.feature < 0] for tree in trees]) * n_trees + offset).astype(np.float32)
            for trees, offset in padded
        ]
        layout = "joint" if self.own is None else "per_action"
        structure = Structure(layout, n_columns, self.n_actions, tuple(join_trees(trees) for trees, _ in padded))
        return QForest(structure, tuple(value[:, None] for value in values), tuple(columns), many=False)


def fit_boosted(
    config: FQIConfig, states: np.ndarray, actions: np.ndarray, targets: np.ndarray, n_actions: int, *path: str | int
) -> BoostedQ:
    """Fit gradient boosting on targets (n,); `path` names the random stream."""
    fit = _extreme if config.estimator == "xgboost" else _histogram

    def boost(rows: np.ndarray, y: np.ndarray, index: int) -> Boosted:
        return fit(config, rows, y, derive_seed(config.seed, "fqi", "boosting", *path, index))

    if config.layout == "joint":
        return BoostedQ(boost(with_action(states, actions, n_actions), targets, 0), None, n_actions)
    base = boost(states, targets, 0)
    residual = targets - base.predict(states)
    own = []
    for action in range(n_actions):
        mine = actions == action
        own.append(boost(states[mine], residual[mine], action + 1) if mine.sum() >= 2 * config.min_leaf else None)
    return BoostedQ(base, tuple(own), n_actions)


def _histogram(config: FQIConfig, rows: np.ndarray, y: np.ndarray, seed: int) -> Boosted:
    from sklearn.ensemble import HistGradientBoostingRegressor

    sizes = {"max_iter": config.n_trees, "max_depth": config.max_depth, "min_samples_leaf": config.min_leaf}
    model = HistGradientBoostingRegressor(early_stopping=False, random_state=seed, **sizes)
    return HistogramBoosting(model.fit(rows, y))


def _extreme(config: FQIConfig, rows: np.ndarray, y: np.ndarray, seed: int) -> Boosted:
    if not xgboost_installed():
        raise ConfigError("xgboost is not installed: install it (pip install xgboost), or choose gradient_boosting.")
    import xgboost

    offset = float(y.mean())
    settings = {
        "tree_method": "hist",
        "max_depth": config.max_depth,
        "min_child_weight": config.min_leaf,  # under squared error a row weighs 1
        "base_score": 0.0,
        "seed": seed,
        "verbosity": 0,
    }
    data = xgboost.QuantileDMatrix(rows, y - np.float32(offset))
    return ExtremeBoosting(xgboost.train(settings, data, config.n_trees), offset)
