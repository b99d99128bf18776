"""The reward atlas of a registry: which choices are tried, each judged and learned from as if it had been set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.evaluation.judging.choices import DISCOUNT, OUTCOME, SEVERAL
from core.registry.ask.atlas import _averaged, _dialed, choices_of, point_choices, records_of
from core.registry.ask.compared import GREEDY, along
from core.registry.ask.judge import Bench
from core.registry.ask.tables import Evaluation
from core.registry.cohort.courses import state_rewards
from core.registry.cohort.decisions import decision_points
from core.registry.config import ForestConfig
from core.registry.fit.forest import fit_reward_forest
from core.registry.spec import TO_THE_END, load_registry_spec
from core.registry.view import RegistryView


@pytest.fixture(scope="module")
def view(tiny_registry: Path) -> RegistryView:
    return RegistryView(tiny_registry)


def test_costs_are_moved_one_by_one_and_nothing_is_worth_less_than_death() -> None:
    spec = load_registry_spec()
    own, *others = choices_of(spec, seed=0)
    assert (own.spec, own.cause) == (spec, "")
    told = {(one.cause, one.change): one.spec.rewards for one in others}
    assert told["weight of Acute GVHD", "doubled"] == {**spec.rewards, "acute_gvhd": 0.6}
    assert told["weight of Chronic GVHD", "off"] == {**spec.rewards, "chronic_gvhd": 1.0}
    assert told[OUTCOME, "doubled"] == {**spec.rewards, "dead": -1.0}
    assert told[OUTCOME, "halved"] == {**spec.rewards, "dead": 0.5, "relapse": 0.5}
    assert ("weight of Relapse", "doubled") not in told, "it is as bad as death already"
    assert ("weight of Relapse", "off") not in told, "an end that costs nothing asks another question"
    assert [one.spec.gamma for one in others if one.cause == DISCOUNT] == [0.95, 1.0]
    drawn = [one.spec for one in others if one.cause == SEVERAL]
    assert {one.gamma for one in drawn} == {0.95, 0.99, 1.0}
    assert all(min(one.rewards.values()) == one.rewards["dead"] for one in drawn)
    assert all(0.15 <= 1 - one.rewards["chronic_gvhd"] <= 0.6 for one in drawn)
    assert all(one.spec.rewards["alive"] == 1.0 for one in others)
    alike = spec.model_copy(update={"rewards": dict.fromkeys(spec.rewards, 1.0)})
    assert [one.cause for one in choices_of(alike, 0)] == ["", DISCOUNT, DISCOUNT], "no weight, where nothing costs"


def test_a_choice_is_judged_as_if_the_registry_had_made_it(view: RegistryView) -> None:
    """Each against a bench of courses whose rewards and discount were told so."""
    evaluation = Evaluation.own(view)
    bench, plans = Bench.of(evaluation.judging, evaluation.recorded, evaluation.learned), _dialed(evaluation)[:2]
    choices = [one for one in choices_of(view.spec, 0) if one.cause in ("", OUTCOME) or "draw 2," in one.change]
    assert len({one.spec.gamma for one in choices}) == 2
    records, named = records_of(view.cohort, bench, [bench.fold(plans)], choices)
    assert records.terms.shape[-1] == len(choices)
    for place, one in enumerate(choices):
        rewards, parts = state_rewards(view.cohort.indicators, one.spec), []
        for part in bench.parts:
            arrived = view.cohort.row_of[part.courses.patients][:, part.courses.first + 1 :]
            earned = np.where(part.courses.followed, rewards[arrived], 0.0)
            parts.append(replace(part, courses=replace(part.courses, rewards=earned)))
        told = Bench.of(replace(evaluation.judging, gamma=one.spec.gamma), *parts)
        np.testing.assert_array_equal(records.terms[..., place], told.histories.rewards)
        assert named[place].choice.factors.index(1.0) == place
        assert named[place].choice.world.gamma == told.histories.gamma


def test_the_run_s_own_choice_has_the_run_s_own_numbers(view: RegistryView) -> None:
    advice, table = view.advice, view.judgments
    assert advice is not None
    assert advice.atlas is not None
    assert table is not None
    atlas, rows = advice.atlas, along(table, advice.policy, advice.dial)
    shown, own = rows[rows["setting"] == advice.setting].iloc[0], atlas.own
    kept = shown[["difference", "difference_low", "difference_high", "ess"]].to_numpy(float)
    np.testing.assert_allclose([own.value, own.low, own.high, own.ess], kept, rtol=1e-6)
    assert (own.grade, own.claims, bool(own.recommended)) == (shown["grade"], advice.claims, advice.advised)
    assert len(atlas.others) == len(choices_of(view.spec, 0)) - 1
    for name in GREEDY:
        line = atlas.policies[name].lines[0]
        whole = table[(table["policy"] == name) & (table["dial"] == "")].iloc[0]
        scaled = np.array([line.value, line.low, line.high]) * own.unit
        judged = whole[["difference", "difference_low", "difference_high"]].to_numpy(float)
        np.testing.assert_allclose(scaled, judged, rtol=1e-6)
    assert atlas.steady <= min(one.same for one in atlas.choices)
    assert atlas.own.same == atlas.departs


@pytest.mark.parametrize("counts", ["next stage", TO_THE_END])
def test_leaves_averaged_anew_are_means_of_what_their_decisions_then_earn(view: RegistryView, counts: str) -> None:
    """The run's own are the stored ones."""
    means, forest = view.atlas_means, view.models("chronic").forest
    assert means is not None
    np.testing.assert_allclose(means["chronic"][0], forest.means, rtol=1e-6)
    decisions = tuple(one.model_copy(update={"counts": counts}) for one in view.spec.decisions)
    changed = {"decisions": decisions, "gamma": 0.9, "rewards": {**view.spec.rewards, "dead": -1.0}}
    other = view.spec.model_copy(update=changed)
    data = decision_points(replace(view.cohort, spec=other), "chronic", view.encoder, view.split.learners)
    used = data.of(view.split.learners) & view.points["chronic"].followed
    x = view.models("chronic").inputs.transform(data.states[used], data.stage[used])
    (found,) = _averaged(view, "chronic", [replace(choices_of(view.spec, 0)[0], spec=other)])
    leaves = forest.forest.leaves(np.concatenate([x, data.drugs[used]], axis=1).astype(np.float32))
    for leaf in np.unique(leaves)[::7]:
        inside = (leaves == leaf).any(axis=1)
        assert found[leaf] == pytest.approx(data.rewards[used][inside].mean(), rel=1e-5)


