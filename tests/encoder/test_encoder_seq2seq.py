"""The published encoder against a slow twin that follows its equations patient by patient and step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from core.base.rng import torch_stream
from core.encoder import EncoderConfig, build_encoder
from core.encoder.batches import Batch, make_batch
from core.encoder.layers import Noise, time_embedding
from core.encoder.seq2seq import Seq2Seq
from core.trajectories import Trajectories

Toy = Callable[..., Trajectories]


def build(data: Trajectories, **values: object) -> Seq2Seq:
    config = EncoderConfig.build({"hidden_size": 7, "embedding_dim": 5, "dropout_rate": 0} | values)
    model = build_encoder(config, data.study).model
    assert isinstance(model, Seq2Seq)
    return model


def slow_twin(model: Seq2Seq, batch: Batch, i: int, forced: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
    """(z, attention, reconstruction) of stay i alone, without padding, one step at a time."""
    length = int(batch.lengths[i])
    assert model.static is not None
    static = model.static(batch.static[i])
    time = time_embedding(model.horizon, model.config.d, torch.device("cpu"))
    memory, state = [], None
    for t in range(length):
        step = torch.cat([batch.actions[i, t], model.encoder_embedding(batch.temporal[i, t]), static, time[t]])
        output, state = model.encoder(step[None, None], state)
        memory.append(output[0, 0])
    hidden = torch.stack(memory)
    attention = torch.softmax(torch.tanh(hidden @ model.score.weight[0]), dim=0)
    z = attention @ hidden
    decoded: list[Tensor] = []
    for t in range(length):
        previous = torch.zeros(batch.temporal.shape[-1])
        if t > 0:
            previous = batch.temporal[i, t - 1] if forced[t] else decoded[-1]
        step = torch.cat([model.decoder_embedding(previous), z, static, time[t]])
        output, state = model.decoder(step[None, None], state)
        weights = torch.softmax(model.keys(hidden) @ output[0, 0], dim=0)
        seen = torch.cat([weights @ hidden, output[0, 0], batch.actions[i, t]])
        decoded.append(torch.tanh(model.output(seen)))
    return z, attention, torch.stack(decoded)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_slow_twin(ratio: float, layers: int, make_toy: Toy) -> None:
    data = make_toy(6)
    model, batch = build(data, teacher_forcing_ratio=ratio, num_layers=layers), make_batch(data)
    coins = (Noise(torch_stream(5, "coins")).uniform(model.horizon) < ratio).tolist()
    with torch.no_grad():
        z, attention = model.encode(batch), model.attention(batch)
        decoded = model._autoencode(batch, Noise(torch_stream(5, "coins")))
        for i in range(6):
            length = int(batch.lengths[i])
            slow_z, slow_attention, slow_decoded = slow_twin(model, batch, i, coins)
            torch.testing.assert_close(z[i], slow_z, atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(attention[i, :length], slow_attention, atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(decoded[i, :length], slow_decoded, atol=1e-6, rtol=1e-5)


def test_evaluation_runs_free_whatever_the_ratio(make_toy: Toy) -> None:
    data = make_toy(5)
    free, forced = build(data, teacher_forcing_ratio=0.0), build(data, teacher_forcing_ratio=1.0)
    batch = make_batch(data)
    with torch.no_grad():
        torch.testing.assert_close(free.reconstruct(batch), forced.reconstruct(batch))
        assert not torch.allclose(forced.reconstruct(batch), forced._autoencode(batch, Noise(torch_stream(0, "x"))))


def test_loss_counts_real_steps_and_features_only(make_toy: Toy) -> None:
    data = make_toy(6)
    model, batch = build(data), make_batch(data)
    with torch.no_grad():
        errors = (model.reconstruct(batch) - batch.temporal).square().numpy()
        assert model.loss(batch, None).item() == pytest.approx(float(errors[data.mask].mean()), rel=1e-5)


def test_dropout_and_teacher_forcing_come_from_the_noise_alone(make_toy: Toy) -> None:
    data = make_toy(6)
    model, batch = build(data, dropout_rate=0.3), make_batch(data)
    before = torch.get_rng_state()
    first, again, other = (model.loss(batch, Noise(torch_stream(0, "encoder", e))).item() for e in (0, 0, 1))
    assert first == again != other
    assert torch.equal(before, torch.get_rng_state())
    assert np.isfinite(first)
