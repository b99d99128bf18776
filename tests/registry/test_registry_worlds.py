"""Worlds of the registry: drugs that work less, harm only or do nothing, and experts who see more than the record."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import ConfigError
from core.base.worlds import EFFECTS, read_world
from core.cli.main import main
from core.registry import (
    Combinations,
    DecisionState,
    load_registry,
    load_registry_spec,
    registry_truth,
    save_registry,
    simulate_registry,
)
from core.registry.simulate import RegistryWorld, course, draw_combinations
from core.registry.simulate.effects import drug_effects
from core.registry.simulate.patients import TRAITS
from core.registry.simulate.regimens import expert_probs, regimens
from core.registry.simulate.rollout import roll_out

SPEC = load_registry_spec()
DECISIONS = tuple(decision.name for decision in SPEC.decisions)
worlds = st.builds(RegistryWorld, effect=st.sampled_from(EFFECTS), confounding=st.floats(-3, 3))


def no_drug(state: DecisionState) -> np.ndarray:
    return np.zeros((len(state), len(SPEC.decision(state.decision).drugs)))


def every_drug(state: DecisionState) -> np.ndarray:
    return np.ones((len(state), len(SPEC.decision(state.decision).drugs)))


@given(worlds)
def test_a_world_is_written_and_read_back(world: RegistryWorld) -> None:
    assert read_world(RegistryWorld, str(world)) == world


@pytest.mark.parametrize(
    ("arguments", "reason"), [({"effect": "strong"}, "effect = 'strong'"), ({"confounding": -5.0}, "between -3 and 3")]
)
def test_what_is_no_world_is_explained(arguments: dict, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        simulate_registry(5, 0, **arguments)


def test_the_default_world_is_the_one_there_always_was() -> None:
    cohort, _ = simulate_registry(250, 3)
    explicit, _ = simulate_registry(250, 3, effect="full", confounding=0.0)
    assert explicit.data_hash == cohort.data_hash
    assert cohort.origin.world == ""
    assert [int(cohort.drugs(name).sum()) for name in DECISIONS] == [567, 616, 358, 557]  # before there were worlds


def test_where_drugs_do_nothing_every_policy_has_the_same_value() -> None:
    """Exactly: common random numbers, and nothing in the course listens to a drug."""
    _, truth = simulate_registry(100, 4, effect="none", confounding=0.8)
    experts = truth.policy_value(n=500)
    for policy in (no_drug, every_drug):
        assert truth.policy_value(dict.fromkeys(DECISIONS, policy), n=500) == experts


@pytest.mark.parametrize("decision", DECISIONS)
def test_effects_of_each_world(decision: str) -> None:
    drugs = SPEC.decision(decision).drugs
    one_each, trait = np.eye(len(drugs)), np.zeros((len(drugs), len(TRAITS)))
    trait[:, TRAITS.index("older")] = 1
    full = drug_effects(decision, one_each, trait)
    weak, bare, none = (drug_effects(decision, one_each, trait, effect) for effect in ("weak", "no-benefit", "none"))
    assert np.allclose(np.arctanh(weak[0] / 1.5), np.arctanh(full[0] / 1.5) / 2)
    assert np.allclose(weak[1], full[1] / 2)
    assert np.allclose(weak[2], full[2] / 2)
    assert not bare[0].any()
    assert np.array_equal(bare[1], np.maximum(full[1], 0))
    assert np.array_equal(bare[2], np.maximum(full[2], 0))
    assert not any(part.any() for part in none)


def test_without_benefit_no_drug_is_best() -> None:
    _, truth = simulate_registry(100, 4, effect="no-benefit")
    experts, left = truth.policy_value(n=2000), truth.policy_value(dict.fromkeys(DECISIONS, no_drug), n=2000)
    assert left.value > experts.value + 3 * experts.standard_error


def test_experts_of_a_confounded_world_see_the_frail() -> None:
    world = RegistryWorld(confounding=1.0)
    rolled = roll_out(SPEC, 4000, 2, "value", world=world)
    again = roll_out(SPEC, 4000, 2, "value", world=world)
    assert np.array_equal(rolled.frailty, again.frailty)
    frail = rolled.frailty > 0
    assert abs(frail.mean() - 0.5) < 0.03
    sizes = rolled.drugs["conditioning"][:, 0].sum(axis=1)
    assert sizes[frail].mean() > sizes[~frail].mean() + 0.2
    other = roll_out(SPEC, 4000, 2, "value", world=RegistryWorld(confounding=-1.0))
    sizes = other.drugs["conditioning"][:, 0].sum(axis=1)
    assert sizes[frail].mean() < sizes[~frail].mean() - 0.2
    trait, ill = np.zeros((2, len(TRAITS))), np.array([[1, 0, 0, 0]] * 2, dtype=bool)
    chance = course.chances(1, trait, ill, {}, frailty=np.array([-1.0, 1.0]))
    assert chance.death[1] > 2 * chance.death[0]
    assert chance.relapse[1] == chance.relapse[0]


@pytest.mark.parametrize("decision", DECISIONS)
def test_propensities_given_the_record_are_not_those_given_all_that_experts_see(decision: str) -> None:
    _, truth = simulate_registry(50, 1, confounding=1.2)
    features = simulate_registry(50, 1)[0].frame.groupby("patient").head(1)
    known = regimens(decision).matrix
    catalog = Combinations(SPEC.decision(decision).drugs, known, np.ones(len(known), dtype=np.int64))
    stage = SPEC.decision(decision).stages[0]
    frail = truth.expert_probs(decision, features, stage, catalog, np.ones(len(features)))
    robust = truth.expert_probs(decision, features, stage, catalog, -np.ones(len(features)))
    record = truth.expert_probs(decision, features, stage, catalog)
    assert np.allclose(record, (frail + robust) / 2)
    assert np.abs(frail - record).max() > 0.05
    if not known[0].any():  # any drug against none: the odds ratio of frail against robust is exp(2 S)
        ratio = (1 / frail[:, 0] - 1) / (1 / robust[:, 0] - 1)
        assert np.allclose(ratio, np.exp(2 * 1.2))


def test_nobody_sees_anything_where_nothing_is_hidden() -> None:
    trait, ill = np.zeros((3, len(TRAITS))), np.array([[1, 1, 0, 0]] * 3, dtype=bool)
    assert np.allclose(expert_probs("acute", trait, ill, 1), expert_probs("acute", trait, ill, 1, np.zeros(3)))


def test_experts_rolled_out_as_a_policy_have_the_experts_value_in_a_confounded_world() -> None:
    _, truth = simulate_registry(20, 0, effect="weak", confounding=-0.9)

    def again(state: DecisionState) -> np.ndarray:
        known = regimens(state.decision).matrix
        catalog = Combinations(SPEC.decision(state.decision).drugs, known, np.ones(len(known), dtype=np.int64))
        probs = truth.expert_probs(state.decision, state.frame, state.stage, catalog, state.frailty)
        return draw_combinations(catalog, probs, state.uniform)

    assert truth.policy_value(dict.fromkeys(DECISIONS, again), n=300) == truth.policy_value(n=300)


@settings(max_examples=6, deadline=None)
@given(worlds, st.integers(0, 40))
def test_a_saved_world_still_knows_its_truth(
    tmp_path_factory: pytest.TempPathFactory, world: RegistryWorld, seed: int
) -> None:
    cohort, truth = simulate_registry(30, seed, world.effect, world.confounding)
    path = tmp_path_factory.mktemp("world") / "registry.parquet"
    save_registry(cohort, path)
    found = registry_truth(load_registry(path))
    assert found is not None
    assert found.world == world
    assert all(np.array_equal(found.propensities[name], truth.propensities[name]) for name in DECISIONS)
    strange = dataclasses.replace(cohort, origin=dataclasses.replace(cohort.origin, world="effect=strong"))
    assert registry_truth(strange) is None


def test_the_command_line_writes_worlds(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    options = ["--patients", "30", "--effect", "none", "--confounding", "0.5", "--out", str(path)]
    assert main(["registry", "simulate", *options]) == 0
    assert load_registry(path).origin.world == "effect=none confounding=0.5"
    assert main(["registry", "simulate", "--patients", "30", "--confounding", "50", "--out", str(path)]) == 2
