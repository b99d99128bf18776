"""A small registry world with known truth: courses of two stages with one treatment, some of which are lost.

Experts give action 1 with probability 0.3 + 0.4 s to patients of state s. Stage reward 0.5 + 0.5 a (1 - s): the drug
helps patients of state 0 alone, who seldom get it. s is drawn anew at each stage.
"""

from __future__ import annotations

import numpy as np

from core.registry.ask.ope import Judging, Plan, Points, Recorded
from core.registry.cohort.courses import Courses

GAMMA = 0.9


def expert(s: np.ndarray) -> np.ndarray:
    return np.stack([0.7 - 0.4 * s, 0.3 + 0.4 * s], axis=-1)


def recorded(n: int, seed: int, lost: float = 0.0) -> Recorded:
    """n courses, each of which is lost after a stage with chance `lost`."""
    rng = np.random.default_rng(seed)
    s = rng.integers(2, size=(n, 2))
    a = (rng.random((n, 2)) < expert(s)[..., 1]).astype(int)
    kept = rng.random((n, 2)) >= lost
    going = np.stack([np.ones(n, bool), kept[:, 0]], axis=1)
    followed = going & kept
    rewards = np.where(followed, 0.5 + 0.5 * a * (1 - s), 0.0)
    course, step = np.nonzero(going)
    states = s[..., None].astype(np.float32)
    here = s[course, step]
    points = Points(
        course, step, here[:, None].astype(np.float32), a[course, step], a[course, step][:, None],
        np.array([[0], [1]], dtype=np.uint8), expert(here), np.arange(len(course)),
    )  # fmt: skip
    return Recorded(Courses(1, np.arange(n), going, followed, rewards), {"chronic": points}, states)


ALWAYS = "always"  # give the drug
SOMETIMES = "sometimes"  # half the time, else as the experts do


def plan(some: Recorded, policy: str) -> Plan:
    points = some.treatments["chronic"]
    probs = points.behavior
    if policy != "observed":
        always = points.learned(np.tile([0.0, 1.0], (len(points.course), 1)))
        probs = always if policy == ALWAYS else 0.5 * always + 0.5 * probs
    return {"chronic": points.advice(probs, 0.35)}


def judging(train: Recorded) -> Judging:
    kept = train.courses.kept_share()
    return Judging(kept, GAMMA, (0,), n_bootstrap=100, ess_floor=30.0, probability_floor=0.35, seed=0)


def true_value(probs: np.ndarray) -> float:
    """probs: chance of the drug in states 0 and 1."""
    return (1 + GAMMA) * (0.5 + 0.5 * 0.5 * probs[0])


TRUE = {"observed": true_value([0.3, 0.7]), ALWAYS: true_value([1, 1]), SOMETIMES: true_value([0.65, 0.85])}
