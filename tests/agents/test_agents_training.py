"""Stacked training against a slow readable twin, independence of agents, tiny subsets, and the closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.agents import CATALOG, AgentConfig, action_probs, train_agents
from core.agents.networks import Shape, new_networks
from core.agents.returns import return_scale, returns_to_go
from core.agents.train import _minibatches
from core.base.rng import torch_stream
from core.trajectories import Transitions


def train(config, transitions, memberships, n_actions=5, **options):
    """The stack that the training generator returns."""
    generator = train_agents(config, transitions, memberships, n_actions=n_actions, **options)
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


class SlowAgent(nn.Module):
    """One dueling network, as one would write it without stacking."""

    def __init__(self, shape, networks):
        super().__init__()
        self.layer, self.norm = (
            nn.Linear(shape.n_columns, shape.hidden_size, bias=False),
            nn.BatchNorm1d(shape.hidden_size),
        )
        self.heads = nn.Linear(shape.hidden_size, shape.n_actions + 1)
        for parameter, stacked in zip(self.parameters(), networks.parameters, strict=True):
            parameter.data = stacked[0].clone()

    def forward(self, x):
        heads = self.heads(nn.functional.leaky_relu(self.norm(self.layer(x)), 0.01))
        advantage, value = heads[:, :-1], heads[:, -1:]
        return value + advantage - advantage.mean(dim=1, keepdim=True)


def train_slowly(config, transitions, members, name, n_actions):
    """Dueling double DQN of one agent, update by update."""
    shape = Shape(transitions.states.shape[1], config.hidden_size, n_actions, True)
    start = new_networks(shape, [torch_stream(config.seed, "agent", name, "weights")])
    online, target = SlowAgent(shape, start), SlowAgent(shape, start)
    adam = torch.optim.Adam(online.parameters(), lr=config.lr)
    for update, batch in enumerate(_minibatches(members, config, name), start=1):
        s, s_next = torch.tensor(transitions.states[batch]), torch.tensor(transitions.next_states[batch])
        a, r = torch.tensor(transitions.actions[batch]), torch.tensor(transitions.rewards[batch])
        done = torch.tensor(transitions.terminals[batch])
        with torch.no_grad():
            best = online.eval()(s_next).argmax(dim=1)
            future = target.eval()(s_next)[torch.arange(len(best)), best]
            y = r + config.gamma * torch.where(done, 0.0, future)
        loss = ((online.train()(s)[torch.arange(len(a)), a] - y) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        if update % config.target_update == 0:
            target.load_state_dict(online.state_dict())
    return online.eval()


def test_stack_equals_agents_trained_one_by_one(random_transitions):
    transitions = random_transitions(400)
    config = AgentConfig(hidden_size=16, batch_size=16, epochs=2, lr=3e-3)
    members = [np.arange(400), np.arange(0, 400, 3), np.arange(50), np.arange(10)]
    stack = train(config, transitions, members)
    for i, own in enumerate(members):
        slow = train_slowly(config, transitions, own, str(i), 5)
        with torch.no_grad():
            expected = slow(torch.tensor(transitions.states)).numpy()
        np.testing.assert_allclose(stack.q_values(transitions.states)[i], expected, atol=2e-5)


@pytest.mark.parametrize("algorithm", CATALOG)
def test_an_agent_does_not_depend_on_its_neighbours_or_its_place(random_transitions, algorithm):
    transitions = random_transitions(200)
    config = AgentConfig(algorithm=algorithm, hidden_size=8, batch_size=16)
    small, large = np.arange(40), np.arange(200)
    together = train(config, transitions, [small, large, large[::2]], keys=["a", "b", "c"])
    alone = train(config, transitions, [small], keys=["a"])
    swapped = train(config, transitions, [large, small], keys=["b", "a"])
    for other in (alone, swapped):
        i = other.keys.index("a")
        np.testing.assert_allclose(
            other.q_values(transitions.states)[i], together.q_values(transitions.states)[0], atol=1e-5
        )
        assert other.td_loss[i] == pytest.approx(together.td_loss[0], rel=1e-4)


def test_masks_and_indices_name_the_same_agent(random_transitions):
    transitions = random_transitions(90)
    mask = np.arange(90) % 2 == 0
    config = AgentConfig(hidden_size=8)
    first = train(config, transitions, [mask])
    second = train(config, transitions, [np.flatnonzero(mask)])
    np.testing.assert_array_equal(first.q_values(transitions.states), second.q_values(transitions.states))


def test_same_seed_same_agent_other_seed_other_agent(random_transitions):
    transitions = random_transitions(64)
    members = [np.arange(64)]
    q = [
        train(AgentConfig(hidden_size=8, seed=s), transitions, members).q_values(transitions.states) for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(q[0], q[1])
    assert np.abs(q[0] - q[2]).max() > 1e-3


def test_tiny_subsets_train_and_an_agent_without_data_is_uniform(random_transitions):
    transitions = random_transitions(50)
    members = [np.arange(size) for size in (0, 1, 2, 50)]
    q = train(AgentConfig(hidden_size=8), transitions, members).q_values(transitions.states)
    assert np.isfinite(q).all()
    np.testing.assert_array_equal(q[0], 0)
    np.testing.assert_allclose(action_probs(q[0]), 0.2)
    assert (np.ptp(q[1:], axis=-1) > 0).all()


def test_no_agent_has_data(random_transitions):
    stack = train(AgentConfig(hidden_size=4), random_transitions(5), [np.empty(0, dtype=np.int64)] * 2)
    np.testing.assert_array_equal(stack.q_values(np.ones((3, 6))), 0)


def test_an_epoch_visits_each_transition_at_most_once():
    config = AgentConfig(batch_size=4, epochs=2)
    members = np.arange(100, 111)
    batches = list(_minibatches(members, config, "x"))
    assert len(batches) == 4
    for epoch in (batches[:2], batches[2:]):
        seen = np.concatenate(epoch)
        assert len(set(seen)) == 8
        assert set(seen) <= set(members)


def test_two_transitions_fill_a_minibatch_evenly():
    (batch,) = _minibatches(np.array([7, 9]), AgentConfig(batch_size=6, epochs=1), "x")
    assert sorted(batch) == [7, 7, 7, 9, 9, 9]


def test_progress_counts_updates_of_all_agents(random_transitions):
    transitions = random_transitions(100)
    config = AgentConfig(batch_size=10, epochs=1, hidden_size=4)
    reports = list(train_agents(config, transitions, [np.arange(100), np.arange(30)], n_actions=5))
    assert reports[-1].fraction == 1
    assert reports[-1].total == 13
    assert [r.done for r in reports] == sorted(r.done for r in reports)
    assert all(np.isfinite(r.metrics["td_loss"]) for r in reports)


@pytest.mark.parametrize(
    ("members", "keys", "text"),
    [
        ([np.array([5])], None, "index the 5 transitions"),
        ([np.ones(4, dtype=bool)], None, r"shape \(5,\)"),
        ([np.array([0])], ["a", "b"], "as many different keys"),
        ([np.array([0])] * 2, ["a", "a"], "as many different keys"),
    ],
)
def test_wrong_memberships_are_refused(random_transitions, members, keys, text):
    with pytest.raises(ValueError, match=text):
        train(AgentConfig(), random_transitions(5), members, keys=keys)


def stays_with_a_large_outcome(n, steps, coefficient):
    """Nothing is paid until the last step, where the well get `coefficient`, and the ill only by action 1, else minus
    it. By hand, the best return from step t is coefficient gamma^(steps - 1 - t) in every state."""
    rng = np.random.default_rng(0)
    step, ill = np.tile(np.arange(steps), (n, 1)), rng.integers(2, size=(n, 1)).repeat(steps, axis=1)
    actions, last = rng.integers(2, size=(n, steps)), step == steps - 1
    state, eye = step + steps * ill, np.eye(2 * steps, dtype=np.float32)
    after = np.where(last, state, state + 1)
    rewards = np.where(last, np.where((ill == 1) & (actions == 0), -coefficient, coefficient), 0)
    patient = np.arange(n).repeat(steps)
    flat = [a.reshape(-1) for a in (state, actions, rewards.astype(np.float32), after, last, step)]
    return Transitions(eye[flat[0]], flat[1], flat[2], eye[flat[3]], flat[4], patient, flat[5])


def test_values_reach_returns_of_a_hundred_where_rewards_are_normalized():
    steps, coefficient = 6, 100.0
    transitions = stays_with_a_large_outcome(300, steps, coefficient)
    best = coefficient * 0.99 ** (steps - 1 - transitions.step)
    found = {}
    for normalize in (False, True):
        config = AgentConfig(epochs=10, batch_size=32, hidden_size=32, normalize_rewards=normalize)
        stack = train(config, transitions, [np.arange(len(transitions))], n_actions=2)
        found[normalize] = stack.q_values(transitions.states)[0].max(axis=-1)
    assert found[True].mean() == pytest.approx(best.mean(), rel=0.15)
    first = transitions.step == 0
    assert found[True][first].mean() == pytest.approx(best[first].mean(), rel=0.2)
    assert found[False].mean() < 0.25 * best.mean()  # Adam's steps are too short for values of this size


def test_the_unit_of_rewards_is_the_root_mean_square_of_the_agents_own_returns(random_transitions):
    transitions = random_transitions(60)
    returns = returns_to_go(transitions, 0.9)
    assert return_scale(returns) == pytest.approx(np.sqrt(np.mean([float(g) ** 2 for g in returns])), rel=1e-6)
    assert return_scale(np.zeros(4)) == 1
    assert return_scale(np.empty(0)) == 1
