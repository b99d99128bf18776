"""Ground truth: propensities, policy values, and finding them again."""

import dataclasses

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.cohort.cohort import Origin
from core.cohort.simulate import (
    constant_policy,
    ground_truth,
    oracle_policy,
    random_policy,
    simulate_cohort,
)
from core.cohort.simulate.clinicians import clinician_probs
from core.trajectories import fit_scaler, make_trajectories


def recorded_returns(cohort, gamma):
    """The cohort's own returns, by the path that every off-policy estimate takes."""
    trajectories = make_trajectories(cohort, fit_scaler(cohort))
    assert not trajectories.rewards[~trajectories.transition_mask].any()
    return trajectories.rewards.astype(np.float64) @ gamma ** np.arange(trajectories.mask.shape[1])


def test_equal_arguments_give_equal_data(small):
    cohort, truth = small
    again, same = simulate_cohort("mimic-iv", 400, 3)
    assert again.data_hash == cohort.data_hash
    assert np.array_equal(same.propensities, truth.propensities)
    assert simulate_cohort("mimic-iv", 400, 4)[0].data_hash != cohort.data_hash
    assert simulate_cohort("eicu", 400, 3)[0].data_hash != cohort.data_hash


@pytest.mark.parametrize("n", [1, 12])
def test_tiny_cohorts_work(n):
    cohort, truth = simulate_cohort("eicu", n, 1)
    assert cohort.n_patients == n == len(truth.phenotype)
    assert np.isfinite(truth.policy_value("clinician", 50, 0).value)


@pytest.mark.parametrize(("arguments", "reason"), [(("x", 9, 0), "like = 'x'"), (("eicu", 0, 0), "n_patients = 0")])
def test_wrong_arguments_are_explained(arguments, reason):
    with pytest.raises(ConfigError, match=reason):
        simulate_cohort(*arguments)
    with pytest.raises(ConfigError, match="seed = -1"):
        simulate_cohort("eicu", 5, -1)


def test_truth_is_found_again_for_an_unchanged_cohort_only(small):
    cohort, truth = small
    found = ground_truth(cohort)
    assert found is not None
    assert np.array_equal(found.phenotype, truth.phenotype)
    assert np.array_equal(found.action_probs, truth.action_probs)
    changed = cohort.frame.assign(SOFA=cohort.frame["SOFA"] + np.float32(1))
    assert ground_truth(dataclasses.replace(cohort, frame=changed)) is None
    assert ground_truth(dataclasses.replace(cohort, origin=Origin())) is None
    foreign = Origin("simulated", "somewhere", cohort.n_patients, 3)
    assert ground_truth(dataclasses.replace(cohort, origin=foreign)) is None
    fewer = cohort.frame[cohort.frame["traj"].astype(int) < 100]
    assert ground_truth(dataclasses.replace(cohort, frame=fewer)) is None


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_truth_survives_a_file(small, tmp_path, suffix):
    from core.cohort import load_cohort, save_cohort

    cohort, truth = small
    path = tmp_path / f"stays{suffix}"
    save_cohort(cohort, path)
    loaded = load_cohort(path)
    assert loaded.data_hash == cohort.data_hash
    if suffix == ".parquet":  # a CSV file has no place for the origin
        found = ground_truth(loaded)
        assert found is not None
        assert np.array_equal(found.propensities, truth.propensities)


def test_propensities_follow_from_the_charted_state_alone(small):
    cohort, truth = small
    probs = clinician_probs(cohort.states, np.asarray(truth.constants.action_intercepts), cohort.study)
    patient = np.repeat(np.arange(cohort.n_patients), cohort.lengths)
    step = cohort.frame["step"].to_numpy()
    assert np.allclose(truth.action_probs[patient, step], probs)
    assert np.allclose(truth.propensities[patient, step], probs[np.arange(len(probs)), cohort.actions])
    padding = np.ones_like(truth.propensities, dtype=bool)
    padding[patient, step] = False
    assert (truth.propensities[padding] == 1).all()
    assert not truth.action_probs[padding].any()
    assert probs.min() > 5e-4  # overlap: every dose is possible everywhere


