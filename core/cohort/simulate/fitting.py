"""Find a transform's two constants so that its output has a published mean and standard deviation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from core.cohort.simulate.transforms import Transform

NEWTON_STEPS = 12
SPIKED_SPREAD = 0.8  # SD of the log of ordinary values beside spikes


def solve(transform: Transform, read: Callable[[Transform], np.ndarray], mean: float, sd: float) -> Transform:
    """The transform's (a, b) for which the values `read` from it come closest to this mean and standard deviation.

    Damped Newton steps on (a, log b) with wide finite differences, as SOFA's points make `read` a staircase.
    """
    unit = np.array([sd if transform.kind == "linear" else 1.0, 1.0])

    def at(point: np.ndarray) -> Transform:
        a, log_b = point * unit
        return transform.model_copy(update={"a": float(a), "b": float(np.exp(log_b))})

    def misfit(point: np.ndarray) -> np.ndarray:
        y = read(at(point))
        return np.array([(y.mean() - mean) / sd, np.log(max(float(y.std()), 1e-12) / sd)])

    point = np.array([transform.a, np.log(transform.b)]) / unit
    best, least = point, np.inf
    for _ in range(NEWTON_STEPS):
        miss = misfit(point)
        if np.abs(miss).max() < least:
            best, least = point, float(np.abs(miss).max())
        if least < 5e-4:
            break
        slopes = np.stack([misfit(point + 0.02 * direction) - miss for direction in np.eye(2)], axis=1) / 0.02
        point = point + np.clip(np.linalg.lstsq(slopes, -miss)[0], -0.5, 0.5)
    return at(best)


def fit(transform: Transform, x: np.ndarray, mean: float, sd: float) -> Transform:
    """The transform's (a, b) for which T(x) itself has this mean and standard deviation."""
    return solve(transform, lambda candidate: candidate(x), mean, sd)


def guess(transform: Transform, x: np.ndarray, mean: float, sd: float) -> Transform:
    """Starting (a, b): exact but for clipping where the latent is normal."""
    spread = float(x.std())
    if transform.kind == "linear":
        return transform.model_copy(update={"a": mean - sd / spread * float(x.mean()), "b": sd / spread})
    if transform.kind == "zero_exp":
        return _guess_zero_exp(transform, x, mean, sd)
    level = transform.high - mean if transform.kind == "deficit" else mean - transform.floor
    b = np.sqrt(np.log1p((sd / level) ** 2)) / spread
    center = float(x.mean())
    return transform.model_copy(update={"a": np.log(level) - b * b * spread**2 / 2 - b * center, "b": b})


def _guess_zero_exp(transform: Transform, x: np.ndarray, mean: float, sd: float) -> Transform:
    """Nested bisection over b (spread) and a (mean): the cap cuts extreme tails, so no closed form is near."""
    positive = x[x > transform.threshold]
    share = len(positive) / len(x)
    second_moment = (mean**2 + sd**2) / share

    def spread(log_b: float) -> float:
        fitted = _with_mean(transform, positive, mean / share, float(np.exp(log_b)))
        return float(np.log((fitted(positive) ** 2).mean() / second_moment))

    return _with_mean(transform, positive, mean / share, float(np.exp(brentq(spread, -3.0, 3.0, xtol=1e-3))))


def fit_spiked(transform: Transform, x: np.ndarray, mean: float, sd: float) -> Transform:
    """A zero_exp of ordinary spread whose published SD comes from the share of spikes at `high`."""
    share = (mean**2 + sd**2) / transform.high**2  # the ordinary doses add next to nothing to the second moment
    transform = transform.model_copy(update={"spike": float(np.quantile(x, 1 - share))})
    positive = x[x > transform.threshold]
    return _with_mean(transform, positive, mean * len(x) / len(positive), SPIKED_SPREAD / float(positive.std()))


def _with_mean(transform: Transform, x: np.ndarray, mean: float, b: float) -> Transform:
    """The transform with this b, and the a that gives T(x) this mean."""

    def excess(a: float) -> float:
        return float(transform.model_copy(update={"a": a, "b": b})(x).mean()) - mean

    return transform.model_copy(update={"a": float(brentq(excess, -300.0, 30.0, xtol=1e-4)), "b": b})
