"""Well separated groups of patients."""

from __future__ import annotations

import numpy as np
import pytest


def make_blobs(sizes: list[int], centers: list[list[float]], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    z = np.asarray(centers, dtype=float)[truth] + rng.normal(size=(len(truth), len(centers[0]))) * 0.5
    order = rng.permutation(len(truth))
    return z[order].astype(np.float32), truth[order]


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """z (240, 4) and the true group: 0 and 1 lie close to each other, 2 far away."""
    return make_blobs([100, 80, 60], [[0, 0, 0, 0], [4, 0, 0, 0], [0, 30, 0, 0]])
