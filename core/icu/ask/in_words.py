"""A policy in words: a readable tree of it, how faithful that is, and where the policy truly departs from clinicians.

The tree is grown on the patients whom the policies may know, and asked of the test patients: how often it says what the
policy does, and by the judges of all other policies (`core.icu.ask.differences`) what following it is worth. A group of
states is a departure where the tree moves more than a tenth of the doses given, beyond chance. Its effect is that of
following the tree there alone, and doing as clinicians do everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.base.rng import derive_seed
from core.base.statistics import Z95
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.gate import corrected_z
from core.evaluation.judging.grade import GradeSettings, judged_row
from core.evaluation.judging.groups import FEWEST_STAYS
from core.evaluation.judging.mix import clustered_error
from core.evaluation.judging.pessimism import pessimistic_step
from core.icu.ask.against import true_differences
from core.icu.ask.differences import jury_of
from core.icu.ask.judge import STEP, Jury, probs_of, step_features
from core.icu.fit.advised import FoldStep
from core.icu.fit.in_words import TreePolicy, true_gain_of_step, true_gains_of_trees
from core.icu.view import RunView
from core.policies.hazards import FEWEST_PERSONS
from core.policies.key import PROSPECTIVE, PolicyKey
from core.policies.tree import PolicyTree, grow_tree

LEAST_MOVED = 0.1  # share of a group's doses that a departure moves more of
ITSELF, TREE, FEW = "the policy itself", "in words", "in words, only where it departs"


@dataclass(frozen=True)
class Share:
    """A share of the test patients' steps with its 95 % interval by person."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class InWords:
    """A policy's tree; its last probability is to do as clinicians do.

    fidelity: steps at which the tree's likeliest dose is the policy's; weighted by how much likelier that is than the
    policy's next one; plain: what always saying its commonest dose would reach, unweighted. steps and stays of the test
    patients that these count. judged: one row each of `ITSELF`, `TREE` and `FEW` (where anything departs): what, then
    the columns of `judged_row`, true_difference and its _se (NaN where it was not rolled out). groups: a row a group,
    see `_groups` and `_judged`.
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


@remembered_by(6)
def in_words(view: RunView, policy: str) -> InWords:
    """A policy by its name at the run's own K and lambda, by the steps so far; `STEP`: the pessimistic step, learned
    anew from patients who do not judge it."""
    jury = jury_of(view)
    states = view.scaler.unscale(jury.some.trajectories.states)
    (told, truth), mask = _told(view, jury, policy), jury.histories.mask
    targets = np.concatenate([told.own, np.zeros((*mask.shape, 1))], axis=2)
    if told.deferred is not None:
        kept = 1 - told.deferred[..., None]
        targets = np.concatenate([kept * told.own, 1 - kept], axis=2)
    held = jury.held[0]
    tree = grow_tree(states[~held][mask[~held]], targets[~held][mask[~held]])
    group = np.where(mask, tree.groups(states), -1)
    groups = _groups(jury, tree, group)
    fidelity, weighted = _fidelity(jury, targets, tree, group)
    common = targets[~held][mask[~held]].mean(axis=0).argmax()
    test = held[:, None] & mask
    judged, groups = _judged(view, jury, told, tree, group, groups)
    judged.loc[judged["what"] == ITSELF, ["true_difference", "true_difference_se"]] = truth
    return InWords(
        policy=policy,
        tree=tree,
        fidelity=fidelity,
        weighted=weighted,
        plain=float((targets[test].argmax(axis=1) == common).mean()),
        steps=int(test.sum()),
        stays=int(test.any(axis=1).sum()),
        judged=judged,
        groups=groups,
    )


def own_key(view: RunView, policy: str) -> PolicyKey:
    """The key of a policy as it is put into words: at the run's own K and lambda, by the steps so far."""
    return PolicyKey.at(policy, view.n_clusters, view.config.fusion.lambda_, PROSPECTIVE)


def _told(view: RunView, jury: Jury, policy: str) -> tuple[Deferring, tuple[float, float]]:
    """What the policy does at the jury's stays, and its true difference to the clinicians with its standard error."""
    if policy == STEP:
        (held,), (clinicians,), histories = jury.held, jury.clinicians, jury.histories
        chances = probs_of(histories, clinicians)
        by = chances if view.centered else None
        step = pessimistic_step(histories, ~held, step_features(view.study), chances=by)
        told = step.policy(STEP, histories, chances)
        return told, true_gain_of_step(view, FoldStep(clinicians, step, int(held.sum())), _seed(view))
    key = own_key(view, policy)
    known = [row for row in true_differences(view).to_dict("records") if PolicyKey.of_row(row) == key]
    gain = (known[0]["true_difference"], known[0]["true_difference_se"]) if known else (np.nan, np.nan)
    return Deferring(policy, np.asarray(jury.some.probs(key))), gain


def _seed(view: RunView) -> int:
    return derive_seed(view.config.run.seed, "truth", "in words")


def tree_deferring(tree: PolicyTree, group: np.ndarray, only: Sequence[int] | np.ndarray | None = None) -> Deferring:
    """The tree as a policy of steps whose groups (N, T) are known, -1 on padding; only: groups in which it is followed,
    everywhere else it does as clinicians do (None: in all)."""
    probs, inside = tree.probs[np.maximum(group, 0)], group >= 0
    if only is not None:
        inside = np.isin(group, only)
    kept = 1 - probs[..., -1]
    own = np.where(kept[..., None] > 0, probs[..., :-1] / np.maximum(kept, 1e-12)[..., None], 1 / (probs.shape[-1] - 1))
    return Deferring(TREE, own, np.where(inside, 1 - kept, 1.0))


