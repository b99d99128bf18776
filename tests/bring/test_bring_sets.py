"""A policy of drug sets brought to a registry: read in every form, judged as the run's own, its card computed anew."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core import api as pp
from core.base.errors import ArtifactError, ConfigError, PolicyError
from core.bring import Asked, BroughtSets, JudgeConfig, bring_set_table, bring_sets, verify_card
from core.bring.card import make_card
from core.bring.sets_bench import judge_sets_on, make_set_bench
from core.bring.sets_truth import true_of_sets
from core.cli.main import main
from core.registry import simulate_registry
from core.registry.added import check_name
from core.registry.ask.against import against_experts
from core.registry.ask.ope import UNSEEN
from core.registry.ask.own import added_choices, beside_known, policy_file, policy_probs
from core.registry.cohort.choices import SetChoices
from core.registry.cohort.drugs import Combinations
from core.registry.config import ScreeningConfig
from core.registry.document import evaluate_registry
from core.registry.spec import load_registry_spec
from core.registry.view import RegistryView
from core.report.registry import against_the_experts
from tests.registry.course_world import recorded

SAME = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(scope="module")
def folder(tiny_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, to which its own DQN was added from a file by the command line."""
    made = tmp_path_factory.mktemp("sets")
    shutil.copytree(tiny_registry, made / "run")
    policy_file(RegistryView(made / "run"), "dqn").sample(frac=1.0, random_state=0).to_csv(made / "copy.csv")
    assert main(["policy", "add", str(made / "run"), str(made / "copy.csv")]) == 0
    return made / "run"


@pytest.fixture(scope="module")
def view(folder: Path) -> RegistryView:
    return RegistryView(folder)


@pytest.fixture(scope="module")
def asked(view: RegistryView) -> Asked:
    return Asked.of_run(view)


def nothing(decision: str, states: pd.DataFrame) -> np.ndarray | None:
    """No drug against the chronic disease; the acute one is the experts'."""
    drugs = load_registry_spec().decision(decision).drugs
    return np.zeros((len(states), len(drugs)), dtype=int) if decision == "chronic" else None


def test_a_copy_of_a_built_in_policy_has_exactly_its_numbers(view: RegistryView) -> None:
    assert view.added == ("copy",)
    for decision in view.treatments:
        (known, own), (wider, copy) = (policy_probs(view, decision, name) for name in ("dqn", "copy"))
        assert wider.names == known.names
        np.testing.assert_array_equal(copy, own)
    whole = view.judgments
    assert whole is not None
    for table in (whole[whole["dial"] == ""], view.ope):
        own, copy = (table[table["policy"] == name].drop(columns="policy") for name in ("dqn", "copy"))
        assert len(own) > 0
        pd.testing.assert_frame_equal(copy.reset_index(drop=True), own.reset_index(drop=True), **SAME)


def test_it_stands_wherever_the_run_s_own_stand(view: RegistryView) -> None:
    against = against_experts(view)
    assert against is not None
    assert against["policy"].iloc[-1] == "copy"
    starts = view.frontier[(view.frontier["policy"] == "copy") & (view.frontier["setting"] == 0.0)]
    experts = view.frontier[(view.frontier["policy"] == "dqn") & (view.frontier["setting"] == 0.0)]
    np.testing.assert_allclose(starts["ess"].iloc[0], experts["ess"].iloc[0])  # a dial begins at the experts
    document = evaluate_registry(view, view.cohort)
    assert document.added == ["copy"]
    assert document.policies["copy"].phwdr == document.policies["dqn"].phwdr
    said = against_the_experts(view)
    assert any("Added from elsewhere, not learned in this run: copy." in line for line in said.sentences)
    data = view.points["chronic"]
    given = added_choices(view, int(data.patient[0]), int(data.stage[0]), "chronic")
    names, probs = policy_probs(view, "chronic", "dqn")
    assert given == {"copy": [(names.name(int(probs[0].argmax())), 1.0)]}


