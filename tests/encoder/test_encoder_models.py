"""What both encoders promise: shapes, prefixes, padding, attention, learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.base.errors import ArtifactError, ConfigError
from core.encoder import Encoder, EncoderConfig, StepwiseReader, build_encoder, load_encoder, train_encoder
from core.encoder import train as training
from core.encoder.batches import make_batch
from core.study import StudySpec, load_study
from core.trajectories import Trajectories

Toy = Callable[..., Trajectories]
SMALL = {"epochs": 2, "hidden_size": 12, "embedding_dim": 6, "latent_dim": 4, "batch_size": 8, "lr": 1e-2}


def build(name: str, study: StudySpec, **values: object) -> Encoder:
    return build_encoder(EncoderConfig.build(SMALL | {"model_name": name} | values), study)


@pytest.fixture(params=["seq2seq", "dynamics"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def prefix(data: Trajectories, steps: int) -> Trajectories:
    """The same stays, known for their first steps only."""
    keep = data.mask & (np.arange(data.mask.shape[1]) < steps)
    return replace(data, states=data.states * keep[..., None], actions=data.actions * keep, mask=keep)


@pytest.mark.parametrize("layers", [1, 2])
def test_prefixes_equal_encoding_each_prefix_alone(name: str, layers: int, make_toy: Toy) -> None:
    data = make_toy(9, study=load_study())
    encoder = build(name, data.study, num_layers=layers)
    fast = encoder.encode_prefixes(data)
    assert fast.shape == (9, 16, encoder.z_dim)
    for t in range(16):
        np.testing.assert_allclose(fast[:, t], encoder.encode(prefix(data, t + 1)), atol=1e-5)


def test_reading_step_by_step_equals_encoding_each_prefix(name: str, make_toy: Toy) -> None:
    data = make_toy(9, study=load_study())
    encoder = build(name, data.study)
    prefixes, reader = encoder.encode_prefixes(data), StepwiseReader(encoder)
    for t in range(16):
        before = data.actions[:, t - 1] if t else None
        z = reader.read(data.states[:, t], data.actions[:, t] if encoder.sees_current_action else before)
        there = data.mask[:, t]
        np.testing.assert_allclose(z[there], prefixes[there, t], atol=1e-5)


def test_padding_cannot_be_read(name: str, make_toy: Toy) -> None:
    data = make_toy(12)
    states, actions = data.states.copy(), data.actions.copy()
    padding = ~data.mask
    states[..., data.study.n_static :][padding] = np.nan
    actions[padding] = 2
    other = replace(data, states=states, actions=actions)
    encoder = build(name, data.study)
    for method in (Encoder.encode, Encoder.encode_prefixes, Encoder.attention, Encoder.reconstruct):
        np.testing.assert_array_equal(method(encoder, data), method(encoder, other))


def test_attention_sums_to_one_over_real_steps(name: str, make_toy: Toy) -> None:
    data = make_toy(20)
    weights = build(name, data.study).attention(data)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert (weights[~data.mask] == 0).all()
    assert (weights[data.mask] > 0).all()


def test_shapes_in_another_study(name: str, make_toy: Toy) -> None:
    data = make_toy(7)
    encoder = build(name, data.study)
    assert encoder.z_dim == {"seq2seq": 12, "dynamics": 4}[name]
    assert encoder.encode(data).shape == (7, encoder.z_dim)
    assert encoder.encode(data).dtype == np.float32
    assert encoder.reconstruct(data).shape == (7, 6, 4)
    assert (encoder.reconstruct(data)[~data.mask] == 0).all()
    assert encoder.encode(data.subset(np.array([], dtype=int))).shape == (0, encoder.z_dim)


def test_a_study_without_static_columns(name: str, make_toy: Toy, tmp_path: Path, small_study: StudySpec) -> None:
    plain = small_study.model_copy(update={"columns": small_study.columns[1:]})
    data = make_toy(12, study=StudySpec.model_validate(plain.model_dump()))
    progress = list(train_encoder(EncoderConfig.build(SMALL | {"model_name": name}), data, data, tmp_path))
    assert np.isfinite(progress[-1].metrics["valid_loss"])


def test_huge_weights_give_finite_z(name: str, make_toy: Toy) -> None:
    data = make_toy(6)
    encoder = build(name, data.study)
    with torch.no_grad():
        for parameter in encoder.model.parameters():
            parameter.mul_(1e4)
    assert np.isfinite(encoder.encode(data)).all()
    assert np.isfinite(encoder.reconstruct(data)).all()


def test_order_of_patients_is_irrelevant(name: str, make_toy: Toy) -> None:
    data = make_toy(10)
    encoder = build(name, data.study)
    order = np.arange(10)[::-1]
    np.testing.assert_allclose(encoder.encode(data)[order], encoder.encode(data.subset(order)), atol=1e-6)


def test_seq2seq_learns_a_tiny_set_by_heart(make_toy: Toy) -> None:
    data = make_toy(4)
    config = EncoderConfig.build(
        SMALL | {"epochs": 150, "hidden_size": 32, "embedding_dim": 16, "dropout_rate": 0, "lr": 2e-2}
    )
    state, batch = training._start(config, data), make_batch(data)
    for _ in range(config.epochs):
        training._epoch(config, state, batch, batch)
    losses = [row["valid_loss"] for row in state.history]
    assert min(losses) < 0.2 * losses[0]


def test_dynamics_tells_restless_from_calm_patients_whatever_their_length(make_toy: Toy, tmp_path: Path) -> None:
    data = make_toy(160, study=load_study())
    config = EncoderConfig.build(
        SMALL | {"model_name": "dynamics", "epochs": 12, "hidden_size": 32, "embedding_dim": 16, "batch_size": 32}
    )
    losses = [p.metrics["train_loss"] for p in train_encoder(config, data, make_toy(40, 1, data.study), tmp_path)]
    assert losses[-1] < losses[0]
    z = load_encoder(tmp_path, data.study).encode(data)
    group = np.arange(data.n) % 2
    axis = z[group == 1].mean(axis=0) - z[group == 0].mean(axis=0)
    score = z @ axis
    middle = (score[group == 1].mean() + score[group == 0].mean()) / 2
    assert ((score > middle) == (group == 1)).mean() > 0.95
    assert abs(np.corrcoef(score, data.lengths)[0, 1]) < 0.3


def test_weights_come_from_the_seed_and_leave_the_global_generator_alone(name: str, small_study: StudySpec) -> None:
    before = torch.get_rng_state()
    first, again, other = (build(name, small_study, seed=seed).model.state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_trajectories_of_another_study_are_refused(name: str, make_toy: Toy, small_study: StudySpec) -> None:
    with pytest.raises(ArtifactError, match="is for study small, the trajectories are of thrombocytopenia"):
        build(name, small_study).encode(make_toy(3, study=load_study()))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_device_is_named(small_study: StudySpec) -> None:
    with pytest.raises(ConfigError, match="device 'cuda' is not available here; choose one of: cpu"):
        build("seq2seq", small_study, device="cuda")
