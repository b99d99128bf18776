"""The toys teach what is true: closed forms, limits, and the engine's own source."""

from __future__ import annotations

import numpy as np
import pytest

from core.fusion import fusion_weights
from core.learn.source import source_of
from core.learn.toys import CENTERS, EXPERTS, attention_toy, cluster_toy, dueling_toy, fusion_toy, weights_toy


def test_equal_scores_attend_evenly_and_a_large_one_alone() -> None:
    even = attention_toy(3, 0.0)
    np.testing.assert_allclose(even.weight, 1 / 8)
    np.testing.assert_allclose(even.running, even.plain)
    sharp = attention_toy(3, 50.0)
    assert sharp.weight[3] == pytest.approx(1)
    np.testing.assert_allclose(sharp.running[3:], sharp.value[3])
    np.testing.assert_allclose(sharp.running[:3], sharp.plain[:3])  # nobody attends to the future


def test_attention_is_what_the_engine_computes_on_tensors() -> None:
    torch = pytest.importorskip("torch")
    from core.encoder.layers import masked_softmax, running_average

    for strength in (-3.0, 0.5, 6.0):
        toy, score = attention_toy(2, strength), torch.zeros(1, 8, dtype=torch.float64)
        score[0, 2] = strength
        mask, value = torch.ones(1, 8, dtype=torch.bool), torch.from_numpy(toy.value)[None, :, None]
        np.testing.assert_allclose(toy.weight, masked_softmax(score, mask)[0].numpy())
        np.testing.assert_allclose(toy.running, running_average(value, score, mask)[0, :, 0].numpy())


def test_iterations_never_raise_the_distance_and_find_the_groups() -> None:
    inertia = [cluster_toy(3, rounds, 0.0).inertia for rounds in range(13)]
    assert (np.diff(inertia) <= 1e-9).all()
    assert cluster_toy(3, 12, 0.0).agreement > 0.95
    assert cluster_toy(3, 12, 0.0).clock < 0.05


def test_a_clock_gives_clusters_of_stay_lengths() -> None:
    toy = cluster_toy(3, 12, 1.0)
    assert toy.clock > 0.8
    assert toy.agreement < 0.05


def test_dueling_q_does_not_change_when_all_advantages_do() -> None:
    first, second = dueling_toy(4.0, (0.2, 0.0, -0.2), 1.0), dueling_toy(4.0, (1.2, 1.0, 0.8), 1.0)
    np.testing.assert_allclose(first.q, second.q)
    assert first.q.mean() == pytest.approx(4.0)
    np.testing.assert_allclose(dueling_toy(9.0, (0.2, 0.0, -0.2), 1.0).policy, first.policy)
    assert first.entropy > 0.95 > dueling_toy(4.0, (0.2, 0.0, -0.2), 0.1).entropy


def test_fusion_runs_from_the_average_to_the_nearest_expert() -> None:
    np.testing.assert_allclose(fusion_toy(0.3, 0.2, 0.0).policy, EXPERTS.mean(axis=0))
    np.testing.assert_allclose(fusion_toy(*CENTERS[1], np.inf).policy, EXPERTS[1])
    toy = fusion_toy(0.3, 0.2, 2.0)
    np.testing.assert_allclose(toy.weights, fusion_weights(np.linalg.norm(CENTERS - [0.3, 0.2], axis=1), 2.0))


def test_on_policy_no_stay_is_lost() -> None:
    toy = weights_toy(0.3, 0.3, 1.0, 10, 500)
    np.testing.assert_allclose(toy.weights, 1 / 500)
    np.testing.assert_allclose(toy.expected_ess, 1)
    assert toy.truth == pytest.approx(3.0)
    assert toy.estimate.low < toy.truth < toy.estimate.high


def test_the_loss_of_stays_follows_its_formula() -> None:
    """ESS / n tends to 1 / E[rho^2]^T for many stays."""
    toy = weights_toy(0.4, 0.6, 1.0, 4, 200_000)
    growth = 0.6**2 / 0.4 + 0.4**2 / 0.6
    assert toy.expected_ess[-1] == pytest.approx(growth**-4)
    assert toy.estimate.ess / 200_000 == pytest.approx(growth**-4, rel=0.03)
    assert weights_toy(0.4, 0.6, 0.5, 4, 200_000).estimate.ess > toy.estimate.ess


def test_the_function_shown_is_the_engines_own() -> None:
    text = source_of("core/fusion/weights.py", "fusion_weights")
    assert text.startswith("def fusion_weights(distances")
    assert "np.exp(-float(lambda_) * gap)" in text
    method = source_of("core/agents/networks.py", "Networks._combine")
    assert method.startswith("def _combine(self")
    with pytest.raises(LookupError, match="has no 'nothing'"):
        source_of("core/fusion/weights.py", "nothing")


def test_the_heaviest_stays_use_the_whole_estimate_up() -> None:
    toy = weights_toy(0.2, 0.9, 1.0, 4, 200)
    np.testing.assert_allclose(toy.used, [toy.weights[: i + 1].sum() for i in range(200)])
    assert toy.used[-1] == pytest.approx(1.0)
