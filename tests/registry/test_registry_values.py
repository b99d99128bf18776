"""Matched and predicted rewards by hand; off-policy values of courses against what they must be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.fusion import between
from core.registry.ask.compared import DIALS, MIXTURE
from core.registry.ask.ope import LinearCritic, Recorded
from core.registry.ask.true_values import mean_reward
from core.registry.cohort.courses import Courses, make_courses, state_rewards, weighted_returns
from core.registry.cohort.table import RegistryCohort
from core.registry.config import RewardModelConfig
from core.registry.fit.evaluate import (
    CONFOUNDED,
    confounding_text,
    matched_rewards,
    modeled_rewards,
    predicted_rewards,
    train_reward_model,
)
from core.registry.simulate import simulate_registry
from core.registry.simulate.rollout import Rollout, roll_out
from core.registry.spec import load_registry_spec
from tests.registry.course_world import ALWAYS, GAMMA, SOMETIMES, TRUE, judging, plan, recorded, true_value


def test_matched_means_by_hand():
    """Five decisions; the policy agrees with the 1st, 2nd and 4th, whose rewards are 1, 0.7 and unknown."""
    actions = np.array([0, 1, 2, 0, 1])
    rewards = np.array([1.0, 0.7, 0.8, np.nan, 0.0])
    choices = {"dqn": np.array([0, 1, 0, 0, 0]), "most-frequent": np.full(5, 9)}
    table = matched_rewards(np.array([1, 2, 3, 4, 4]), actions, rewards, choices, 300, 0).set_index("policy")
    assert table.loc["dqn", "value"] == pytest.approx(0.85)
    assert table.loc["dqn", "n_matched"] == 2
    assert table.loc["observed", "value"] == pytest.approx(2.5 / 4)
    assert (table["n"] == 4).all()
    assert np.isnan(table.loc["most-frequent", ["value", "low", "high"]].to_numpy(float)).all()
    assert table.loc["dqn", "low"] >= 0.7
    assert table.loc["dqn", "high"] <= 1.0


def test_those_who_are_followed_stand_for_those_who_are_lost():
    """Four courses of two steps: one lost at once, one at the second step; the shares kept are 3/4 and 1/2 of two."""
    going = np.array([[1, 0], [1, 1], [1, 1], [1, 0]], dtype=bool)
    followed = np.array([[0, 0], [1, 1], [1, 0], [1, 0]], dtype=bool)  # the last one dies
    rewards = np.array([[0, 0], [1, 0.7], [1, 0], [0, 0]])
    courses = Courses(0, np.arange(4), going, followed, rewards)
    assert courses.kept_share().tolist() == [0.75, 0.5]
    found = weighted_returns(courses, courses.kept_share(), 0.9)
    assert found == pytest.approx([0, 1 / 0.75 + 0.9 * 0.7 / (0.75 * 0.5), 1 / 0.75, 0])


def test_returns_of_the_lost_are_right_on_average():
    """Rewards by state, loss by chance alone: the mean is that of the same patients with nobody lost."""
    rng = np.random.default_rng(0)
    n, steps, keeps, gamma = 40_000, 3, np.array([0.9, 0.7, 0.6]), 0.95
    alive = np.cumprod(rng.random((n, steps)) < 0.8, axis=1).astype(bool)
    whole = (alive * gamma ** np.arange(steps)).sum(axis=1).mean()
    going = np.concatenate([np.ones((n, 1), dtype=bool), alive[:, :-1]], axis=1)
    kept = np.cumprod(rng.random((n, steps)) < keeps, axis=1).astype(bool)
    going[:, 1:] &= kept[:, :-1]
    followed = going & kept
    courses = Courses(0, np.arange(n), going, followed, np.where(followed, alive, 0.0))
    returns = weighted_returns(courses, courses.kept_share(), gamma)
    assert returns.mean() == pytest.approx(whole, abs=4 * returns.std() / np.sqrt(n))
    recorded = (courses.rewards * gamma ** np.arange(steps)).sum(axis=1)
    assert recorded.mean() < whole - 0.2  # what is recorded alone says too little


def test_a_true_mean_reward_comes_with_its_standard_error():
    """Three patients with 2, 1 and 0 acute decisions; by hand R = sum y / sum m and the error of that ratio."""
    spec = load_registry_spec()
    first, second = spec.decision("acute").stages[:2]
    indicators = np.zeros((3, len(spec.stages), 4), dtype=bool)
    indicators[:2, :, 0] = True  # the third is dead from the start, so nothing is decided for it
    indicators[1, first + 1 :, 3] = True  # the second relapses after its first decision
    indicators[0, second + 1 :, 0] = False  # the first dies after its second
    reached = np.zeros(indicators.shape[:2], dtype=bool)
    reached[0, : second + 2] = reached[1, : first + 2] = True
    found = mean_reward(
        Rollout(pd.DataFrame(index=range(3)), indicators, reached, {}, {}, np.zeros(3)), spec, "acute", "all"
    )

    rewards = state_rewards(indicators[0, [first + 1, second + 1]], spec)
    y = np.array([rewards.sum(), *state_rewards(indicators[1, [first + 1]], spec), 0.0])
    m = np.array([2, 1, 0])
    assert len({*rewards, y[1]}) > 1  # a mean of unlike rewards, else there is no error to get wrong
    assert found.value == pytest.approx(y.sum() / 3)
    assert found.standard_error == pytest.approx(np.sqrt(((y - y.sum() / 3 * m) ** 2).sum()) / 3)
    assert found.n == 3


def test_a_true_mean_reward_misses_the_truth_as_often_as_its_standard_error_says():
    """Over many roll-outs the spread of the mean is the standard error it names: not half of it, not 1.96 times it."""
    spec = load_registry_spec()
    found = [mean_reward(roll_out(spec, 300, seed, "value"), spec, "acute", "all") for seed in range(60)]
    spread = np.std([one.value for one in found], ddof=1)
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.25)


def test_predicted_rewards_and_the_baseline_by_hand():
    predicted = np.array([[0.9, 0.3, 0.0], [0.1, 0.8, 0.6]])
    choices = {"dqn": np.array([0, 1]), "most-frequent": np.array([0, 0])}
    table = modeled_rewards(np.array([0, 1]), np.array([1, 2]), predicted, choices, "dqn", 50, 0)
    found = table.set_index(["stage", "policy"])["value"]
    assert found[-1, "dqn"] == pytest.approx(0.85)
    assert found[-1, "most-frequent"] == pytest.approx(0.5)
    assert found[-1, "baseline"] == pytest.approx((0.15 + 0.35) / 2)
    assert found[1, "baseline"] == pytest.approx(0.15)
    assert found[2, "dqn"] == pytest.approx(0.8)


def test_the_reward_network_learns_drugs_and_predicts_every_combination():
    rng = np.random.default_rng(0)
    x, drugs = rng.integers(2, size=(800, 1)).astype(np.float32), rng.integers(2, size=(800, 2))
    rewards = np.where(x[:, 0] == 1, drugs[:, 0], 1 - drugs[:, 0]).astype(float)
    config = RewardModelConfig(epochs=25, lr=0.02)
    generator = train_reward_model(config, x, drugs, rewards, np.arange(800) % 5 == 0, name="t", seed=0)
    while True:
        try:
            next(generator)
        except StopIteration as end:
            network = end.value
            break
    table = predicted_rewards(network, np.array([[0.0], [1.0]]), np.array([[0, 0], [1, 0], [1, 1]]))
    np.testing.assert_allclose(table, [[1, 0, 0], [0, 1, 1]], atol=0.1)


def test_the_warning_names_the_worst_example():
    table = pd.DataFrame(
        {
            "decision": "acute",
            "group": ["all", "all", "ill"],
            "policy": ["dqn", "random-forest", "observed"],
            "value": [0.8, 0.9, 0.2],
            "low": [0.7, 0.88, 0.1],
            "high": [0.9, 0.92, 0.3],
            "n_matched": [10, 200, 300],
            "true_value": [0.75, 0.7, 0.9],
            "true_se": 0.01,
        }
    )
    text = confounding_text(table)
    assert text.startswith(CONFOUNDED)
    assert "Random forest has a matched mean of 0.900 [0.880, 0.920]" in text
    assert "earns 0.700" in text
    assert "above the truth" in text
    assert confounding_text(table.assign(true_value=np.nan)) == CONFOUNDED
    assert confounding_text(table.assign(n_matched=9)) == CONFOUNDED  # too few to be an example


def estimates(test: Recorded, train: Recorded, policies=("observed", ALWAYS, SOMETIMES)) -> pd.DataFrame:
    judge = judging(train)
    critics = [judge.critic(train, plan(train, policy)) for policy in policies]
    table = judge.table(test, [plan(test, policy) for policy in policies], critics)
    return table.assign(policy=np.repeat(policies, 2)).set_index(["policy", "estimator"])


@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_values_of_courses_are_the_true_ones_also_where_some_are_lost(lost):
    table = estimates(recorded(6000, 1, lost), recorded(4000, 2, lost))
    for policy, value in TRUE.items():
        for estimator in ("phwis", "phwdr"):
            assert table.loc[(policy, estimator), "value"] == pytest.approx(value, abs=0.03), (policy, estimator)
    assert (table["low"] < table["value"]).all()


def test_without_loss_the_observed_value_is_the_mean_return_of_all():
    test = recorded(500, 3)
    found = estimates(test, recorded(300, 4)).loc[("observed", "phwis")]
    returns = test.courses.rewards @ np.array([1, GAMMA])
    assert found["value"] == pytest.approx(returns.mean())
    assert found["ess"] == pytest.approx(500)
    assert found["support"] == "supported"


def test_the_critic_is_exact_where_the_world_is_linear():
    """Nobody is lost, rewards are linear in drug and drug x state: Q and V of always giving the drug, by hand."""
    train = recorded(6000, 5)
    critic = LinearCritic(GAMMA, (0,))
    critic.fit(train, plan(train, ALWAYS))
    test = recorded(200, 6)
    q, v = critic.values(test, plan(test, ALWAYS))
    s = test.states[..., 0]
    ahead = np.array([GAMMA * 0.75, 0.0])
    np.testing.assert_allclose(v, 0.5 + 0.5 * (1 - s) + ahead, atol=0.04)
    a = test.treatments["chronic"].given.reshape(200, 2)
    np.testing.assert_allclose(q, 0.5 + 0.5 * a * (1 - s) + ahead, atol=0.04)


def test_a_combination_outside_the_catalog_counts_for_the_experts_alone():
    test = recorded(400, 7)
    points = test.treatments["chronic"]
    points.actions[:50] = -1
    assert (plan(test, ALWAYS)["chronic"].taken[:50] == 0).all()
    ratio = plan(test, SOMETIMES)["chronic"].taken / plan(test, "observed")["chronic"].taken
    np.testing.assert_allclose(ratio[:50], 0.5)
    found = estimates(test, recorded(300, 8)).loc[("observed", "phwis")]
    assert found["ess"] == pytest.approx(400)


def test_courses_of_a_registry_end_with_death_relapse_and_loss():
    cohort, _ = simulate_registry(300, seed=2)
    courses = make_courses(cohort, np.arange(300), 1)
    spec = cohort.spec
    for i in range(0, len(courses), 7):
        rows = cohort.rows(int(courses.patients[i]))
        stage, ended = cohort.stage_index[rows], cohort.ended[rows]
        for t in range(spec.horizon - 1):
            seen = set(range(1, t + 2)) <= set(stage.tolist())
            alive = seen and not ended[np.isin(stage, range(1, t + 2))].any()
            assert courses.going[i, t] == alive
            assert courses.followed[i, t] == (alive and t + 2 in stage)
    assert not (courses.rewards[~courses.followed]).any()
    assert isinstance(cohort, RegistryCohort)
    assert courses.lost.any()


def test_the_grade_counts_unusual_choices_and_estimators_that_disagree():
    """Experts give the drug with 0.3 to patients of state 0, below the floor of 0.35: half of `always` is unusual."""
    test, train = recorded(2000, 1), recorded(1500, 2)
    table = estimates(test, train)
    assert table.loc[("observed", "phwis"), "support"] == "supported"
    assert "hardly ever given" in table.loc[(ALWAYS, "phwis"), "reasons"]
    judge, always = judging(train), plan(test, ALWAYS)
    critic = judge.critic(train, plan(train, ALWAYS))
    critic._weights = {t: w + 5.0 * (np.arange(len(w)) == 0) for t, w in critic._weights.items()}  # far too hopeful
    assert "interval widths apart" in judge.table(test, [always], [critic])["reasons"].iloc[0]


def test_where_no_course_agrees_there_is_no_value():
    test, train = recorded(300, 1), recorded(300, 2)
    points = test.treatments["chronic"]
    points.actions[:] = 0
    row = estimates(test, train, (ALWAYS,)).iloc[0]
    assert np.isnan(row["value"])
    assert row["ess"] == 0
    assert row["support"] == "not supported"


def test_along_the_dials_support_and_values_lead_from_the_experts_to_the_policy():
    test, train = recorded(6000, 1), recorded(4000, 2)
    judge, points = judging(train), test.treatments["chronic"]
    soft = points.learned(np.tile([0.02, 0.98], (len(points.course), 1)))
    critic = judge.critic(train, plan(train, ALWAYS))
    for dial in DIALS.values():
        plans = [{"chronic": points.advice(dial.mix(points.behavior, soft, at), 0.01)} for at in dial.settings]
        table = judge.table(test, plans, [critic] * len(plans))
        phwis = table[table["estimator"] == "phwis"].reset_index(drop=True)
        assert phwis["ess"].iloc[0] == pytest.approx(6000)
        assert phwis["ess"].iloc[-1] < 0.3 * 6000
        if dial is MIXTURE:
            assert (phwis["ess"].diff().dropna() < 0).all()
            assert (phwis["distance"].diff().dropna() > 0).all()
        last = judge.table(test, [{"chronic": points.advice(soft, 0.01)}], [critic])
        assert phwis["value"].iloc[-1] == pytest.approx(last["value"].iloc[0])
    middle = between(points.behavior, soft, 0.5)
    at_half = judge.table(test, [{"chronic": points.advice(middle, 0.01)}], [critic])
    drug = np.array([middle[points.states[:, 0] == s][0, 1] for s in (0, 1)])
    assert at_half["value"].to_numpy() == pytest.approx(true_value(drug), abs=0.03)


def test_a_combination_outside_the_catalog_is_the_experts_own_on_the_way_too():
    """The dial starts at what the experts do, which is also what nobody has seen; no learned policy gives that."""
    test = recorded(50, 7)
    points = test.treatments["chronic"]
    points.actions[:10] = -1
    soft = points.learned(np.tile([0.02, 0.98], (len(points.course), 1)))
    taken = {at: points.advice(MIXTURE.mix(points.behavior, soft, at), 0.01).taken for at in (0.0, 0.05)}
    np.testing.assert_allclose(taken[0.0][:10], 1e-3, rtol=1e-6)
    assert (taken[0.05][:10] == 0).all()
    assert (taken[0.05][10:] > 0).all()