def test_propensities_are_calibrated(mimic):
    cohort, truth = mimic
    mask = truth.action_probs.sum(axis=2) > 0
    probs = truth.action_probs[mask]
    for action in range(5):
        p, given = probs[:, action], cohort.actions == action
        edges = np.quantile(p, np.linspace(0, 1, 11)[1:-1])
        for index in range(10):
            rows = np.digitize(p, edges) == index
            error = np.sqrt((p[rows] * (1 - p[rows])).sum()) / rows.sum()
            assert abs(given[rows].mean() - p[rows].mean()) < 4 * error


def test_the_sicker_get_more_heparin_and_so_it_looks_harmful(mimic):
    cohort, truth = mimic
    treated = cohort.actions > 0
    sofa = cohort.frame["SOFA"].to_numpy()
    assert treated[sofa >= 10].mean() > 2 * treated[sofa <= 2].mean()
    ever = np.bincount(np.repeat(np.arange(cohort.n_patients), cohort.lengths), treated) > 0
    died = cohort.outcomes < 0
    assert died[ever].mean() > died[~ever].mean() + 0.02
    lethal = oracle_policy((0, 2, 0))
    helped = truth.policy_value(lethal, 4000, 0).survival - truth.policy_value(constant_policy(0), 4000, 0).survival
    assert helped > 0.08


def test_a_stay_earns_what_the_recorded_data_would_say(small):
    cohort, truth = small
    from core.cohort.simulate.rollout import roll_out
    from core.cohort.simulate.truth import discounted_returns

    stays = roll_out(truth.constants, truth.study, 400, 3, "cohort mimic-iv")
    fast = discounted_returns(stays, truth.study, truth.spans, 0.97)
    assert np.allclose(fast, recorded_returns(cohort, 0.97), atol=1e-4)


@pytest.mark.parametrize("name", ["mimic", "eicu"])
def test_the_clinicians_value_is_the_recorded_mean_return(name, request):
    cohort, truth = request.getfixturevalue(name)
    recorded = recorded_returns(cohort, 0.99)
    value = truth.policy_value("clinician", 6000, 7)
    error = np.hypot(recorded.std() / np.sqrt(len(recorded)), value.standard_error)
    assert abs(value.value - recorded.mean()) < 3 * error
    alive = (cohort.outcomes > 0).mean()
    assert abs(value.survival - alive) < 3 * np.hypot(value.survival_standard_error, 0.5 / np.sqrt(len(recorded)))


def test_policies_separate_and_order_as_they_should(mimic):
    _, truth = mimic
    n, seed = 5000, 1
    clinician = truth.policy_value("clinician", n, seed)
    oracle = truth.policy_value(oracle_policy(), n, seed)
    chance = truth.policy_value(random_policy(), n, seed)
    none = truth.policy_value(constant_policy(0), n, seed)
    high = truth.policy_value(constant_policy(4), n, seed)
    moderate = truth.policy_value(constant_policy(2), n, seed)
    step = 2 * clinician.standard_error
    assert oracle.value > clinician.value + step
    assert oracle.value > moderate.value + step
    assert clinician.value > none.value + step
    assert none.value > chance.value + step
    assert chance.value > high.value + step
    assert oracle.survival > clinician.survival > high.survival


def test_heparin_acts_differently_by_phenotype(mimic):
    _, truth = mimic
    none = truth.policy_value(constant_policy(0), 4000, 2).survival
    gain = [truth.policy_value(oracle_policy(tuple(np.eye(3, dtype=int)[k] * 2)), 4000, 2).survival for k in range(3)]
    assert abs(gain[0] - none) < 0.01  # recovering: hardly matters
    assert gain[1] > none + 0.08  # micro-thrombosis: helps
    assert gain[2] < none - 0.06  # bleeding: harms


