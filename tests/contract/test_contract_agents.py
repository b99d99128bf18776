"""What every learning rule in the catalog must do: fit, act, save, load, and reach its closed form on a small MDP."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.agents import CATALOG, AgentConfig, load_agents, train_agents
from core.agents.implicit import EXPECTILE, SHARPNESS
from core.agents.policy import advantage_spread
from core.base.errors import ArtifactError
from core.trajectories import Transitions

COLUMNS = ("a", "b", "c")


def train(config, transitions, memberships, n_actions=2, **options):
    generator = train_agents(config, transitions, memberships, n_actions=n_actions, columns=COLUMNS, **options)
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def chain(n, moving=0.5):
    """States 0, 1, 2 in a row (one-hot). Action 0 stays for 0.5, action 1 moves right for -1; from 2 it ends for 10.

    By hand, gamma = 0.9: Q*(2, 1) = 10, Q*(1, 1) = -1 + 0.9 * 10 = 8, Q*(0, 1) = -1 + 0.9 * 8 = 6.2, and staying is
    Q*(s, 0) = 0.5 + 0.9 V*(s). In state 2 that is 9.5 < 10, so moving is best everywhere. moving: share of records
    with action 1, one for all states or one for each.
    """
    rng = np.random.default_rng(3)
    state = rng.integers(3, size=n)
    action = (rng.random(n) < np.broadcast_to(moving, 3)[state]).astype(int)
    eye = np.eye(3, dtype=np.float32)
    rewards = np.where(action == 0, 0.5, np.where(state == 2, 10.0, -1.0)).astype(np.float32)
    ends = (state == 2) & (action == 1)
    move = Transitions(
        eye[state], action, rewards, eye[np.minimum(state + action, 2)], ends, np.arange(n), np.zeros(n, dtype=int)
    )
    right = np.array([6.2, 8.0, 10.0])
    return move, np.stack([0.5 + 0.9 * right, right], axis=1)


@pytest.fixture(scope="module", params=CATALOG)
def trained(request):
    transitions, q = chain(2000)
    rule = CATALOG[request.param]
    slow = rule.soft_target is not None or rule.clones  # a soft target arrives late; a clone shakes the shared layer
    config = settings(request.param, epochs=400 if slow else 200)
    return train(config, transitions, [np.arange(2000), np.arange(20)]), transitions, q


def settings(algorithm, **options):
    sizes = {"gamma": 0.9, "epochs": 200, "batch_size": 250, "lr": 0.003, "hidden_size": 16, "target_update": 3}
    sizes["normalize_rewards"] = True
    return AgentConfig(algorithm=algorithm, **(sizes | options))


def test_solves_the_chain(trained):
    stack, _, expected = trained
    name = stack.config.algorithm
    if CATALOG[name].bootstrap is None:
        pytest.skip("this rule learns no values; its closed form is the share of each action")
    if name == "iql":
        expected = expectile_q(EXPECTILE)
    np.testing.assert_allclose(stack.action_values(np.eye(3))[0], expected, atol=0.5)


def expectile_q(level, moving=0.5):
    """Q of the chain where V(s) is an expectile of Q over the given actions, `moving` of which move: (3, 2).

    Of two values, the higher given with probability p, it is (level p high + (1 - level)(1 - p) low) / (the weights).
    """
    q = np.zeros((3, 2))
    for _ in range(500):
        p = np.where(q[:, 1] >= q[:, 0], moving, 1 - moving)
        up, down = level * p, (1 - level) * (1 - p)
        v = (up * q.max(axis=1) + down * q.min(axis=1)) / (up + down)
        q = np.stack([0.5 + 0.9 * v, [-1 + 0.9 * v[1], -1 + 0.9 * v[2], 10.0]], axis=1)
    return q


def test_implicit_q_learning_clones_what_did_better_than_expected():
    moving = 0.5
    transitions, _ = chain(2000, moving)
    stack = train(settings("iql", epochs=400), transitions, [np.arange(2000)])
    probs = stack.probs(np.eye(3))[0]
    # by hand, rewards in units of their root mean square: log odds = log p / (1 - p) + 3 (Q(s, 1) - Q(s, 0)) / unit
    unit = np.sqrt(np.square(transitions.rewards).mean())
    q = expectile_q(EXPECTILE)
    odds = np.array([np.mean(transitions.actions[transitions.states[:, s] == 1]) for s in range(3)])
    odds = odds / (1 - odds) * np.exp(SHARPNESS * (q[:, 1] - q[:, 0]) / unit)
    np.testing.assert_allclose(probs[:, 1], odds / (1 + odds), atol=0.12)


def test_safe_improvement_leaves_rare_doses_to_the_clinicians():
    transitions, _ = chain(4000, moving=[0.02, 0.5, 0.5])  # in state 0 moving is best, and given in 6 of 300
    stack = train(settings("spibb", epochs=400), transitions, [np.arange(4000)])
    probs, q = stack.probs(np.eye(3))[0], stack.action_values(np.eye(3))[0]
    share = transitions.actions[transitions.states[:, 0] == 1].mean()
    np.testing.assert_allclose(probs[0], [1 - share, share], atol=0.02)
    np.testing.assert_allclose(probs[1:], [[0, 1], [0, 1]], atol=1e-6)
    # by hand: V(0) = (1 - p)(0.5 + 0.9 V(0)) + p Q(0, 1), Q(0, 1) = 6.2, as moving is followed by the best
    v = ((1 - share) * 0.5 + share * 6.2) / (1 - 0.9 * (1 - share))
    np.testing.assert_allclose(q, [[0.5 + 0.9 * v, 6.2], [0.5 + 0.9 * 8, 8], [9.5, 10]], atol=0.5)


@pytest.mark.parametrize("algorithm", [name for name, rule in CATALOG.items() if rule.bootstrap is not None])
def test_a_large_outcome_at_the_end_is_learned_as_soon_as_a_small_one(algorithm):
    small, _ = chain(2000)
    large = replace(small, rewards=10 * small.rewards)
    q = [train(settings(algorithm, epochs=20), moves, [np.arange(2000)]) for moves in (small, large)]
    first, second = (stack.action_values(np.eye(3)) for stack in q)
    np.testing.assert_allclose(second, 10 * first, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(q[0].probs(np.eye(3), 1.0), q[1].probs(np.eye(3), 10.0), atol=1e-3)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_cloning_converges_to_the_shares_of_the_records(temperature):
    transitions, _ = chain(2000, moving=[0.1, 0.5, 0.8])
    stack = train(settings("behavior_cloning", temperature=temperature), transitions, [np.arange(2000)])
    for state in range(3):
        here = transitions.states[:, state] == 1
        share = np.bincount(transitions.actions[here], minlength=2) / here.sum()
        np.testing.assert_allclose(stack.probs(np.eye(3))[0, state], share, atol=0.03)


def test_a_batch_constrained_agent_never_picks_what_was_never_done():
    transitions, _ = chain(2000, moving=[1.0, 0.0, 0.5])  # state 1 is never left in the records
    stack = train(settings("bcq", epochs=400), transitions, [np.arange(2000)])
    probs, q = stack.probs(np.eye(3))[0], stack.q_values(np.eye(3))[0]
    assert probs[0, 0] == 0
    assert probs[1, 1] == 0
    assert (probs[2] > 0).all()
    # by hand: staying in state 1 for ever is worth 0.5 / (1 - 0.9) = 5, moving there -1 + 0.9 * 5 = 3.5
    np.testing.assert_allclose(q[[0, 1, 2, 2], [1, 0, 0, 1]], [3.5, 5.0, 9.5, 10.0], atol=0.5)


def test_a_rare_action_is_allowed_from_the_threshold_on():
    for share, allowed in ((0.15, False), (0.4, True)):  # relative to the other action 0.18 and 0.67, threshold 0.3
        transitions, _ = chain(2000, moving=share)
        stack = train(settings("bcq", epochs=60), transitions, [np.arange(2000)])
        np.testing.assert_array_equal(stack.probs(np.eye(3))[0, :, 1] > 0, allowed)


def test_where_the_drug_is_not_indicated_giving_none_is_what_follows():
    transitions, _ = chain(2000)
    everywhere = np.ones(2000, dtype=bool)
    stack = train(settings("wd3qne"), transitions, [np.arange(2000)], unindicated=everywhere)
    # by hand: V(s) = Q(s, 0) = 0.5 / (1 - 0.9) = 5, moving is worth -1 + 0.9 * 5 = 3.5, and 10 where it ends
    np.testing.assert_allclose(stack.q_values(np.eye(3))[0], [[5, 3.5], [5, 3.5], [5, 10]], atol=0.5)


def test_acts_with_probabilities(trained):
    stack, transitions, _ = trained
    q = stack.q_values(transitions.states.reshape(40, 50, 3))
    assert q.shape == (2, 40, 50, 2)
    probs = stack.probs(transitions.states)
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(axis=-1), 1, rtol=1e-5)
    sharper = stack.probs(transitions.states, temperature=0.1)
    assert (sharper.max(axis=-1) >= probs.max(axis=-1) - 1e-6).all()


def test_acting_changes_nothing_and_does_not_see_the_other_patients(trained):
    stack, transitions, _ = trained
    before = stack.networks.copy()
    whole = stack.q_values(transitions.states)
    np.testing.assert_allclose(stack.q_values(transitions.states[:1])[:, 0], whole[:, 0], atol=1e-5)
    for tensor, old in zip(stack.networks.tensors, before.tensors, strict=True):
        assert torch.equal(tensor, old)


def test_saves_and_loads(trained, tmp_path):
    stack, transitions, _ = trained
    stack.save(tmp_path)
    again = load_agents(tmp_path, columns=COLUMNS, n_actions=2)
    np.testing.assert_array_equal(again.q_values(transitions.states), stack.q_values(transitions.states))
    assert (again.keys, again.columns, again.config, again.n_transitions) == (
        stack.keys,
        COLUMNS,
        stack.config,
        (2000, 20),
    )
    assert {path.name for path in tmp_path.iterdir()} == {"agents.safetensors", "agents.json"}
    assert again.spreads == stack.spreads
    own = stack.q_values(transitions.states[:20])[1]
    assert stack.spreads[1] == pytest.approx(advantage_spread(own), rel=1e-4)
    one = again.select(["1"])
    assert one.spreads == stack.spreads[1:]
    np.testing.assert_array_equal(one.q_values(np.eye(3)), stack.q_values(np.eye(3))[1:])


def _edit(folder, **changes):
    path = folder / "agents.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda f: (f / "agents.json").unlink(), "agents.json is missing; train the agents"),
        (lambda f: (f / "agents.json").write_text("{"), "is not a manifest of agents"),
        (lambda f: (f / "agents.json").write_text("[1]"), "is not a manifest of agents"),
        (lambda f: _edit(f, schema_version=99), "schema version 99, this program reads 1"),
        (lambda f: _edit(f, columns=["x", "b", "c"]), "trained on columns x, b, c"),
        (lambda f: _edit(f, n_actions=7), "choose among 7 actions, the study has 2"),
        (lambda f: _edit(f, config={"speed": 1}), "unknown key 'speed'"),
        (lambda f: _edit(f, keys=["0"]), "do not belong together"),
        (lambda f: (f / "agents.safetensors").unlink(), "agents.safetensors is missing"),
        (lambda f: (f / "agents.safetensors").write_bytes(b"junk"), "not a readable safetensors file"),
    ],
)
def test_damaged_artifacts_are_named(tmp_path, damage, text):
    transitions, _ = chain(40)
    train(AgentConfig(hidden_size=4, epochs=1), transitions, [np.arange(40), np.arange(5)]).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ArtifactError, match=text):
        load_agents(tmp_path, columns=COLUMNS, n_actions=2)


def test_states_of_another_width_are_refused(trained):
    with pytest.raises(ValueError, match="states of 3 columns, got 4"):
        trained[0].q_values(np.zeros((2, 4)))
