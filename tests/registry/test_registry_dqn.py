"""Q-networks from recorded transitions, the forest of rewards, and the two-step recommendation."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ArtifactError
from core.registry.ask.policies import usual_shares
from core.registry.ask.recommend import combination_rewards, recommendation_table, screened_q
from core.registry.cohort.drugs import Combinations
from core.registry.config import DQNConfig, ForestConfig
from core.registry.fit import forest as forests
from core.registry.fit.dqn import Moves, ReplayMemory, train_dqn
from core.registry.fit.forest import fit_reward_forest, load_reward_forest

GAMMA = 0.9


def run(generator):
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def chain(n):
    """States 0, 1, 2 in a row (one-hot). Action 0 stays for 0.5, action 1 moves right for -1; from 2 it ends for 10.

    By hand, gamma = 0.9: Q*(2, 1) = 10, Q*(1, 1) = -1 + 9 = 8, Q*(0, 1) = -1 + 7.2 = 6.2; Q*(s, 0) = 0.5 + 0.9 V*(s).
    """
    rng = np.random.default_rng(5)
    state, action = rng.integers(3, size=n), rng.integers(2, size=n)
    eye = np.eye(3, dtype=np.float32)
    rewards = np.where(action == 0, 0.5, np.where(state == 2, 10.0, -1.0))
    moves = Moves(
        eye[state],
        action,
        rewards,
        eye[np.minimum(state + action, 2)],
        (state == 2) & (action == 1),
        np.tile([-99.0, 99.0], (n, 1)),
    )
    right = np.array([6.2, 8.0, 10.0])
    return moves, np.stack([0.5 + GAMMA * right, right], axis=1)


@pytest.mark.parametrize("algorithm", ["dqn", "double_dqn"])
def test_the_chain_is_solved(algorithm):
    moves, expected = chain(600)
    config = DQNConfig(algorithm=algorithm, updates=2500, batch_size=64, lr=3e-3, tau=0.05)
    network = run(train_dqn(config, moves, 2, GAMMA, name="chain", seed=0))
    np.testing.assert_allclose(network.predict(np.eye(3)), expected, atol=0.4)


def test_a_terminal_transition_does_not_look_ahead():
    """All transitions end: Q is the mean reward, whatever the next state is worth."""
    eye = np.eye(2, dtype=np.float32)
    rewards, ends, bounds = np.array([0.0, 1.0, 0.7]), np.ones(3, dtype=bool), np.full((3, 2), 5.0)
    moves = Moves(eye[[0, 0, 1]], np.zeros(3, dtype=int), rewards, eye[[1, 1, 1]], ends, bounds)
    network = run(train_dqn(DQNConfig(updates=1500, batch_size=64), moves, 1, 0.99, name="end", seed=0))
    np.testing.assert_allclose(network.predict(eye)[:, 0], [0.5, 0.7], atol=0.1)


def two_steps(allowed):
    """From state 0 action 0 pays 0 and leads to state 1, where action 0 pays 1 and action 1, seen seldom, 9; it ends.

    States 1's bounds (0, 4) and the actions allowed there decide what state 0 is worth.
    """
    eye = np.eye(2, dtype=np.float32)
    n = 60
    state, action = np.arange(n) % 2, np.where(np.arange(n) % 10 == 9, 1, 0)
    rewards = np.where(state == 0, 0.0, np.where(action == 0, 1.0, 9.0))
    mask = None if allowed is None else np.tile(allowed, (n, 1))
    return Moves(eye[state], action, rewards, eye[np.ones(n, int)], state == 1, np.tile([0.0, 4.0], (n, 1)), mask)


@pytest.mark.parametrize(("allowed", "value"), [(None, 4.0), ([True, False], 1.0)])
def test_looking_ahead_stays_within_the_bounds_and_the_screen(allowed, value):
    config = DQNConfig(updates=2500, batch_size=32, lr=3e-3, tau=0.05)
    network = run(train_dqn(config, two_steps(allowed), 2, 1.0, name="two", seed=0))
    q = network.predict(np.eye(2))
    assert q[0, 0] == pytest.approx(value, abs=0.25)
    np.testing.assert_allclose(q[1], [1, 9], atol=0.5)


def test_no_transitions_are_refused():
    none = np.zeros((0, 2))
    empty = Moves(none, np.zeros(0, int), np.zeros(0), none, np.zeros(0, bool), none)
    with pytest.raises(ValueError, match="acute treatment needs at least one"):
        run(train_dqn(DQNConfig(updates=1), empty, 2, 0.99, name="acute", seed=0))


def test_a_record_that_fits_stays_in_memory_and_a_longer_one_passes_through():
    small = ReplayMemory(5, 20, np.random.default_rng(0))
    assert set(small.draw(500)) == set(range(5))
    memory = ReplayMemory(100, 10, np.random.default_rng(0))
    seen = set(memory.held)
    assert len(seen) == 10
    for _ in range(60):
        assert set(memory.draw(4)) <= set(range(100))
        seen |= set(memory.held)
        assert len(memory.held) == 10
    assert seen == set(range(100))


def test_the_forest_as_boxes_is_the_forest_walked():
    rng = np.random.default_rng(1)
    x, drugs = rng.normal(size=(400, 3)).astype(np.float32), rng.integers(2, size=(400, 4)).astype(np.uint8)
    rewards = x[:, 0] * drugs[:, 1] + drugs[:, 2] + rng.normal(scale=0.1, size=400)
    forest = fit_reward_forest(ForestConfig(n_trees=8, max_depth=5, min_leaf=5), x, drugs, rewards, name="t", seed=0)
    catalog = np.unique(drugs, axis=0)
    fast = forest.predict(x[:50], catalog)
    for action, given in enumerate(catalog):
        rows = np.concatenate([x[:50], np.tile(given, (50, 1))], axis=1).astype(np.float32)
        slow = forest.means[forest.forest.leaves(rows)].mean(axis=1)
        np.testing.assert_allclose(fast[:, action], slow, rtol=1e-4, atol=1e-5)
    assert np.corrcoef(fast[np.arange(50), 0], fast[np.arange(50), -1])[0, 1] < 0.999  # the drugs matter


def test_blocks_of_states_and_of_choices_change_no_prediction_and_bound_what_is_held(monkeypatch):
    rng = np.random.default_rng(3)
    x, drugs = rng.normal(size=(300, 3)).astype(np.float32), rng.integers(2, size=(300, 5)).astype(np.uint8)
    forest = fit_reward_forest(ForestConfig(n_trees=6, min_leaf=5), x, drugs, x[:, 0], name="t", seed=0)
    catalog, means = np.unique(drugs, axis=0), rng.normal(size=(40, len(forest.means))).astype(np.float32)
    whole, best = forest.predict(x, catalog), forest.best(x, catalog, means)
    by_hand = [replace(forest, means=one).predict(x, catalog).argmax(axis=1) for one in means]
    np.testing.assert_array_equal(best, by_hand)
    monkeypatch.setattr(forests, "CHUNK_NUMBERS", 7 * len(forest.means))  # 7 states at once, 43 blocks
    np.testing.assert_allclose(forest.predict(x, catalog), whole, rtol=1e-6)
    np.testing.assert_array_equal(forest.best(x, catalog, means), best)

    def held(choices: int) -> int:
        tracemalloc.start()
        forest.best(x, catalog, means[:choices])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak - choices * len(x) * 8 * 2  # what is given back, before and after it is joined

    assert held(40) < 1.2 * held(1)


def test_the_forest_survives_storage_and_damage_is_named(tmp_path):
    rng = np.random.default_rng(2)
    x, drugs = rng.normal(size=(60, 2)).astype(np.float32), rng.integers(2, size=(60, 2))
    forest = fit_reward_forest(ForestConfig(n_trees=3, min_leaf=5), x, drugs, x[:, 0], name="t", seed=0)
    forest.save(tmp_path / "f.npz")
    again = load_reward_forest(tmp_path / "f.npz", 2, 2)
    np.testing.assert_array_equal(again.predict(x, drugs[:3]), forest.predict(x, drugs[:3]))
    with pytest.raises(ArtifactError, match="not the forest of this run"):
        load_reward_forest(tmp_path / "f.npz", 3, 2)
    (tmp_path / "f.npz").write_bytes(b"junk")
    with pytest.raises(ArtifactError, match="not a set of stored arrays"):
        load_reward_forest(tmp_path / "f.npz", 2, 2)


CATALOG = Combinations(("a", "b"), np.array([[0, 0], [1, 0], [1, 1]], dtype=np.uint8), np.array([9, 5, 2]))


def test_the_screen_comes_before_q():
    q, probs = np.array([[1.0, 2.0, 9.0]]), np.array([[0.5, 0.4, 0.1]])
    assert screened_q(q, probs, None, None).tolist() == q.tolist()
    assert screened_q(q, probs, 2, None).tolist() == [[1.0, 2.0, -np.inf]]
    assert screened_q(q, probs, 2, 0.45).tolist() == [[1.0, -np.inf, -np.inf]]


def test_a_recommendation_says_what_was_screened_out_and_why():
    recorded = pd.DataFrame({"action": [0, 1, 2], "reward": [0.5, 0.6, 0.7], "low": [0.4] * 3, "high": [0.8] * 3})
    table = recommendation_table(
        np.array([1.0, 2.0, 9.0]), np.array([0.5, 0.4, 0.1]), CATALOG, recorded, n=2, threshold=0.2
    )
    assert table["action"].tolist() == [1, 0, 2]
    assert table["rank"].tolist()[:2] == [1, 2]
    assert table["rank"].isna().tolist() == [False, False, True]
    assert table["name"].tolist() == ["a", "no drug", "a + b"]
    assert table["reason"].tolist()[:2] == ["", ""]
    reason = table["reason"].iloc[2]
    assert "number 3 by expert probability, the screen keeps 2" in reason
    assert "10.00 % is below 20.00 %" in reason
    assert table["count"].tolist() == [5, 9, 2]


def test_without_q_the_experts_order_stands():
    recorded = pd.DataFrame({"action": [0, 1, 2], "reward": np.nan, "low": np.nan, "high": np.nan})
    table = recommendation_table(np.full(3, np.nan), np.array([0.2, 0.5, 0.3]), CATALOG, recorded, 2, None)
    assert table["action"].tolist() == [1, 2, 0]


def test_recorded_rewards_of_a_combination_by_hand():
    """Action 0: rewards 1, 0 and one unknown; action 1: six patients; action 2: never."""
    patient = np.arange(10)
    actions = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, -1])
    rewards = np.array([1.0, 0, np.nan, 1, 1, 1, 0, 0, 0, 1])
    table = combination_rewards(patient, actions, rewards, 3, 200, 0)
    np.testing.assert_allclose(table["reward"], [0.5, 0.5, np.nan])
    assert table["patients"].tolist() == [2, 6, 0]
    assert table["low"].isna().tolist() == [True, False, True]
    assert 0 <= table["low"][1] < 0.5 < table["high"][1] <= 1


def test_one_size_fits_all_knows_the_disease_alone():
    drugs = np.array([[0, 0]] * 6 + [[1, 0]] * 3 + [[1, 1]] * 2, dtype=np.uint8)
    ill = np.array([False] * 6 + [True] * 5)
    catalog = Combinations.fit(drugs, ("a", "b"))
    shares = usual_shares(catalog, drugs, ill)
    np.testing.assert_allclose(shares, [[1, 0, 0], [0, 0.6, 0.4]])
    nobody = usual_shares(catalog, drugs, np.zeros(11, dtype=bool))
    np.testing.assert_allclose(nobody, [[6 / 11, 3 / 11, 2 / 11], [1, 0, 0]])  # nobody is ill: no drug
