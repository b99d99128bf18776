"""Trained agents: their action values, and their safe storage (safetensors + JSON)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.agents.catalog import CATALOG
from core.agents.config import AgentConfig
from core.agents.networks import Networks, Shape
from core.base.errors import ArtifactError, ConfigError
from core.base.files import write_atomic, write_json

SCHEMA_VERSION = 1
WEIGHTS, MANIFEST = "agents.safetensors", "agents.json"
CHUNK_NUMBERS = 4_000_000  # hidden activations held at once


@dataclass(frozen=True, eq=False)
class AgentStack:
    """n agents of one shape, in the order of `keys`.

    `columns` are the state columns they were trained on, `n_transitions` the size of each one's training set, `td_loss`
    (n,) the squared temporal-difference error of each, averaged over its last updates. `spreads`: of the advantages of
    each over its training states, a unit for temperatures; empty for agents stored before it was kept.
    """

    config: AgentConfig
    networks: Networks
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    n_transitions: tuple[int, ...]
    td_loss: np.ndarray
    spreads: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def n_actions(self) -> int:
        return self.networks.shape.n_actions

    def select(self, keys: Sequence[str]) -> AgentStack:
        """Only these agents, in this order."""
        rows = [self.keys.index(key) for key in keys]
        return replace(
            self,
            networks=self.networks.rows(rows),
            keys=tuple(keys),
            n_transitions=tuple(self.n_transitions[row] for row in rows),
            td_loss=self.td_loss[rows],
            spreads=tuple(self.spreads[row] for row in rows) if self.spreads else (),
        )

    def q_values(self, states: np.ndarray) -> np.ndarray:
        """Q of every agent at the same states: (..., D) scaled -> (n_agents, ..., A) float32.

        The rule's policy is the softmax of it (see `probs`): of a batch-constrained agent, Q is -inf where the action
        is excluded; an agent that learns its policy beside its values, or no values, gives its logits. Evaluation mode:
        BatchNorm uses its running statistics and nothing changes. Raises `ValueError` for states of another width.
        """
        return self._at(states, CATALOG[self.config.algorithm].preferences)

    def action_values(self, states: np.ndarray) -> np.ndarray:
        """What every agent says each action is worth, (n_agents, ..., A) float32, whatever its policy is made from."""
        return self._at(states, lambda outputs: outputs[..., : self.n_actions])

    def _at(self, states: np.ndarray, read: Callable[[Tensor], Tensor] | None) -> np.ndarray:
        shape = self.networks.shape
        states = np.asarray(states, dtype=np.float32)
        if states.shape[-1] != shape.n_columns:
            raise ValueError(f"these agents need states of {shape.n_columns} columns, got {states.shape[-1]}.")
        rows = torch.from_numpy(np.ascontiguousarray(states.reshape(-1, shape.n_columns)))
        out = np.empty((len(self), len(rows), shape.n_actions), dtype=np.float32)
        chunk = max(1, CHUNK_NUMBERS // max(1, len(self) * shape.hidden_size))
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk].to(self.networks.weight.device)
            found = self.networks.q(part)
            out[:, start : start + chunk] = (found if read is None else read(found)).cpu().numpy()
        return out.reshape(len(self), *states.shape[:-1], shape.n_actions)

    def probs(self, states: np.ndarray, temperature: float | np.ndarray | None = None) -> np.ndarray:
        """Policy of every agent, (..., D) scaled -> (n_agents, ..., A); temperature None: that of its settings."""
        at = self.config.temperature if temperature is None else temperature
        return CATALOG[self.config.algorithm].probs(self.q_values(states), at)

    def save(self, folder: str | Path) -> None:
        """Write agents.safetensors and agents.json; each file appears whole or not at all."""
        from safetensors.torch import save

        folder = Path(folder)
        nets = self.networks
        tensors = {name: getattr(nets, name).detach().cpu().contiguous() for name in _tensor_shapes(nets.shape, nets.n)}
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "kind": "agents",
            "config": self.config.model_dump(mode="json"),
            "keys": self.keys,
            "columns": self.columns,
            "n_columns": nets.shape.n_columns,
            "n_actions": self.n_actions,
            "n_transitions": self.n_transitions,
            "td_loss": self.td_loss.tolist(),
            "spreads": self.spreads,
        }
        write_atomic(folder / WEIGHTS, lambda file: file.write(save(tensors)))
        write_json(folder / MANIFEST, manifest)


def load_agents(folder: str | Path, columns: Sequence[str] | None = None, n_actions: int | None = None) -> AgentStack:
    """Read agents written by `AgentStack.save`.

    Give `columns` and `n_actions` of the study at hand to have them checked. Raises `ArtifactError` where a file is
    missing, broken, of another version, or made for other columns or actions.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder / MANIFEST)
    if columns is not None and tuple(columns) != tuple(manifest["columns"]):
        raise ArtifactError(
            f"the agents in {folder} were trained on columns {', '.join(manifest['columns'][:4])}..., the study has "
            f"{', '.join(columns[:4])}...; use the study they were trained with, or train again."
        )
    if n_actions is not None and n_actions != manifest["n_actions"]:
        raise ArtifactError(
            f"the agents in {folder} choose among {manifest['n_actions']} actions, the study has {n_actions}; use the "
            "study they were trained with, or train again."
        )
    try:
        config = AgentConfig.build(manifest["config"], f"{folder / MANIFEST}: config")
    except ConfigError as error:
        raise ArtifactError(f"{error} Train again.") from None
    rule = CATALOG[config.algorithm]
    shape = Shape(
        manifest["n_columns"], config.hidden_size, manifest["n_actions"], rule.dueling, rule.clones, rule.values
    )
    networks = _read_networks(folder / WEIGHTS, shape, len(manifest["keys"]))
    keys, counts = tuple(manifest["keys"]), tuple(manifest["n_transitions"])
    columns, losses = tuple(manifest["columns"]), np.array(manifest["td_loss"])
    return AgentStack(config, networks, keys, columns, counts, losses, tuple(manifest["spreads"]))


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["schema_version"]
        if manifest["kind"] != "agents":
            raise KeyError("kind")
        if version == SCHEMA_VERSION:
            names = ("config", "keys", "columns", "n_columns", "n_actions", "n_transitions", "td_loss")
            return {name: manifest[name] for name in names} | {"spreads": manifest.get("spreads", ())}
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; train the agents, or copy the whole run folder.") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, RecursionError):
        raise ArtifactError(f"{path} is not a manifest of agents; train the agents again.") from None
    raise ArtifactError(f"{path} has schema version {version}, this program reads {SCHEMA_VERSION}; train again.")


def _read_networks(path: Path, shape: Shape, n: int) -> Networks:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; train the agents, or copy the whole run folder.") from None
    except SafetensorError:
        raise ArtifactError(f"{path} is not a readable safetensors file; train the agents again.") from None
    expected = _tensor_shapes(shape, n)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        raise ArtifactError(
            f"{path} holds {found}, its manifest asks for {expected}; the files do not belong together."
        )
    return Networks(shape, **tensors)


def _tensor_shapes(shape: Shape, n: int) -> dict[str, tuple[int, ...]]:
    statistics = {"mean": (shape.hidden_size,), "var": (shape.hidden_size,)}
    return {name: (n, *size) for name, size in (shape.layers | statistics).items()}
