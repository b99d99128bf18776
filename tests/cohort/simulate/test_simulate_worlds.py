"""Worlds: what the drug does, what clinicians know beyond the chart, and that the truth knows which world it is."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import ConfigError
from core.base.worlds import EFFECTS, PHENOTYPES, read_world, world_text
from core.cohort import load_cohort, save_cohort
from core.cohort.simulate import (
    World,
    constant_policy,
    ground_truth,
    mechanism,
    oracle_policy,
    random_policy,
    simulate_cohort,
)
from core.cohort.simulate.clinicians import PROTOCOLS, Clinicians, by_phenotype, clinician_probs, protocol_log_odds
from core.cohort.simulate.history import History

POLICIES = {
    "zero": constant_policy(0),
    "high": constant_policy(4),
    "random": random_policy(),
    "oracle": oracle_policy(),
}
worlds = st.builds(
    World,
    effect=st.sampled_from(EFFECTS),
    confounding=st.floats(-3, 3),
    irregular=st.booleans(),
    late_starts=st.none() | st.floats(0, 1),
    memory=st.booleans(),
    phenotypes=st.sampled_from(PHENOTYPES),
)


def as_if(states, phenotype):
    """The first step of patients with these charted states, all of one phenotype."""
    n = len(states)
    return History(states[:, None], np.zeros((n, 0), int), np.ones(n, bool), np.full(n, phenotype))


def returns(truth, policy, n=400):
    return truth.policy_value(policy, n, 11)


@given(worlds)
def test_a_world_is_written_and_read_back_exactly(world):
    assert read_world(World, str(world)) == world
    assert (str(world) == "") == (world == World())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("effect=strong", "effect = 'strong' is unknown; choose one of full, weak, no-benefit, none"),
        ("confounding=x", "'confounding=x' is not usable; give a number"),
        ("confounding=nan", "give a number between -3 and 3"),
        ("confounding=4", "confounding = 4.0 is not usable"),
        ("phenotypes=two", "phenotypes = 'two' is unknown; choose one of full, equally-restless, slow-drift"),
        ("irregular=1", "'irregular' stands alone"),
        ("weather=rain", "'weather=rain' says nothing about a simulated world"),
        ("effect=none effect=none", "says nothing"),
    ],
)
def test_what_is_no_world_is_explained(text, reason):
    with pytest.raises(ConfigError, match=reason):
        read_world(World, text)


def test_words_for_a_world():
    assert world_text(World("none", -0.5, True)) == "effect=none confounding=-0.5 irregular"


def test_the_default_world_is_the_one_there_always_was(small):
    cohort, truth = small
    explicit, _ = simulate_cohort("mimic-iv", 400, 3, effect="full", confounding=0.0, irregular=False)
    assert explicit.data_hash == cohort.data_hash
    assert explicit.origin == cohort.origin
    assert cohort.origin.world == ""
    assert len(cohort.frame) == 5355  # counted before there were worlds
    assert np.bincount(cohort.actions).tolist() == [4565, 528, 83, 88, 91]
    assert truth.true_gamma().max() == 1.0


def restlessness(phenotypes, k):
    """Mean squared step-to-step change of the creatinine of phenotype k, in log, from the third step on."""
    cohort, truth = simulate_cohort("mimic-iv", 1500, 7, phenotypes=phenotypes)
    step = cohort.frame["step"].to_numpy()
    kept = (truth.phenotype[np.repeat(np.arange(cohort.n_patients), cohort.lengths)] == k)[1:] & (step[1:] > 2)
    return (np.diff(np.log(cohort.frame["Creatinine"].to_numpy()))[kept] ** 2).mean()


def test_equally_restless_phenotypes_fluctuate_alike():
    rest = {kind: [restlessness(kind, k) for k in (0, 2)] for kind in ("full", "equally-restless")}
    assert rest["full"][1] > 1.5 * rest["full"][0]
    assert rest["equally-restless"][1] == pytest.approx(rest["equally-restless"][0], rel=0.1)


def test_slow_drifts_begin_together_and_are_straight():
    paths, own = mechanism.paths(16, straight=True), mechanism.paths(16)
    assert np.ptp(paths[:, 0], axis=0).max() == 0
    np.testing.assert_allclose(np.diff(paths, n=2, axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(paths[:, -1] - paths[:, 0], own[:, -1] - own[:, 0])
    np.testing.assert_allclose(mechanism.SHARES @ paths[:, 0], mechanism.SHARES @ own[:, 0])


@pytest.mark.parametrize("like", ["mimic-iv", "eicu"])
def test_where_the_drug_does_nothing_every_policy_has_the_same_value(like):
    """Exactly: common random numbers, and nothing in the body or the reward listens to the dose."""
    _, truth = simulate_cohort(like, 200, 5, effect="none", confounding=0.8)
    clinicians = returns(truth, "clinician")
    for name, policy in POLICIES.items():
        assert returns(truth, policy) == clinicians, name
    gain = truth.policy_gain(random_policy(), 200, 1)
    assert (gain.value, gain.standard_error) == (0.0, 0.0)


def test_weak_lies_between_full_and_none(small):
    spans = small[1].spans
    gain = {}
    for effect in EFFECTS:
        _, truth = simulate_cohort("mimic-iv", 30, 3, effect=effect)
        values = [truth.policy_value(policy, 3000, 2, spans).value for policy in (oracle_policy(), constant_policy(0))]
        gain[effect] = values[0] - values[1]
    assert gain["full"] > gain["weak"] + 0.5
    assert gain["weak"] > gain["none"] + 0.5
    assert gain["none"] == 0.0


def test_without_benefit_the_harm_stays():
    _, full = simulate_cohort("mimic-iv", 100, 3)
    _, bare = simulate_cohort("mimic-iv", 100, 3, effect="no-benefit")
    effects, kept = mechanism.full_effects(), World("no-benefit").full_effects
    assert not kept[:, 0].any()
    assert np.array_equal(kept[:, 1:], effects[:, 1:])
    none, high, moderate = (bare.policy_value(constant_policy(a), 3000, 4).survival for a in (0, 4, 2))
    assert none - high > 0.1
    assert none - moderate > 0.05  # full world: moderate doses help more than they harm
    assert (
        full.policy_value(constant_policy(2), 3000, 4).survival
        > full.policy_value(constant_policy(0), 3000, 4).survival
    )
    assert none > bare.policy_value("clinician", 3000, 4).survival


@pytest.mark.parametrize("strength", [-1.0, 0.7])
def test_confounded_clinicians_dose_a_phenotype_more_than_its_chart_explains(strength):
    cohort, truth = simulate_cohort("mimic-iv", 3000, 6, confounding=strength)
    charted = clinician_probs(cohort.states, np.asarray(truth.constants.action_intercepts), cohort.study)
    patient = np.repeat(np.arange(cohort.n_patients), cohort.lengths)
    gap = truth.action_probs[patient, cohort.frame["step"]] - charted
    assert np.abs(gap).max() > 0.03
    excess = [(cohort.actions > 0)[truth.phenotype[patient] == k].mean() for k in range(3)] - np.array(
        [1 - charted[truth.phenotype[patient] == k, 0].mean() for k in range(3)]
    )
    assert np.sign(excess[1]) == np.sign(strength) == -np.sign(excess[0])
    act = Clinicians(truth.constants.action_intercepts, cohort.study, truth.world)
    healthy, sick = (as_if(cohort.states[:50], k) for k in (0, 1))
    assert (np.sign(act(healthy)[:, 0] - act(sick)[:, 0]) == np.sign(strength)).all()


@pytest.mark.parametrize("world", [World(confounding=0.9), World("weak", -0.6, irregular=True)])
def test_probabilities_under_each_phenotype_are_those_of_the_clinicians_asked(world):
    cohort, truth = simulate_cohort("eicu", 60, 2)
    states = cohort.states
    clinicians = Clinicians(truth.constants.action_intercepts, cohort.study, world)
    asked = [clinicians(as_if(states, k)) for k in range(3)]
    phenotype = np.arange(len(states)) % 3
    own = np.stack(asked)[phenotype, np.arange(len(states))]
    assert np.allclose(by_phenotype(own, phenotype, world), np.stack(asked, axis=1), atol=1e-12)
    assert np.allclose(own.sum(axis=1), 1)


def test_the_clinicians_as_a_policy_are_the_clinicians():
    _, truth = simulate_cohort("mimic-iv", 50, 1, confounding=-0.7, irregular=True)
    assert truth.policy_value(truth.clinicians, 300, 4) == truth.policy_value("clinician", 300, 4)


def test_irregular_clinicians_follow_the_chart_but_no_smooth_line():
    cohort, truth = simulate_cohort("mimic-iv", 4000, 6, irregular=True)
    step = cohort.frame["step"].to_numpy()
    patient = np.repeat(np.arange(cohort.n_patients), cohort.lengths)
    asked = Clinicians(truth.constants.action_intercepts, cohort.study, truth.world)
    for phenotype in (0, 1):  # whoever the patient is
        assert np.allclose(asked(as_if(cohort.states, phenotype)), truth.action_probs[patient, step])
    assert abs((cohort.actions > 0).mean() - (1 - 0.8572)) < 0.015
    row = dict.fromkeys(cohort.study.names, 1.0) | {"SOFA": 9.0, "Platelets": 90.0, "Age": 64.9, "PTT": 40.0}
    young = np.array([row[name] for name in cohort.study.names])
    old = np.array([(row | {"Age": 80.0})[name] for name in cohort.study.names])
    jump = protocol_log_odds(young, cohort.study) - protocol_log_odds(old, cohort.study)
    assert jump == pytest.approx(PROTOCOLS[0][0] - PROTOCOLS[1][0])


def estimated_chances(cohort, truth):
    """P(phenotype | charted state and step), by linear discriminants of the cohort's own rows."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    step = cohort.frame["step"].to_numpy()
    patient = np.repeat(np.arange(cohort.n_patients), cohort.lengths)
    rows = np.column_stack([cohort.states[:, cohort.study.n_static :], step, step**2]).astype(float)
    model = LinearDiscriminantAnalysis().fit(rows, truth.phenotype[patient])
    chances = np.full((*truth.propensities.shape, 3), 1 / 3)
    chances[patient, step] = model.predict_proba(rows)
    return chances


