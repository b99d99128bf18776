"""LSTD-Q: exact on a chain, right with many stays, shared moments, features and their action part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.judging.deferring import Deferring, always_deferring
from core.evaluation.judging.features import FeatureMap, FeatureSettings, one_hot
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import Lstd, LstdSettings
from tests.evaluation.worlds import GAMMA, Tabular, record

NO_RIDGE = {"base_ridge": 0.0, "action_ridge": 0.0}
STAY, GO = 0, 1


def chain(paths: list[list[int]]) -> Histories:
    """States 0 -> 1 -> 2 -> end: GO moves on and earns the state's number, STAY costs 1; gamma 0.9."""
    horizon = max(len(path) for path in paths)
    states, rewards = np.zeros((len(paths), horizon, 3)), np.full((len(paths), horizon), np.nan)
    actions, mask = np.zeros((len(paths), horizon), dtype=int), np.zeros((len(paths), horizon), dtype=bool)
    for i, path in enumerate(paths):
        state = 0
        for t, action in enumerate(path):
            states[i, t, state], actions[i, t], mask[i, t] = 1, action, True
            rewards[i, t] = state if action == GO else -1.0
            state += action
        assert state == 3, "every stay ends at the end of the chain"
    return Histories(states, actions, rewards, mask, np.array([0.0, 1.0]), gamma=0.9)


@pytest.mark.parametrize("trace", [0.0, 0.5, 1.0])
def test_a_three_state_chain_is_solved_exactly(trace: float) -> None:
    histories = chain([[1, 1, 1], [0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 1], [0, 0, 1, 1, 0, 1]])
    critics = Lstd.prepare(histories, Tabular(), np.ones(4, dtype=bool), LstdSettings(**NO_RIDGE, trace=trace))
    go = np.array([0.5, 0.8, 0.4])  # the policy's probability to go on in each state
    state = histories.states.argmax(axis=2)
    own = np.stack([1 - go[state], go[state]], axis=2)
    expected = critics.expected(Deferring("policy", own).weights(histories))
    critic = critics.fit(expected, np.full(len(expected), 0.7))
    value, q = 0.0, {}
    for s in (2, 1, 0):  # v(s) = (1 - p)(-1 + 0.9 v(s)) + p (s + 0.9 v(s + 1))
        here = (-(1 - go[s]) + go[s] * (s + 0.9 * value)) / (1 - 0.9 * (1 - go[s]))
        q[s] = (-1 + 0.9 * here, s + 0.9 * value)
        value = here
    at, given_action = histories.flat(state), histories.flat(histories.actions)
    assert critics.q_taken(critic) == pytest.approx([q[s][a] for s, a in zip(at, given_action, strict=True)])
    assert critics.v(critic, expected)[0] == pytest.approx(value)


def test_the_critic_of_the_clinicians_is_a_regression_on_returns_at_full_trace() -> None:
    world = record(300, seed=1)
    histories = world.histories
    critics = Lstd.prepare(histories, Tabular(), np.ones(300, dtype=bool), LstdSettings(**NO_RIDGE, trace=1.0))
    critic = critics.fit(critics.expected(always_deferring(histories).weights(histories)), np.ones(1500))
    discounted = histories.flat(histories.rewards) * GAMMA**histories.time
    to_come = histories.total(discounted)[histories.stay] - histories.so_far(discounted) + discounted
    # every-visit Monte Carlo with traces: sum_t z_t (q_t - gamma q_{t+1} - r_t) = sum_t phi_t (q_t - G_t) telescopes
    slope = np.linalg.lstsq(critics.phi, to_come / GAMMA**histories.time, rcond=None)[0]
    assert critic.weights == pytest.approx(slope, rel=1e-8)


