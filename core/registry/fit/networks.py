"""Small fully connected networks that screening, reward prediction and Q-learning share, while they learn.

    x -> Linear -> ReLU -> ... -> Linear          sizes (inputs, hidden, ..., outputs)

Weights start uniform in +-1/sqrt(fan-in), as torch's own linear layer, from an explicit generator.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from core.base.rng import stream
from core.base.types import Progress
from core.registry.fit.layers import Layers

Loss = Callable[[Tensor, Tensor], Tensor]


def new_network(sizes: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """A network of these layer sizes; the same generator gives the same weights."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layer, bound = nn.Linear(fan_in, fan_out, device="meta"), 1 / math.sqrt(fan_in)  # draws nothing of its own
        layer.weight = nn.Parameter(torch.empty(fan_out, fan_in))
        layer.bias = nn.Parameter(torch.empty(fan_out))
        with torch.no_grad():
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def learned(network: nn.Sequential) -> Layers:
    """What the network has learned so far."""
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    weights, biases = ([getattr(one, name).detach().numpy().copy() for one in layers] for name in ("weight", "bias"))
    return Layers(tuple(weights), tuple(biases))


def fit_network(
    network: nn.Sequential,
    inputs: np.ndarray,
    targets: np.ndarray,
    loss: Loss,
    *,
    valid: np.ndarray,
    lr: float,
    epochs: int,
    batch_size: int,
    patience: int,
    seed: int,
    name: str,
) -> Iterator[Progress]:
    """Fit by Adam in place, and leave the weights of the epoch with the lowest validation loss.

    inputs (n, D), targets (n,) or (n, ...); valid (n,) bool: rows that choose the epoch and are not learned from (none:
    the last epoch stays). Ends after `patience` epochs without a better one. `name` chooses the order of rows. Yields
    `Progress` of stage `name` with metrics train_loss, valid_loss.
    """
    learn = np.flatnonzero(~valid)
    x, y = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32)), torch.from_numpy(targets)
    held = torch.from_numpy(np.flatnonzero(valid))
    adam = torch.optim.Adam(network.parameters(), lr=lr, fused=True)
    best, best_loss, since = copy.deepcopy(network.state_dict()), math.inf, 0
    for epoch in range(1, epochs + 1):
        order = torch.from_numpy(stream(seed, "registry", name, "epoch", epoch).permutation(learn))
        metrics = {"train_loss": _pass(network, adam, loss, x, y, order.split(batch_size))}
        if len(held):
            with torch.no_grad():
                metrics["valid_loss"] = float(loss(network(x[held]), y[held]))
        judged = metrics.get("valid_loss", -float(epoch))
        since = 0 if judged < best_loss else since + 1
        if since == 0:
            best, best_loss = copy.deepcopy(network.state_dict()), judged
        ends = epoch == epochs or since >= patience
        yield Progress(name, epochs if ends else epoch, epochs, f"epoch {epoch}", metrics)
        if ends:
            break
    network.load_state_dict(best)


def _pass(
    network: nn.Sequential, adam: torch.optim.Adam, loss: Loss, x: Tensor, y: Tensor, batches: Sequence[Tensor]
) -> float:
    """One step of Adam a batch of rows; the mean loss over the rows."""
    total, n = 0.0, 0
    for rows in batches:
        value = loss(network(x[rows]), y[rows])
        adam.zero_grad()
        value.backward()
        adam.step()
        total, n = total + float(value.detach()) * len(rows), n + len(rows)
    return total / max(n, 1)
