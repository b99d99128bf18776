"""Toy stays for the encoder's tests: autoregressive columns whose speed and target depend on a hidden group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from core.base.rng import stream
from core.study import StudySpec, load_study
from core.trajectories import Trajectories


def toy_trajectories(study: StudySpec, n: int, seed: int = 0) -> Trajectories:
    """n stays of 2..T steps; group 1 fluctuates more and drifts another way than group 0."""
    rng = stream(seed, "toy")
    horizon, n_static = study.horizon, study.n_static
    group = np.arange(n) % 2
    states = np.zeros((n, horizon, study.n_columns), dtype=np.float32)
    states[..., :n_static] = rng.normal(size=(n, 1, n_static))
    value = rng.normal(0, 0.3, (n, study.n_temporal))
    for t in range(horizon):
        states[:, t, n_static:] = value
        memory, spread = np.where(group, 0.4, 0.9)[:, None], np.where(group, 0.25, 0.08)[:, None]
        value = memory * value + 0.1 * (2 * group[:, None] - 1) + spread * rng.normal(size=value.shape)
    lengths = rng.integers(2, horizon + 1, n)
    mask = np.arange(horizon) < lengths[:, None]
    actions = np.where(mask, rng.integers(0, study.n_actions, (n, horizon)), 0)
    outcomes = np.where(rng.random(n) < 0.7, 1, -1).astype(np.float32)
    return Trajectories(study, states * mask[..., None], actions, np.zeros((n, horizon), np.float32), mask, outcomes)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small models are fastest, and equal bit for bit, on one thread."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_study() -> StudySpec:
    """Another study: 5 columns, 3 doses, 6 steps."""
    full = load_study()
    wide = {"plausible": (-100.0, 100.0), "unit": "1"}
    columns = [{"name": "Age", "kind": "static", **wide}]
    columns += [{"name": f"lab {letter}", "kind": "temporal", **wide} for letter in "abcd"]
    changes = {
        "name": "small",
        "horizon": 6,
        "severity": "lab a",
        "highlights": ("lab a",),
        "indication": None,
        "columns": columns,
        "actions": {"drug": "drug", "unit": "mg", "upper": (0, 1, 2), "representative": (0, 0.5, 1.5)},
        "rewards": (),
    }
    return StudySpec.model_validate(full.model_dump() | changes)


@pytest.fixture(scope="session")
def make_toy(small_study: StudySpec) -> Callable[..., Trajectories]:
    """make_toy(n, seed=0, study=small_study) -> Trajectories."""

    def make(n: int, seed: int = 0, study: StudySpec | None = None) -> Trajectories:
        return toy_trajectories(study or small_study, n, seed)

    return make
