"""The vectorized estimators against plain loops."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from core.evaluation import Recorded, per_decision_wis, phwdr, phwis, wdr, wis
from core.evaluation.resampling import bootstrap_seed, resample_counts
from core.evaluation.survival import isotonic

_spec = importlib.util.spec_from_file_location("ope_twins", Path(__file__).with_name("ope_twins.py"))
assert _spec is not None
assert _spec.loader is not None
twins = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(twins)

GAMMA = 0.9


def draw(seed: int, zeros: float = 0.0, gaps: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n, horizon = 40, 5
    mask = np.arange(horizon) < rng.integers(0, horizon + 1, n)[:, None]
    if gaps:
        mask = rng.random((n, horizon)) < 0.6
    rewards, q, v = rng.normal(size=(3, n, horizon))
    evaluation, behavior = rng.uniform(0.05, 1, size=(2, n, horizon))
    evaluation[rng.random((n, horizon)) < zeros] = 0
    return {"rewards": rewards, "mask": mask, "evaluation": evaluation, "behavior": behavior, "q": q, "v": v}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("zeros", "gaps"), [(0.0, False), (0.3, False), (0.95, False), (0.2, True)])
def test_values_equal_the_loops(seed: int, zeros: float, gaps: bool) -> None:
    d = draw(seed, zeros, gaps)
    stays = twins.stays_of(**d)
    args = d["rewards"], d["mask"], d["evaluation"], d["behavior"]
    assert phwis(*args, gamma=GAMMA).value == pytest.approx(twins.slow_phwis(stays, GAMMA), rel=1e-12, abs=1e-12)
    fast = phwdr(*args, d["q"], d["v"], gamma=GAMMA).value
    assert fast == pytest.approx(twins.slow_phwdr(stays, GAMMA), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("zeros", "gaps"), [(0.0, False), (0.3, False), (0.95, False), (0.2, True)])
def test_values_over_all_stays_equal_the_loops(seed: int, zeros: float, gaps: bool) -> None:
    d = draw(seed, zeros, gaps)
    stays = twins.stays_of(**d)
    recorded = Recorded(d["rewards"], d["mask"], d["behavior"], GAMMA)
    for fast, slow in (
        (wis(recorded, d["evaluation"]), twins.slow_wis),
        (per_decision_wis(recorded, d["evaluation"]), twins.slow_per_decision_wis),
        (wdr(recorded, d["evaluation"], d["q"], d["v"]), twins.slow_wdr),
    ):
        assert fast.value == pytest.approx(slow(stays, GAMMA), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("zeros", [0.0, 0.5])
def test_bootstrap_interval_equals_the_loop_on_the_same_resamples(zeros: float) -> None:
    d = draw(1, zeros)
    stays = twins.stays_of(**d)
    args = d["rewards"], d["mask"], d["evaluation"], d["behavior"]
    seed = bootstrap_seed(np.random.default_rng(5))
    counts = np.concatenate(list(resample_counts(len(stays), 30, seed)))
    recorded = Recorded(d["rewards"], d["mask"], d["behavior"], GAMMA)
    for fast, slow in (
        (phwis(*args, GAMMA, 30, np.random.default_rng(5)), twins.slow_phwis),
        (phwdr(*args, d["q"], d["v"], GAMMA, 30, np.random.default_rng(5)), twins.slow_phwdr),
        (wis(recorded, d["evaluation"], 30, np.random.default_rng(5)), twins.slow_wis),
        (per_decision_wis(recorded, d["evaluation"], 30, np.random.default_rng(5)), twins.slow_per_decision_wis),
        (wdr(recorded, d["evaluation"], d["q"], d["v"], 30, np.random.default_rng(5)), twins.slow_wdr),
    ):
        low, high = np.percentile(twins.slow_bootstrap(slow, stays, GAMMA, counts), [2.5, 97.5])
        assert (fast.low, fast.high) == pytest.approx((low, high), rel=1e-10)


def test_isotonic_by_max_min_equals_pooling() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(1, 40, size=(50, 12)).astype(float)
    hits = rng.binomial(n.astype(int), rng.random((50, 12))).astype(float)
    fast = isotonic(hits, n)
    for b in range(50):
        assert fast[b] == pytest.approx(twins.slow_isotonic(hits[b] / n[b], n[b]))
