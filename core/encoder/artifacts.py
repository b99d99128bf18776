"""Trained encoders on disk: weights in safetensors, everything about them in a JSON manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError

from core.base.config import Config, explain
from core.base.errors import ArtifactError
from core.base.files import write_json
from core.encoder.archive import MANIFEST, WEIGHTS
from core.encoder.config import EncoderConfig
from core.encoder.encoder import Encoder, build_encoder
from core.encoder.files import read_tensors, write_tensors
from core.study import StudySpec
from core.trajectories import Scaler

SCHEMA_VERSION = 1


class EncoderManifest(Config):
    """What `encoder.json` says: enough to refuse weights that are not these, for this study."""

    kind: Literal["phenopolicy-encoder"] = "phenopolicy-encoder"
    schema_version: Literal[1] = 1
    config: EncoderConfig
    study: str
    static: tuple[str, ...]
    temporal: tuple[str, ...]
    horizon: int
    n_actions: int
    z_dim: int
    tensors: dict[str, tuple[int, ...]]  # name -> shape
    weights_sha256: str
    metrics: dict[str, float]  # best_epoch, best_valid_loss
    scaler: dict[str, list[float] | list[str]] | None = None  # scaling of the inputs, as `Scaler.to_json` gives it
    history: tuple[dict[str, float], ...]  # one mapping an epoch: epoch, train_loss, valid_loss


def save_encoder(encoder: Encoder, folder: str | Path) -> None:
    """Write encoder.safetensors, then encoder.json, each in one rename.

    The manifest carries the hash of the weights: a process killed between the two files leaves a pair that
    `load_encoder` refuses, never weights under a foreign manifest.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state, study = encoder.model.state_dict(), encoder.study
    content = write_tensors(folder / WEIGHTS, state)
    best = min(encoder.history, key=lambda row: row["valid_loss"], default=None)
    manifest = EncoderManifest(
        config=encoder.config,
        study=study.name,
        static=study.names[: study.n_static],
        temporal=study.names[study.n_static :],
        horizon=study.horizon,
        n_actions=study.n_actions,
        z_dim=encoder.z_dim,
        tensors={name: tuple(tensor.shape) for name, tensor in state.items()},
        weights_sha256=hashlib.sha256(content).hexdigest(),
        metrics={"best_epoch": best["epoch"], "best_valid_loss": best["valid_loss"]} if best else {},
        scaler=encoder.scaler.to_json() if encoder.scaler else None,
        history=tuple(dict(row) for row in encoder.history),
    )
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))


def load_encoder(folder: str | Path, study: StudySpec, device: str = "cpu") -> Encoder:
    """Read an encoder saved by `save_encoder`, onto `device`.

    Raises `ArtifactError` with one sentence where a file is missing, foreign, broken, cut short, of another study, or
    where weights and manifest do not belong together.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    _check_study(manifest, study)
    path = folder / WEIGHTS
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist, though its manifest does; train the encoder again.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != manifest.weights_sha256:
        raise ArtifactError(
            f"{WEIGHTS} is not the file that {MANIFEST} was written for: it was cut short, changed or replaced; "
            "train the encoder again."
        )
    tensors, _ = read_tensors(path)
    encoder = build_encoder(EncoderConfig.build({**manifest.config.model_dump(), "device": device}), study)
    expected = {name: tuple(tensor.shape) for name, tensor in encoder.model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if not expected == found == manifest.tensors:
        raise ArtifactError(
            f"{WEIGHTS} holds tensors of other names or shapes than its settings describe "
            f"({_first_difference(expected, found)}); train the encoder again."
        )
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise ArtifactError(f"{WEIGHTS} holds values that are not finite numbers; train the encoder again.")
    encoder.model.load_state_dict(tensors)
    scaler = Scaler.from_json(manifest.scaler, study) if manifest.scaler else None
    return Encoder(encoder.config, study, encoder.model, manifest.history, scaler)


def read_manifest(folder: str | Path) -> EncoderManifest:
    """The checked manifest of a saved encoder; `ArtifactError` where it is missing, foreign or broken."""
    path = Path(folder) / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"there is no encoder in {folder}: {MANIFEST} is missing; train one first.") from None
    except (OSError, ValueError, RecursionError):
        raise ArtifactError(f"{MANIFEST} in {folder} is not valid JSON; train the encoder again.") from None
    if not isinstance(values, dict) or values.get("kind") != "phenopolicy-encoder":
        raise ArtifactError(f"{MANIFEST} in {folder} does not describe an encoder of this program.")
    if values.get("schema_version") != SCHEMA_VERSION:
        raise ArtifactError(
            f"{MANIFEST} has schema_version {values.get('schema_version')}, this program reads {SCHEMA_VERSION}; "
            "train the encoder again."
        )
    try:
        return EncoderManifest.model_validate(values)
    except ValidationError as error:
        raise ArtifactError(explain(error, MANIFEST)) from None


def _check_study(manifest: EncoderManifest, study: StudySpec) -> None:
    for what, theirs, ours in (
        ("static columns", manifest.static, study.names[: study.n_static]),
        ("temporal columns", manifest.temporal, study.names[study.n_static :]),
        ("number of actions", manifest.n_actions, study.n_actions),
        ("horizon", manifest.horizon, study.horizon),
    ):
        if theirs != ours:
            raise ArtifactError(
                f"the encoder was trained for study {manifest.study}, whose {what} differ from those of {study.name} "
                f"({_brief(theirs)} against {_brief(ours)}); train one for {study.name}."
            )


def _brief(value: object) -> str:
    return f"{len(value)}: {', '.join(value[:4])}..." if isinstance(value, tuple) else str(value)


def _first_difference(expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> str:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            return f"{name}: {found.get(name, 'missing')} instead of {expected.get(name, 'nothing')}"
    return "the manifest lists others"
