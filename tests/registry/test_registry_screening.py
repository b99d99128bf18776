"""Screening networks: what they see, what they learn, how often they are right, and how honest they are."""

from __future__ import annotations

import numpy as np
import pytest

from core.base.errors import ArtifactError
from core.base.rng import torch_stream
from core.registry.config import ScreeningConfig
from core.registry.fit.inputs import Inputs
from core.registry.fit.intervals import ratio_of_sums
from core.registry.fit.layers import load_layers, save_layers
from core.registry.fit.networks import fit_network, learned, new_network
from core.registry.fit.screening import (
    accuracy_table,
    calibration_table,
    fit_temperature,
    ranks,
    screened,
    softmax,
    top_n_hits,
    train_screening,
)


def run(generator):
    """What a generator returns, and what it yielded."""
    steps = []
    while True:
        try:
            steps.append(next(generator))
        except StopIteration as end:
            return end.value, steps


PROBS = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]])


def test_top_n_by_hand():
    """Experts chose 1, 0 and something unknown: places 2, 3 and none."""
    hits = top_n_hits(PROBS, np.array([1, 0, -1]), [1, 2, 3])
    np.testing.assert_array_equal(hits, [[False, True, True], [False, False, True], [False, False, False]])


def test_ranks_break_ties_by_the_lower_action():
    np.testing.assert_array_equal(ranks(PROBS), [[0, 1, 2], [2, 1, 0], [0, 1, 2]])


@pytest.mark.parametrize(
    ("n", "threshold", "expected"),
    [
        (2, None, [[1, 1, 0], [0, 1, 1], [1, 1, 0]]),
        (None, 0.35, [[1, 0, 0], [0, 0, 1], [1, 1, 0]]),
        (1, 0.9, [[1, 0, 0], [0, 0, 1], [1, 0, 0]]),
        (None, None, [[1, 1, 1], [1, 1, 1], [1, 1, 1]]),
    ],
)
def test_the_screen_keeps_the_likely_and_never_nothing(n, threshold, expected):
    np.testing.assert_array_equal(screened(PROBS, n, threshold), np.array(expected, dtype=bool))


def test_accuracy_by_stage_with_intervals_by_patient():
    """Stage 1: one of two right at N = 1, both at N = 2; stage 2: one decision, wrong."""
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    table = accuracy_table(probs, np.array([0, 1, 1]), np.array([7, 8, 8]), np.array([1, 1, 2]), [1, 2], 200, 0)
    assert table["accuracy"].tolist() == [0.5, 1.0, 0.0, 1.0]
    assert table["decisions"].tolist() == [2, 2, 1, 1]
    first = table.iloc[0]
    assert (first["low"], first["high"]) == (0.0, 1.0)  # two patients, one right and one wrong


def test_a_ratio_resamples_patients_not_rows():
    """Ten rows of one patient are one patient: with two patients the interval spans both."""
    patient = np.array([0] * 10 + [1])
    values = np.array([1.0] * 10 + [0.0])[:, None]
    found = ratio_of_sums(patient, values, np.ones((11, 1)), 400, 0)
    assert found.value[0] == pytest.approx(10 / 11)
    assert (found.low[0], found.high[0]) == (0.0, 1.0)


def test_a_ratio_of_nothing_is_unknown():
    found = ratio_of_sums(np.array([0, 1]), np.zeros((2, 1)), np.zeros((2, 1)), 50, 0)
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()


def test_the_network_learns_what_experts_do():
    """Two kinds of patients: the first are given 0 or 1 alike, the others 2 always."""
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=1200)
    actions = np.where(kind == 1, 2, rng.integers(2, size=1200))
    x = np.stack([kind, 1 - kind], axis=1).astype(np.float32)
    config = ScreeningConfig(lr=0.01, epochs=30, batch_size=64)
    fitted, steps = run(train_screening(config, x, actions, np.arange(1200) % 5 == 0, 3, name="test", seed=0))
    probs = fitted.probs(np.eye(2, dtype=np.float32)[::-1])
    np.testing.assert_allclose(probs, [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], atol=0.08)
    assert steps[-1].done == steps[-1].total
    again, _ = run(train_screening(config, x, actions, np.arange(1200) % 5 == 0, 3, name="test", seed=0))
    np.testing.assert_array_equal(again.probs(x), fitted.probs(x))