def test_a_gain_is_the_difference_of_two_values_known_better_than_either(small):
    _, truth = small
    policy, (n, seed) = oracle_policy(), (1500, 4)
    gain = truth.policy_gain(policy, n, seed)
    value, usual = truth.policy_value(policy, n, seed), truth.policy_value("clinician", n, seed)
    assert gain.value == pytest.approx(value.value - usual.value)
    assert gain.survival == pytest.approx(value.survival - usual.survival)
    assert gain.standard_error < 0.8 * np.hypot(value.standard_error, usual.standard_error)
    other = [truth.policy_gain(policy, 300, s).value for s in range(20)]  # the error is what a new draw shows
    assert np.std(other, ddof=1) == pytest.approx(truth.policy_gain(policy, 300, 0).standard_error, rel=0.5)
    nothing = truth.policy_gain("clinician", 50, 0)
    assert (nothing.value, nothing.standard_error, nothing.survival) == (0.0, 0.0, 0.0)


def test_equal_seeds_meet_equal_patients(small):
    _, truth = small
    seen = {}

    def watch(name):
        def policy(history):
            seen.setdefault(name, history.states[:, 0])
            return constant_policy(len(seen) - 1)(history)

        return policy

    truth.policy_value(watch("one"), 60, 5)
    truth.policy_value(watch("two"), 60, 5)
    assert np.array_equal(seen["one"], seen["two"])


def test_history_shows_the_past_and_only_the_past(small):
    _, truth = small
    steps = []

    def policy(history):
        assert len(history) == 30 == len(history.active)
        assert history.states.shape == (30, history.step + 1, truth.study.n_columns)
        assert history.actions.shape == (30, history.step)
        assert np.array_equal(history.state, history.states[:, -1])
        gone = ~history.active
        if gone.any():
            assert np.array_equal(history.states[gone, -1], history.states[gone, -2])
        steps.append(history.step)
        probs = random_policy()(history)
        probs[gone] = np.nan  # what is said of patients who left is ignored
        return probs

    truth.policy_value(policy, 30, 0)
    assert steps == list(range(truth.study.horizon))


def test_gamma_and_spans_reach_the_value(small):
    _, truth = small
    base = truth.policy_value("clinician", 300, 0)
    assert truth.policy_value("clinician", 300, 0) == base
    assert truth.policy_value("clinician", 300, 0, gamma=0.5).value != base.value
    narrow = truth.policy_value("clinician", 300, 0, spans=truth.spans / 5)
    assert narrow.value != base.value
    assert narrow.survival == base.survival


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda n: np.ones((n, 4)) / 4, "action probabilities, not"),
        (lambda n: np.ones((n, 5)), "sum to 1"),
        (lambda n: np.full((n, 5), np.nan), "finite"),
        (lambda n: np.tile([1.5, -0.5, 0, 0, 0], (n, 1)), "non-negative"),
    ],
)
def test_a_broken_policy_is_refused(small, answer, reason):
    _, truth = small
    with pytest.raises(ConfigError, match=reason):
        truth.policy_value(lambda history: answer(len(history)), 10, 0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"policy": "random"}, "policy = 'random'"),
        ({"policy": "clinician", "n": 0}, "n = 0"),
        ({"policy": "clinician", "seed": -2}, "seed = -2"),
        ({"policy": "clinician", "spans": np.ones(3)}, "one number per column"),
    ],
)
def test_wrong_questions_are_explained(small, arguments, reason):
    _, truth = small
    with pytest.raises(ConfigError, match=reason):
        truth.policy_value(**{"n": 10, "seed": 0} | arguments)


def test_a_policy_cannot_rewrite_the_past(small):
    _, truth = small

    def meddler(history):
        history.states[:] = 0
        return random_policy()(history)

    with pytest.raises(ValueError, match="read-only"):
        truth.policy_value(meddler, 10, 0)
