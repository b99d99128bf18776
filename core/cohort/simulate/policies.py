"""Plain policies to roll out: one dose for all, uniform at random, and an oracle that knows the phenotype."""

from __future__ import annotations

import numpy as np

from core.cohort.simulate.history import History, Policy

ORACLE_DOSES = (0, 2, 0)  # by phenotype: heparin only where micro-thrombosis makes it help


def constant_policy(action: int, n_actions: int = 5) -> Policy:
    """Always the same dose bin; action 0 is "zero drug"."""

    def policy(history: History) -> np.ndarray:
        return np.tile(np.eye(n_actions)[action], (len(history), 1))

    return policy


def random_policy(n_actions: int = 5) -> Policy:
    """Every dose bin with equal chance."""

    def policy(history: History) -> np.ndarray:
        return np.full((len(history), n_actions), 1 / n_actions)

    return policy


def oracle_policy(doses: tuple[int, ...] = ORACLE_DOSES, n_actions: int = 5) -> Policy:
    """A fixed dose bin for each true phenotype: what knowing the phenotype is worth."""

    def policy(history: History) -> np.ndarray:
        return np.asarray(np.eye(n_actions)[np.asarray(doses)[history.phenotype]])

    return policy
