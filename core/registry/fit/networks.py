"""Small fully connected networks that screening, reward prediction and Q-learning share.

    x -> Linear -> ReLU -> ... -> Linear          sizes (inputs, hidden, ..., outputs)

Weights start uniform in +-1/sqrt(fan-in), as torch's own linear layer, from an explicit generator.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.base.errors import ArtifactError
from core.base.files import write_atomic
from core.base.rng import stream
from core.base.types import Progress

CHUNK_ROWS = 65_536  # rows predicted at once
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


def layer_sizes(network: nn.Sequential) -> tuple[int, ...]:
    """(inputs, hidden, ..., outputs)."""
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    return (layers[0].in_features, *(layer.out_features for layer in layers))


@torch.no_grad()
def predict(network: nn.Sequential, inputs: np.ndarray) -> np.ndarray:
    """Outputs (n, outputs) float32 of inputs (n, D); `ValueError` for another width."""
    width = layer_sizes(network)[0]
    rows = np.ascontiguousarray(inputs, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"this network needs inputs (n, {width}), got {rows.shape}.")
    parts = [network(torch.from_numpy(rows[i : i + CHUNK_ROWS])) for i in range(0, len(rows), CHUNK_ROWS)]
    return torch.cat(parts).numpy() if parts else np.empty((0, layer_sizes(network)[-1]), dtype=np.float32)


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


def save_networks(path: Path, networks: dict[str, nn.Sequential]) -> None:
    """All networks in one safetensors file, as NAME.LAYER.weight and NAME.LAYER.bias."""
    from safetensors.torch import save

    tensors = {
        f"{name}.{key}": tensor.contiguous()
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    write_atomic(path, lambda file: file.write(save(tensors)))


def load_networks(path: Path, sizes: dict[str, tuple[int, ...]]) -> dict[str, nn.Sequential]:
    """Networks of these sizes; `ArtifactError` where the file is missing, broken or holds other layers."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path.name} is missing in {path.parent}; the run has not got that far.") from None
    except (SafetensorError, OSError):
        raise ArtifactError(f"{path} is not a readable safetensors file; restore it or train again.") from None
    networks = {name: new_network(layers, torch.Generator()) for name, layers in sizes.items()}
    expected = {
        f"{name}.{key}": tuple(tensor.shape)
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    found = {key: tuple(tensor.shape) for key, tensor in stored.items()}
    if found != expected:
        wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        raise ArtifactError(
            f"{path} does not belong to this run: {', '.join(wrong[:4])} differ from what its settings ask for; "
            "restore the file or train again."
        )
    for name, network in networks.items():
        network.load_state_dict({key: stored[f"{name}.{key}"] for key in network.state_dict()})
    return networks
