"""Networks of many agents stacked in the same tensors: every layer is one batched product over the agents.

    x -> Linear(D, H) -> BatchNorm -> LeakyReLU(0.01) -> heads A (A actions) and V (1);  Q = V + A - mean_a A

The linear layer has no bias of its own: BatchNorm subtracts any constant, and Adam would let it drift on rounding
noise. Activations are (n_agents, H, batch), channels before samples, which lets torch's fused batch normalisation
treat the agents' units as n_agents * H channels. Source: Wang et al. 2016 (dueling); He et al. 2025 (HOPAS), layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SLOPE = 0.01  # LeakyReLU
EPS = 1e-5  # BatchNorm
MOMENTUM = 0.1  # BatchNorm's running statistics


@dataclass(frozen=True)
class Shape:
    """Sizes of one agent's network; without dueling the head is Q itself. clones: A more heads, logits of actions;
    values: one more, a value of the state."""

    n_columns: int
    hidden_size: int
    n_actions: int
    dueling: bool
    clones: bool = False
    values: bool = False

    @property
    def n_extra(self) -> int:
        """Heads beside those of Q, logits before the value."""
        return self.n_actions * self.clones + self.values

    @property
    def layers(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter of one agent."""
        hidden, heads = self.hidden_size, self.n_actions + self.dueling + self.n_extra
        return {
            "weight": (hidden, self.n_columns),
            "scale": (hidden,),
            "shift": (hidden,),
            "head": (heads, hidden),
            "head_bias": (heads,),
        }


@dataclass(frozen=True, eq=False)
class Networks:
    """n networks of one shape: parameters (n, ...) and BatchNorm's running `mean` and `var` (n, H)."""

    shape: Shape
    weight: Tensor
    scale: Tensor
    shift: Tensor
    head: Tensor
    head_bias: Tensor
    mean: Tensor
    var: Tensor

    @property
    def n(self) -> int:
        return len(self.weight)

    @property
    def parameters(self) -> list[Tensor]:
        return [self.weight, self.scale, self.shift, self.head, self.head_bias]

    @property
    def tensors(self) -> list[Tensor]:
        """Parameters, then running statistics."""
        return [*self.parameters, self.mean, self.var]

    def rows(self, pick: slice | list[int]) -> Networks:
        """Some of the networks; a slice shares memory, so training the slice trains these rows."""
        return Networks(self.shape, *(tensor.detach()[pick] for tensor in self.tensors))

    def copy(self) -> Networks:
        """An independent copy without gradients, as target networks need."""
        return Networks(self.shape, *(tensor.detach().clone() for tensor in self.tensors))

    @torch.no_grad()
    def pull(self, other: Networks, share: float = 1.0) -> None:
        """Move toward another set: x <- x + share (y - x), parameters and statistics; 1 copies."""
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            if share == 1:
                mine.copy_(theirs)
            else:
                mine.lerp_(theirs, share)

    def training_q(self, states: Tensor) -> Tensor:
        """Outputs (n, B, A + n_extra), Q first, in training mode: BatchNorm uses this minibatch and updates the running
        statistics."""
        hidden = torch.bmm(self.weight, states.transpose(1, 2))  # (n, H, B)
        normal = functional.batch_norm(
            hidden.view(1, -1, hidden.shape[-1]),  # agents' units are the channels
            self.mean.view(-1),
            self.var.view(-1),
            self.scale.view(-1),
            self.shift.view(-1),
            training=True,
            momentum=MOMENTUM,
            eps=EPS,
        ).view_as(hidden)
        return self._combine(
            torch.baddbmm(self.head_bias.unsqueeze(-1), self.head, functional.leaky_relu(normal, SLOPE))
        )

    @torch.no_grad()
    def q(self, states: Tensor) -> Tensor:
        """The same outputs in evaluation mode: running statistics, folded into the layer; changes nothing.

        states (n, B, D), or (B, D) where all agents see the same ones.
        """
        factor = self.scale / torch.sqrt(self.var + EPS)
        bias = self.shift - self.mean * factor
        columns = states.transpose(-1, -2)
        if states.ndim == 2:
            columns = columns.expand(self.n, -1, -1)
        hidden = torch.baddbmm(bias.unsqueeze(-1), self.weight * factor.unsqueeze(-1), columns)
        return self._combine(
            torch.baddbmm(self.head_bias.unsqueeze(-1), self.head, functional.leaky_relu_(hidden, SLOPE))
        )

    def _combine(self, heads: Tensor) -> Tensor:
        """Heads (n, heads, B), those beside Q last -> Q (n, B, A), or (n, B, A + n_extra) with them after it."""
        n_own = heads.shape[1] - self.shape.n_extra
        q, extra = heads[:, :n_own], heads[:, n_own:]
        if self.shape.dueling:
            advantage, value = q[:, :-1], q[:, -1:]
            q = value + advantage - advantage.mean(dim=1, keepdim=True)
        return (torch.cat([q, extra], dim=1) if self.shape.n_extra else q).transpose(1, 2)


def new_networks(shape: Shape, generators: list[torch.Generator], device: str = "cpu") -> Networks:
    """One network per generator, uniform in +-1/sqrt(fan-in) as torch's Linear; BatchNorm starts as the identity."""
    n, hidden = len(generators), shape.hidden_size
    layers = {name: torch.zeros(n, *size) for name, size in shape.layers.items()}
    for row, generator in enumerate(generators):
        for name, fan_in in (("weight", shape.n_columns), ("head", hidden), ("head_bias", hidden)):
            bound = 1 / math.sqrt(fan_in)
            layers[name][row].uniform_(-bound, bound, generator=generator)
    layers["scale"] += 1
    layers |= {"mean": torch.zeros(n, hidden), "var": torch.ones(n, hidden)}
    return Networks(shape, **{name: layer.to(device) for name, layer in layers.items()})


@torch.no_grad()
def silence(networks: Networks, agents: list[int]) -> None:
    """Zero the heads of these agents: Q = 0 everywhere, so their softmax policy is uniform."""
    networks.head[agents] = 0
    networks.head_bias[agents] = 0


@torch.no_grad()
def in_unit(networks: Networks, scales: np.ndarray) -> None:
    """Multiply every value by its agent's scale (n,): heads of Q and V, not the logits of a clone."""
    shape = networks.shape
    first = shape.n_actions + shape.dueling
    logits = torch.arange(networks.head.shape[1]).sub(first).ge(0)
    if shape.values:
        logits[-1] = False
    factor = torch.as_tensor(scales, dtype=networks.head.dtype, device=networks.head.device)[:, None]
    factor = torch.where(logits.to(factor.device), torch.ones_like(factor), factor)  # (n, heads)
    networks.head.mul_(factor[..., None])
    networks.head_bias.mul_(factor)