def test_the_best_combination_is_that_of_highest_prediction() -> None:
    rng = np.random.default_rng(2)
    x, drugs = rng.normal(size=(200, 2)).astype(np.float32), rng.integers(0, 2, (200, 3)).astype(np.uint8)
    forest = fit_reward_forest(ForestConfig(n_trees=3), x, drugs, rng.normal(size=200), name="a", seed=0)
    matrix, means = np.unique(drugs, axis=0), forest.averaged(x, drugs, rng.normal(size=(200, 4)))
    best = forest.best(x, matrix, means)
    for at, one in enumerate(means):
        assert (best[at] == replace(forest, means=one).predict(x, matrix).argmax(axis=1)).all()


def test_one_decision_says_which_choices_give_another_combination(view: RegistryView) -> None:
    atlas, data, models = view.advice and view.advice.atlas, view.points["chronic"], view.models("chronic")
    assert atlas is not None
    patient, stage = int(data.patient[0]), int(data.stage[0])
    found = point_choices(view, patient, stage, "chronic")
    assert found is not None
    own = models.choices("random-forest", data.states[:1], data.stage[:1], view.screen)[0]
    assert found.own == models.catalog.name(int(own))
    assert found.of == len(atlas.others)
    assert all(name != found.own and one in atlas.others for one, name in found.others)
    assert point_choices(view, patient, 0, "conditioning") is None
