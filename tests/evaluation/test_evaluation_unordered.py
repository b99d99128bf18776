"""Actions without an order: no number of an action may matter to anything that is judged or advised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.evaluation.judging.atlas import Choice, Records, World, reward_atlas
from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds, judge
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureMap, FeatureSettings
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.pessimism import pessimistic_step
from core.icu.ask.judge import behavior_probs
from core.study.actions import Actions

WAYS = {"kind": "choice", "drug": "way", "names": ("left", "down", "right", "up")}
SETS = {"kind": "combination", "drug": "treatment", "sets": ((), ("fluids",), ("pressor",), ("fluids", "pressor"))}
N, STEPS = 150, 4
FEATURES = FeatureSettings((0, 1), ordered=False, history=True)


def renamed(study: dict[str, Any], order: np.ndarray) -> Actions:
    """The same actions in another order; the empty set of drugs stays first."""
    key = "names" if study["kind"] == "choice" else "sets"
    return Actions.build(study | {key: tuple(study[key][a] for a in order)}, "actions")


def judged(actions: Actions, order: np.ndarray) -> dict[str, np.ndarray]:
    """Everything that is judged of one record whose actions are told in this order: stays do not depend on it."""
    rng = np.random.default_rng(5)
    states = rng.normal(size=(N, STEPS, 3))
    taken = (states[..., 0] + rng.normal(size=(N, STEPS)) > 0).astype(int) + 2 * (rng.random((N, STEPS)) < 0.4)
    rewards = rng.normal(size=(N, STEPS)) + states[..., 0] * (taken == 1) - 0.5 * (taken == 2)
    mask = np.arange(STEPS) < rng.integers(2, STEPS + 1, N)[:, None]
    own = rng.dirichlet(np.ones(4), (N, STEPS))
    number = np.argsort(order)  # of the action that is called a at first
    histories = Histories(states, number[taken], rewards, mask, actions.given)
    part = assign_folds(np.arange(N), 2, 0)
    held = [part == k for k in range(2)]
    behaviors = [behavior_probs(histories, ~one, 0) for one in held]
    folds = []
    for one, behavior in zip(held, behaviors, strict=True):
        step = pessimistic_step(histories, ~one, FEATURES, chances=behavior).policy("step", histories, behavior)
        policies = [Deferring("own", own[..., order]), step.toward(0.5)]
        folds.append(Fold.by(histories, one, policies, behavior))
    settings = JudgeSettings(replace(FEATURES, history=False), hidden=True)
    found = {one.name: one for one in judge(histories, folds, settings)}
    records = Records(histories, rewards[..., None], folds, behaviors, FEATURES, settings)
    atlas = reward_atlas(records, [Choice((1.0,), World(gamma)) for gamma in (0.99, 0.9)])
    names = np.append(order, -1)  # what each action is called at first
    told = {name: np.array([one.difference.value, one.difference.se, one.value.value, one.difference.ess])
            for name, one in found.items()}  # fmt: skip
    return told | {
        "behavior": np.concatenate([each[..., number][mask] for each in behaviors]),
        "gamma": np.array([found["own"].hidden.lasting.at(1.5), found["own"].hidden.passing.at(1.5)]),
        "taken": names[atlas.taken],
    }


@pytest.mark.parametrize("study", [WAYS, SETS], ids=lambda study: study["kind"])
def test_another_order_of_the_actions_changes_no_judged_value(study: dict[str, Any]) -> None:
    order = np.array([2, 0, 3, 1]) if study["kind"] == "choice" else np.array([0, 3, 1, 2])
    first = judged(renamed(study, np.arange(4)), np.arange(4))
    again = judged(renamed(study, order), order)
    assert (first["taken"] >= 0).any(), "the step departs somewhere"
    for name, value in first.items():
        np.testing.assert_allclose(again[name], value, rtol=1e-6, atol=1e-8, err_msg=name)


def test_doses_in_another_order_are_other_doses() -> None:
    """What the test above could not see if all actions were alike."""
    order = np.array([2, 0, 3, 1])
    doses = {"drug": "d", "unit": "mg", "upper": (0, 1, 2, 3), "representative": (0, 1, 2, 3)}
    first, again = (judged(Actions.build(doses, "actions"), one)["own"] for one in (np.arange(4), order))
    assert np.abs(first - again).max() > 1e-3


def test_effects_of_drugs_add_up_and_each_set_has_a_constant_of_its_own() -> None:
    actions, n = Actions.build(SETS, "actions"), 6
    histories = Histories(
        np.ones((n, 2, 1)), np.zeros((n, 2), int), np.zeros((n, 2)), np.ones((n, 2), bool), actions.given
    )
    features = FeatureMap.fit(histories, np.ones(2 * n, bool), FeatureSettings((0,), ordered=False))
    nothing, fluids, pressor, both = features.action_part(
        features.situations(histories.only(np.arange(n) < 2)), np.eye(4)
    )
    assert not nothing.any()
    np.testing.assert_array_equal(fluids[:-1] + pressor[:-1], both[:-1])
    assert (fluids[-1], pressor[-1], both[-1]) == (0, 0, 1)
    before = replace(histories, actions=np.full((n, 2), 3)).propensity_columns()
    np.testing.assert_array_equal(before[1, -4:], [1, 1, 1, 1])  # both drugs the step before, and so far
    np.testing.assert_array_equal(before[0, -4:], 0)
