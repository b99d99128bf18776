"""Settings that would only fail, or mislead, hours into a run."""

from __future__ import annotations

import pytest

from core.base.errors import ConfigError
from core.icu.config import RewardGroup, load_preset
from core.study import load_study


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("fqe.method", "refit", "fqe.method must be frozen"),
        ("fqe.gamma", "0.5", "fqe.gamma = 0.5 must equal agents.gamma"),
        ("fqi.gamma", "0.5", "fqi.gamma = 0.5 must equal agents.gamma"),
        ("run.train_share", "0.85", "leave no patients to test on; their sum must be below 1"),
        ("run.valid_share", "0.3", "train_share = 0.7 and valid_share = 0.3 leave no patients"),
        ("run.valid_share", "0.9", "leave no patients to test on"),
        ("fusion.lambda_", "Infinity", "finite"),
        ("fusion.lambdas", "[0, Infinity]", "finite"),
        ("rewards.C_1", "NaN", "finite"),
        ("agents.algorithm", "bcq", "gives no value of every dose"),
        ("agents.algorithm", "behavior_cloning", "gives no value of every dose"),
    ],
)
def test_settings_that_no_run_can_finish_with(setting: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_preset("quick", {setting: value})


def test_the_discount_of_the_agents_is_that_of_all_values() -> None:
    config = load_preset("quick", {"agents.gamma": "0.9"})
    assert config.agents.gamma == config.fqi.gamma == config.fqe.gamma == 0.9


def test_a_reward_term_that_is_not_there_is_answered_with_one_that_is_near() -> None:
    weights = RewardGroup.model_validate({"C_33": 1.0})
    with pytest.raises(ConfigError, match=r"no reward term C_33.* Did you mean 'C_3'\?"):
        weights.apply(load_study())