def _share(hit: np.ndarray, weight: np.ndarray, person: np.ndarray) -> Share:
    """Weighted share of hits (N, T), weights 0 where nothing counts, with its interval by person (N,)."""
    value, error = _ratio(np.where(weight > 0, hit * weight, 0.0), weight, person)
    return Share(value, max(value - Z95 * error, 0.0), min(value + Z95 * error, 1.0))


def _ratio(amount: np.ndarray, weight: np.ndarray, person: np.ndarray) -> tuple[float, float]:
    """sum of amounts (N, T) by sum of weights (N, T), and its standard error by person (N,), at first order."""
    over, under = amount.sum(axis=1), weight.sum(axis=1)
    if not under.sum() > 0:
        return float("nan"), float("nan")
    value = float(over.sum() / under.sum())
    return value, clustered_error((over - value * under) / under.mean(), person)


def _fidelity(jury: Jury, targets: np.ndarray, tree: PolicyTree, group: np.ndarray) -> tuple[Share, Share]:
    """How often the tree says what the policy does, each step alike and by how sure the policy is."""
    held, mask = jury.held[0], jury.histories.mask
    hit = targets.argmax(axis=2) == tree.probs[np.maximum(group, 0)].argmax(axis=2)
    ordered = np.sort(targets, axis=2)
    sure = ordered[..., -1] - ordered[..., -2]
    person = jury.histories.person[held]
    alike, weighted = (_share(hit[held], np.where(mask, one, 0.0)[held], person) for one in (np.ones(mask.shape), sure))
    return alike, weighted


def _groups(jury: Jury, tree: PolicyTree, group: np.ndarray) -> pd.DataFrame:
    """What the tree does in each group beside what was given to the test patients, one row a group.

    steps, stays; own and given: mean dose (NaN where actions are none); change: their difference; moved: share of the
    doses given that it moves, at least; departs: that share is more than `LEAST_MOVED` beyond chance. _low and _high:
    intervals by person, corrected for the number of groups; NaN where fewer than `FEWEST_PERSONS` stays are in the
    group, which then departs nowhere.

        moved = 1/2 sum_a |p(a) - kept f(a)|,   f shares of the doses given, kept = 1 - p(as clinicians)

    moved is linear in f while no sign turns, and so is its error taken.
    """
    held, doses = jury.histories.actions[jury.held[0]], _amounts(jury)
    person, needed, rows = jury.histories.person[jury.held[0]], corrected_z(Z95, len(tree.limits)), []
    for number, probs in enumerate(tree.probs):
        here = (group[jury.held[0]] == number).astype(float)
        kept = 1 - probs[-1]
        given, _ = _ratio(here * doses[held], here, person)
        change = _ratio(here * (probs[:-1] @ doses - kept * doses[held]), here, person)
        side = np.sign(probs[:-1] - kept * np.bincount(held[here > 0], minlength=len(doses)) / max(here.sum(), 1))
        moved = _ratio(here * 0.5 * (side @ probs[:-1] - kept * side[held]), here, person)
        row = {"steps": int(here.sum()), "stays": int(here.any(axis=1).sum()), "given": given, "own": given + change[0]}
        z = needed if row["stays"] >= FEWEST_PERSONS else np.nan
        for name, (value, error) in (("change", change), ("moved", moved)):
            row |= {name: value, f"{name}_low": value - z * error, f"{name}_high": value + z * error}
        rows.append(row | {"departs": bool(row["moved_low"] > LEAST_MOVED)})
    return pd.DataFrame(rows)


def _amounts(jury: Jury) -> np.ndarray:
    """(A,) dose of each action; NaN where actions are none."""
    doses = np.asarray(jury.histories.doses, dtype=np.float64)
    return doses if doses.ndim == 1 else np.full(len(doses), np.nan)


def _judged(
    view: RunView, jury: Jury, told: Deferring, tree: PolicyTree, group: np.ndarray, groups: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judgments of the policy, its tree, and the tree where it departs (where that is some groups and not all); and the
    groups with the effect of each that departs and that enough stays meet: difference, low, high, ess, grade,
    true_difference and its _se."""
    departing = [int(number) for number in groups.index[groups["departs"]]]
    asked = [number for number in departing if int(groups["stays"].iloc[number]) >= FEWEST_STAYS]
    few = [departing] if 0 < len(departing) < len(groups) else []
    parts: list[Sequence[int] | None] = [None, *few, *([number] for number in asked)]
    policies = [told, *(tree_deferring(tree, group, only) for only in parts)]
    bench = jury.bench([replace(one, name=str(place)) for place, one in enumerate(policies)])
    floor = GradeSettings(ess=view.config.evaluation.ess_floor)
    table = pd.DataFrame([judged_row(one, floor) for one in bench.reward()])
    gains = true_gains_of_trees(view, [TreePolicy(tree, only) for only in parts], _seed(view))
    table["true_difference"] = [np.nan, *(gain.value for gain in gains)]
    table["true_difference_se"] = [np.nan, *(gain.standard_error for gain in gains)]
    whole, effects = table.iloc[: 2 + len(few)], table.iloc[2 + len(few) :].set_axis(asked)
    half = corrected_z(Z95, len(groups)) * effects["difference_se"]
    effects = effects.assign(low=effects["difference"] - half, high=effects["difference"] + half)
    names = ["difference", "low", "high", "ess", "grade", "true_difference", "true_difference_se"]
    return whole.assign(what=[ITSELF, TREE, FEW][: len(whole)]), groups.join(effects[names])
