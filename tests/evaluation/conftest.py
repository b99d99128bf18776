"""Random stays of varying length for the estimators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class Data:
    """Arrays (N, T) as the estimators take them."""

    rewards: np.ndarray
    mask: np.ndarray
    evaluation: np.ndarray
    behavior: np.ndarray
    q: np.ndarray
    v: np.ndarray

    @property
    def ope(self) -> tuple[np.ndarray, ...]:
        return self.rewards, self.mask, self.evaluation, self.behavior


def make_data(n: int = 60, horizon: int = 6, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    mask = np.arange(horizon) < rng.integers(1, horizon + 1, n)[:, None]
    rewards, q, v = rng.normal(size=(3, n, horizon))
    evaluation, behavior = rng.uniform(0.05, 1, size=(2, n, horizon))
    return Data(rewards, mask, evaluation, behavior, q, v)


@pytest.fixture
def data() -> Data:
    return make_data()
