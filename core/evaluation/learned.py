"""Did a learner learn? What it says of itself against what the records say, with a light.

A learner of values should say of a policy what others find it worth; a model of those who treat should find their
choices likelier than fixed shares do; a model of rewards should err less than their mean. All of it on patients who
taught none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.statistics import Z95

SLACK = 0.25
ALIKE = ", alike but for chance: what is given may not depend on the state"


@dataclass(frozen=True)
class Light:
    """One learner: what it says of itself (own), against what (reference, low, high) on n stays, and whether that
    agrees."""

    name: str
    own: float
    reference: float
    low: float
    high: float
    n: int
    agrees: bool
    text: str


def value_light(name: str, own: float, low: float, high: float, unit: float, n: int, by: str) -> Light:
    """A learner of values; unit: SD of the stays' returns; by: whose the interval is, in words."""
    agrees = bool(low - SLACK * unit <= own <= high + SLACK * unit)  # False where there is no interval
    verdict = "agrees" if agrees else "does not agree"
    beyond = f", at most {SLACK:g} SD of the returns beyond" if agrees and not low <= own <= high else ""
    text = f"{verdict}: {own:.2f} by its Q, {(low + high) / 2:.2f} [{low:.2f}, {high:.2f}] by {by}{beyond}"
    return Light(name, own, (low + high) / 2, low, high, n, agrees, text)


def chance_light(name: str, probs: np.ndarray, actions: np.ndarray, shares: np.ndarray, n: int) -> Light:
    """A model of the clinicians: mean log probability of the doses given, against that of fixed shares (A,).

    probs (m, A) and actions (m,) of m steps; low and high: 95 % interval of the shares' own mean.
    """
    tiny = np.finfo(np.float64).tiny
    own = np.log(np.maximum(np.take_along_axis(probs, actions[:, None], axis=1)[:, 0], tiny))
    fixed = np.log(np.maximum(shares, tiny))[actions]
    said = "{own:.2f} mean log probability of what was given, {fixed:.2f} by fixed shares"
    return _light(name, own, fixed, 1, n, said, ALIKE)


def error_light(name: str, predicted: np.ndarray, recorded: np.ndarray, fixed: float, n: int) -> Light:
    """A model of rewards: mean squared error at m rewards of n patients, against that of a fixed prediction; low and
    high: 95 % interval of the latter's own mean."""
    own, plain = (predicted - recorded) ** 2, (fixed - recorded) ** 2
    said = "squared error {own:.3f}, {fixed:.3f} by the mean reward of those it learned from"
    return _light(name, own, plain, -1, n, said, ", alike but for chance")


def _light(name: str, own: np.ndarray, fixed: np.ndarray, sign: int, n: int, said: str, alike: str) -> Light:
    """A model by its scores own (m,), which should be above (sign 1) or below (-1) those of a fixed rule, on average.

    said: in words, of the means {own} and {fixed}; alike: what is added where they differ by no more than chance.
    """
    mean, half = float(fixed.mean()), Z95 * float(fixed.std()) / np.sqrt(len(fixed))
    agrees, apart = bool(sign * own.mean() > sign * mean), sign * (own - fixed)
    chance = not agrees and apart.mean() >= -Z95 * apart.std() / np.sqrt(len(apart))
    verdict = "agrees" if agrees else "does not agree"
    text = f"{verdict}: {said.format(own=own.mean(), fixed=mean)}{alike if chance else ''}"
    return Light(name, float(own.mean()), mean, mean - half, mean + half, n, agrees, text)


def said_of(table: pd.DataFrame | None, names: Sequence[str]) -> list[str]:
    """The sentence of each name; a dash where there is none."""
    known = {} if table is None else dict(zip(table["name"], table["text"], strict=True))
    return [str(known.get(name, "–")) for name in names]
