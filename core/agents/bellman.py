"""Bellman updates over a frozen forest: every step is a sparse product, shared by all policies evaluated together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.agents.forests import LeafAverages, LeafChanges
from core.agents.q_forest import Structure, with_action

Values = tuple[np.ndarray, ...]  # (leaves, P) per forest


class Regression:
    """Fit leaf values of a structure to targets at the recorded (s, a)."""

    def __init__(self, structure: Structure, states: np.ndarray, actions: np.ndarray, shrinkage: float) -> None:
        forests = structure.forests
        self.joint = structure.layout == "joint"
        rows = with_action(states, actions, structure.n_actions) if self.joint else states
        self.base = LeafAverages(forests[0].leaves(rows), forests[0].n_leaves)
        self.rows, self.own = [], []
        for action, forest in enumerate(forests[1:]):
            mine = np.flatnonzero(actions == action)
            self.rows.append(mine)
            self.own.append(LeafAverages(forest.leaves(states[mine]), forest.n_leaves, shrinkage))

    def fit(self, targets: np.ndarray) -> Values:
        """Leaf values from targets (n, P)."""
        base = self.base.average(targets)
        if self.joint:
            return (base,)
        residual = targets - self.base.lookup(base)
        own = [average.average(residual[rows]) for rows, average in zip(self.rows, self.own, strict=True)]
        return (base, *own)


class NextValues:
    """V at the next states from leaf values: the best action's, or each policy's expectation.

    Q(s', a) is a base and what the action adds to it. The base is the forest of all transitions (`per_action`), or the
    value of the first action (`joint`), from which the others differ in few trees.
    """

    def __init__(self, structure: Structure, next_states: np.ndarray) -> None:
        forests, n_actions = structure.forests, structure.n_actions

        def at(forest: int, action: int) -> LeafAverages:
            return LeafAverages(structure.leaves(forest, next_states, action), forests[forest].n_leaves)

        self.base = at(0, 0)
        self.gains: Sequence[LeafAverages | LeafChanges]
        if structure.layout == "joint":
            first = self.base.leaves
            others = (structure.leaves(0, next_states, action) for action in range(1, n_actions))
            self.gains = [LeafChanges(first, leaves) for leaves in (first, *others)]
        else:
            self.gains = [at(action + 1, action) for action in range(n_actions)]

    def best(self, values: Values) -> np.ndarray:
        """max_a Q(s', a) (n, P)."""
        best = self._gain(values, 0)
        for action in range(1, len(self.gains)):
            np.maximum(best, self._gain(values, action), out=best)
        return np.asarray(best + self.base.lookup(values[0]))

    def expected(self, values: Values, probs: np.ndarray) -> np.ndarray:
        """sum_a pi_p(a|s') Q_p(s', a) (n, P), probs (A, n, P) float32, which sum to 1 over the actions."""
        total = self.base.lookup(values[0])
        for action in range(len(self.gains)):
            total += probs[action] * self._gain(values, action)
        return total

    def _gain(self, values: Values, action: int) -> np.ndarray:
        """What the action adds to the base."""
        return self.gains[action].lookup(values[0 if len(values) == 1 else action + 1])
