"""The clinician policy from neighbors: shares, exclusion, support, calibration."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation import knn_behavior_policy, reliability


@pytest.fixture
def cloud() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(400, 4)).astype(np.float32)
    return states, (states[:, 0] > 0).astype(int) + (states[:, 0] > 1)


def test_probabilities_are_shares_of_the_nearest_by_brute_force(cloud) -> None:
    states, actions = cloud
    queries, weights = states[:20] + 0.01, np.array([2.0, 1, 1, 0.5])
    result = knn_behavior_policy(states, actions, queries, 3, n_neighbors=30, weights=weights, pseudo_count=0)
    distance = np.sqrt((((queries[:, None] - states) * weights) ** 2).sum(axis=2))
    nearest = np.argsort(distance, axis=1)[:, :30]
    shares = np.stack([(actions[nearest] == a).mean(axis=1) for a in range(3)], axis=1)
    assert result.action_probs == pytest.approx(shares, abs=1e-6)
    assert (result.neighbors == nearest[:, : result.neighbors.shape[1]]).all()
    assert result.distances == pytest.approx(np.sort(distance, axis=1)[:, :30], abs=1e-3)
    assert result.counts.sum(axis=1).tolist() == [30] * 20


def test_pseudo_count_adds_to_every_action_and_leaves_no_zero(cloud) -> None:
    states, actions = cloud
    result = knn_behavior_policy(states, actions, states[:5], 4, n_neighbors=20, pseudo_count=2.0)
    assert (result.counts[:, 3] == 0).all()
    assert result.action_probs == pytest.approx((result.counts + 2) / 28, abs=1e-6)
    assert result.action_probs[:, 3] == pytest.approx(2 / 28)
    assert result.action_probs.sum(axis=1) == pytest.approx(1)


def test_own_patient_is_left_out(cloud) -> None:
    states, actions = cloud
    patients = np.repeat(np.arange(100), 4)
    plain = knn_behavior_policy(states, actions, states, 3, n_neighbors=10)
    assert (plain.neighbors[:, 0] == np.arange(400)).mean() > 0.95
    apart = knn_behavior_policy(states, actions, states, 3, n_neighbors=10, train_groups=patients, groups=patients)
    assert (patients[apart.neighbors] != patients[:, None]).all()
    assert (np.diff(apart.distances, axis=1) >= 0).all()


def test_neighbors_are_clipped_to_a_small_cohort() -> None:
    states = np.arange(6, dtype=float)[:, None]
    result = knn_behavior_policy(states, np.array([0, 1, 0, 1, 0, 1]), states, n_neighbors=300)
    assert result.n_neighbors == 6
    assert result.action_probs == pytest.approx(0.5)
    groups = np.array([0, 0, 1, 1, 2, 2])
    apart = knn_behavior_policy(states, groups % 2, states, 2, train_groups=groups, groups=groups)
    assert apart.n_neighbors == 4
    assert np.isfinite(apart.support).all()


def test_one_training_state_is_enough() -> None:
    result = knn_behavior_policy(np.zeros((1, 2)), np.array([1]), np.array([[0.0, 0], [3, 4]]), 2)
    assert result.distances.ravel().tolist() == pytest.approx([0, 5])
    assert result.action_probs == pytest.approx(np.array([[1 / 3, 2 / 3]] * 2))
    assert result.support.tolist() == [1, 0]


def test_support_falls_with_distance_and_is_uniform_on_new_data_alike(cloud) -> None:
    states, actions = cloud
    fresh = np.random.default_rng(1).normal(size=(400, 4))
    like = knn_behavior_policy(states, actions, fresh, 3, n_neighbors=10).support
    assert abs(like.mean() - 0.5) < 0.06
    line = np.array([[0.0, 0, 0, 0], [2, 0, 0, 0], [4, 0, 0, 0], [40, 0, 0, 0]])
    support = knn_behavior_policy(states, actions, line, 3, n_neighbors=10).support
    assert (np.diff(support) <= 0).all()
    assert support[0] > 0.9
    assert support[-1] == 0


def test_bad_input_is_named(cloud) -> None:
    states, actions = cloud
    with pytest.raises(ValueError, match="not finite"):
        knn_behavior_policy(states * np.nan, actions, states)
    with pytest.raises(ValueError, match="weights"):
        knn_behavior_policy(states, actions, states, weights=np.ones(3))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        knn_behavior_policy(states, actions, states, n_actions=2)
    with pytest.raises(ValueError, match="no training state is left"):
        knn_behavior_policy(states[:3], actions[:3], states[:3], train_groups=np.zeros(3), groups=np.zeros(3))


def test_reliability_of_a_true_and_of_a_false_policy() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([1, 1, 1], 4000)
    actions = (rng.random(4000)[:, None] > probs.cumsum(axis=1)).sum(axis=1)
    true, false = reliability(probs, actions), reliability(probs[:, ::-1], actions)
    assert true.error < 0.02 < 0.1 < false.error
    assert true.log_loss < false.log_loss
    inside = (true.curve["low"] <= true.curve["predicted"]) & (true.curve["predicted"] <= true.curve["high"])
    assert inside.mean() >= 0.8
    assert true.curve["n"].sum() == 12000


def test_reliability_by_hand_for_one_action() -> None:
    probs = np.array([[0.9, 0.1]] * 4 + [[0.5, 0.5]] * 4)
    result = reliability(probs, np.array([0, 0, 0, 1, 1, 1, 0, 0]), action=1, n_bins=2)
    assert result.curve["predicted"].tolist() == pytest.approx([0.1, 0.5])
    assert result.curve["observed"].tolist() == pytest.approx([0.25, 0.5])
    assert result.error == pytest.approx(0.5 * 0.15)
    assert reliability(np.array([[0.0, 1.0]]), np.array([0])).log_loss == np.inf
