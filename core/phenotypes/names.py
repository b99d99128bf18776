"""Phenotypes in words: each is called by what sets it apart most, and keeps its words from K to K + 1 while they hold.

A feature sets a phenotype apart by the standardized mean difference d between its patients and all others (the `effect`
of `core.phenotypes.profiles.effect_sizes`). Words compare phenotypes with each other, not with health: "low platelets"
are lower than in the other patients of the cohort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FEATURES = 2  # that a name holds; more only where two phenotypes would be called alike
WEAKEST = 0.2  # |d| below which a feature says nothing
KEPT = 0.5  # of the strongest |d|: a name stays while each of its features reaches it
ALIKE = 0.7  # |correlation| from which two features say the same
AVERAGE = "near the average"


@dataclass(frozen=True)
class FeatureWords:
    """How a name tells that a feature is low or high: "low platelets" and "high platelets"."""

    low: str
    high: str


@dataclass(frozen=True)
class PhenotypeName:
    """Phenotype `number` in words, with its patients and the share of them that died."""

    number: int
    words: str
    n: int
    mortality: float

    @property
    def died(self) -> str:
        """', 27.5 % died'; empty where that is not known."""
        return f", {100 * self.mortality:.1f} % died" if np.isfinite(self.mortality) else ""

    @property
    def text(self) -> str:
        """'Phenotype 1: low platelets, high lactate'."""
        return f"Phenotype {self.short}"

    @property
    def short(self) -> str:
        """'1: low platelets, high lactate', under a heading that says phenotype."""
        return f"{self.number}: {self.words}"


def group_effects(values: np.ndarray, labels: np.ndarray, n_groups: int) -> np.ndarray:
    """Standardized mean difference of each group from all others: values (N, D), labels (N,) -> (G, D).

    0 where a feature does not vary or a side has fewer than 2 patients. From sums by group, so that it takes one pass
    at any number of patients.
    """
    x = np.asarray(values, dtype=np.float64)
    x = x - x.mean(axis=0)  # so that sums of squares lose no digits
    member = np.zeros((n_groups, len(x)))
    member[labels, np.arange(len(x))] = 1.0
    sums, squares, n = member @ x, member @ x**2, member.sum(axis=1)[:, None]
    sides = ((n, sums, squares), (len(x) - n, sums.sum(axis=0) - sums, squares.sum(axis=0) - squares))
    (mean, var), (others, var_others) = (_moments(*side) for side in sides)
    spread = np.sqrt((var + var_others) / 2)
    known = (spread > 1e-12) & (n > 1) & (len(x) - n > 1)
    return np.where(known, (mean - others) / np.where(known, spread, 1.0), 0.0)


def _moments(n: np.ndarray, total: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (n - 1) from sums."""
    mean = total / np.maximum(n, 1)
    return mean, np.maximum(squares - n * mean**2, 0.0) / np.maximum(n - 1, 1)


def name_phenotypes(
    values: np.ndarray, features: Sequence[FeatureWords], labels: Mapping[int, np.ndarray]
) -> dict[int, tuple[str, ...]]:
    """The words of every phenotype at every K.

    values (N, D) one row a patient; features (D,) in words; labels[K] (N,), aligned across K. At the smallest K a
    phenotype is called by its strongest features that are not alike; at each further K it keeps these words while each
    still differs the same way by at least `KEPT` of its strongest. No two at one K are called alike, where more
    features can tell them apart.
    """
    x = np.asarray(values, dtype=np.float64)
    deviation = x - x.mean(axis=0)
    scaled = deviation / np.maximum(np.sqrt((deviation**2).mean(axis=0)), 1e-12)
    alike = np.abs(scaled.T @ scaled) / max(len(x), 1) > ALIKE
    named: dict[int, tuple[str, ...]] = {}
    before: list[tuple[int, ...]] = []  # signed features of each name, numbered from 1
    for k in sorted(labels):
        effects = group_effects(x, labels[k], k)
        now: list[tuple[int, ...]] = []
        for number, effect in enumerate(effects):
            kept = before[number] if number < len(before) and _holds(before[number], effect) else ()
            now.append(kept if kept and kept not in now else _strongest(effect, alike, now))
        named[k] = tuple(_words(features, signed) for signed in now)
        before = now
    return named


def _holds(signed: Sequence[int], effect: np.ndarray) -> bool:
    """Whether every feature of a name still differs its way, and by enough."""
    enough = max(WEAKEST, KEPT * float(np.abs(effect).max(initial=0.0)))
    return all(np.sign(one) * effect[abs(one) - 1] >= enough for one in signed)


def _strongest(effect: np.ndarray, alike: np.ndarray, taken: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Signed numbers of the strongest features that are not alike; as many as it takes to differ from `taken`."""
    found: list[int] = []
    for feature in np.argsort(-np.abs(effect), kind="stable"):
        if abs(effect[feature]) < WEAKEST or (len(found) >= FEATURES and tuple(found) not in taken):
            break
        if not any(alike[feature, abs(other) - 1] for other in found):
            found.append(int(np.sign(effect[feature])) * (int(feature) + 1))
    return tuple(found)


def _words(features: Sequence[FeatureWords], signed: Sequence[int]) -> str:
    told = [features[one - 1].high if one > 0 else features[-one - 1].low for one in signed]
    return ", ".join(told) or AVERAGE
