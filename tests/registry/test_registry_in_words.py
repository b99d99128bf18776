"""A registry's policy in words: the tree is a policy like any other, told by few combinations and held to all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.policies.in_words import ITSELF, TREE, Parts
from core.policies.tree import Leaf, Limit, PolicyTree, group_text
from core.policies.tree_words import as_text, departures
from core.registry.ask import in_words as asked
from core.registry.ask.in_words import AS_EXPERTS, OTHERS, SetTree, SimulatedTree, decision_in_words, tree_states
from core.registry.ask.own import policy_probs
from core.registry.ask.tables import Evaluation
from core.registry.ask.true_values import longest_treatment
from core.registry.simulate import registry_truth
from core.registry.spec import Feature
from core.registry.view import RegistryView

DECISION, POLICY = "chronic", "dqn-screened"


@pytest.fixture(scope="module")
def view(tiny_registry: Path) -> RegistryView:
    return RegistryView(tiny_registry)


def one_group(view: RegistryView) -> SetTree:
    """A tree that gives everybody what the experts gave most often."""
    catalog = view.catalogs[DECISION]
    probs = np.eye(len(catalog), dtype=np.float32)[[0]]
    return SetTree(PolicyTree(Leaf(0), ((),), np.ones((1, 1)), np.ones(1)), catalog, probs, np.zeros(len(catalog), int))


def test_states_are_told_in_the_registry_s_own_units(view: RegistryView) -> None:
    data, columns = view.points[DECISION], asked.tree_columns(view.spec)
    states = tree_states(view.spec, view.encoder, data.states, data.stage)
    assert len(columns) == states.shape[1]
    age = [column.name for column in columns].index("age")
    recorded = view.cohort.frame["age"].to_numpy(float)[data.row]
    known = np.isfinite(recorded)
    np.testing.assert_allclose(states[known, age], recorded[known], rtol=1e-4)
    assert set(states[:, -1]) == {float(view.spec.stages[stage].day) for stage in view.spec.decision(DECISION).stages}


def test_categories_with_commas_are_told_in_full() -> None:
    match = Feature(
        name="hla", label="HLA", kind="category", categories=("8/8, matched", "8/8, mismatched", "0 = none")
    )
    words = [(column.word(0.0), column.word(1.0)) for column in asked._columns_of(match)]
    assert words == [(f"HLA: not {value}", f"HLA: {value}") for value in match.categories]
    (two,) = asked._columns_of(match.model_copy(update={"categories": match.categories[:2]}))
    tree = PolicyTree(Leaf(0), ((Limit(0, low=0.5),), (Limit(0, high=0.5),)), np.ones((2, 1)), np.ones(2))
    assert [group_text([two], tree, side) for side in (0, 1)] == ["HLA: 8/8, mismatched", "HLA: 8/8, matched"]


def test_a_tree_is_as_often_right_as_it_says_and_worth_what_its_judges_say(view: RegistryView) -> None:
    spoken = decision_in_words(view, DECISION, POLICY)
    found, names = spoken.found, spoken.words.outcomes
    assert names[-2:] == (OTHERS, AS_EXPERTS)
    data, (catalog, probs) = view.points[DECISION], policy_probs(view, DECISION, POLICY)
    test = data.of(view.split.test)
    group = found.tree.groups(tree_states(view.spec, view.encoder, data.states, data.stage))
    picked = [catalog.name(int(action)) for action in probs[test].argmax(axis=1)]
    told = [name if name in names else OTHERS for name in picked]
    says = [names[int(best)] for best in found.tree.probs[group[test]].argmax(axis=1)]
    assert found.steps == test.sum()
    assert found.fidelity.value == pytest.approx(np.mean([one == other for one, other in zip(told, says, strict=True)]))
    np.testing.assert_allclose(found.tree.probs.sum(axis=1), 1)
    assert found.groups["steps"].sum() == found.steps
    judged = found.judged.set_index("what")
    assert np.isfinite(judged.loc[[ITSELF, TREE], ["difference", "true_difference"]].to_numpy(float)).all()
    text = as_text(spoken.words, found, "DQN", "tiny")
    assert "dose" not in text, "combinations are none"
    assert all(row.gave in text for row in departures(spoken.words, found).itertuples())


def test_where_a_tree_is_followed_nowhere_experts_are_met_and_the_truth_is_near_theirs(view: RegistryView) -> None:
    whole, evaluation = one_group(view), Evaluation.own(view)
    data = view.points[DECISION]
    probs, floor = np.repeat(whole.probs, len(data), axis=0), 0.01
    nowhere, everywhere = np.zeros(len(data), dtype=bool), np.ones(len(data), dtype=bool)
    part = evaluation.recorded
    left, taken = (asked._plan(part, DECISION, whole.catalog, probs, on, floor) for on in (nowhere, everywhere))
    points = part.treatments[DECISION]
    np.testing.assert_array_equal(left[DECISION].taken, points.as_given().taken)
    np.testing.assert_array_equal(left[DECISION].drugs, points.given)
    np.testing.assert_array_equal(taken[DECISION].taken, points.actions == 0)
    assert left["acute"].left
    assert taken["acute"].left, "every other decision stays with the experts"


def test_a_simulated_tree_gives_what_it_says_where_it_is_followed(view: RegistryView) -> None:
    whole, truth = one_group(view), registry_truth(view.cohort)
    assert truth is not None
    models, decision = view.models(DECISION), longest_treatment(view)
    always, nowhere = SimulatedTree(view, models, whole), SimulatedTree(view, models, whole, [])
    drugs = whole.catalog.matrix[0]
    plain = truth.returns({DECISION: lambda state: np.tile(drugs, (len(state), 1))}, 80, 3, decision)
    np.testing.assert_array_equal(truth.returns({DECISION: always}, 80, 3, decision).rewards, plain.rewards)
    assert not np.array_equal(truth.returns({DECISION: nowhere}, 80, 3, decision).rewards, plain.rewards)


def test_an_effect_is_asked_of_departing_groups_that_enough_patients_meet(view: RegistryView) -> None:
    groups = decision_in_words(view, DECISION, POLICY).found.groups
    departs = groups["departs"]
    assert departs.any()
    assert (groups["difference"].notna() <= departs).all()
    parts = Parts.of(groups.assign(departs=False), 1)
    assert (parts.followed, parts.asked) == ((None,), ())
    some = groups.assign(departs=groups.index == 0, stays=50)
    assert Parts.of(some, 50).followed == (None, *([[0]] if len(groups) > 1 else []), [0])
    assert Parts.of(some, 51).asked == ()


def test_real_patients_have_no_truth(tiny_registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "registry_truth", lambda cohort: None)
    fresh = RegistryView(tiny_registry)
    found = decision_in_words(fresh, "acute", "most-frequent").found
    assert found.judged["true_difference"].isna().all()


def test_an_effect_is_asked_from_as_many_patients_on_as_of_any_group(
    tiny_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "FEWEST_STAYS", 1)
    groups = decision_in_words(RegistryView(tiny_registry), DECISION, POLICY).found.groups
    assert (groups["difference"].notna() == (groups["departs"] & (groups["stays"] >= 1))).all()
    assert groups["difference"].notna().any()