def test_the_card_is_computed_anew_and_a_changed_policy_is_found(view: RegistryView, asked: Asked) -> None:
    card = view.path / "brought" / "copy" / "card.html"
    assert "Every number comes out again" in str(verify_card(card, view))
    text = card.read_text()
    assert "Against the experts" in text
    assert "clinicians" not in text
    with pytest.raises(ArtifactError, match="made of another policy"):
        verify_card(card, view, policy_file(view, "most-frequent"))
    with pytest.raises(ArtifactError, match="judged on a run; give that run"):
        verify_card(card, view.cohort, policy_file(view, "dqn"))


def test_a_card_of_sets_says_what_survives_other_rewards(view: RegistryView) -> None:
    """A copy of a built-in policy has its lines; `verify` compares them with all other numbers."""
    card, advice = pp.open_run(view.path, "registry").added["copy"], view.advice
    assert advice is not None
    assert advice.atlas is not None
    assert card.choices is not None
    own = advice.atlas.policies["dqn"].lines
    assert [one.text for one in card.choices.lines] == [one.text for one in own]
    kept, known = (np.array([one.scaled for one in lines]) for lines in (card.choices.lines, own))
    np.testing.assert_allclose(kept, known, **SAME)


def test_all_forms_say_the_same(view: RegistryView, asked: Asked) -> None:
    run = pp.RegistryRun(view)
    table = bring_sets(policy_file(view, "dqn"), asked)
    answers = {name: run.policy("dqn").table(name) for name in view.treatments}
    drugs = {name: view.models(name).catalog.decode(answers[name].to_numpy().argmax(axis=1)) for name in answers}
    days = policy_file(view, "dqn").assign(stage=lambda t: t["stage"].map({s.name: s.day for s in view.spec.stages}))
    for other in (answers, drugs, days.drop(columns="probability")):
        assert bring_sets(other, asked).digest == table.digest
    assert bring_sets(policy_file(view, "most-frequent"), asked).digest != table.digest


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda t: t.drop(columns="combination"), "has no column 'combination'"),
        (lambda t: t.iloc[1:], "has no row for 1 of the"),
        (lambda t: t.assign(probability=0.5), "sums to 0.5"),
        (lambda t: t.assign(probability=-1.0), "one is -1"),
        (lambda t: t.assign(combination="water"), "gives 'water', which is no drug of acute"),
        (lambda t: t.assign(decision="prophylaxis"), "'prophylaxis' is no decision for which policies are valued"),
        (lambda t: t.iloc[:0], "decides nothing"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(view: RegistryView, asked: Asked, change, error: str) -> None:
    with pytest.raises(PolicyError, match=error):
        bring_set_table(change(policy_file(view, "dqn")), asked)


def test_answers_that_do_not_fit_are_refused(asked: Asked) -> None:
    n = len(asked.points["chronic"])
    for answer, error in ((np.zeros((n, 2)), "one a drug"), (np.zeros((3, 2)), "expected"), (np.zeros(n), "shape")):
        with pytest.raises(PolicyError, match=error):
            bring_sets({"chronic": answer}, asked)
    with pytest.raises(PolicyError, match="of type int is not understood"):
        bring_sets(3, asked)


@pytest.mark.parametrize("name", ["DQN", "one-size-fits-all", "Experts", "random_forest", "fused"])
def test_names_of_built_in_policies_are_taken(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="reads as the name of a policy"):
        check_name(folder, name)


def test_sets_beside_the_catalog_stand_behind_it_and_each_is_followed_by_itself_alone() -> None:
    known = Combinations(("a", "b"), np.array([[0, 0], [1, 0]], dtype=np.uint8), np.array([5, 2]))
    drugs = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], dtype=np.uint8)
    chosen = SetChoices.of(known, 2, np.array([1, 0, 0, 1]), drugs, np.array([0.25, 0.5, 0.5, 0.75]))
    assert chosen.catalog.names == ("no drug", "a", "a + b", "b")
    np.testing.assert_allclose(chosen.probs(np.array([1, 0])), [[0, 0, 1, 0], [0, 0.5, 0, 0.5]])


