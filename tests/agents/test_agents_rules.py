"""What a learning rule may add to the update: a penalty, a slowly moving target, a bound on the gradient."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from core.agents import AgentConfig
from core.agents.networks import Shape, new_networks
from core.agents.targets import DUELING_DOUBLE_DQN, Batch
from core.agents.train import _Trainer

CONFIG = AgentConfig(hidden_size=8, lr=1e-2, target_update=5)


def batch(scale: float = 1.0) -> Batch:
    """Two agents, 32 transitions each of 4 columns and 3 actions."""
    draw = torch.Generator().manual_seed(0)
    states, after = torch.randn(2, 2, 32, 4, generator=draw)
    actions = torch.randint(0, 3, (2, 32), generator=draw)
    return Batch(
        states, actions, scale * torch.randn(2, 32, generator=draw), after, torch.ones(2, 32), torch.zeros(2, 32)
    )


def trainer(**options: object) -> _Trainer:
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    networks = new_networks(Shape(4, CONFIG.hidden_size, 3, True), generators)
    return _Trainer(CONFIG, dataclasses.replace(DUELING_DOUBLE_DQN, **options), networks, None)


def test_a_penalty_on_values_of_actions_not_given_lowers_them():
    def conservative(q: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:  # as in conservative Q-learning
        return 5 * (q.logsumexp(dim=-1) - q.gather(-1, actions.unsqueeze(-1)).squeeze(-1)).mean(dim=1)

    margins = []
    for options in ({}, {"penalty": conservative}):
        agents, data = trainer(**options), batch()
        for _ in range(60):
            error = agents.update(data)
        assert error.shape == (2,)
        margins.append(conservative(agents.online.q(data.states), data.actions).numpy())
    assert (margins[1] < 0.9 * margins[0]).all()


def test_a_soft_target_moves_a_share_of_the_way_at_every_update():
    agents = trainer(soft_target=0.25)
    for _ in range(2):
        before = [tensor.clone() for tensor in agents.target.tensors]
        agents.update(batch())
        for old, new, online in zip(before, agents.target.tensors, agents.online.tensors, strict=True):
            torch.testing.assert_close(new, old + 0.25 * (online.detach() - old))


def test_without_one_the_target_is_copied_every_few_updates():
    agents = trainer()
    first = agents.target.weight.clone()
    for update in range(1, CONFIG.target_update + 1):
        agents.update(batch())
        assert torch.equal(agents.target.weight, first) == (update < CONFIG.target_update)
    assert torch.equal(agents.target.weight, agents.online.weight)


@pytest.mark.parametrize(("scale", "clipped"), [(1000.0, True), (1e-3, False)])
def test_each_agents_gradient_norm_is_bounded_by_itself(scale, clipped):
    norms = []
    for options in ({}, {"clip_norm": 10.0}):
        agents = trainer(**options)
        agents.update(batch(scale))
        gradients = [parameter.grad.flatten(1) for parameter in agents.online.parameters]
        norms.append(torch.cat(gradients, dim=1).norm(dim=1).numpy())
    assert (norms[0] > 10).all() == clipped
    np.testing.assert_allclose(norms[1], 10.0 if clipped else norms[0], rtol=1e-4)
