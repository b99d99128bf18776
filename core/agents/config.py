"""Settings of the phenotype agents and of fitted Q iteration."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from core.agents.catalog import CATALOG
from core.base.config import Config


class AgentConfig(Config):
    """How an agent is trained."""

    algorithm: str = Field("dueling_double_dqn", description="Learning rule: " + ", ".join(CATALOG))
    epochs: int = Field(3, ge=1, le=1000, description="Passes over an agent's transitions")
    hidden_size: int = Field(128, ge=1, le=4096, description="Units of the hidden layer")
    batch_size: int = Field(32, ge=2, le=65536, description="Transitions per update; BatchNorm needs at least 2")
    lr: float = Field(3e-4, gt=0, le=1, description="Learning rate of Adam")
    gamma: float = Field(0.99, ge=0, le=1, description="Discount per step")
    target_update: int = Field(3, ge=1, description="Updates between two copies of the network into its target")
    normalize_rewards: bool = Field(
        False,
        description="Train on rewards in units of the returns' root mean square, and scale the values back; off: as "
        "published",
    )
    softmax: Literal["fixed", "standardized"] = Field(
        "fixed",
        description="Temperature of a policy in units of value, as published (fixed), or of the spread of its "
        "advantages over training states (standardized)",
    )
    temperature: float = Field(1.0, gt=0, description="Softmax temperature of the policy; lower is greedier")
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?|mps)$", description="Where torch trains: cpu, cuda or mps")
    seed: int = Field(0, ge=0, description="Seed of initial weights and of the order of transitions")

    @field_validator("algorithm")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CATALOG:
            raise ValueError(f"there is no such algorithm; choose one of {', '.join(CATALOG)}")
        return name


class FQIConfig(Config):
    """How fitted Q iteration and fitted Q evaluation estimate values."""

    method: Literal["refit", "frozen"] = Field(
        "frozen", description="refit: a new forest each iteration (published); frozen: one structure, leaf averages"
    )
    estimator: Literal["random_forest", "extra_trees", "gradient_boosting", "xgboost"] = Field(
        "random_forest", description="Regression of Q; gradient_boosting and xgboost only with method refit"
    )
    layout: Literal["joint", "per_action"] = Field(
        "per_action", description="joint: one forest on (state, one-hot action), published; per_action: one per action"
    )
    n_trees: int = Field(80, ge=1, le=2000, description="Trees per forest (rounds of boosting)")
    max_depth: int = Field(6, ge=1, le=20, description="Depth of each tree")
    min_leaf: int = Field(10, ge=1, description="Fewest transitions in a leaf")
    shrinkage: float = Field(
        200.0,
        ge=0,
        description="per_action: pseudo-transitions that pull an action's leaf toward the value of the state",
    )
    structure_fits: int = Field(
        2,
        ge=1,
        le=20,
        description="frozen: times the structure is grown, first on returns, then on nearly converged targets",
    )
    iterations: int = Field(100, ge=1, le=10000, description="Most iterations of the Bellman update")
    sample_size: int = Field(50_000, ge=1, description="Most transitions that grow a forest, drawn at random")
    tree_sample: int = Field(
        50_000,
        ge=1,
        description="Most of them that grow one tree; leaves are averages over all transitions in any case",
    )
    tolerance: float = Field(
        1e-3,
        ge=0,
        description="frozen: stop when no value changes by more than this (100 times this before a new growth)",
    )
    gamma: float = Field(0.99, ge=0, le=1, description="Discount per step")
    seed: int = Field(0, ge=0, description="Seed of samples and forests")

    @property
    def boosted(self) -> bool:
        return self.estimator in ("gradient_boosting", "xgboost")

    @model_validator(mode="after")
    def _freezable(self) -> Self:
        if self.method == "frozen" and self.boosted:
            raise ValueError("gradient boosting has no structure to freeze: choose method refit, or a forest")
        return self
