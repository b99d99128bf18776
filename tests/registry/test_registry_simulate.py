"""The simulated registry: published shape, known propensities, and true values that close the circle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.base.errors import ConfigError, StudyError
from core.base.rng import stream
from core.registry import (
    Combinations,
    DecisionState,
    Policy,
    RegistryCohort,
    RegistryTruth,
    decision_points,
    draw_combinations,
    load_registry_spec,
    registry_truth,
    simulate_registry,
    state_rewards,
)
from core.registry.simulate import calibration_report, course, oracle_policy
from core.registry.simulate.effects import drug_effects
from core.registry.simulate.oracle import expected
from core.registry.simulate.patients import TRAITS, draw_patients, traits
from core.registry.simulate.regimens import expert_probs, regimens
from core.registry.simulate.rollout import Rollout, draw
from core.registry.simulate.truth import discounted_returns

SPEC = load_registry_spec()


@pytest.fixture(scope="module")
def published() -> tuple[RegistryCohort, RegistryTruth]:
    return simulate_registry()


@pytest.fixture(scope="module")
def small() -> tuple[RegistryCohort, RegistryTruth]:
    return simulate_registry(250, seed=3)


def every_combination(decision: str) -> Combinations:
    """All combinations that experts know, in their own order."""
    known = regimens(decision).matrix
    return Combinations(SPEC.decision(decision).drugs, known, np.ones(len(known), dtype=np.int64))


def experts_again(truth: RegistryTruth) -> Policy:
    def policy(state: DecisionState) -> np.ndarray:
        catalog = every_combination(state.decision)
        return draw_combinations(
            catalog, truth.expert_probs(state.decision, state.frame, state.stage, catalog), state.uniform
        )

    return policy


def no_drug(state: DecisionState) -> np.ndarray:
    return np.zeros((len(state), len(SPEC.decision(state.decision).drugs)))


def test_the_published_shape_is_met(published: tuple[RegistryCohort, RegistryTruth]) -> None:
    table = calibration_report(*published)
    assert published[0].n_patients == 6021
    assert table["ok"].all(), table[~table["ok"]].to_string()
    chronic = table[(table["decision"] == "chronic") & table["quantity"].str.startswith("top-10")]
    assert chronic["simulated"].is_monotonic_increasing


def test_patients_are_children_and_adults_with_plausible_donors(
    published: tuple[RegistryCohort, RegistryTruth],
) -> None:
    baseline = published[0].baseline
    assert 0.13 < (baseline["age"] < 18).mean() < 0.19
    assert baseline["age"].between(0.5, 75).all()
    matched = (baseline["hla_match"] == "matched").groupby(baseline["donor_relation"]).mean()
    assert matched["sibling"] > 0.9 > matched["unrelated"] > matched["other relative"]


def test_equal_arguments_give_equal_data(small: tuple[RegistryCohort, RegistryTruth]) -> None:
    cohort, _ = small
    assert simulate_registry(250, seed=3)[0].data_hash == cohort.data_hash
    assert simulate_registry(250, seed=4)[0].data_hash != cohort.data_hash


def test_a_simulated_registry_obeys_its_own_rules(published: tuple[RegistryCohort, RegistryTruth]) -> None:
    cohort, _ = published
    assert cohort.report.ok
    assert {p.rule for p in cohort.report.problems} == {"stage-gap", "lost-to-follow-up"}
    for decision in SPEC.decisions:
        given = cohort.drugs(decision.name).any(axis=1)
        assert np.isin(cohort.stage_index[given], decision.stages).all()
        assert not given[cohort.ended].any()


def test_truth_is_found_again_from_the_origin(small: tuple[RegistryCohort, RegistryTruth]) -> None:
    cohort, truth = small
    again = registry_truth(cohort)
    assert again is not None
    assert all((again.propensities[name] == truth.propensities[name]).all() for name in truth.propensities)
    frame = cohort.frame.copy()
    frame.loc[0, "age"] += 1
    assert registry_truth(replace(cohort, frame=frame)) is None
    assert registry_truth(RegistryCohort(SPEC, cohort.frame)) is None


def test_propensities_are_those_of_the_combination_given(small: tuple[RegistryCohort, RegistryTruth]) -> None:
    cohort, truth = small
    for decision in SPEC.decisions:
        points, catalog = decision_points(cohort, decision.name), every_combination(decision.name)
        action = catalog.encode(points.drugs)
        assert (action >= 0).all()
        for stage in decision.stages:
            here = np.flatnonzero(points.stage == stage)
            probs = truth.expert_probs(decision.name, cohort.frame.iloc[points.row[here]], stage, catalog)
            assert probs.sum(axis=1) == pytest.approx(np.ones(len(here)))
            assert (probs > 0).all()
            expected_value = probs[np.arange(len(here)), action[here]]
            assert truth.propensities[decision.name][here] == pytest.approx(expected_value)


def test_experts_rolled_out_as_a_policy_have_the_experts_value(small: tuple[RegistryCohort, RegistryTruth]) -> None:
    """The same draws in the same order: equal, not only close."""
    truth = small[1]
    again = {decision.name: experts_again(truth) for decision in SPEC.decisions}
    assert truth.policy_value(again, n=300) == truth.policy_value(n=300)


def test_importance_weights_recover_the_true_value(published: tuple[RegistryCohort, RegistryTruth]) -> None:
    """Propensities are right, and nothing hidden confounds: a tilted policy's value follows from the record."""
    cohort, truth = published
    tilt = np.where(np.array(SPEC.decision("prophylaxis").drugs) == "ATG", 1.0, 0.0)
    catalog = every_combination("prophylaxis")
    factor = np.exp(catalog.matrix @ tilt)

    def tilted(state: DecisionState) -> np.ndarray:
        probs = factor * truth.expert_probs("prophylaxis", state.frame, 0, catalog)
        return draw_combinations(catalog, probs / probs.sum(axis=1, keepdims=True), state.uniform)

    points = decision_points(cohort, "prophylaxis")
    probs = factor * truth.expert_probs("prophylaxis", cohort.frame.iloc[points.row], 0, catalog)
    chosen = probs[np.arange(len(points)), catalog.encode(points.drugs)] / probs.sum(axis=1)
    weight = (chosen / truth.propensities["prophylaxis"])[points.followed]
    estimate = np.average(points.rewards[points.followed], weights=weight)
    spread = np.sqrt((weight**2).sum()) / weight.sum() * points.rewards[points.followed].std()
    value = truth.policy_value({"prophylaxis": tilted}, n=6000, decision="prophylaxis")
    assert abs(estimate - value.value) < 4 * np.hypot(spread, value.standard_error)


