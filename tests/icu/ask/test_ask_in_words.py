"""In words: the tree stands before the run's own judges, and where it departs is told apart from where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.base.statistics import Z95
from core.cohort import ground_truth
from core.evaluation.judging.gate import corrected_z
from core.icu.ask import in_words as asked
from core.icu.ask.differences import jury_of
from core.icu.ask.in_words import _groups, in_words, tree_deferring
from core.icu.ask.judge import STEP
from core.icu.fit.in_words import TreePolicy, true_gains_of_trees
from core.icu.view import RunView
from core.policies.in_words import FEW, ITSELF, TREE, InWords, ratio
from core.policies.tree import Leaf, Limit, PolicyTree
from core.policies.tree_words import as_text, boxes, deferring_text, departures, given, said, words_of


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture(scope="module", params=["fused", STEP])
def found(view: RunView, request: pytest.FixtureRequest) -> InWords:
    return in_words(view, request.param)


def always(view: RunView, outcome: int) -> PolicyTree:
    """A tree of one group: a dose, or the number of doses for as clinicians do."""
    return PolicyTree(Leaf(0), ((),), np.eye(view.study.n_actions + 1)[[outcome]], np.ones(1))


def halves(view: RunView, below: np.ndarray, above: np.ndarray) -> PolicyTree:
    """Two groups by platelets."""
    column = view.study.index("Platelets")
    edge = float(np.median(view.cohort.states[:, column]))
    limits = ((Limit(column, high=edge),), (Limit(column, low=edge),))
    return PolicyTree(Leaf(0), limits, np.stack([below, above]), np.full(2, 0.5))


def groups_at(view: RunView, tree: PolicyTree) -> np.ndarray:
    jury = jury_of(view)
    return np.where(jury.histories.mask, tree.groups(view.scaler.unscale(jury.some.trajectories.states)), -1)


def test_the_policy_itself_is_judged_as_the_run_has_judged_it(view: RunView) -> None:
    row = in_words(view, "fused").judged.set_index("what").loc[ITSELF]
    stored = view.judgments[(view.judgments["policy"] == "fused") & (view.judgments["mode"] == "prospective")].iloc[0]
    for name in ("difference", "difference_low", "difference_high", "ess"):
        assert row[name] == pytest.approx(stored[name], rel=1e-5)


def test_fidelity_counts_the_test_patients_steps(view: RunView) -> None:
    found = in_words(view, "fused")
    test, mask = view.split.test, view.trajectories.transition_mask
    probs, states = view.probs(view.own_policy)[test], view.scaler.unscale(view.trajectories.states[test])
    hits = [
        probs[i, t].argmax() == found.tree.probs[found.tree.groups(states[i, t])].argmax()
        for i, patient in enumerate(test)
        for t in np.flatnonzero(mask[patient])
    ]
    assert (found.steps, found.stays) == (len(hits), mask[test].any(axis=1).sum())
    assert found.fidelity.value == pytest.approx(np.mean(hits))
    assert 0 <= found.fidelity.low < found.fidelity.value < found.fidelity.high <= 1
    assert found.plain <= 1


def test_a_tree_that_defers_everywhere_is_the_clinicians(view: RunView) -> None:
    tree = always(view, view.study.n_actions)
    policy = tree_deferring(tree, groups_at(view, tree))
    (judged,) = jury_of(view).bench([policy]).reward()
    assert (judged.difference.value, judged.difference.se) == (0, 0)
    (gain,) = true_gains_of_trees(view, [TreePolicy(tree)], 5)
    assert (gain.value, gain.standard_error) == (0, 0)
    assert not _groups(jury_of(view), tree, groups_at(view, tree))["departs"].any()


def test_a_tree_without_the_drug_is_no_drug_in_truth_and_none_of_it_where_it_is_not_followed(view: RunView) -> None:
    tree, truth = always(view, 0), replace(ground_truth(view.cohort), study=view.study)
    none, nowhere = true_gains_of_trees(view, [TreePolicy(tree), TreePolicy(tree, [])], 5)
    n = view.config.evaluation.truth_patients
    expected = truth.policy_gain(
        lambda history: np.eye(view.study.n_actions)[np.zeros(len(history), dtype=int)],
        n,
        5,
        spans=view.scaler.spans,
        gamma=view.config.agents.gamma,
    )
    assert none.value == pytest.approx(expected.value)
    assert nowhere.value == 0


def test_departures_are_where_doses_move(view: RunView) -> None:
    size = view.study.n_actions
    jury, tree = jury_of(view), halves(view, np.eye(size + 1)[size], np.eye(size + 1)[size - 1])
    group = groups_at(view, tree)
    table = _groups(jury, tree, group)
    assert table["departs"].tolist() == [False, True]
    assert (table["change"][0], table["moved"][0]) == (0, 0)
    held, above = jury.held[0], group[jury.held[0]] == 1
    actions, doses = jury.histories.actions[held][above], jury.histories.doses
    assert table["change"][1] == pytest.approx(np.mean(doses[-1] - doses[actions]))
    assert table["given"][1] == pytest.approx(doses[actions].mean())
    assert table["moved"][1] == pytest.approx((actions != size - 1).mean())
    assert table["steps"].tolist() == [(group[held] == 0).sum(), above.sum()]
    followed = tree_deferring(tree, group, [1])
    np.testing.assert_array_equal(followed.deferred, group != 1)


def test_a_group_of_a_few_patients_departs_nowhere(view: RunView) -> None:
    jury, size = jury_of(view), view.study.n_actions
    mask = jury.histories.mask
    first = np.flatnonzero(jury.held[0])[:4]
    group = np.where(mask, 0, -1)
    group[first] = np.where(mask[first], 1, -1)
    table = _groups(jury, halves(view, np.eye(size + 1)[size], np.eye(size + 1)[size - 1]), group)
    assert (table["stays"][1], table["moved"][1] > 0.5) == (4, True)
    assert not table["departs"].any()
    assert np.isnan(table["moved_low"][1])


def test_an_interval_by_person_is_that_of_a_mean_where_everybody_has_one_step() -> None:
    values, person = np.random.default_rng(0).normal(size=(50, 1)), np.arange(50)
    value, error = ratio(values, np.ones((50, 1)), person)
    assert value == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    twice = np.repeat(values, 2, axis=0)
    assert ratio(twice, np.ones((100, 1)), np.repeat(person, 2))[1] == pytest.approx(error)


def test_every_departing_group_has_its_effect_or_too_few_patients(found: InWords) -> None:
    groups = found.groups
    judged = np.isfinite(groups["difference"])
    assert (judged <= groups["departs"]).all()
    assert (groups["stays"][groups["departs"] & ~judged] < 50).all()
    assert (groups["low"] <= groups["difference"])[judged].all()
    assert groups["true_difference"].notna().equals(judged)
    some = 0 < groups["departs"].sum() < len(groups)
    assert found.judged["what"].tolist() == [ITSELF, TREE, *([FEW] if some else [])]
    assert found.judged["true_difference"].notna().all()


def test_an_effect_is_that_of_following_the_tree_in_the_group_alone(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "FEWEST_STAYS", 1)
    view = RunView(tiny_run)
    found = in_words(view, "fused")
    asked_of = found.groups[found.groups["difference"].notna()]
    assert len(asked_of) == found.groups["departs"].sum() > 0
    number = int(asked_of.index[-1])
    only = tree_deferring(found.tree, groups_at(view, found.tree), [number])
    (judged,) = jury_of(view).bench([only]).reward()
    row, gain = asked_of.loc[number], judged.difference
    assert (row["difference"], row["ess"]) == (pytest.approx(gain.value), pytest.approx(gain.ess))
    assert row["high"] - row["difference"] == pytest.approx(corrected_z(Z95, len(found.groups)) * gain.se)
    assert np.isfinite(row["true_difference"])


def test_words_tell_every_group_and_what_to_do_elsewhere(view: RunView, found: InWords) -> None:
    words = words_of(view.study)
    texts = said(words, found)
    for probs, text in zip(found.tree.probs, texts, strict=True):
        assert text.startswith(f"{100 * probs.max():.0f} %")
    nodes = boxes(words, found)
    assert [node.number for node in nodes] == list(range(len(nodes)))
    assert all(node.parent < node.number for node in nodes)
    leaves = [node for node in nodes if node.action is not None]
    assert [node.action for node in leaves] == found.tree.probs.argmax(axis=1).tolist()
    text = as_text(words, found, "Policy", "tiny")
    assert all(one in text for one in texts)
    assert deferring_text(words, found) in text
    assert departures(words, found)["moved"].is_monotonic_decreasing
    assert "true difference (simulated)" in text


def test_what_was_given_is_told_of_the_test_patients_steps(view: RunView, found: InWords) -> None:
    jury = jury_of(view)
    held = jury.held[0]
    group, actions = groups_at(view, found.tree)[held], jury.histories.actions[held]
    for number, text in enumerate(given(words_of(view.study), found)):
        shares = np.bincount(actions[group == number], minlength=view.study.n_actions + 1) / (group == number).sum()
        np.testing.assert_allclose(found.given[number], shares)
        assert text.startswith(f"{100 * shares.max():.0f} % {view.study.actions.label(int(shares.argmax()))}")
