"""Fitted Q iteration (Q*) and fitted Q evaluation (Q of given policies) on forests.

    Q_{i+1} = regression of  r + gamma V_i(s') (1 - done)  on (s, a)
    FQI: V(s') = max_a Q(s', a)          FQE: V(s') = sum_a pi(a|s') Q(s', a)

`refit` grows a new forest on a fresh sample each iteration (Ernst et al. 2005; the published choice). `frozen` grows
the structure on the recorded returns, iterates leaf averages of all transitions until they hardly change, regrows it on
those targets and iterates to convergence (`structure_fits`). A joint frozen forest averages with weights that are
non-negative and sum to one, so its iteration contracts by gamma (Gordon 1995). The residuals of `per_action` have
weights of both signs, so there convergence is observed, not proven: `history` shows the last change.
Deviation from the source in both: a leaf is worth the mean of all its sampled rows, not only of its tree's bootstrap.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from core.agents.bellman import NextValues, Regression, Values
from core.agents.boosting import BoostedQ, fit_boosted
from core.agents.config import FQIConfig
from core.agents.q_forest import QForest, Structure, fit_structure
from core.agents.returns import returns_to_go
from core.base.errors import ConfigError
from core.base.rng import stream
from core.base.types import Progress
from core.trajectories import Transitions

EARLY_TOLERANCE = 100  # how much coarser convergence may be before the structure is grown again


class _Fitted:
    """What both share: the settings, the fitted Q, and the history of its iterations."""

    def __init__(self, config: FQIConfig, n_actions: int, columns: Sequence[str] = ()) -> None:
        self.config, self.n_actions, self.columns = config, n_actions, tuple(columns)
        self._model: QForest | BoostedQ | None = None
        self._n_columns = 0
        self._history: list[tuple[int, float, float]] = []

    @property
    def model(self) -> QForest | BoostedQ:
        """The fitted Q; `RuntimeError` before `fit` has run to its end."""
        if self._model is None:
            raise RuntimeError("run fit(...) to its end before asking for values.")
        return self._model

    @property
    def history(self) -> pd.DataFrame:
        """One row per iteration: iteration, mean_v (mean V at the next states), max_change (of the targets)."""
        return pd.DataFrame(self._history, columns=["iteration", "mean_v", "max_change"])

    def q_values(self, states: np.ndarray) -> np.ndarray:
        """Q at states (..., D) scaled: (..., A), or (P, ..., A) for P policies."""
        return self.model.q_values(states)

    def q_spread(self, states: np.ndarray) -> np.ndarray:
        """Standard deviation of Q between trees, shaped as `q_values`; see `QForest.q_spread`."""
        return self._forest("spread between trees").q_spread(states)

    @property
    def forest(self) -> QForest:
        """The fitted Q on its forest; `ConfigError` for gradient boosting."""
        return self._forest("forest")

    def save(self, path: str | Path) -> None:
        """Store the fitted forest as .npz; read it with `load_q_forest`."""
        model = self.model
        if isinstance(model, BoostedQ):
            model = model.forest(self._n_columns, self.columns)
        model.save(path)

    def _forest(self, what: str) -> QForest:
        if isinstance(self.model, BoostedQ):
            raise ConfigError(f"gradient boosting has no {what}: choose random_forest or extra_trees.")
        return self.model

    def _iterate_frozen(
        self,
        stage: str,
        transitions: Transitions,
        targets: np.ndarray,
        next_value: Callable[[NextValues, Values], np.ndarray],
        structure: Structure | None,
        many: bool,
        first: Structure | None = None,
    ) -> Iterator[Progress]:
        """Leaf averages to convergence, `structure_fits` times, from targets (n, P); structure, first: as in
        `FittedQEvaluation.fit`."""
        config, rounds = self.config, 1 if structure is not None else self.config.structure_fits
        started, total = time.monotonic(), rounds * config.iterations
        rewards = transitions.rewards[:, None]
        going = np.float32(config.gamma) * ~transitions.terminals[:, None]
        for growth in range(rounds):
            if growth or structure is None:
                known = None if growth else first
                structure = known or self._grow(transitions, targets.mean(axis=1), growth)
            regression = Regression(structure, transitions.states, transitions.actions, config.shrinkage)
            ahead = NextValues(structure, transitions.next_states)
            last = growth + 1 == rounds
            enough = config.tolerance * (1 if last else EARLY_TOLERANCE)  # targets of early rounds only shape trees
            for i in range(1, config.iterations + 1):
                values = regression.fit(targets)
                future = next_value(ahead, values)
                updated = rewards + going * future
                change = float(np.abs(updated - targets).max())
                targets = updated
                self._record(float(future.mean()), change)
                stop = i == config.iterations or change <= enough
                yield self._progress(stage, (growth + stop) * config.iterations + i * (not stop), total, started)
                if stop:
                    break
            self._model = QForest(structure, values, self.columns, many)

    def _grow(self, transitions: Transitions, targets: np.ndarray, *path: int) -> Structure:
        pick = self._sample(len(transitions), "structure", *path)
        states, actions = transitions.states[pick], transitions.actions[pick]
        return fit_structure(self.config, states, actions, targets[pick], self.n_actions, *path)

    def _sample(self, n: int, *path: str | int) -> np.ndarray:
        size = min(n, self.config.sample_size)
        return np.sort(stream(self.config.seed, "fqi", *path).choice(n, size, replace=False))

    def _record(self, mean_v: float, change: float) -> None:
        self._history.append((len(self._history) + 1, mean_v, change))

    def _progress(self, stage: str, done: int, total: int, started: float) -> Progress:
        _, mean_v, change = self._history[-1]
        left = (time.monotonic() - started) / max(done, 1) * (total - done)
        return Progress(stage, done, total, metrics={"mean_v": mean_v, "max_change": change}, seconds_left=left)


class FittedQIteration(_Fitted):
    """Q* of the recorded transitions: `for progress in fqi.fit(transitions)`, then `fqi.q_values(states)`."""

    def fit(self, transitions: Transitions) -> Iterator[Progress]:
        """Iterate to convergence or `iterations`; yields `Progress` with metrics mean_v and max_change.

        Any number of transitions from 1 on; `ValueError` for none.
        """
        _check(transitions)
        self._history, self._n_columns = [], transitions.states.shape[1]
        if self.config.method == "refit":
            yield from self._fit_refit(transitions)
            return
        start = returns_to_go(transitions, self.config.gamma)[:, None]
        yield from self._iterate_frozen("fqi", transitions, start, NextValues.best, None, many=False)

    def v(self, states: np.ndarray) -> np.ndarray:
        """V*(s) = max_a Q*(s, a) (...,)."""
        return np.asarray(self.q_values(states).max(axis=-1))

    def _fit_refit(self, transitions: Transitions) -> Iterator[Progress]:
        config, started = self.config, time.monotonic()
        before: QForest | BoostedQ | None = None
        everything = len(transitions) <= config.sample_size  # then each iteration meets the next states of the last
        value = np.zeros(0, np.float32)
        for i in range(config.iterations):
            pick = self._sample(len(transitions), "sample", i)
            states, actions, after = (
                a[pick] for a in (transitions.states, transitions.actions, transitions.next_states)
            )
            if before is None:
                future = np.zeros(len(pick), np.float32)
            else:
                future = value if everything else before.q_values(after).max(axis=-1)
            targets = transitions.rewards[pick] + np.float32(config.gamma) * future * ~transitions.terminals[pick]
            model = self._regress(states, actions, targets, i)
            value = model.q_values(after).max(axis=-1)
            self._record(float(value.mean()), float(np.abs(value - future).max()))
            before = model
            yield self._progress("fqi", i + 1, config.iterations, started)
        self._model = before

    def _regress(self, states: np.ndarray, actions: np.ndarray, targets: np.ndarray, i: int) -> QForest | BoostedQ:
        if self.config.boosted:
            return fit_boosted(self.config, states, actions, targets, self.n_actions, i)
        structure = fit_structure(self.config, states, actions, targets, self.n_actions, i)
        values = Regression(structure, states, actions, self.config.shrinkage).fit(targets[:, None])
        return QForest(structure, values, self.columns, many=False)


class FittedQEvaluation(_Fitted):
    """Q of one policy, or of P policies at once, on a frozen forest."""

    def fit(
        self,
        transitions: Transitions,
        next_probs: np.ndarray,
        structure: Structure | None = None,
        first: Structure | None = None,
    ) -> Iterator[Progress]:
        """Iterate to convergence; yields `Progress`.

        next_probs: action probabilities at the transitions' next states, (n, A) for one policy or (P, n, A) for P that
        share every sparse product. `structure`: forests to evaluate on (`fqi.model.structure`) instead of growing own
        ones; `first`: what `first_structure` gave of these transitions, which is then not grown again. Raises
        `ConfigError` for method refit, `ValueError` for probabilities of another shape.
        """
        _check(transitions)
        if self.config.method == "refit":
            raise ConfigError("fitted Q evaluation runs on a frozen forest: choose method frozen.")
        many = next_probs.ndim == 3
        probs = np.asarray(next_probs if many else next_probs[None], dtype=np.float32)
        if probs.shape[1:] != (len(transitions), self.n_actions):
            raise ValueError(
                f"fitted Q evaluation needs probabilities (n, A) or (P, n, A) with n = {len(transitions)} and A = "
                f"{self.n_actions}, got {next_probs.shape}."
            )
        probs = np.ascontiguousarray(probs.transpose(2, 1, 0))  # (A, n, P): policies side by side in memory
        self._history = []
        start = np.repeat(returns_to_go(transitions, self.config.gamma)[:, None], probs.shape[2], axis=1)

        def expected(ahead: NextValues, values: Values) -> np.ndarray:
            return ahead.expected(values, probs)

        yield from self._iterate_frozen("fqe", transitions, start, expected, structure, many, first)

    def first_structure(self, transitions: Transitions) -> Structure:
        """The forests that evaluation starts from: grown on the recorded returns, whatever the policy."""
        return self._grow(transitions, returns_to_go(transitions, self.config.gamma), 0)

    def v(self, states: np.ndarray, probs: np.ndarray) -> np.ndarray:
        """V(s) = sum_a pi(a|s) Q(s, a); probs (..., A) or (P, ..., A)."""
        return np.asarray((np.asarray(probs) * self.q_values(states)).sum(axis=-1))


def _check(transitions: Transitions) -> None:
    if len(transitions) == 0:
        raise ValueError("fitted Q iteration needs at least one transition.")
