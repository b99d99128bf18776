"""Bootstrap values and penalties of the learning rules against plain loops on a small batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.agents import CATALOG
from core.agents.targets import Batch

N_AGENTS, SIZE, N_ACTIONS = 2, 24, 4


def batch(seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    shape = (N_AGENTS, SIZE)
    actions = torch.randint(0, N_ACTIONS, shape, generator=draw)
    states = torch.arange(N_AGENTS * SIZE, dtype=torch.float32).view(*shape, 1)  # a state's number picks its outputs
    unindicated = (torch.rand(shape, generator=draw) < 0.3).float()
    return Batch(states, actions, torch.zeros(shape), states, torch.ones(shape), unindicated)


def outputs(seed: int, shift: float, width: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(N_AGENTS, SIZE, width, generator=draw) + shift
    values[0, :3, :N_ACTIONS] = 0.0  # states in which all actions are worth the same
    return values


def weighted(online: list[float], target: list[float], unindicated: bool) -> float:
    if unindicated:
        return target[0]
    lift = min(0.0, min(target))
    first, second = target[online.index(max(online))], max(target)
    total = sum(value - lift for value in target)
    if total == 0:
        return first
    phi, sigma = (first - lift) / total, (second - lift) / total
    p = phi / (phi + sigma)
    return p * first + (1 - p) * second


def constrained(online: list[float], target: list[float], unindicated: bool) -> float:
    weights = [math.exp(logit) for logit in online[N_ACTIONS:]]
    allowed = [a for a in range(N_ACTIONS) if weights[a] / max(weights) > 0.3]
    return target[max(allowed, key=lambda a: online[a])]


def highest(online: list[float], target: list[float], unindicated: bool) -> float:
    return max(target)


def double(online: list[float], target: list[float], unindicated: bool) -> float:
    return target[online.index(max(online))]


def implicit(online: list[float], target: list[float], unindicated: bool) -> float:
    return target[-1]


def safe(online: list[float], target: list[float], unindicated: bool) -> float:
    return sum(p * q for p, q in zip(safe_policy(online), target[:N_ACTIONS], strict=True))


def safe_policy(online: list[float]) -> list[float]:
    weights = [math.exp(logit) for logit in online[N_ACTIONS:]]
    usual = [weight / sum(weights) for weight in weights]
    often = [a for a in range(N_ACTIONS) if 300 * usual[a] >= 15]
    best = [a for a in often if online[a] == max(online[b] for b in often)]
    free = sum(usual[a] for a in often)
    return [(free / len(best) if a in best else 0.0) if a in often else usual[a] for a in range(N_ACTIONS)]


TWINS = {
    "dqn": highest,
    "double_dqn": double,
    "dueling_dqn": highest,
    "dueling_double_dqn": double,
    "cql": highest,
    "wd3qne": weighted,
    "bcq": constrained,
    "iql": implicit,
    "spibb": safe,
}


@pytest.mark.parametrize("shift", [-5.0, 0.0, 5.0])
@pytest.mark.parametrize("name", [name for name, rule in CATALOG.items() if rule.bootstrap is not None])
def test_the_bootstrap_value_is_that_of_its_slow_twin(name, shift):
    rule, data = CATALOG[name], batch(1)
    assert rule.bootstrap is not None
    width = N_ACTIONS * (1 + rule.clones) + rule.values
    online, target = outputs(2, shift, width), outputs(3, shift, width)
    found = rule.bootstrap(lambda _: online, lambda _: target, data)
    for agent in range(N_AGENTS):
        for i in range(SIZE):
            lists = online[agent, i].tolist(), target[agent, i].tolist()
            expected = TWINS[name](*lists, bool(data.unindicated[agent, i]))
            assert float(found[agent, i]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shift", [-5.0, 0.0, 5.0])
def test_the_weighted_value_stays_between_what_it_mixes(shift):
    rule, data = CATALOG["wd3qne"], batch(4)
    assert rule.bootstrap is not None
    online, target = outputs(5, shift, N_ACTIONS), outputs(6, shift, N_ACTIONS)
    found = rule.bootstrap(lambda _: online, lambda _: target, data)
    assert torch.isfinite(found).all()
    assert (found <= target.amax(dim=-1) + 1e-6).all()
    assert (found >= target.amin(dim=-1) - 1e-6).all()


CLONES = [("cql", 0.05, 0), ("behavior_cloning", 1.0, 0), ("bcq", 1.0, 4), ("spibb", 1.0, 4)]


@pytest.mark.parametrize(("name", "weight", "first"), CLONES)
def test_the_penalty_is_the_mean_log_loss_of_what_was_given(name, weight, first):
    rule, data = CATALOG[name], batch(7)
    assert rule.penalty is not None
    values = outputs(8, 0.0, N_ACTIONS * (1 + rule.clones))
    found = rule.penalty(values, data.actions)
    for agent in range(N_AGENTS):
        losses = []
        for i in range(SIZE):
            logits = values[agent, i, first : first + N_ACTIONS].tolist()
            given = logits[int(data.actions[agent, i])]
            losses.append(math.log(sum(math.exp(logit) for logit in logits)) - given)
        assert float(found[agent]) == pytest.approx(weight * np.mean(losses), rel=1e-5)


def test_the_implicit_loss_is_an_expectile_and_a_weighted_log_loss():
    rule, data = CATALOG["iql"], batch(9)
    assert rule.penalty is not None
    values = outputs(10, 0.0, 2 * N_ACTIONS + 1)
    found = rule.penalty(values, data.actions)
    for agent in range(N_AGENTS):
        losses = []
        for i in range(SIZE):
            row, given = values[agent, i].tolist(), int(data.actions[agent, i])
            ahead, logits = row[given] - row[-1], row[N_ACTIONS:-1]
            surprise = math.log(sum(math.exp(logit) for logit in logits)) - logits[given]
            losses.append((0.7 if ahead >= 0 else 0.3) * ahead**2 + min(math.exp(3 * ahead), 100) * surprise)
        assert float(found[agent]) == pytest.approx(np.mean(losses), rel=1e-4)


def test_safe_improvement_is_its_slow_twin_and_keeps_rare_doses_as_they_were():
    rule = CATALOG["spibb"]
    assert rule.preferences is not None
    values = outputs(11, 0.0, 2 * N_ACTIONS)
    values[..., N_ACTIONS:] *= 2.5  # so that some doses are rare
    probs = rule.probs(rule.preferences(values).numpy(), 0.2)
    rare = 0
    for agent in range(N_AGENTS):
        for i in range(SIZE):
            expected = safe_policy(values[agent, i].tolist())
            np.testing.assert_allclose(probs[agent, i], expected, atol=1e-5)
            rare += sum(0 < p < 0.05 for p in expected)
    assert rare > 5
