"""Softmax policy and settings."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.agents import AgentConfig, FQIConfig, action_probs
from core.agents.policy import advantage_spread
from core.base.errors import ConfigError


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e300, 1e300)), st.floats(1e-6, 1e6))
def test_probabilities_for_any_q(q, temperature):
    probs = action_probs(q, temperature)
    np.testing.assert_allclose(probs.sum(axis=-1), 1)
    best = np.take_along_axis(probs, q.argmax(axis=-1)[:, None], axis=-1)
    assert (best == probs.max(axis=-1, keepdims=True)).all()


def test_closed_form_and_temperature():
    q = np.array([0.0, np.log(3.0)])
    np.testing.assert_allclose(action_probs(q), [0.25, 0.75])
    np.testing.assert_allclose(action_probs(q, 0.5), [0.1, 0.9])
    np.testing.assert_allclose(action_probs(q + 1e4, 0.5), [0.1, 0.9])


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ConfigError, match=r"temperature = .* above 0"):
        action_probs(np.zeros(2), temperature)


def test_settings_have_the_published_defaults_and_refuse_what_they_do_not_know():
    config = AgentConfig()
    assert (config.epochs, config.hidden_size, config.batch_size, config.target_update) == (3, 128, 32, 3)
    assert (config.lr, config.gamma, config.temperature) == (3e-4, 0.99, 1.0)
    fqi = FQIConfig()
    assert (fqi.n_trees, fqi.max_depth, fqi.iterations, fqi.sample_size) == (80, 6, 100, 50_000)
    with pytest.raises(ConfigError, match="unknown key 'learning_rate'"):
        AgentConfig.build({"learning_rate": 1})
    with pytest.raises(ConfigError, match="no such algorithm; choose one of dqn"):
        AgentConfig.build({"algorithm": "sarsa"})
    with pytest.raises(ConfigError, match="gradient boosting has no structure to freeze"):
        FQIConfig.build({"estimator": "gradient_boosting", "method": "frozen"})
    assert all(field.description for c in (AgentConfig, FQIConfig) for field in c.model_fields.values())


def test_settings_load_without_torch_or_scikit_learn():
    code = "import sys, core.agents; print([m for m in ('torch', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_policy_in_units_of_its_spread_does_not_depend_on_the_unit_of_value():
    q = np.random.default_rng(0).normal(size=(50, 4)) + 30
    flat = 1e-4 * q + 5
    np.testing.assert_allclose(
        action_probs(flat, advantage_spread(flat)), action_probs(q, advantage_spread(q)), atol=1e-6
    )
    assert np.ptp(action_probs(flat)) < 1e-3  # at a fixed temperature it is as good as random


def test_the_spread_of_advantages_by_hand():
    assert advantage_spread(np.array([[1.0, 3.0], [10.0, 10.0]])) == pytest.approx(np.sqrt(0.5))
    assert advantage_spread(np.array([[1.0, 3.0, -np.inf]])) == pytest.approx(1.0)  # the excluded action has none
    assert advantage_spread(np.full((3, 2), 7.0)) == 1.0
    assert advantage_spread(np.empty((0, 2))) == 1.0