def test_temperature_undoes_overconfidence():
    """Actions drawn from softmax(f / 3) while the network says f: T = 3."""
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=4, size=(20_000, 5)).astype(np.float32)
    draws = rng.random(20_000)[:, None] < softmax(logits, 3.0).cumsum(axis=1)
    assert fit_temperature(logits, draws.argmax(axis=1)) == pytest.approx(3.0, rel=0.05)
    assert fit_temperature(logits[:0], np.zeros(0, dtype=int)) == 1.0


def test_calibration_of_true_and_of_exaggerated_probabilities():
    rng = np.random.default_rng(2)
    probs = rng.dirichlet([0.5] * 6, size=20_000)
    actions = (rng.random(20_000)[:, None] < probs.cumsum(axis=1)).argmax(axis=1)
    stage = np.arange(20_000) % 2
    honest = calibration_table(probs, actions, stage)
    loud = calibration_table(softmax(np.log(probs + 1e-9), 0.4), actions, stage)
    assert honest["error"].iloc[0] < 0.01 < 0.05 < loud["error"].iloc[0]
    assert honest["log_loss"].iloc[0] < loud["log_loss"].iloc[0]
    assert set(honest["stage"]) == {-1, 0, 1}


def test_low_variance_columns_are_dropped_and_the_stage_is_seen():
    states = np.array([[1.0, 0, 5], [1, 0, 7], [1, 1, 5], [1, 0, 9]], dtype=np.float32)
    inputs = Inputs.fit(states, np.array([1, 2, 1, 4]), ("alive", "rare", "age"), (1, 2, 3, 4), 0.19)
    assert inputs.names == ("age",)
    assert inputs.dropped == ("alive", "rare", "stage")
    seen = Inputs.fit(states, np.array([1, 2, 1, 4]), ("alive", "rare", "age"), (1, 2, 3, 4), 0.1)
    np.testing.assert_allclose(seen.transform(states, np.array([1, 2, 1, 4]))[:, -1], [0, 1 / 3, 0, 1], rtol=1e-6)
    again = Inputs.from_json(seen.to_json())
    assert again.names == seen.names == ("rare", "age", "stage")
    with pytest.raises(ArtifactError, match="contradict themselves; train again"):
        Inputs.from_json({**seen.to_json(), "keep": [True]})
    with pytest.raises(ValueError, match="states have 2 columns, expected 3"):
        seen.transform(states[:, :2], np.zeros(4))


def test_the_best_epoch_is_kept():
    """Validation rows say the opposite of the training rows, so every epoch makes them worse: the first one stays."""
    from torch.nn import functional

    x = np.ones((60, 1), dtype=np.float32)
    y = np.where(np.arange(60) < 40, 1.0, -1.0).astype(np.float32)[:, None]
    network = new_network((1, 4, 1), torch_stream(0, "w"))
    settings = {"lr": 0.05, "epochs": 50, "batch_size": 10, "patience": 3, "seed": 0, "name": "n"}
    steps = list(fit_network(network, x, y, functional.mse_loss, valid=np.arange(60) >= 40, **settings))
    losses = [step.metrics["valid_loss"] for step in steps]
    kept = float(((learned(network).predict(x[40:]) - y[40:]) ** 2).mean())
    assert kept == pytest.approx(min(losses), rel=1e-5)
    assert len(steps) < 50


def test_what_a_network_has_learned_says_what_the_network_says():
    torch = pytest.importorskip("torch")
    network = new_network((3, 5, 4, 2), torch_stream(0, "w"))
    layers, x = learned(network), np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(layers.predict(x), network(torch.from_numpy(x)).numpy(), atol=1e-6)
    assert layers.sizes == (3, 5, 4, 2)
    assert layers.predict(x[:0]).shape == (0, 2)


def test_networks_survive_storage_and_damage_is_named(tmp_path):
    path = tmp_path / "n.safetensors"
    network = learned(new_network((3, 5, 2), torch_stream(0, "w")))
    save_layers(path, network)
    x = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_array_equal(load_layers(path, (3, 5, 2)).predict(x), network.predict(x))
    with pytest.raises(ArtifactError, match=r"does not belong to this run: network\.0\.weight"):
        load_layers(path, (4, 5, 2))
    path.write_bytes(b"junk")
    with pytest.raises(ArtifactError, match="not a readable safetensors file"):
        load_layers(path, (3, 5, 2))
    with pytest.raises(ArtifactError, match="is missing"):
        load_layers(tmp_path / "no.safetensors", (3, 5, 2))
    with pytest.raises(ValueError, match="needs inputs"):
        network.predict(x[:, :2])
