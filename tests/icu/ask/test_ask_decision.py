"""One question about one step of a stay, and its answer: every part is what the run itself holds there."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.icu.ask import options
from core.icu.ask.decision import Decision, DecisionSettings, decision_at
from core.icu.ask.frontier import as_far_as_supported, reach_of
from core.icu.ask.options import AGENTS, CRITIC, POLICY_CRITIC, rank_options, refusal
from core.icu.ask.similar import neighborhood, similar_patients
from core.icu.view import RunView
from core.policies import PolicyKey
from core.policies.rules import HazardRule

STEP = 5
ALWAYS, NEVER = HazardRule("Platelets", ">", -1.0, 2), HazardRule("Platelets", "<", -1.0)
SETTINGS = DecisionSettings(3, 15.0, (ALWAYS, NEVER), ("Platelets", "SOFA"))


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture(scope="module")
def longest(run: RunView) -> int:
    return int(np.argmax(run.cohort.lengths))


@pytest.fixture(scope="module")
def decision(run: RunView, longest: int) -> Decision:
    return decision_at(run, longest, STEP, SETTINGS)


def test_what_is_weighed_is_what_the_policies_say_of_all_stays(run: RunView, longest: int, decision: Decision) -> None:
    key, weighed = PolicyKey("fused", 3, 15.0, "prospective"), decision.weighed
    np.testing.assert_array_equal(weighed.clinicians, run.behavior[longest, STEP])
    np.testing.assert_allclose(weighed.experts, run.agent_probs(3)[longest, STEP], rtol=1e-6)
    np.testing.assert_allclose(weighed.fused, run.probs(key)[longest, STEP], rtol=1e-6)
    np.testing.assert_allclose(decision.weights[STEP] @ weighed.experts, weighed.fused, rtol=1e-6)
    assert weighed.reach == reach_of(run, key)
    wanted = as_far_as_supported(run, key, weighed.clinicians, weighed.fused)
    np.testing.assert_array_equal(weighed.supported, wanted)
    assert decision.given == run.cohort.actions[run.cohort.starts[longest] + STEP]


def test_weights_run_along_the_whole_stay(run: RunView, longest: int, decision: Decision) -> None:
    assert decision.weights.shape == (run.cohort.lengths[longest], 3)
    np.testing.assert_allclose(decision.weights.sum(axis=1), 1)
    whole = run.weights(3, 15.0, "prospective")[longest]
    np.testing.assert_allclose(decision.weights, whole[: len(decision.weights)])
    assert decision.phenotype == run.labels(3)[longest]


def test_options_are_ranked_by_either_estimate(run: RunView, longest: int, decision: Decision) -> None:
    found = decision.options
    assert found.refused == refusal(run, longest, STEP)
    assert found.estimates["estimate"].unique().tolist() == [AGENTS, CRITIC, POLICY_CRITIC]
    for by in (AGENTS, CRITIC):
        wanted = rank_options(run, longest, STEP, SETTINGS.key, found.estimates, by)
        assert found.ranked(by).equals(wanted)
        values = found.estimates.query("estimate == @by")["value"].to_numpy()
        np.testing.assert_array_equal(found.ranked(by)["value"], values[found.ranked(by)["action"]])
    with pytest.raises(ConfigError, match="options are ranked by"):
        found.ranked(POLICY_CRITIC)


def test_hazards_are_the_rules_that_apply_here(run: RunView, longest: int, decision: Decision) -> None:
    (met,) = decision.hazards
    assert met.rule == ALWAYS
    row = run.cohort.starts[longest] + STEP
    assert met.value == run.cohort.states[row, run.study.index("Platelets")]


def test_neighbors_are_the_stored_ones_with_their_course(run: RunView, longest: int, decision: Decision) -> None:
    found = decision.neighbors
    assert found.closeness == run.support[longest, STEP]
    assert found.doses.equals(neighborhood(run, longest, STEP))
    np.testing.assert_array_equal(found.patients.patients, similar_patients(run, longest, STEP).patients)
    assert found.died == (run.cohort.outcomes[found.patients.patients] < 0).sum()
    assert [course.column for course in found.courses] == ["Platelets", "SOFA"]
    own = run.cohort.states[run.cohort.rows(longest), run.study.index("SOFA")]
    np.testing.assert_array_equal(found.courses[1].own, own[STEP:])
    assert len(found.table) == len(found.patients.patients)


def test_at_infinite_lambda_the_single_expert_decides(run: RunView, longest: int) -> None:
    found = decision_at(run, longest, STEP, DecisionSettings(3, float("inf")))
    top = int(found.weights[STEP].argmax())
    assert found.weights[STEP, top] == 1
    np.testing.assert_allclose(found.weighed.fused, found.weighed.experts[top], rtol=1e-6)


def test_a_refusal_is_part_of_the_answer(run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "SUPPORT_FLOOR", 1.1)  # every state is now too far
    assert "farther from the records" in decision_at(run, longest, STEP, SETTINGS).options.refused


def test_the_answer_is_frozen_and_a_step_beyond_the_stay_has_none(
    run: RunView, longest: int, decision: Decision
) -> None:
    with pytest.raises(FrozenInstanceError):
        decision.given = 0  # type: ignore[misc]
    length = int(run.cohort.lengths[longest])
    for step in (-1, length):
        with pytest.raises(ConfigError, match=f"has steps 0 to {length - 1}; nothing is decided at {step}"):
            decision_at(run, longest, step, SETTINGS)
