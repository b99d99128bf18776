"""How a small tree stands for a policy: how often it says what the policy does, and where it departs from those who
treated.

Arrays are stays by steps, (N, T), of patients from whom nothing was learned; a group of -1 is no step. A group of
states is a departure where the tree moves more than a tenth of what was given, beyond chance. Its effect is that of
following the tree there alone, and leaving everything else to those who treated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.statistics import Z95
from core.evaluation.judging.gate import corrected_z
from core.evaluation.judging.mix import clustered_error
from core.policies.hazards import FEWEST_PERSONS
from core.policies.tree import PolicyTree

LEAST_MOVED = 0.1  # share of a group's actions that a departure moves more of
ITSELF, TREE, FEW = "the policy itself", "in words", "in words, only where it departs"
EFFECT = ["difference", "low", "high", "ess", "grade", "true_difference", "true_difference_se"]


@dataclass(frozen=True)
class Share:
    """A share of the test patients' steps with its 95 % interval by person."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class InWords:
    """A policy's tree; its last probability is to do as those who treated.

    fidelity: steps at which the tree's likeliest action is the policy's; weighted by how much likelier that is than the
    policy's next one; plain: what always saying its commonest action would reach, unweighted. steps and stays of the
    test patients that these count. judged: one row each of `ITSELF`, `TREE` and `FEW` (where anything departs): what,
    then the columns of `judged_row`, true_difference and its _se (NaN where it was not rolled out). groups: a row a
    group, see `group_table` and `with_effects`. given: `given_shares` of the test patients.
    """

    policy: str
    tree: PolicyTree
    fidelity: Share
    weighted: Share
    plain: float
    steps: int
    stays: int
    judged: pd.DataFrame
    groups: pd.DataFrame
    given: np.ndarray


def ratio(amount: np.ndarray, weight: np.ndarray, person: np.ndarray) -> tuple[float, float]:
    """sum of amounts (N, T) by sum of weights (N, T), and its standard error by person (N,), at first order."""
    over, under = amount.sum(axis=1), weight.sum(axis=1)
    if not under.sum() > 0:
        return float("nan"), float("nan")
    value = float(over.sum() / under.sum())
    return value, clustered_error((over - value * under) / under.mean(), person)


def _share(hit: np.ndarray, weight: np.ndarray, person: np.ndarray) -> Share:
    """Weighted share of hits (N, T), weights 0 where nothing counts, with its interval by person (N,)."""
    value, error = ratio(np.where(weight > 0, hit * weight, 0.0), weight, person)
    return Share(value, max(value - Z95 * error, 0.0), min(value + Z95 * error, 1.0))


def fidelity(targets: np.ndarray, tree: PolicyTree, group: np.ndarray, person: np.ndarray) -> tuple[Share, Share]:
    """How often the tree says what the policy does, targets (N, T, M): each step alike, and by how sure the policy is
    of it."""
    hit = targets.argmax(axis=2) == tree.probs[np.maximum(group, 0)].argmax(axis=2)
    ordered = np.sort(targets, axis=2)
    sure = ordered[..., -1] - ordered[..., -2]
    alike, weighted = (_share(hit, np.where(group >= 0, one, 0.0), person) for one in (np.ones(group.shape), sure))
    return alike, weighted


def group_table(
    actions: np.ndarray, tree: PolicyTree, group: np.ndarray, person: np.ndarray, doses: np.ndarray
) -> pd.DataFrame:
    """What the tree does in each group beside what was given, actions (N, T), one row a group.

    steps, stays; own and given: mean dose, doses (A,) of the actions (NaN where they are none); change: their
    difference; moved: share of what was given that the tree moves, at least; departs: that share is more than
    `LEAST_MOVED` beyond chance. _low and _high: intervals by person, corrected for the number of groups; NaN where
    fewer than `FEWEST_PERSONS` stays are in the group, which then departs nowhere.

        moved = 1/2 sum_a |p(a) - kept f(a)|,   f shares of what was given, kept = 1 - p(as those who treated)

    moved is linear in f while no sign turns, and so is its error taken.
    """
    needed, rows = corrected_z(Z95, len(tree.limits)), []
    for number, probs in enumerate(tree.probs):
        here = (group == number).astype(float)
        kept = 1 - probs[-1]
        given, _ = ratio(here * doses[actions], here, person)
        change = ratio(here * (probs[:-1] @ doses - kept * doses[actions]), here, person)
        side = np.sign(probs[:-1] - kept * np.bincount(actions[here > 0], minlength=len(doses)) / max(here.sum(), 1))
        moved = ratio(here * 0.5 * (side @ probs[:-1] - kept * side[actions]), here, person)
        row = {"steps": int(here.sum()), "stays": int(here.any(axis=1).sum()), "given": given, "own": given + change[0]}
        z = needed if row["stays"] >= FEWEST_PERSONS else np.nan
        for name, (value, error) in (("change", change), ("moved", moved)):
            row |= {name: value, f"{name}_low": value - z * error, f"{name}_high": value + z * error}
        rows.append(row | {"departs": bool(row["moved_low"] > LEAST_MOVED)})
    return pd.DataFrame(rows)


def given_shares(actions: np.ndarray, group: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(L, M) shares of what was given in each group, as a tree's probabilities; 0 where there is no step."""
    counts = np.zeros(shape)
    np.add.at(counts, (group[group >= 0], actions[group >= 0]), 1)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


@dataclass(frozen=True)
class Parts:
    """In which groups a tree is followed, of each policy that is made of it: None for all. asked: the groups whose own
    effects come last, each alone."""

    followed: tuple[Sequence[int] | None, ...]
    asked: tuple[int, ...]

    @classmethod
    def of(cls, groups: pd.DataFrame, fewest: int) -> Parts:
        """The whole tree, where it departs (where that is some groups and not all), and each departing group that as
        many stays meet."""
        departing = [int(number) for number in groups.index[groups["departs"]]]
        asked = tuple(number for number in departing if int(groups["stays"].iloc[number]) >= fewest)
        few = [departing] if 0 < len(departing) < len(groups) else []
        return cls((None, *few, *([number] for number in asked)), asked)


def with_effects(table: pd.DataFrame, groups: pd.DataFrame, parts: Parts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The judgments of the policy, its tree and the tree where it departs; and the groups with the effect of each that
    was asked about: `EFFECT`, low and high corrected for the number of groups.

    table: a row for the policy itself and one for each of the parts, with the columns of `judged_row`, true_difference
    and its _se.
    """
    whole = len(table) - len(parts.asked)
    effects = table.iloc[whole:].set_axis(list(parts.asked))
    half = corrected_z(Z95, len(groups)) * effects["difference_se"]
    effects = effects.assign(low=effects["difference"] - half, high=effects["difference"] + half)
    return table.iloc[:whole].assign(what=[ITSELF, TREE, FEW][:whole]), groups.join(effects[EFFECT])
