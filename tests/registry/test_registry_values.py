"""Matched and predicted rewards by hand; off-policy values of courses against what they must be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.registry.cohort import RegistryCohort
from core.registry.config import RewardModelConfig
from core.registry.evaluate import (
    CONFOUNDED,
    confounding_text,
    matched_rewards,
    modeled_rewards,
    predicted_rewards,
    train_reward_model,
)
from core.registry.ope import Courses, LinearCritic, Points, Recorded, make_courses, off_policy_table
from core.registry.simulate import simulate_registry


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


# Courses of two stages with one treatment: experts give action 1 with probability 0.3 + 0.4 s to patients of state s.
# Stage reward 0.5 + 0.5 a (1 - s): the drug helps patients of state 0 alone, who seldom get it. s is drawn anew.
GAMMA = 0.9


def expert(s: np.ndarray) -> np.ndarray:
    return np.stack([0.7 - 0.4 * s, 0.3 + 0.4 * s], axis=-1)


def recorded(n: int, seed: int, lost: float = 0.0) -> Recorded:
    """n courses; before the second stage, patients of state 1 are lost with chance `lost`."""
    rng = np.random.default_rng(seed)
    s = rng.integers(2, size=(n, 2))
    a = (rng.random((n, 2)) < expert(s)[..., 1]).astype(int)
    kept = rng.random((n, 2)) >= lost
    going = np.stack([np.ones(n, bool), kept[:, 0]], axis=1)
    followed = going & kept
    rewards = np.where(followed, 0.5 + 0.5 * a * (1 - s), 0.0)
    course, step = np.nonzero(going)
    states = s[..., None].astype(np.float32)
    here = s[course, step]
    always = np.tile([0.0, 1.0], (len(course), 1))
    policies = {"observed": expert(here), "dqn": always, "dqn-mixed": 0.5 * always + 0.5 * expert(here)}
    points = Points(
        course, step, here[:, None].astype(np.float32), a[course, step], a[course, step][:, None],
        np.array([[0], [1]], dtype=np.uint8), expert(here), policies,
    )  # fmt: skip
    return Recorded(Courses(1, np.arange(n), going, followed, rewards), {"chronic": points}, states)


def estimates(test: Recorded, train: Recorded, policies=("observed", "dqn", "dqn-mixed")) -> pd.DataFrame:
    settings = {"gamma": GAMMA, "indicator_columns": (0,), "follow_share": 0.5, "n_bootstrap": 100, "ess_floor": 30.0}
    kept = train.courses.kept_share()
    return off_policy_table(train, test, policies, kept_share=kept, seed=0, **settings).set_index(
        ["policy", "estimator"]
    )


def true_value(probs: np.ndarray) -> float:
    """probs: chance of the drug in states 0 and 1."""
    return (1 + GAMMA) * (0.5 + 0.5 * 0.5 * probs[0])


TRUE = {"observed": true_value([0.3, 0.7]), "dqn": true_value([1, 1]), "dqn-mixed": true_value([0.65, 0.85])}


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
    critic.fit(train.courses, train.treatments, "dqn", train.states)
    test = recorded(200, 6)
    q, v = critic.values(test.courses, test.treatments, "dqn", test.states)
    s = test.states[..., 0]
    ahead = np.array([GAMMA * 0.75, 0.0])
    np.testing.assert_allclose(v, 0.5 + 0.5 * (1 - s) + ahead, atol=0.04)
    a = test.treatments["chronic"].given.reshape(200, 2)
    np.testing.assert_allclose(q, 0.5 + 0.5 * a * (1 - s) + ahead, atol=0.04)


def test_a_combination_outside_the_catalog_counts_for_the_experts_alone():
    test = recorded(400, 7)
    points = test.treatments["chronic"]
    points.actions[:50] = -1
    assert (points.taken(points.policies["dqn"], points.unseen("dqn", 0.5))[:50] == 0).all()
    ratio = points.taken(points.policies["dqn-mixed"], points.unseen("dqn-mixed", 0.5)) / points.taken(
        points.expert, 1e-3
    )
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