def test_gamma_of_a_confounded_world():
    strength = 0.8
    cohort, truth = simulate_cohort("mimic-iv", 3000, 8, confounding=strength)
    most = truth.true_gamma()
    real = truth.action_probs.any(axis=2)
    assert (most[~real] == 1).all()
    assert (most[real] >= 1).all()
    assert 0.8 * np.exp(2 * strength) < most.max() <= np.exp(2 * strength)
    chances = estimated_chances(cohort, truth)
    likely = truth.true_gamma(chances)
    assert (likely <= most + 1e-9).all()
    assert np.median(likely[real]) < 0.7 * np.median(most[real])
    sure = np.eye(3)[np.repeat(truth.phenotype[:, None], most.shape[1], axis=1)]
    assert np.allclose(truth.true_gamma(sure), 1)  # a record that tells the phenotype hides nothing


def test_charted_probabilities_are_what_is_seen_without_the_phenotype():
    """Among steps alike in the record doses come as the mixture says, and not as for either phenotype."""
    cohort, truth = simulate_cohort("mimic-iv", 6000, 8, confounding=1.0)
    real = truth.action_probs.any(axis=2)
    charted = truth.charted_probs(estimated_chances(cohort, truth))
    assert np.allclose(charted[real].sum(axis=1), 1)
    assert not charted[~real].any()
    none = charted[real][:, 0]
    for rows in np.array_split(np.argsort(none), 8):
        error = np.sqrt((none[rows] * (1 - none[rows])).sum()) / len(rows)
        assert abs((cohort.actions[rows] == 0).mean() - none[rows].mean()) < 4 * error + 0.01


