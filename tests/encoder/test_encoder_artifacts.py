"""Saved encoders: a round trip changes nothing, and every wrong file is refused in a sentence."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.base.errors import ArtifactError
from core.encoder import Encoder, EncoderConfig, build_encoder, load_encoder, read_manifest, save_encoder
from core.study import StudySpec, load_study
from core.trajectories import Scaler, Trajectories

Toy = Callable[..., Trajectories]
SMALL = {"hidden_size": 12, "embedding_dim": 6, "latent_dim": 4}


@pytest.fixture
def saved(small_study: StudySpec, tmp_path: Path) -> Path:
    config = EncoderConfig.build(SMALL)
    built = build_encoder(config, small_study)
    history = ({"epoch": 1, "train_loss": 2.0, "valid_loss": 3.0}, {"epoch": 2, "train_loss": 1.0, "valid_loss": 2.5})
    save_encoder(Encoder(config, small_study, built.model, history), tmp_path)
    return tmp_path


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewrite_weights(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    """Replace the weights and make the manifest's hash agree, as a careless hand might."""
    import hashlib

    save_file(tensors, folder / "encoder.safetensors")
    edit(folder, weights_sha256=hashlib.sha256((folder / "encoder.safetensors").read_bytes()).hexdigest())


@pytest.mark.parametrize("name", ["seq2seq", "dynamics"])
def test_round_trip(name: str, make_toy: Toy, tmp_path: Path) -> None:
    data = make_toy(8)
    encoder = build_encoder(EncoderConfig.build(SMALL | {"model_name": name, "seed": 3}), data.study)
    save_encoder(encoder, tmp_path)
    again = load_encoder(tmp_path, data.study)
    assert again.config == encoder.config
    np.testing.assert_array_equal(again.encode(data), encoder.encode(data))
    np.testing.assert_array_equal(again.reconstruct(data), encoder.reconstruct(data))


def test_the_manifest_says_what_was_trained(saved: Path, small_study: StudySpec) -> None:
    manifest = read_manifest(saved)
    assert (manifest.schema_version, manifest.study, manifest.n_actions, manifest.horizon) == (1, "small", 3, 6)
    assert manifest.static == ("Age",)
    assert manifest.temporal == ("lab a", "lab b", "lab c", "lab d")
    assert manifest.z_dim == 12
    assert manifest.metrics == {"best_epoch": 2, "best_valid_loss": 2.5}
    assert manifest.tensors["keys.weight"] == (12, 12)
    assert [row["valid_loss"] for row in load_encoder(saved, small_study).history] == [3.0, 2.5]


def refused(folder: Path, study: StudySpec, pattern: str) -> None:
    with pytest.raises(ArtifactError, match=pattern) as caught:
        load_encoder(folder, study)
    assert str(caught.value).endswith(".")


def test_no_encoder_there(tmp_path: Path, small_study: StudySpec) -> None:
    refused(tmp_path / "nowhere", small_study, r"there is no encoder in .*nowhere: encoder.json is missing; train one")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00"])
def test_a_manifest_that_is_not_json(saved: Path, small_study: StudySpec, content: bytes) -> None:
    (saved / "encoder.json").write_bytes(content)
    refused(saved, small_study, "is not valid JSON; train the encoder again")


@pytest.mark.parametrize("content", ["[1, 2]", "{}", '{"kind": "something else"}', "null"])
def test_a_foreign_manifest(saved: Path, small_study: StudySpec, content: str) -> None:
    (saved / "encoder.json").write_text(content)
    refused(saved, small_study, "does not describe an encoder of this program")


def test_a_manifest_of_another_version(saved: Path, small_study: StudySpec) -> None:
    edit(saved, schema_version=7)
    refused(saved, small_study, "has schema_version 7, this program reads 1")


def test_a_manifest_with_wrong_values(saved: Path, small_study: StudySpec) -> None:
    edit(saved, horizon="long", surprise=1)
    refused(saved, small_study, r"'horizon' = long is not usable(.|\n)*unknown key 'surprise'")


