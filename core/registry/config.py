"""Settings of a run of the registry study; the defaults are the published choices where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from core.base.config import MOST_THREADS, Config, did_you_mean, parse_value
from core.base.errors import ConfigError

# settings of earlier versions: from before the trust frontier, and a discount beside the registry's own
RETIRED = ("evaluation.follow_share", "dqn.gamma")


class RegistryRunGroup(Config):
    """The run as a whole."""

    seed: int = Field(0, ge=0, description="Seed of the split, the networks, the forest and the bootstrap")
    test_share: float = Field(0.2, gt=0, lt=0.9, description="Share of patients to evaluate on")
    valid_share: float = Field(
        0.1, gt=0, lt=0.5, description="Share of the other patients that choose epochs and calibrate probabilities"
    )
    threads: int = Field(0, ge=0, le=MOST_THREADS, description="Cores that the run works on; 0: all")


class ScreeningConfig(Config):
    """Networks that predict the expert's choice."""

    hidden_sizes: tuple[int, ...] = Field((16, 32), description="Units of the hidden layers")
    lr: float = Field(1e-4, gt=0, le=1, description="Learning rate of Adam")
    epochs: int = Field(120, ge=1, le=5000, description="Most passes over the training decisions")
    batch_size: int = Field(32, ge=1, description="Decisions per update")
    patience: int = Field(10, ge=1, description="Epochs without a lower validation loss before it ends")
    min_variance: float = Field(0.005, ge=0, description="Features of lower variance in training are dropped")
    top_n: tuple[int, ...] = Field(tuple(range(1, 21)), description="N of the top-N accuracies")

    @field_validator("top_n")
    @classmethod
    def _sorted(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values or min(values) < 1:
            raise ValueError("N is 1 or more, and at least one is needed")
        return tuple(sorted(set(values)))


class DQNConfig(Config):
    """Q-networks of the decisions for which a policy is learned."""

    algorithm: Literal["dqn", "double_dqn"] = Field("dqn", description="What the networks bootstrap from")
    look_ahead: Literal["all", "screened"] = Field(
        "all",
        description="Which combinations V of the next state is the maximum over: all, or those that pass the screen",
    )
    hidden_sizes: tuple[int, ...] = Field((32, 64), description="Units of the hidden layers")
    memory: int = Field(20_000, ge=1, description="Transitions that the replay memory holds")
    lr: float = Field(1e-3, gt=0, le=1, description="Learning rate of Adam")
    tau: float = Field(0.01, gt=0, le=1, description="Share of the network moved into its target at every step")
    updates: int = Field(5_000, ge=1, description="Minibatches learned from")
    batch_size: int = Field(64, ge=1, description="Transitions per minibatch")


class ForestConfig(Config):
    """Random forest that predicts the reward of a decision."""

    n_trees: int = Field(50, ge=1, le=1000, description="Trees")
    max_depth: int = Field(8, ge=1, le=20, description="Depth of each tree")
    min_leaf: int = Field(20, ge=1, description="Fewest decisions in a leaf")


class RewardModelConfig(Config):
    """Network that predicts the reward of (state, drugs) for the model-based comparison."""

    hidden_sizes: tuple[int, ...] = Field((32, 64), description="Units of the hidden layers")
    lr: float = Field(1e-3, gt=0, le=1, description="Learning rate of Adam")
    epochs: int = Field(60, ge=1, le=5000, description="Most passes over the training decisions")
    batch_size: int = Field(64, ge=1, description="Decisions per update")
    patience: int = Field(8, ge=1, description="Epochs without a lower validation loss before it ends")


class RegistryEvaluationGroup(Config):
    """Screen of the recommendations and what they are worth."""

    screen_n: int = Field(10, ge=1, description="Screened policies choose among the experts' N most likely sets")
    screen_threshold: float = Field(0.0, ge=0, lt=1, description="... whose probability is at least this")
    n_bootstrap: int = Field(5000, ge=0, description="Bootstrap samples of matched and model-based rewards")
    ope_bootstrap: int = Field(1000, ge=0, description="Bootstrap samples of PHWIS and PHWDR")
    ess_floor: float = Field(30.0, ge=0, description="Effective sample size below which a value is not believed")
    probability_floor: float = Field(
        0.01, ge=0, le=1, description="Expert probability below which a combination is hardly ever given"
    )
    truth_patients: int = Field(5000, ge=0, description="Simulated patients behind each true value; 0: no truth")


class RegistryConfig(Config):
    """Everything adjustable in a run of the registry study."""

    run: RegistryRunGroup = RegistryRunGroup()
    screening: ScreeningConfig = ScreeningConfig()
    dqn: DQNConfig = DQNConfig()
    forest: ForestConfig = ForestConfig()
    reward_model: RewardModelConfig = RewardModelConfig()
    evaluation: RegistryEvaluationGroup = RegistryEvaluationGroup()


def stored_config(values: Mapping[str, Any], where: str) -> RegistryConfig:
    """Settings of a stored run; those that this version does not know any more are left out."""
    kept = {
        group: {key: value for key, value in given.items() if f"{group}.{key}" not in RETIRED}
        for group, given in values.items()
    }
    return RegistryConfig.build(kept, where=where)


def registry_config(overrides: Mapping[str, str] | None = None) -> RegistryConfig:
    """Defaults with overrides such as {"dqn.updates": "500"}; `ConfigError` names an unknown group, key or value."""
    values: dict[str, dict[str, Any]] = {}
    for key, text in (overrides or {}).items():
        group, _, field = key.partition(".")
        if not field or group not in RegistryConfig.model_fields:
            groups = ", ".join(sorted(RegistryConfig.model_fields))
            near = did_you_mean(group, RegistryConfig.model_fields)
            raise ConfigError(f"setting '{key}' is not GROUP.KEY=VALUE; groups are {groups}.{near}")
        values.setdefault(group, {})[field] = parse_value(text)
    return RegistryConfig.build(values, where="settings")
