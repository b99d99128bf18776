"""Policies in words, rolled out: what following a tree is truly worth on simulated patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.cohort import History, TrueValue, ground_truth
from core.cohort.simulate.history import Policy
from core.icu.fit.advised import FoldStep, true_gains
from core.icu.view import RunView
from core.policies.tree import PolicyTree

UNKNOWN = TrueValue(np.nan, np.nan, np.nan, np.nan, 0)


@dataclass(frozen=True, eq=False)
class TreePolicy:
    """A tree of which the groups `only` are followed (None: all); everywhere else it does as clinicians do."""

    tree: PolicyTree
    only: Sequence[int] | None = None

    def acting(self, clinicians: Policy) -> Policy:
        """As the simulator calls it, with its clinicians where the tree leaves the dose to them."""

        def act(history: History) -> np.ndarray:
            group = self.tree.groups(history.state)
            probs = self.tree.probs[group]
            followed = np.ones(len(group), dtype=bool) if self.only is None else np.isin(group, self.only)
            usual = clinicians(history)
            return np.where(followed[:, None], probs[:, :-1] + probs[:, -1:] * usual, usual)

        return act


def true_gain_of_step(view: RunView, learned: FoldStep, seed: int) -> tuple[float, float]:
    """Gain of a pessimistic step on the clinicians with its standard error, rolled out as its trees are."""
    n, truth = view.config.evaluation.truth_patients, ground_truth(view.cohort)
    if truth is None or n == 0:
        return np.nan, np.nan
    (gain,) = true_gains(view, replace(truth, study=view.study), [learned], (1.0,), n, seed)
    return gain.value, gain.se


def true_gains_of_trees(view: RunView, trees: Sequence[TreePolicy], seed: int) -> list[TrueValue]:
    """Gain of each on the clinicians, over as many simulated patients as the run rolls out; NaN for real patients."""
    n, truth = view.config.evaluation.truth_patients, ground_truth(view.cohort)
    if truth is None or n == 0:
        return [UNKNOWN] * len(trees)
    truth = replace(truth, study=view.study)  # the run's reward weights
    policies = [tree.acting(truth.clinicians) for tree in trees]
    return truth.policy_gains(policies, n, seed, spans=view.scaler.spans, gamma=view.config.agents.gamma)