@pytest.mark.parametrize("beside", [0, 1, 400])
def test_experts_leave_one_share_to_all_unknown_sets_together(beside: int) -> None:
    drugs = np.array([[int(bit) for bit in f"{number:09b}"] for number in range(2 + beside)], dtype=np.uint8)
    wide = Combinations(tuple("abcdefghi"), drugs, np.zeros(len(drugs), dtype=np.int64))
    points, taken = recorded(60, 3).treatments["chronic"], np.arange(60) % len(drugs)
    known = replace(points, matrix=drugs[:2], given=drugs[taken[points.course]])
    told = known.widened(wide)
    each = UNSEEN / (beside + 1)
    expected = np.concatenate([points.expert * (1 - UNSEEN), np.full((len(points.expert), beside + 1), each)], axis=1)
    np.testing.assert_allclose(told.behavior, expected, rtol=1e-6)
    np.testing.assert_allclose(told.behavior.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(beside_known(points.expert, wide).sum(axis=1), 1, rtol=1e-6)
    assert (told.actions == taken[points.course]).all()
    always = told.advice(told.learned(np.eye(len(drugs))[told.actions]), 0.01)
    assert (always.taken == 1).all(), "whoever gives the very set that was recorded agrees with it"
    some = told.only(np.arange(len(told.course)) % 2 == 0, np.arange(60))
    np.testing.assert_allclose(some.behavior, told.behavior[::2])


def test_a_decision_left_out_stays_with_the_experts(view: RegistryView, asked: Asked, folder: Path) -> None:
    """What it does is the built-in experts' there, and its true value that of the same rule in the simulator."""
    policy = bring_sets(nothing, asked, "nothing")
    assert list(policy.choices) == ["chronic"]
    config = JudgeConfig(gamma=view.spec.gamma, truth_patients=60)
    value, gain = true_of_sets(asked, policy, config)
    assert value is not None
    assert gain is not None
    experts = view.truth.set_index("policy").loc["observed", "true_value"]
    assert value.value - gain.value == pytest.approx(experts)  # the very patients of the run's own true values


def test_a_rule_is_rolled_out_as_the_policy_that_does_the_same(view: RegistryView, asked: Asked) -> None:
    models = {name: view.models(name) for name in view.treatments}
    days = {stage.day: index for index, stage in enumerate(view.spec.stages)}

    def dqn(decision: str, states: pd.DataFrame) -> np.ndarray:
        model, stage = models[decision], states["stage"].map(days).to_numpy()
        return model.catalog.decode(model.choices("dqn", view.encoder.transform(states), stage, view.screen))

    policy = bring_sets(dqn, asked, "same")
    config = JudgeConfig(gamma=view.spec.gamma, truth_patients=60)
    value, _ = true_of_sets(asked, policy, config)
    known = view.truth.set_index("policy").loc["dqn"]
    assert value is not None
    assert (value.value, value.event_free) == (pytest.approx(known["true_value"]), known["event_free"])
    assert true_of_sets(asked, replace(policy, rule=None), config) == (None, None)


def test_without_a_run_everyone_is_judged_by_strangers_and_the_experts_differ_from_themselves_by_nothing() -> None:
    cohort, _ = simulate_registry(80, seed=2)
    asked = Asked.of_cohort(cohort)
    config = JudgeConfig(gamma=cohort.spec.gamma, n_bootstrap=20, truth_patients=0)
    bench = make_set_bench(asked, config, ScreeningConfig(epochs=1))
    assert (bench.held.sum(axis=0) == 1).all()
    policy = bring_sets(nothing, asked, "nothing")
    found = judge_sets_on(bench, policy, choices=True)
    again = judge_sets_on(bench, BroughtSets("nothing", policy.choices), choices=True)
    assert found.choices is not None
    own, judged = found.choices.lines[0], found.judged
    ends = judged.difference.value, judged.difference.low, judged.difference.high
    assert own.scaled == pytest.approx(tuple(end / judged.unit for end in ends))
    cards = [make_card(one, policy, cohort, config) for one in (found, again)]
    assert cards[0].numbers == cards[1].numbers
    assert (cards[0].stays, cards[0].form) == (len(bench.recorded.courses), "drug sets")
    assert "It leaves to the experts: Acute GVHD treatment." in cards[0].limits
    assert f"of {found.phwis.n:,} courses;" in str(found)
    left: Mapping[str, SetChoices] = {}
    assert bench.judged(left).difference.value == pytest.approx(0.0, abs=1e-9)