def test_another_study(saved: Path) -> None:
    refused(saved, load_study(), "trained for study small, whose static columns differ from those of thrombocytopenia")


@pytest.mark.parametrize(
    ("change", "what"),
    [({"horizon": 9}, "horizon"), ({"n_actions": 4}, "number of actions")],
    ids=["horizon", "actions"],
)
def test_another_horizon_or_other_doses(saved: Path, small_study: StudySpec, change: dict, what: str) -> None:
    edit(saved, **change)
    refused(saved, small_study, f"whose {what} differ from those of small")


def test_weights_missing(saved: Path, small_study: StudySpec) -> None:
    (saved / "encoder.safetensors").unlink()
    refused(saved, small_study, r"encoder.safetensors does not exist, though its manifest does")


def test_weights_cut_short(saved: Path, small_study: StudySpec) -> None:
    path = saved / "encoder.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    refused(saved, small_study, "was cut short, changed or replaced")


def test_weights_of_another_training(saved: Path, small_study: StudySpec, tmp_path: Path) -> None:
    save_encoder(build_encoder(EncoderConfig.build(SMALL | {"seed": 1}), small_study), tmp_path / "other")
    (saved / "encoder.safetensors").write_bytes((tmp_path / "other" / "encoder.safetensors").read_bytes())
    refused(saved, small_study, "is not the file that encoder.json was written for")


def test_weights_that_are_not_safetensors(saved: Path, small_study: StudySpec) -> None:
    import hashlib

    (saved / "encoder.safetensors").write_bytes(b"not tensors")
    edit(saved, weights_sha256=hashlib.sha256(b"not tensors").hexdigest())
    refused(saved, small_study, "is not a readable safetensors file")


def test_weights_of_other_shapes(saved: Path, small_study: StudySpec) -> None:
    tensors = load_file(saved / "encoder.safetensors")
    tensors["keys.weight"] = np.zeros((3, 3), np.float32)
    rewrite_weights(saved, tensors)
    refused(saved, small_study, r"other names or shapes .*keys.weight: \(3, 3\) instead of \(12, 12\)")


def test_weights_that_are_not_numbers(saved: Path, small_study: StudySpec) -> None:
    tensors = load_file(saved / "encoder.safetensors")
    tensors["keys.bias"][0] = np.nan
    rewrite_weights(saved, tensors)
    refused(saved, small_study, "holds values that are not finite numbers")


def test_settings_can_be_read_without_torch() -> None:
    code = "import sys; from core.encoder import EncoderConfig; EncoderConfig(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_published_defaults() -> None:
    values = EncoderConfig().model_dump()
    published = {
        "epochs": 50, "d": 5, "embedding_dim": 32, "hidden_size": 128, "latent_dim": 32, "num_layers": 1,
        "dropout_rate": 0.3, "batch_size": 32, "lr": 5e-5, "model_name": "seq2seq", "teacher_forcing_ratio": 0.5,
    }  # fmt: skip
    assert {key: values[key] for key in published} == published
    assert all(field.description for field in EncoderConfig.model_fields.values())


def test_the_scaling_of_the_inputs_travels_with_the_encoder(small_study: StudySpec, tmp_path: Path) -> None:
    """An encoder means nothing on inputs that are scaled otherwise than those it was trained on."""
    names = small_study.names
    scaler = Scaler(names, np.arange(len(names), dtype=float), np.arange(1, len(names) + 1, dtype=float))
    built = build_encoder(EncoderConfig(hidden_size=4, embedding_dim=3), small_study)
    save_encoder(dataclasses.replace(built, scaler=scaler), tmp_path)
    stored = load_encoder(tmp_path, small_study).scaler
    assert stored is not None
    np.testing.assert_array_equal(stored.center, scaler.center)
    np.testing.assert_array_equal(stored.half, scaler.half)