@pytest.mark.parametrize("decision", ["acute", "chronic"])
def test_a_better_policy_than_the_experts_exists(
    published: tuple[RegistryCohort, RegistryTruth], decision: str
) -> None:
    cohort, truth = published
    catalog = Combinations.fit(decision_points(cohort, decision).drugs, SPEC.decision(decision).drugs)
    usual = Combinations(catalog.drugs, catalog.matrix[:20], catalog.counts[:20])
    experts = truth.policy_value(n=3000, decision=decision)
    oracle = truth.policy_value({decision: oracle_policy(SPEC, usual)}, n=3000, decision=decision)
    assert oracle.value - experts.value > 3 * np.hypot(oracle.standard_error, experts.standard_error)
    assert oracle.event_free > experts.event_free


def test_matched_means_are_confounded(published: tuple[RegistryCohort, RegistryTruth]) -> None:
    """Those left untreated do well, since they were well: untreated means flatter what no treatment would do."""
    cohort, truth = published
    points = decision_points(cohort, "acute")
    untreated = ~points.drugs.any(axis=1)
    assert np.nanmean(points.rewards[untreated]) > np.nanmean(points.rewards[~untreated]) + 0.05
    none = truth.policy_value({"acute": no_drug}, n=3000, decision="acute")
    experts = truth.policy_value(n=3000, decision="acute")
    assert none.value < experts.value - 3 * np.hypot(none.standard_error, experts.standard_error)


