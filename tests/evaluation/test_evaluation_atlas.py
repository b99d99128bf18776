"""The reward atlas: exactly what asking every choice by itself says, and a closed form where one weight decides."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.judging.atlas import Choice, Records, World, reward_atlas
from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge, judge_terms
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.gate import DIALS, gate
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import LstdSettings
from tests.slow_twins.atlas_twins import slow_choice

OWN = World(0.9)
CHOICES = [
    Choice((1.0, 1.0, 1.0), OWN),
    Choice((0.5, 2.0, 0.0), OWN),
    Choice((1.0, -1.0, 3.0), World(1.0)),
    Choice((1.0, 1.0, 1.0), World(0.9, 1)),
    Choice((2.0, 0.3, 1.0), World(0.95, 2)),
]


def stays(n: int = 160, seed: int = 0) -> Records:
    """Stays of 1 to 5 steps, four doses and three terms that depend on state and dose; two stays a person."""
    rng = np.random.default_rng(seed)
    mask = np.arange(5) < rng.integers(1, 6, n)[:, None]
    states = rng.normal(size=(n, 5, 3))
    probs = rng.dirichlet(np.full(4, 4.0), size=(n, 5))
    actions = (rng.random((n, 5, 1)) > probs.cumsum(axis=2)).sum(axis=2)
    own = np.eye(4)[(states[..., 0] > 0) * 2 + (states[..., 1] > 0)]
    effects = np.stack([(actions > 0) * states[..., 0], -0.5 * actions, (actions == 2) * 1.0], axis=2)
    terms = effects + rng.normal(size=effects.shape)
    histories = Histories(
        states, actions, terms.sum(axis=2), mask, np.array([0.0, 1.0, 2.0, 4.0]), None, np.arange(n) // 2, 0.9
    )
    number = np.arange(n) // 2 % 3
    behaviors = [0.9 * probs + 0.1 * rng.dirichlet(np.ones(4), size=(n, 5)) for _ in range(3)]
    policy = Deferring("rule", own)
    folds = [Fold.by(histories, number == k, [policy.toward(a) for a in DIALS], behaviors[k]) for k in range(3)]
    settings = JudgeSettings(FeatureSettings((0, 1)))
    return Records(histories, terms, folds, behaviors, FeatureSettings((0, 1), history=True), settings)


def test_every_choice_says_what_it_says_when_asked_by_itself() -> None:
    """Weights, discounts and joined doses against the brute force of judging and learning anew."""
    records = stays()
    found = reward_atlas(records, CHOICES)
    changes = []
    for at, choice in enumerate(CHOICES):
        judged, taken = slow_choice(records, choice)
        np.testing.assert_array_equal(found.taken[at], taken)
        changes.append((taken != found.taken[0]).any())
        for one, slow in zip(found.judged[at], judged, strict=True):
            assert one.name == slow.name
            assert one.unit == pytest.approx(slow.unit)
            for kind in ("value", "difference"):
                fast, told = getattr(one, kind), getattr(slow, kind)
                for number in ("value", "low", "high", "se", "spread", "ess", "n"):
                    assert getattr(fast, number) == pytest.approx(getattr(told, number), rel=1e-8, abs=1e-9), number
    assert changes[1:] == [True] * 4, "every choice moves some advice, so that the comparison can fail"


def test_one_term_alone_is_the_judgment_itself() -> None:
    records = stays(seed=1)
    told = records.histories
    alone = judge_terms(told, records.folds, told.rewards[..., None], records.settings).judged(np.ones(1))
    for one, plain in zip(alone, judge(told, records.folds, records.settings), strict=True):
        assert one.difference.value == pytest.approx(plain.difference.value)
        assert one.value.se == pytest.approx(plain.value.se)
    with pytest.raises(ValueError, match="one factor a reward"):
        judge_terms(told, records.folds, records.terms, records.settings).judged(np.ones(2))


def one_step(n: int = 400, harm: float = 0.8, noise: float = 0.0) -> Records:
    """One step a stay and a coin for the drug, which earns 1 in the first term and loses `harm` in the second."""
    rng = np.random.default_rng(2)
    actions = rng.integers(0, 2, (n, 1))
    terms = np.stack([actions * 1.0, -harm * actions], axis=2) + noise * rng.normal(size=(n, 1, 2))
    states, probs = rng.normal(size=(n, 1, 2)), np.full((n, 1, 2), 0.5)
    histories = Histories(states, actions, terms.sum(axis=2), np.ones((n, 1), dtype=bool), np.array([0.0, 1.0]))
    always = Deferring("always", np.broadcast_to([0.0, 1.0], (n, 1, 2)))
    folds = [Fold(np.arange(n) % 2 == k, [always.toward(a) for a in DIALS], np.full((n, 1), 0.5)) for k in (0, 1)]
    settings = JudgeSettings(FeatureSettings((0,)), LstdSettings(1e-6, 1e-6))
    return Records(histories, terms, folds, [probs, probs], FeatureSettings((0,)), settings)


@pytest.mark.parametrize("factors", [(1.0, 1.0), (0.5, 1.0), (2.0, 1.0), (1.0, 0.5), (1.0, 2.0), (1.0, 0.0)])
def test_where_one_step_decides_the_difference_is_the_net_effect_on_those_without_the_drug(factors) -> None:
    """(f_1 - 0.8 f_2) x share that was not given it, at each dial in proportion; the sign decides advice and dose."""
    records = one_step()
    effect = factors[0] - 0.8 * factors[1]
    found = reward_atlas(records, [Choice(factors, World(0.99))])
    without = float((records.histories.actions == 0).mean())
    for share, one in zip(DIALS, found.judged[0], strict=True):
        assert one.difference.value == pytest.approx(share * effect * without, rel=1e-4)
    assert (gate(found.judged[0]).chosen is not None) == (effect > 0)
    assert (found.taken[0] == int(effect > 0)).all()
