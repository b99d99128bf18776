"""What a small fully connected network has learned, as plain arrays: kept, read and asked without torch.

x -> Linear -> ReLU -> ... -> Linear          sizes (inputs, hidden, ..., outputs)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from core.base.errors import ArtifactError
from core.base.files import write_atomic

CHUNK_ROWS = 65_536  # rows predicted at once


@dataclass(frozen=True, eq=False)
class Layers:
    """Of each layer its weights (outputs, inputs) and biases (outputs,), float32."""

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """(inputs, hidden, ..., outputs)."""
        return (self.weights[0].shape[1], *(len(bias) for bias in self.biases))

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs (n, outputs) float32 of inputs (n, D); `ValueError` for another width."""
        width, *_, outputs = self.sizes
        rows = np.ascontiguousarray(inputs, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(f"this network needs inputs (n, {width}), got {rows.shape}.")
        out = np.empty((len(rows), outputs), dtype=np.float32)
        for start in range(0, len(rows), CHUNK_ROWS):
            out[start : start + CHUNK_ROWS] = self._forward(rows[start : start + CHUNK_ROWS])
        return out

    def _forward(self, x: np.ndarray) -> np.ndarray:
        *inner, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in inner:
            x = np.maximum(x @ weight.T + bias, 0)
        return np.asarray(x @ last[0].T + last[1])


def save_layers(path: Path, layers: Layers) -> None:
    """One safetensors file, with the names that torch gives the layers of such a network."""
    from safetensors.numpy import save

    arrays = [array for pair in zip(layers.weights, layers.biases, strict=True) for array in pair]
    tensors = {name: np.ascontiguousarray(array) for name, array in zip(_shapes(layers.sizes), arrays, strict=True)}
    write_atomic(path, lambda file: file.write(save(tensors)))


def load_layers(path: Path, sizes: tuple[int, ...]) -> Layers:
    """A network of these sizes; `ArtifactError` where the file is missing, broken or holds other layers."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        stored = load_file(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path.name} is missing in {path.parent}; the run has not got that far.") from None
    except (SafetensorError, OSError):
        raise ArtifactError(f"{path} is not a readable safetensors file; restore it or train again.") from None
    expected, found = _shapes(sizes), {key: array.shape for key, array in stored.items()}
    if found != expected:
        wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
        raise ArtifactError(
            f"{path} does not belong to this run: {', '.join(wrong[:4])} differ from what its settings ask for; "
            "restore the file or train again."
        )
    arrays = [stored[name] for name in expected]
    return Layers(tuple(arrays[::2]), tuple(arrays[1::2]))


def _shapes(sizes: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Shape of each array in the file, layer by layer; between two layers torch counts their ReLU."""
    shapes: dict[str, tuple[int, ...]] = {}
    for place, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        shapes |= {f"network.{2 * place}.weight": (fan_out, fan_in), f"network.{2 * place}.bias": (fan_out,)}
    return shapes
