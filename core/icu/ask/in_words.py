"""A policy in words: a readable tree of it, how faithful that is, and where the policy truly departs from clinicians.

The tree is grown on the patients whom the policies may know, and asked of the test patients: how often it says what the
policy does, and by the judges of all other policies (`core.icu.ask.differences`) what following it is worth. What is
measured of a tree, and what counts as a departure, stands in `core.policies.in_words`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.base.rng import derive_seed
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.grade import GradeSettings, judged_row
from core.evaluation.judging.groups import FEWEST_STAYS
from core.evaluation.judging.pessimism import pessimistic_step
from core.icu.ask.against import true_differences
from core.icu.ask.differences import jury_of
from core.icu.ask.judge import STEP, Jury, probs_of, step_features
from core.icu.fit.advised import FoldStep
from core.icu.fit.in_words import TreePolicy, true_gain_of_step, true_gains_of_trees
from core.icu.view import RunView
from core.policies.in_words import ITSELF, TREE, InWords, Parts, fidelity, given_shares, group_table, with_effects
from core.policies.key import PROSPECTIVE, PolicyKey
from core.policies.tree import PolicyTree, grow_tree


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
    alike, weighted = fidelity(targets[held], tree, group[held], jury.histories.person[held])
    common = targets[~held][mask[~held]].mean(axis=0).argmax()
    test = held[:, None] & mask
    judged, groups = _judged(view, jury, told, tree, group, groups)
    judged.loc[judged["what"] == ITSELF, ["true_difference", "true_difference_se"]] = truth
    return InWords(
        policy=policy,
        tree=tree,
        fidelity=alike,
        weighted=weighted,
        plain=float((targets[test].argmax(axis=1) == common).mean()),
        steps=int(test.sum()),
        stays=int(test.any(axis=1).sum()),
        judged=judged,
        groups=groups,
        given=given_shares(jury.histories.actions[held], group[held], tree.probs.shape),
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


def _groups(jury: Jury, tree: PolicyTree, group: np.ndarray) -> pd.DataFrame:
    """`group_table` of the test patients' steps, whose groups (N, T) are known."""
    held, histories = jury.held[0], jury.histories
    return group_table(histories.actions[held], tree, group[held], histories.person[held], _amounts(jury))


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
    parts = Parts.of(groups, FEWEST_STAYS)
    policies = [told, *(tree_deferring(tree, group, only) for only in parts.followed)]
    bench = jury.bench([replace(one, name=str(place)) for place, one in enumerate(policies)])
    floor = GradeSettings(ess=view.config.evaluation.ess_floor)
    table = pd.DataFrame([judged_row(one, floor) for one in bench.reward()])
    gains = true_gains_of_trees(view, [TreePolicy(tree, only) for only in parts.followed], _seed(view))
    table["true_difference"] = [np.nan, *(gain.value for gain in gains)]
    table["true_difference_se"] = [np.nan, *(gain.standard_error for gain in gains)]
    return with_effects(table, groups, parts)
