"""Q as frozen forests: the structure of both layouts, prediction, spread between trees, storage as .npz.

joint        Q(s, a) = F(s, onehot a)                         published; depth-limited trees seldom split on the action
per_action   Q(s, a) = B(s) + sum_t R_a,t(s) / n_trees        B: all transitions; R_a: what action a adds to B

In `per_action`, R_a is a forest on action a's transitions and the residuals y - B(s), each leaf shrunk to
sum(residuals) / (n + shrinkage): an action seen seldom, or never, is worth what its state is worth until its own
records say otherwise, at the state resolution of all records together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.agents.config import FQIConfig
from core.agents.forests import Forest, LeafAverages, fit_forest
from core.base.errors import ArtifactError
from core.base.files import write_atomic
from core.base.rng import derive_seed

SCHEMA_VERSION = 1
CHUNK_NUMBERS = 8_000_000  # leaf values held at once

Terms = list[tuple[np.ndarray, np.ndarray]]  # leaves (rows, n_trees) and leaf values (leaves, P), to be added


@dataclass(frozen=True, eq=False)
class Structure:
    """Forests of a Q function without their values: one for `joint`, 1 + A for `per_action` (the base B first)."""

    layout: str
    n_columns: int
    n_actions: int
    forests: tuple[Forest, ...]

    def leaves(self, forest: int, states: np.ndarray, action: int) -> np.ndarray:
        """Leaves (n, n_trees) of states (n, D) under one action; the forests of `per_action` ignore the action."""
        rows = with_action(states, np.full(len(states), action), self.n_actions) if self.layout == "joint" else states
        return self.forests[forest].leaves(rows)


@dataclass(frozen=True, eq=False)
class QForest:
    """Q of one policy, or of P policies that share the structure: `values` holds (leaves, P) per forest."""

    structure: Structure
    values: tuple[np.ndarray, ...]
    columns: tuple[str, ...]
    many: bool

    def q_values(self, states: np.ndarray) -> np.ndarray:
        """Q at states (..., D): (..., A) float32, or (P, ..., A) where P policies were evaluated together."""
        return self._collect(states, _mean_of_trees)

    def q_spread(self, states: np.ndarray) -> np.ndarray:
        """Standard deviation of Q between trees, same shape as `q_values`: how firmly the forest holds its value.

        It shows the disagreement of trees fitted on the same patients; it is no confidence interval of the true Q.
        """
        return self._collect(states, _spread_of_trees)

    def v(self, states: np.ndarray, probs: np.ndarray | None = None) -> np.ndarray:
        """V(s) = sum_a pi(a|s) Q(s, a), or max_a Q(s, a) without probabilities (..., A); drops the last axis."""
        q = self.q_values(states)
        return np.asarray(q.max(axis=-1) if probs is None else (np.asarray(probs) * q).sum(axis=-1))

    def with_policies(self, other: QForest) -> QForest:
        """These policies, and after them those of another Q on the same structure."""
        if other.structure is not self.structure or not (self.many and other.many):
            raise ValueError("policies can be joined only where they were evaluated together on one structure.")
        values = tuple(np.concatenate(pair, axis=1) for pair in zip(self.values, other.values, strict=True))
        return replace(self, values=values)

    def _collect(self, states: np.ndarray, reduce: Callable[[Terms], np.ndarray]) -> np.ndarray:
        """Reduce the terms of each action, (leaves (rows, n_trees), values (leaves, P)), to (rows, P), by chunks."""
        shape = self.structure
        states = np.asarray(states, dtype=np.float32)
        if states.shape[-1] != shape.n_columns:
            raise ValueError(f"this Q needs states of {shape.n_columns} columns, got {states.shape[-1]}.")
        rows = states.reshape(-1, shape.n_columns)
        n_policies = self.values[0].shape[1]
        out = np.empty((n_policies, len(rows), shape.n_actions), dtype=np.float32)
        chunk = max(1, CHUNK_NUMBERS // (shape.forests[0].n_trees * n_policies))
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            joint = shape.layout == "joint"
            base = [] if joint else [(shape.leaves(0, part, 0), self.values[0])]
            for action in range(shape.n_actions):
                forest = 0 if joint else action + 1
                own = (shape.leaves(forest, part, action), self.values[forest])
                out[:, start : start + len(part), action] = reduce([*base, own]).T
        out = out.reshape(n_policies, *states.shape[:-1], shape.n_actions)
        return out if self.many else out[0]

    def save(self, path: str | Path) -> None:
        """Write one .npz (plain arrays, no pickle); it appears whole or not at all."""
        s = self.structure
        arrays = {
            "schema_version": np.array(SCHEMA_VERSION),
            "layout": np.array(s.layout),
            "n_columns": np.array(s.n_columns),
            "n_actions": np.array(s.n_actions),
            "n_forests": np.array(len(s.forests)),
            "columns": np.array(self.columns, dtype=np.str_),
            "many": np.array(self.many),
        }
        for i, (forest, values) in enumerate(zip(s.forests, self.values, strict=True)):
            arrays |= {f"forest{i}.{name}": array for name, array in forest.arrays().items()}
            arrays[f"forest{i}.values"] = values
        write_atomic(Path(path), lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def _mean_of_trees(terms: Terms) -> np.ndarray:
    return np.asarray(np.sum([LeafAverages(leaves, len(values)).lookup(values) for leaves, values in terms], axis=0))


def _spread_of_trees(terms: Terms) -> np.ndarray:
    return np.asarray(np.sum([values[leaves] for leaves, values in terms], axis=0).std(axis=1))


def load_q_forest(path: str | Path, columns: Sequence[str] | None = None, n_actions: int | None = None) -> QForest:
    """Read a Q written by `QForest.save`.

    Give `columns` and `n_actions` of the study at hand to have them checked. Raises `ArtifactError` where the file is
    missing, broken, of another version, or made for other columns or actions.
    """
    path = Path(path)
    arrays = _read(path)
    if columns is not None and tuple(columns) != tuple(arrays["columns"].tolist()):
        raise ArtifactError(f"{path} values states of other columns than the study's; use its own study, or fit again.")
    if n_actions is not None and n_actions != int(arrays["n_actions"]):
        raise ArtifactError(f"{path} values {arrays['n_actions']} actions, the study has {n_actions}; fit again.")
    try:
        return _build(arrays)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ArtifactError(f"{path} is broken ({error}); fit again.") from None


def _read(path: Path) -> dict[str, np.ndarray]:
    from zipfile import BadZipFile

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        version = int(arrays["schema_version"])
        if version == SCHEMA_VERSION:
            return {**arrays, "columns": arrays["columns"], "n_actions": arrays["n_actions"]}
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; fit it, or copy the whole run folder.") from None
    except (BadZipFile, ValueError, KeyError, TypeError, AttributeError, EOFError, OSError):
        raise ArtifactError(f"{path} is not a stored Q function; fit again.") from None
    raise ArtifactError(f"{path} has schema version {version}, this program reads {SCHEMA_VERSION}; fit again.")


def _build(arrays: dict[str, np.ndarray]) -> QForest:
    layout, n_actions, n_columns = str(arrays["layout"]), int(arrays["n_actions"]), int(arrays["n_columns"])
    n_forests = {"joint": 1, "per_action": 1 + n_actions}[layout]
    forests, values = [], []
    for i in range(n_forests):
        prefix = f"forest{i}."
        own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        forests.append(Forest.from_arrays(own, n_columns + n_actions * (layout == "joint")))
        values.append(own["values"])
        if own["values"].ndim != 2 or len(own["values"]) != forests[i].n_leaves:
            raise ValueError("leaf values do not fit the forest")
    if len({forest.n_trees for forest in forests}) != 1 or len({v.shape[1] for v in values}) != 1:
        raise ValueError("forests do not fit together")
    structure = Structure(layout, n_columns, n_actions, tuple(forests))
    return QForest(structure, tuple(values), tuple(arrays["columns"].tolist()), bool(arrays["many"]))


def with_action(states: np.ndarray, actions: np.ndarray, n_actions: int) -> np.ndarray:
    """States with the one-hot action appended: (n, D), (n,) -> (n, D + A) float32."""
    onehot = np.eye(n_actions, dtype=np.float32)[actions]
    return np.concatenate([np.asarray(states, dtype=np.float32), onehot], axis=1)


def fit_structure(
    config: FQIConfig, states: np.ndarray, actions: np.ndarray, targets: np.ndarray, n_actions: int, *path: str | int
) -> Structure:
    """Grow the forests of the config's layout on targets (n,); `path` names the random stream."""

    def grow(rows: np.ndarray, y: np.ndarray, index: int) -> Forest:
        kind = config.estimator
        assert kind == "random_forest" or kind == "extra_trees"
        seed = derive_seed(config.seed, "fqi", "forest", *path, index)
        sizes = {"n_trees": config.n_trees, "max_depth": config.max_depth, "min_leaf": config.min_leaf}
        return fit_forest(rows, y, kind=kind, seed=seed, tree_sample=config.tree_sample, **sizes)

    n_columns = states.shape[1]
    if config.layout == "joint":
        forests = [grow(with_action(states, actions, n_actions), targets, 0)]
        return Structure("joint", n_columns, n_actions, tuple(forests))
    forests = [grow(states, targets, 0)]
    base = LeafAverages(forests[0].leaves(states), forests[0].n_leaves)
    residual = targets - base.lookup(base.average(targets[:, None].astype(np.float32)))[:, 0]
    for action in range(n_actions):
        mine = actions == action
        forests.append(grow(states[mine], residual[mine], action + 1))
    return Structure("per_action", n_columns, n_actions, tuple(forests))