def test_sicker_patients_get_heavier_combinations() -> None:
    features = draw_patients(stream(0, "test"), 4000)
    trait = traits(features)
    state = np.zeros((4000, 4), dtype=bool)
    state[:, :2] = True
    sizes = expert_probs("acute", trait, state, 1) @ regimens("acute").matrix.sum(axis=1)
    mismatched = trait[:, TRAITS.index("mismatch")] == 2
    assert sizes[mismatched].mean() > sizes[~mismatched].mean() + 0.1


def test_discounted_returns_of_known_courses() -> None:
    """Healthy to the end; chronic GVHD throughout; dead at 180 days."""
    indicators = np.zeros((3, 6, 4), dtype=bool)
    indicators[:, :, 0] = True
    indicators[1, 1:, 2] = True
    indicators[2, 2:] = False
    reached = np.ones((3, 6), dtype=bool)
    reached[2, 3:] = False
    patients = draw_patients(stream(0, "three"), 3)
    rollout = Rollout(patients, indicators, reached, {}, {}, np.zeros(3))
    whole = sum(0.9**i for i in range(5))
    assert discounted_returns(rollout, SPEC, (0, 1, 2, 3, 4), 0.9) == pytest.approx([whole, 0.7 * whole, 1.0])
    assert discounted_returns(rollout, SPEC, (1, 2), 0.5) == pytest.approx([1.5, 1.05, 0.0])


def test_expected_reward_is_the_mean_of_what_happens() -> None:
    rng = np.random.default_rng(0)
    chance = course.Chances(*(np.full(200_000, p) for p in (0.2, 0.1, 0.4, 0.3)))
    after = course.step(chance, rng.random((4, 200_000)))
    went_on = after[:, 0] & ~after[:, 3]
    mean = (state_rewards(after, SPEC) + 2.0 * went_on).mean()
    assert expected(chance, SPEC.rewards, later=2.0)[0] == pytest.approx(mean, abs=0.01)
    assert not after[~after[:, 0], 1:].any()


def test_a_drug_works_and_harms_by_patient() -> None:
    drugs = SPEC.decision("acute").drugs
    steroids = np.zeros((2, len(drugs)))
    steroids[:, drugs.index("systemic corticosteroids")] = 1
    trait = np.zeros((2, len(TRAITS)))
    trait[1, TRAITS.index("older")] = 1
    efficacy, toxicity, _ = drug_effects("acute", steroids, trait)
    assert efficacy[0] > efficacy[1] > 0
    assert toxicity[1] > toxicity[0] > 0
    nothing = drug_effects("acute", 0 * steroids, trait)
    assert all((effect == 0).all() for effect in nothing)
    ill = np.array([[1, 1, 0, 0]] * 2, dtype=bool)
    treated = course.chances(1, trait, ill, {"acute": steroids})
    left = course.chances(1, trait, ill, {})
    assert (treated.acute < left.acute).all()
    assert treated.death[0] < left.death[0]


def test_draws_follow_their_probabilities() -> None:
    probs = np.tile([0.2, 0.0, 0.5, 0.3], (1000, 1))
    shares = np.bincount(draw(probs, (np.arange(1000) + 0.5) / 1000), minlength=4) / 1000
    assert shares == pytest.approx([0.2, 0.0, 0.5, 0.3])


def test_unusable_arguments_are_refused(small: tuple[RegistryCohort, RegistryTruth]) -> None:
    truth = small[1]
    for bad in ({"n": 1}, {"seed": -1}):
        with pytest.raises(ConfigError):
            truth.policy_value(**bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="matrix"):
        truth.policy_value({"acute": lambda state: np.zeros((len(state), 3))}, n=50)
    with pytest.raises(ConfigError, match="0 and 1"):
        truth.policy_value({"acute": lambda state: no_drug(state) + 0.5}, n=50)
    with pytest.raises(StudyError, match="surgery"):
        truth.policy_value({"surgery": no_drug}, n=50)
    for patients, seed in ((0, 0), (5, -1)):
        with pytest.raises(ConfigError):
            simulate_registry(patients, seed)