def test_of_stays_of_one_step_it_is_the_mean_reward_of_each_state_and_action() -> None:
    world = record(400, seed=2)
    one = {name: getattr(world.histories, name)[:, :1] for name in ("states", "actions", "rewards", "mask")}
    histories = Histories(**one, doses=world.histories.doses)
    critics = Lstd.prepare(histories, Tabular(), np.ones(400, dtype=bool), LstdSettings(**NO_RIDGE))
    q = critics.q_taken(critics.fit(critics.expected(np.full((400, 2), 0.5)), np.ones(400)))
    state, action = world.states[:, 0], histories.actions[:, 0]
    for s, a in np.ndindex(3, 2):
        cell = (state == s) & (action == a)
        assert q[cell] == pytest.approx(np.full(cell.sum(), histories.rewards[cell, 0].mean()))


def test_stays_that_do_not_train_have_no_say() -> None:
    world = record(60, seed=3)
    chosen = np.arange(60) < 40
    weights = world.policy().weights(world.histories)
    changed = Histories(
        world.histories.states,
        world.histories.actions,
        np.where(chosen[:, None], world.histories.rewards, 1e6),
        world.histories.mask,
        world.histories.doses,
        gamma=GAMMA,
    )
    fits = []
    for histories in (world.histories, changed):
        critics = Lstd.prepare(histories, Tabular(), chosen)
        fits.append(critics.fit(critics.expected(weights), np.ones(300)))
    assert fits[0].n == 40
    assert np.array_equal(fits[0].weights, fits[1].weights)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"trace in \[0, 1\]"):
        LstdSettings(trace=1.5)


@pytest.mark.parametrize("ordered", [True, False])
def test_the_action_part_of_a_policy_is_the_mean_of_that_of_its_actions(ordered: bool) -> None:
    rng = np.random.default_rng(0)
    n, horizon, n_actions = 20, 4, 4
    histories = Histories(
        rng.normal(size=(n, horizon, 5)),
        rng.integers(0, n_actions, (n, horizon)),
        rng.normal(size=(n, horizon)),
        np.arange(horizon) < rng.integers(1, horizon + 1, n)[:, None],
        np.arange(n_actions),
        memberships=rng.dirichlet(np.ones(3), (n, horizon)),
    )
    everyone = np.ones(len(histories.stay), dtype=bool)
    features = FeatureMap.fit(histories, everyone, FeatureSettings((1, 3, 4), ordered))
    situations = features.situations(histories)
    probs = rng.dirichlet(np.ones(n_actions), len(everyone))
    each = [features.action_part(situations, one_hot(np.full(len(everyone), a), n_actions)) for a in range(n_actions)]
    mean = sum(probs[:, [a]] * part for a, part in enumerate(each))
    assert features.action_part(situations, probs) == pytest.approx(mean)
    assert not each[0].any(), "nothing given is the reference"
    width = 3 + (1 + 3 + 3) + 2 if ordered else 3 * (1 + 3 + 3)
    assert each[1].shape[1] == width


def test_unordered_actions_may_be_renumbered() -> None:
    rng = np.random.default_rng(1)
    shape, n_actions = (80, 4), 4
    states, actions = rng.normal(size=(*shape, 3)), rng.integers(0, n_actions, shape)
    rewards, own = rng.normal(size=shape) + (actions == 2), rng.dirichlet(np.ones(n_actions), shape)
    other = np.array([0, 3, 1, 2])  # action a is now called other[a]
    values = []
    for given_actions, probs in ((actions, own), (other[actions], own[..., np.argsort(other)])):
        histories = Histories(states, given_actions, rewards, np.ones(shape, dtype=bool), np.zeros(n_actions))
        features = FeatureMap.fit(histories, np.ones(320, dtype=bool), FeatureSettings((0,), ordered=False))
        critics = Lstd.prepare(histories, features, np.ones(80, dtype=bool))
        expected = critics.expected(Deferring("p", probs).weights(histories))
        values.append(critics.v(critics.fit(expected, np.ones(320)), expected))
    assert values[0] == pytest.approx(values[1])


