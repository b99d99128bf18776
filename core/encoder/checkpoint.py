"""The state of a training after an epoch, in one safetensors file: weights, best weights, optimizer, history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.base.errors import ArtifactError
from core.encoder.files import read_tensors, write_tensors
from core.encoder.model import SequenceModel

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SCHEMA = 1


@dataclass(eq=False)
class TrainingState:
    """What changes while training. `best` holds the weights of the epoch with the lowest validation error."""

    model: SequenceModel
    optimizer: torch.optim.Optimizer
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    def advance(self, train_loss: float, valid_loss: float) -> None:
        """Record one more epoch, and keep its weights if it is the best so far."""
        if valid_loss < min((row["valid_loss"] for row in self.history), default=float("inf")):
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.history.append({"epoch": self.epoch + 1, "train_loss": train_loss, "valid_loss": valid_loss})


def save_checkpoint(folder: Path, state: TrainingState, identity: Mapping[str, Any]) -> None:
    """Write the state to `folder`, replacing the former one in a single rename."""
    tensors = {f"model/{name}": tensor for name, tensor in state.model.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in state.best.items()}
    for index, values in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in values.items()}
    header = {"schema_version": CHECKPOINT_SCHEMA, "identity": identity, "history": state.history}
    write_tensors(folder / CHECKPOINT, tensors, {"training": json.dumps(header)})


def load_checkpoint(folder: Path, state: TrainingState, identity: Mapping[str, Any]) -> None:
    """Bring `state` to where the folder's checkpoint stands; without one, leave it at the start.

    Raises `ArtifactError` where the file is broken, or was made with other settings or patients.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return
    tensors, metadata = read_tensors(path)
    remedy = f"delete {path} to train from the start."
    try:
        header = json.loads(metadata["training"])
        version, made_for = header["schema_version"], header["identity"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ArtifactError(f"{path.name} is not a checkpoint of an encoder training; {remedy}") from None
    if version != CHECKPOINT_SCHEMA:
        raise ArtifactError(f"{path.name} has schema_version {version}, expected {CHECKPOINT_SCHEMA}; {remedy}")
    if made_for != identity:
        raise ArtifactError(f"{path.name} belongs to a training with {_difference(made_for, identity)}; {remedy}")
    try:
        _restore(state, tensors, header["history"])
    except (KeyError, ValueError, RuntimeError):
        raise ArtifactError(f"{path.name} does not fit the model its settings describe; {remedy}") from None


def _restore(state: TrainingState, tensors: Mapping[str, Tensor], history: list[dict[str, float]]) -> None:
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        group, rest = name.split("/", 1)
        groups[group][rest] = tensor
    state.model.load_state_dict(groups["model"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups["optimizer"].items():
        index, key = name.split("/")
        moments.setdefault(int(index), {})[key] = tensor
    now = state.optimizer.state_dict()
    state.optimizer.load_state_dict({"state": moments, "param_groups": now["param_groups"]})
    device = next(state.model.parameters()).device
    state.best = {name: tensor.to(device) for name, tensor in groups["best"].items()}
    state.history = history


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """The first setting in which two trainings differ, in words."""
    for key, value in ours["config"].items():
        if theirs.get("config", {}).get(key) != value:
            return f"{key} = {theirs.get('config', {}).get(key)}, not {value}"
    return "other patients"
