"""The standard encoder's drift: the slope it reads, the line it predicts, and groups that differ in nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from core.base.errors import ArtifactError
from core.base.rng import stream
from core.encoder import EncoderConfig, build_encoder, load_encoder, save_encoder, train_encoder
from core.encoder.batches import make_batch
from core.encoder.dynamics import RIDGE, Dynamics
from core.study import StudySpec, load_study
from core.trajectories import Trajectories

Toy = Callable[..., Trajectories]
SMALL = {"model_name": "dynamics", "hidden_size": 12, "embedding_dim": 6, "latent_dim": 4, "batch_size": 8, "lr": 1e-2}


def prepared(data: Trajectories, **values: object) -> Dynamics:
    model = build_encoder(EncoderConfig.build(SMALL | values), data.study).model
    assert isinstance(model, Dynamics)
    model.prepare(make_batch(data))
    return model


def courses(model: Dynamics, data: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """r (N, T, F) and tau (T,) of the docstring, in numpy."""
    scores = model.scores(torch.as_tensor(data.temporal)).numpy().astype(np.float64)
    kept = data.mask[..., None]
    about = np.where(kept, scores - (scores * kept).sum(1, keepdims=True) / kept.sum(1, keepdims=True), 0)
    mean = about.sum(0) / np.maximum(data.mask.sum(0), 1)[:, None]
    spread = (about - mean)[data.mask].std(axis=0, ddof=1)
    steps = np.arange(data.mask.shape[1])
    return (scores - mean) / spread, (steps - steps.mean()) / steps.std()


def test_it_reads_the_shrunken_least_squares_slope_of_each_column(make_toy: Toy) -> None:
    data = make_toy(30)
    model = prepared(data)
    features = data.study.n_temporal
    with torch.no_grad():  # equal weights for all steps, and z is the slopes
        for parameter in (*model.score.parameters(), *model.posterior.parameters()):
            parameter.zero_()
        model.posterior.weight[:features, -2 * features : -features] = torch.eye(features)
        z = model.encode(make_batch(data)).numpy()
        model.posterior.weight[:features] = model.posterior.weight[:features].roll(features, dims=1)
        timed = model.encode(make_batch(data)).numpy()
    r, tau = courses(model, data)
    for patient in range(data.n):
        x, t = r[patient, data.mask[patient]], tau[data.mask[patient]]
        slope = ((t - t.mean()) @ x / len(t)) / (t.var() + RIDGE)
        np.testing.assert_allclose(z[patient], slope, atol=1e-4)
        np.testing.assert_allclose(timed[patient], slope * t.mean(), atol=1e-4)


def test_a_stay_of_one_step_has_no_slope(make_toy: Toy) -> None:
    data = make_toy(5)
    keep = np.zeros_like(data.mask)
    keep[:, 0] = True
    one = replace(data, states=data.states * keep[..., None], actions=data.actions * keep, mask=keep)
    model = prepared(data)
    with torch.no_grad():
        model.posterior.weight[:, : -2 * data.study.n_temporal] = 0  # slopes alone
        z = model.encode(make_batch(one))
    torch.testing.assert_close(z, model.posterior.bias[:4].detach().expand(5, -1), atol=1e-6, rtol=0)


def test_a_straight_line_about_any_level_is_no_surprise(make_toy: Toy) -> None:
    data = make_toy(20)
    model, batch = prepared(data), make_batch(data)
    z = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        level = torch.arange(20.0)[:, None, None]
        line = level + model.drift(z)[:, None] * model._clock(batch.temporal.device)[None, :, None]
        scores = line * model.course_scale + model.mean_course
        assert model._drift_surprise(batch, z, scores) == pytest.approx(0, abs=1e-6)
        bent = scores + model.course_scale * (torch.arange(6) == 1)[:, None]
        n = data.lengths  # a step's unit is moved: 1 - 1/n of it is off the mean
        expected = 0.5 * data.study.n_temporal * (1 - 1 / n).sum()
        assert model._drift_surprise(batch, z, bent) == pytest.approx(expected, rel=1e-4)


def test_it_finds_groups_that_are_equally_restless_and_drift_apart(make_toy: Toy, tmp_path: Path) -> None:
    data, rng = make_toy(160, study=load_study()), stream(0, "drift")
    group = np.arange(data.n) % 2
    level = rng.normal(0, 1, (160, 1, data.study.n_temporal))
    noise = rng.normal(0, 0.5, data.temporal.shape)
    drift = 0.06 * (2 * group - 1)[:, None, None] * np.arange(16)[None, :, None]
    states = data.states.copy()
    states[..., data.study.n_static :] = (level + drift + noise) * data.mask[..., None]
    data = replace(data, states=states)
    long = data.lengths >= 8
    settings = SMALL | {"epochs": 12, "hidden_size": 32, "embedding_dim": 16, "batch_size": 32}
    for _ in train_encoder(EncoderConfig.build(settings), data, data.subset(np.arange(40)), tmp_path):
        pass
    z = load_encoder(tmp_path, data.study).encode(data)
    axis = z[group == 1].mean(axis=0) - z[group == 0].mean(axis=0)
    score = z @ axis
    middle = (score[group == 1].mean() + score[group == 0].mean()) / 2
    assert ((score > middle) == (group == 1))[long].mean() > 0.95
    assert abs(np.corrcoef(score, data.lengths)[0, 1]) < 0.3


def test_weights_of_the_model_without_drift_are_refused(small_study: StudySpec, tmp_path: Path) -> None:
    import hashlib

    save_encoder(build_encoder(EncoderConfig.build(SMALL), small_study), tmp_path)
    weights, path = tmp_path / "encoder.safetensors", tmp_path / "encoder.json"
    kept = {name: values for name, values in load_file(weights).items() if not name.startswith("drift")}
    save_file(kept, weights)
    manifest = json.loads(path.read_text())
    manifest["tensors"] = {name: list(values.shape) for name, values in kept.items()}
    manifest["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    del manifest["config"]["drift_weight"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(
        ArtifactError, match=r"other names or shapes .*drift\.bias: missing instead .*train the encoder"
    ):
        load_encoder(tmp_path, small_study)
