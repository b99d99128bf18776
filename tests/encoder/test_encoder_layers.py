"""Closed forms and properties of the encoder's pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.base.rng import torch_stream
from core.encoder.layers import Noise, dropout, initialize, masked_softmax, running_average, time_embedding
from core.encoder.normal_scores import NormalScores


def test_softmax_survives_scores_that_overflow_exp() -> None:
    scores = torch.tensor([[1e30, 1e30, -1e30, 3e38]])
    weights = masked_softmax(scores, torch.tensor([[True, True, True, False]]))
    assert weights.tolist() == [[0.5, 0.5, 0.0, 0.0]]


def test_softmax_of_a_fully_masked_row_is_zero_not_nan() -> None:
    assert masked_softmax(torch.ones(1, 3), torch.zeros(1, 3, dtype=torch.bool)).tolist() == [[0.0, 0.0, 0.0]]


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.1, 20), st.integers(1, 9))
def test_running_average_is_the_softmax_average_of_every_prefix(seed: int, scale: float, steps: int) -> None:
    generator = torch_stream(seed)
    values = torch.randn(3, steps, 4, generator=generator)
    scores = scale * torch.randn(3, steps, generator=generator)
    mask = torch.arange(steps) < torch.tensor([[1], [steps], [max(1, steps // 2)]])
    values[~mask] = float("inf")  # padding may hold anything
    fast = running_average(values, scores, mask)
    for row in range(3):
        for t in range(steps):
            stop = min(t + 1, int(mask[row].sum()))
            weights = torch.softmax(scores[row, :stop].double(), dim=0)
            expected = (weights[:, None] * values[row, :stop].double()).sum(dim=0)
            torch.testing.assert_close(fast[row, t].double(), expected, atol=1e-5, rtol=1e-5)


def test_time_embedding_follows_its_equation() -> None:
    embedding = time_embedding(horizon=16, d=5, device=torch.device("cpu"))
    assert embedding.shape == (16, 10)
    tau, j = 7, 3
    assert embedding[tau - 1, j].item() == pytest.approx(np.sin(tau * j / (16 * 5)), abs=1e-6)
    assert embedding[tau - 1, 5 + j].item() == pytest.approx(np.cos(tau * j / (16 * 5)), abs=1e-6)


def test_dropout_keeps_the_mean_and_is_off_without_noise() -> None:
    x = torch.ones(200, 200)
    dropped = dropout(x, 0.3, Noise(torch_stream(0, "test")))
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert dropout(x, 0.3, None) is x


def test_initialization_refuses_layers_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="Conv1d"):
        initialize(nn.Conv1d(1, 1, 1), 0)


def test_normal_scores_are_standard_normal_and_ignore_monotone_transforms() -> None:
    x = torch.randn(4000, 1, generator=torch_stream(1, "test"))
    plain, stretched = NormalScores(1), NormalScores(1)
    plain.fit(x)
    stretched.fit(x.exp())
    scores = plain(x)
    assert scores.mean().item() == pytest.approx(0, abs=0.02)
    assert scores.std().item() == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(scores, stretched(x.exp()), atol=0.05, rtol=0)


def test_normal_scores_of_ties_share_the_middle_rank_and_outliers_are_bounded() -> None:
    x = torch.tensor([[0.0]] * 80 + [[1.0]] * 20)
    scores = NormalScores(1)
    scores.fit(x)
    low, high, beyond = scores(torch.tensor([[0.0], [1.0], [1e9]]))[:, 0].tolist()
    assert low == pytest.approx(-0.253, abs=0.02)  # Phi^-1(0.4)
    assert high == pytest.approx(1.282, abs=0.03)  # Phi^-1(0.9)
    assert high <= beyond < 3.5


def test_normal_scores_invert() -> None:
    x = torch.randn(500, 3, generator=torch_stream(2, "test"))
    scores = NormalScores(3)
    scores.fit(x)
    inside = x.clamp(-2, 2)
    torch.testing.assert_close(scores.inverse(scores(inside)), inside, atol=1e-3, rtol=0)
