"""Training resumes bit for bit from any interruption, and refuses what it cannot resume."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.base.errors import ArtifactError, RunError
from core.encoder import EncoderConfig, load_encoder, train_encoder
from core.encoder import train as training
from core.trajectories import Trajectories

Toy = Callable[..., Trajectories]
SMALL = {"epochs": 4, "hidden_size": 12, "embedding_dim": 6, "latent_dim": 4, "batch_size": 8, "lr": 1e-2}


@pytest.fixture(params=["seq2seq", "dynamics"])
def config(request: pytest.FixtureRequest) -> EncoderConfig:
    return EncoderConfig.build(SMALL | {"model_name": request.param})


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "encoder.safetensors")


def assert_same(left: Path, right: Path) -> None:
    one, two = weights(left), weights(right)
    assert one.keys() == two.keys()
    assert all(one[key].tobytes() == two[key].tobytes() for key in one)
    assert (left / "encoder.json").read_bytes() == (right / "encoder.json").read_bytes()


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_stopped_training_ends_where_an_undisturbed_one_does(
    config: EncoderConfig, stop_after: int, make_toy: Toy, tmp_path: Path
) -> None:
    train, valid = make_toy(30), make_toy(10, 1)
    whole = list(train_encoder(config, train, valid, tmp_path / "whole"))
    run = train_encoder(config, train, valid, tmp_path / "broken")
    first = [next(run) for _ in range(stop_after)]
    run.close()
    rest = list(train_encoder(config, train, valid, tmp_path / "broken"))
    assert [p.metrics for p in first] == [p.metrics for p in whole[:stop_after]]
    assert [p.metrics for p in rest] == [p.metrics for p in whole], "what was stored before the end is told again"
    assert [p.done for p in rest] == [1, 2, 3, 4]
    assert_same(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.parametrize("write", range(6))
def test_killed_at_any_write(
    config: EncoderConfig, write: int, make_toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four checkpoints, then weights, then manifest: die just before each of the six renames."""
    train, valid = make_toy(20), make_toy(8, 1)
    list(train_encoder(config, train, valid, tmp_path / "whole"))
    count, replace = iter(range(100)), os.replace

    def dying(source: Path, target: Path) -> None:
        if next(count) == write:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("core.base.files.os.replace", dying)
        with pytest.raises(KeyboardInterrupt):
            list(train_encoder(config, train, valid, tmp_path / "killed"))
    list(train_encoder(config, train, valid, tmp_path / "killed"))
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_a_finished_training_computes_nothing_again(
    config: EncoderConfig, make_toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, valid = make_toy(12), make_toy(4, 1)
    last = list(train_encoder(config, train, valid, tmp_path))[-1]
    monkeypatch.setattr(training, "_epoch", lambda *_: pytest.fail("trained again"))
    (again,) = train_encoder(config, train, valid, tmp_path)
    assert again == last


def test_the_best_epoch_is_kept(config: EncoderConfig, make_toy: Toy, tmp_path: Path) -> None:
    train, valid = make_toy(24), make_toy(10, 1)
    wild = config.model_copy(update={"lr": 0.5, "epochs": 6})
    losses = [p.metrics["valid_loss"] for p in train_encoder(wild, train, valid, tmp_path)]
    encoder = load_encoder(tmp_path, train.study)
    kept = training._evaluate(encoder.model, training.make_batch(valid))
    assert kept == min(losses)
    assert [row["valid_loss"] for row in encoder.history] == losses


def test_twelve_patients_and_no_validation_patients(config: EncoderConfig, make_toy: Toy, tmp_path: Path) -> None:
    train = make_toy(12)
    none = train.subset(np.array([], dtype=int))
    metrics = [p.metrics for p in train_encoder(config, train, none, tmp_path)]
    assert all(m["valid_loss"] == m["train_loss"] for m in metrics)


def test_no_training_patients(config: EncoderConfig, make_toy: Toy, tmp_path: Path) -> None:
    none = make_toy(3).subset(np.array([], dtype=int))
    with pytest.raises(RunError, match="the training split is empty"):
        list(train_encoder(config, none, none, tmp_path))


def test_a_loss_that_is_no_number_stops_the_training(config: EncoderConfig, make_toy: Toy, tmp_path: Path) -> None:
    train = make_toy(12)
    train.states[0, 0, :] = np.nan
    with pytest.raises(RunError, match=r"no longer a number in epoch 1; choose a smaller learning rate"):
        list(train_encoder(config, train, train, tmp_path))
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_checkpoint_of_other_settings_or_patients_is_refused(
    config: EncoderConfig, make_toy: Toy, tmp_path: Path
) -> None:
    train, valid = make_toy(12), make_toy(4, 1)
    next(train_encoder(config, train, valid, tmp_path))
    longer = config.model_copy(update={"epochs": 9})
    with pytest.raises(ArtifactError, match=r"belongs to a training with epochs = 4, not 9; delete .*checkpoint"):
        next(train_encoder(longer, train, valid, tmp_path))
    with pytest.raises(ArtifactError, match="belongs to a training with other patients"):
        next(train_encoder(config, valid, valid, tmp_path))


def test_a_broken_checkpoint_is_refused(config: EncoderConfig, make_toy: Toy, tmp_path: Path) -> None:
    train = make_toy(12)
    next(train_encoder(config, train, train, tmp_path))
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="foreign, broken or cut short"):
        next(train_encoder(config, train, train, tmp_path))
    path.write_bytes((tmp_path / "..").resolve().name.encode())
    with pytest.raises(ArtifactError, match="foreign, broken or cut short"):
        next(train_encoder(config, train, train, tmp_path))


def test_a_foreign_safetensors_file_in_place_of_the_checkpoint(
    config: EncoderConfig, make_toy: Toy, tmp_path: Path
) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "checkpoint.safetensors")
    train = make_toy(12)
    with pytest.raises(ArtifactError, match=r"not a checkpoint of an encoder training; delete .* to train from"):
        next(train_encoder(config, train, train, tmp_path))
