"""Pieces that every sequence model uses: explicit noise, time embedding, stable masked softmax, running averages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.rng import torch_stream


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


def running_average(values: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax average of the steps 0..t for every t, in one pass.

    out_t = sum_{s <= t} exp(a_s - m_t) v_s / sum_{s <= t} exp(a_s - m_t), m_t = max_{s <= t} a_s: when the running
    maximum rises, the sums so far are rescaled. Masked steps add nothing, so padding repeats the last real row.
    values (B, T, V), scores and mask (B, T). Returns (B, T, V).
    """
    top = torch.full_like(scores[:, 0], torch.finfo(scores.dtype).min)
    weight, total = torch.zeros_like(top), torch.zeros_like(values[:, 0])
    averages = []
    for t in range(scores.shape[1]):
        higher = torch.where(mask[:, t], torch.maximum(top, scores[:, t]), top)
        old, new = (top - higher).exp(), (scores[:, t] - higher).exp() * mask[:, t]
        weight = weight * old + new
        # a masked step may hold anything, even infinities; where() keeps 0 * inf out of the sums
        step = torch.where(mask[:, t, None], new[:, None] * values[:, t], 0.0)
        total = total * old[:, None] + step
        top = higher
        averages.append(total / weight.clamp_min(torch.finfo(scores.dtype).tiny)[:, None])
    return torch.stack(averages, dim=1)


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