def test_equal_seeds_meet_equal_patients_in_every_world():
    first, _ = simulate_cohort("mimic-iv", 80, 9)
    for world in ({"effect": "none"}, {"confounding": 1.5}, {"irregular": True}):
        other, _ = simulate_cohort("mimic-iv", 80, 9, **world)
        assert np.array_equal(other.states[other.starts], first.states[first.starts])
        assert other.data_hash != first.data_hash


@settings(max_examples=8, deadline=None)
@given(worlds, st.integers(0, 50))
def test_a_saved_world_still_knows_its_truth(tmp_path_factory, world, seed):
    cohort, truth = simulate_cohort("eicu", 15, seed, **dataclasses.asdict(world))
    path = tmp_path_factory.mktemp("world") / "stays.parquet"
    save_cohort(cohort, path)
    loaded = load_cohort(path)
    found = ground_truth(loaded)
    assert loaded.origin == cohort.origin
    assert found is not None
    assert found.world == world
    assert np.array_equal(found.action_probs, truth.action_probs)
    assert found.policy_value("clinician", 20, 1) == truth.policy_value("clinician", 20, 1)


def test_a_world_nobody_knows_has_no_truth(small):
    cohort, _ = small
    for text in ("weather=rain", "effect=none"):
        assert ground_truth(dataclasses.replace(cohort, origin=dataclasses.replace(cohort.origin, world=text))) is None
