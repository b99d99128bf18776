"""Critics that center actions by what clinicians do: a base that is too plain does not turn severity into effect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds, judge
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureMap, FeatureSettings
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.pessimism import PessimisticStep, pessimistic_step

N, HORIZON = 3_000, 3
FEATURES = FeatureSettings((0,))


def treat_the_sick(seed: int) -> tuple[Histories, np.ndarray]:
    """Stays in which the drug does nothing, and their clinicians' probabilities (N, T, 2).

    Beyond a limit, which no linear base can see, patients are worth 2 more and are treated far more often.
    """
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(N, HORIZON, 1))
    sick = states[..., 0] > 1
    treated = 0.1 + 0.6 * sick
    actions = (rng.random(sick.shape) < treated).astype(int)
    rewards = 2.0 * sick + rng.normal(size=sick.shape)
    mask = np.ones(sick.shape, dtype=bool)
    return Histories(states, actions, rewards, mask, np.array([0.0, 1.0])), np.stack([1 - treated, treated], axis=-1)


def critic_alone(histories: Histories, folds: list[Fold]) -> tuple[float, float]:
    """What the critic says of the policy's difference, whose truth is 0, with its standard error."""
    part = judge(histories, folds, JudgeSettings(FEATURES))[0].difference.parts[0]
    assert part.memory == 0
    return part.value, part.se


def test_a_drug_that_does_nothing_gets_no_effect_from_whom_it_is_given_to() -> None:
    histories, chances = treat_the_sick(seed=0)
    number = assign_folds(histories.person, 5, seed=0)
    more = Deferring("more", np.full((N, HORIZON, 2), 0.5))
    centered = [Fold.by(histories, number == k, [more], chances) for k in range(5)]
    value, se = critic_alone(histories, [replace(fold, chances=None) for fold in centered])
    assert value > 4 * se, "else this world does not confound a plain critic"
    value, se = critic_alone(histories, centered)
    assert abs(value) < 3 * se


def test_an_effect_is_found_as_large_as_it_is() -> None:
    histories, chances = treat_the_sick(seed=1)
    helped = replace(histories, rewards=histories.rewards + 0.5 * histories.actions)
    number = assign_folds(helped.person, 5, seed=0)
    always = Deferring("always", np.broadcast_to([0.0, 1.0], (N, HORIZON, 2)).copy())
    value, se = critic_alone(helped, [Fold.by(helped, number == k, [always], chances) for k in range(5)])
    true = 0.5 * (1 - chances[..., 1].mean()) * sum(0.99**t for t in range(HORIZON))
    assert abs(value - true) < 3 * se
    assert se < true / 8


def test_the_clinicians_own_action_part_is_nothing() -> None:
    histories, chances = treat_the_sick(seed=2)
    features = FeatureMap.fit(histories, np.ones(len(histories.stay), dtype=bool), FEATURES)
    flat = histories.flat(chances)
    situations = features.situations(histories, flat)
    assert np.abs(features.action_part(situations, flat)).max() < 1e-12
    rows = np.flatnonzero(histories.time == 1)
    kept = features.action_part(situations.at(rows), histories.taken()[rows])
    assert kept == pytest.approx(features.action_part(situations, histories.taken())[rows])


def test_a_step_learned_by_a_centered_critic_leaves_clinicians_alone_where_the_drug_does_nothing() -> None:
    histories, chances = treat_the_sick(seed=3)
    everyone, flat = np.ones(N, dtype=bool), histories.flat(chances)
    plain, centered = (pessimistic_step(histories, everyone, FEATURES, chances=given) for given in (None, chances))
    sick = histories.flat(histories.states)[:, 0] > 1

    def in_its_errors(step: PessimisticStep) -> float:
        """Largest advantage of the drug over what clinicians do with the sick, in standard errors."""
        told = step.advantages(histories, flat)
        return float(np.abs(told.value[sick, 1] / told.se[sick, 1]).max())

    assert in_its_errors(plain) > 4
    assert in_its_errors(centered) < 3
