"""Which choices are tried, what a run keeps of them, and the badge: the weight that decides is named, or none is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.evaluation.judging.atlas import DRAWS, World
from core.evaluation.judging.choices import DISCOUNT, DOSES, NOTHING_ELSE, OUTCOME, SEVERAL
from core.evaluation.judging.crossfit import Fold
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.gate import DIALS
from core.evaluation.judging.histories import Histories
from core.icu.ask.atlas import RunAtlas, choices_of, reward_atlas, same_actions, step_choices
from core.icu.ask.judge import AdvisedStays
from core.icu.view import RunView
from core.study import RewardTerm, StudySpec, load_study


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def two_terms() -> StudySpec:
    """The shipped study with a benefit and a harm in its reward, and no outcome."""
    terms = [RewardTerm(name=c, kind="difference", column=c, coefficient=1.0) for c in ("Lactate", "SOFA")]
    return load_study().model_copy(update={"rewards": tuple(terms), "terminal_coeff": 0.0})


def coin(harm: float, n: int = 3_000) -> RunAtlas:
    """The atlas of stays of one step, in which a coin gave the lowest dose: it earns 1 and some noise in the first term
    of the study, and loses `harm` in the second."""
    study, rng = two_terms(), np.random.default_rng(4)
    actions = rng.integers(0, 2, (n, 1))
    terms = np.stack([actions + 0.1 * rng.normal(size=(n, 1)), -harm * actions, np.zeros((n, 1))], axis=2)
    probs = np.broadcast_to([0.48, 0.48, 0.02, 0.01, 0.01], (n, 1, 5))
    states, mask = rng.normal(size=(n, 1, study.n_columns)), np.ones((n, 1), dtype=bool)
    histories = Histories(states, actions, terms.sum(axis=2), mask, np.asarray(study.actions.representative))
    always = Deferring("step", np.broadcast_to(np.eye(5)[1], (n, 1, 5)))
    folds = [Fold(np.arange(n) % 2 == k, [always.toward(a) for a in DIALS], np.full((n, 1), 0.48)) for k in (0, 1)]
    advised = AdvisedStays(np.arange(n), histories, tuple(folds), np.asarray(probs), (np.asarray(probs),) * 2)
    return reward_atlas(advised, study, terms, 1.0, 30.0, seed=0)


def test_the_weight_that_decides_is_named() -> None:
    """1 - 0.7: the drug is worth it unless the benefit is halved or left out, or the harm doubled."""
    record = coin(0.7).record
    assert record.own.value == pytest.approx(0.3 * 0.5, rel=0.1)
    lost = {(one.cause, one.change) for one in record.others if not one.recommended}
    benefit, harm = "weight of Lactate (difference)", "weight of SOFA (difference)"
    assert {pair for pair in lost if pair[0] != SEVERAL} == {(benefit, "halved"), (benefit, "off"), (harm, "doubled")}
    drawn = [one for one in record.others if one.cause == SEVERAL]
    clear = [one for one in drawn if abs(one.factors[0] - 0.7 * one.factors[1]) > 0.1]
    assert all(bool(one.recommended) == (one.factors[0] > 0.7 * one.factors[1]) for one in clear)
    assert record.headlines[0].depends[:2] == (benefit, harm)
    assert DISCOUNT not in record.headlines[0].depends, "one step knows no discount"
    assert record.badge.startswith(f"depends on: {benefit}, {harm}")
    assert f"holds in {record.overall.held} of {len(record.others)} choices" in record.badge
    assert record.steady == 0 < record.departs, "every dose moves with the weight that decides"


def test_a_gain_that_no_choice_takes_away_is_called_robust() -> None:
    record = coin(0.1).record
    judged = [one for one in record.others if one.change != "off"]
    assert all(one.claims and one.value > 0 for one in judged)
    weighed = record.model_copy(update={"choices": (record.own, *judged)})
    assert weighed.badge == f"robust: holds in all {len(judged)} choices"
    assert all(line.robust for line in weighed.headlines)
    assert f"A gain is claimed (robust: holds in all {len(judged)} choices)." in weighed.sentences()


def test_choices_are_the_studys_own_and_leave_out_what_changes_nothing() -> None:
    study = load_study()
    named = choices_of(study, 0.99, seed=0)
    assert set(named[0].choice.factors) == {1.0}
    causes = [one.cause for one in named[1:]]
    weights = [cause for cause in causes if cause.startswith("weight of") and cause != OUTCOME]
    assert len(weights) == 3 * len(study.rewards)
    counts = {cause: causes.count(cause) for cause in (OUTCOME, DISCOUNT, DOSES, SEVERAL)}
    assert counts == {OUTCOME: 2, DISCOUNT: 2, DOSES: study.n_actions - 2, SEVERAL: DRAWS}
    drawn = np.array([one.choice.factors for one in named if one.cause == SEVERAL])
    assert ((drawn >= 0.5) & (drawn <= 2)).all()
    strata = np.sort(np.floor(DRAWS * np.log2(2 * drawn) / 2), axis=0)
    assert (strata == np.arange(DRAWS)[:, None]).all(), "a Latin hypercube: each stratum of each weight once"
    assert {one.choice.world for one in named if one.cause == SEVERAL} == {one.choice.world for one in named}
    outcome_alone = study.model_copy(update={"rewards": ()})
    causes = [one.cause for one in choices_of(outcome_alone, 0.9, seed=0)[1:]]
    assert causes == [DISCOUNT] * 3 + [DOSES] * 3, "the weight of a single term is but the unit"


def test_joined_doses_count_as_one() -> None:
    taken = np.array([[[0, 1, 2, 3, -1]], [[0, 1, 1, 2, -1]], [[0, 1, 2, 3, -1]], [[-1, 1, 0, 2, 0]]], dtype=np.int8)
    same = same_actions(taken, [World(1), World(1, 1), World(1, 1), World(1)], 4)
    assert same[:, 0].tolist() == [
        [True] * 5,
        [True] * 5,
        [True, True, False, False, True],
        [False, True, False, False, False],
    ]


def test_a_run_keeps_its_atlas_and_the_own_choice_is_its_advice(view: RunView) -> None:
    assert view.advice is not None
    atlas, taken, shown = view.advice.atlas, view.atlas_taken, view.advice.shown
    assert atlas is not None
    assert taken is not None
    assert atlas.share == shown.share
    assert (atlas.own.value, atlas.own.se, atlas.own.ess) == pytest.approx((shown.value, shown.se, shown.ess), rel=1e-4)
    assert atlas.own.recommended == view.advice.share
    assert atlas.own.claims == view.advice.claims
    assert (taken[0] == view.advised_action).mean() > 0.999
    assert len(taken) == len(atlas.choices)
    assert atlas.departs == (taken[0] >= 0).sum()


def test_one_step_tells_the_choices_under_which_it_is_advised_otherwise(view: RunView) -> None:
    atlas, taken = view.advice and view.advice.atlas, view.atlas_taken
    assert atlas is not None
    assert taken is not None
    plain = [at for at, one in enumerate(atlas.choices) if one.joined is None]
    moved = (taken[plain] != taken[0]).any(axis=0)
    patient, step = (int(place) for place in np.argwhere(moved)[0])
    found = step_choices(view, patient, step)
    assert found is not None
    assert found.held + len(found.others) == found.of == len(atlas.others)
    expected = {atlas.choices[at].text for at in plain if taken[at, patient, step] != taken[0, patient, step]}
    assert expected == {one.text for one, _ in found.others if one.joined is None}
    quiet = np.argwhere(~view.trajectories.transition_mask & view.trajectories.mask)[0]
    last = step_choices(view, int(quiet[0]), int(quiet[1]))
    assert last is not None
    assert last.held == last.of, "nothing is asked at a last step"


def test_an_atlas_without_another_choice_says_so(view: RunView) -> None:
    assert view.advice is not None
    assert view.advice.atlas is not None
    alone = view.advice.atlas.model_copy(update={"choices": (view.advice.atlas.own,)})
    assert alone.badge == NOTHING_ELSE
    assert alone.sentences() == [NOTHING_ELSE]