def test_restlessness_counts_what_has_moved_so_far_alone() -> None:
    states = np.zeros((2, 3, 1))
    states[1, :, 0] = [0, 4, 0]
    histories = Histories(states, np.zeros((2, 3), int), np.zeros((2, 3)), np.ones((2, 3), bool), np.array([0, 1.0]))
    alone = Histories(
        np.concatenate([states[1:, :2], states[1:, 2:] + 9], axis=1),
        *(histories.actions[1:], histories.rewards[1:], histories.mask[1:], histories.doses),
    )
    features = FeatureMap.fit(histories, np.ones(6, dtype=bool), FeatureSettings())
    calm, restless = features.situations(histories).base[:, 1].reshape(2, 3)
    assert calm[0] == restless[0] == 0
    assert restless[1] > calm[1]
    again = features.situations(alone).base[:2]
    assert np.array_equal(again, features.situations(histories).base[3:5]), "neither others nor what follows matters"


def test_what_lies_beyond_the_training_steps_counts_as_their_end() -> None:
    """One stay, held out, is at hundreds of SDs of a column that hardly varies among the others."""
    rng = np.random.default_rng(5)
    states, actions = rng.normal(size=(150, 3, 2)) * [1.0, 0.005], rng.integers(0, 3, (150, 3))
    states[0, :, 1] = [0.0, 3.0, -3.0]
    rewards, mask, train = rng.normal(size=(150, 3)), np.ones((150, 3), dtype=bool), np.arange(150) > 0
    histories = Histories(states, actions, rewards, mask, np.arange(3.0))
    found = FeatureMap.fit(histories, train[histories.stay], FeatureSettings((0, 1), history=True))
    ends = histories.flat(states)[train[histories.stay], 1]
    kept, seen = states.copy(), found.situations(histories)
    kept[0, 1:, 1] = [ends.max(), ends.min()]
    calm = found.situations(Histories(kept, actions, rewards, mask, np.arange(3.0)))
    most = np.abs(seen.base[train[histories.stay]]).max(axis=0)
    assert (np.abs(seen.base) <= most + 1e-9).all()
    np.testing.assert_allclose(seen.modifiers[:3], calm.modifiers[:3])
    critics = Lstd.prepare(histories, found, train)
    critic = critics.fit(critics.expected(histories.taken()), np.ones(450))
    assert np.abs(critics.q_taken(critic)[:3]).max() < 5, "rewards are about 1"


def test_a_highlight_that_is_no_column_is_named() -> None:
    histories = record(5, seed=0).histories
    with pytest.raises(ValueError, match=r"highlights name state columns \[7\], of which there are 3"):
        FeatureMap.fit(histories, np.ones(25, dtype=bool), FeatureSettings((0, 7)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_before_and_after_stay_within_a_stay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.arange(6) < rng.integers(0, 7, 8)[:, None]
    mask[0, 0] = True
    histories = Histories(np.zeros((8, 6, 1)), np.zeros((8, 6), int), np.zeros((8, 6)), mask, np.array([0.0]))
    number = np.arange(1.0, len(histories.stay) + 1)
    after, before = histories.after(number), histories.before(number)
    for i in range(8):
        own = number[histories.stay == i]
        assert after[histories.stay == i].tolist() == [*own[1:], 0][: len(own)]
        assert before[histories.stay == i].tolist() == [0, *own[:-1]][: len(own)]
        assert histories.so_far(number)[histories.stay == i] == pytest.approx(np.cumsum(own))


def test_histories_name_what_does_not_fit() -> None:
    arrays = np.zeros((2, 3, 1)), np.zeros((2, 3), int), np.zeros((2, 3)), np.ones((2, 3), bool)
    with pytest.raises(ValueError, match=r"rewards has shape \(2, 2\), expected"):
        Histories(arrays[0], arrays[1], np.zeros((2, 2)), arrays[3], np.array([0.0]))
    with pytest.raises(ValueError, match="states must be finite at every masked step"):
        Histories(np.full((2, 3, 1), np.nan), *arrays[1:], np.array([0.0]))
    with pytest.raises(ValueError, match=r"actions must lie in 0\.\.0"):
        Histories(arrays[0], np.ones((2, 3), int), *arrays[2:], np.array([0.0]))
    with pytest.raises(ValueError, match="nothing to evaluate"):
        Histories(*arrays[:3], np.zeros((2, 3), bool), np.array([0.0]))
