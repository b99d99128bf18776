"""Pieces that every sequence model uses: explicit noise, time embedding, stable masked softmax, running averages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.base.rng import torch_stream


class Noise:
    """The only source of randomness in training: draws on the CPU from one named stream, then moves to the device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, *shape: int) -> Tensor:
        """U[0, 1) numbers of the given shape, on the CPU."""
        return torch.rand(shape, generator=self.generator)

    def normal(self, like: Tensor) -> Tensor:
        """N(0, 1) numbers of the shape and device of `like`."""
        return torch.randn(like.shape, generator=self.generator).to(like.device)

    def order(self, n: int) -> Tensor:
        """A random permutation of 0..n-1."""
        return torch.randperm(n, generator=self.generator)


def dropout(x: Tensor, rate: float, noise: Noise | None) -> Tensor:
    """Inverted dropout, x * keep / (1 - rate); without noise (evaluation) x itself."""
    if noise is None or rate == 0:
        return x
    keep = noise.uniform(*x.shape).to(x.device) >= rate
    return x * keep / (1 - rate)


def time_embedding(horizon: int, d: int, device: torch.device) -> Tensor:
    """[sin(tau j / (H d))]_j, [cos(tau j / (H d))]_j for tau = 1..H, j = 0..d-1. Returns (H, 2d)."""
    tau = torch.arange(1, horizon + 1, device=device, dtype=torch.float32)
    angle = tau[:, None] * torch.arange(d, device=device) / (horizon * d)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis where mask is True, 0 elsewhere (a fully masked row is all 0).

    The largest real score is subtracted first, so that no finite score overflows. scores, mask: (..., T).
    """
    lowest = torch.finfo(scores.dtype).min
    filled = scores.masked_fill(~mask, lowest)
    weights = (filled - filled.amax(dim=-1, keepdim=True)).exp() * mask
    return weights / weights.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)


class RunningAverage:
    """Softmax average of the steps seen so far, m the largest score among them:

        out_t = sum_{s <= t} exp(a_s - m_t) v_s / sum_{s <= t} exp(a_s - m_t).

    When m rises, the sums so far are rescaled. Masked steps add nothing, so padding repeats the last real row.
    """

    def __init__(self) -> None:
        self.top: Tensor | None = None

    def add(self, values: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
        """One more step: values (B, V), scores and mask (B,). Returns the average (B, V)."""
        if self.top is None:
            self.top = torch.full_like(scores, torch.finfo(scores.dtype).min)
            self.weight, self.total = torch.zeros_like(scores), torch.zeros_like(values)
        higher = torch.where(mask, torch.maximum(self.top, scores), self.top)
        old, new = (self.top - higher).exp(), (scores - higher).exp() * mask
        self.weight = self.weight * old + new
        # a masked step may hold anything, even infinities; where() keeps 0 * inf out of the sums
        self.total = self.total * old[:, None] + torch.where(mask[:, None], new[:, None] * values, 0.0)
        self.top = higher
        return self.total / self.weight.clamp_min(torch.finfo(scores.dtype).tiny)[:, None]


def running_average(values: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """`RunningAverage` after every step: values (B, T, V), scores and mask (B, T). Returns (B, T, V)."""
    average = RunningAverage()
    return torch.stack([average.add(values[:, t], scores[:, t], mask[:, t]) for t in range(scores.shape[1])], dim=1)


def initialize(model: nn.Module, seed: int) -> None:
    """Fill all parameters from one named stream: U(-b, b), b = fan_in^-1/2 (Linear) or hidden_size^-1/2 (LSTM)."""
    generator = torch_stream(seed, "encoder", "weights")
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if not own:
            continue
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
            continue
        if not isinstance(module, nn.Linear | nn.LSTM):
            raise TypeError(f"no initialization is defined for {type(module).__name__}")
        fan = module.in_features if isinstance(module, nn.Linear) else module.hidden_size
        for parameter in own:
            nn.init.uniform_(parameter, -(fan**-0.5), fan**-0.5, generator=generator)
