"""Settings of one run: a group per stage, three presets, and overrides such as `encoder.epochs=5`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import Field, create_model, field_validator, model_validator

from core.agents.catalog import CATALOG
from core.agents.config import AgentConfig, FQIConfig
from core.base.config import MOST_THREADS, Config, did_you_mean, parse_value
from core.base.errors import ConfigError
from core.base.shipped import shipped
from core.encoder.config import EncoderConfig
from core.phenotypes.config import PhenotypeConfig
from core.policies.key import BOOSTED, FOREST, NO_ENCODER
from core.study import TERMINAL, RewardTerm, StudySpec

PRESETS = shipped("presets")
PRESET_NAMES = ("quick", "standard", "published")
Mode = Literal["retrospective", "prospective"]
Clinicians = Literal["auto", "own", "development"]  # whose habits estimates on another cohort divide by
NETWORKS = tuple(name.replace("_", "-") for name in CATALOG)  # policies by one network agent for all patients
COMPARED = (*NETWORKS, FOREST, BOOSTED, NO_ENCODER)


class RunGroup(Config):
    """The run as a whole."""

    seed: int = Field(0, ge=0, description="Seed of the split, the encoder, the agents and the bootstrap")
    outcome_label: str = Field("outcome", description="Outcome column where a file has several, as rewards_icu")
    train_share: float = Field(0.70, gt=0, lt=1, description="Share of patients to train on")
    valid_share: float = Field(0.15, gt=0, lt=1, description="Share of patients to choose the best epoch on")
    device: Literal["cpu", "cuda", "mps"] = Field("cpu", description="Where the networks run")
    encoder_folder: str = Field("", description="Folder of a saved encoder to use instead of training one")
    threads: int = Field(0, ge=0, le=MOST_THREADS, description="Cores that the run works on; 0: all")
    plot_flag: bool = Field(False, description="Write the published figures as HTML into the run folder as well")

    @model_validator(mode="after")
    def _leaves_a_test_part(self) -> Self:
        if self.fractions[2] < 1e-9:
            raise ValueError(
                f"train_share = {self.train_share:g} and valid_share = {self.valid_share:g} leave no patients to test "
                "on; their sum must be below 1"
            )
        return self

    @property
    def fractions(self) -> tuple[float, float, float]:
        return (self.train_share, self.valid_share, 1.0 - self.train_share - self.valid_share)


class RewardGroup(Config):
    """Overrides of the study's reward weights, each under the name of its term; empty fields keep the study's."""

    model_config = Config.model_config | {"extra": "allow"}  # the terms are the study's, which `apply` holds them to
    __pydantic_extra__: dict[str, float] = Field(init=False)

    terminal_coeff: float | None = Field(None, description="Weight of the outcome at the end of the stay")

    @model_validator(mode="before")
    @classmethod
    def _only_given(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None}

    def apply(self, study: StudySpec) -> StudySpec:
        """The study with these weights; `ConfigError` for a term the study does not have."""
        weights = dict(self.__pydantic_extra__)
        if study.reward_column and (weights or self.terminal_coeff is not None):
            raise ConfigError(
                f"rewards: study '{study.name}' takes its reward from column '{study.reward_column}', which has no "
                "weights; leave them out."
            )
        if study.outcome == "none" and self.terminal_coeff:
            raise ConfigError(f"rewards: study '{study.name}' has no outcome to weigh; leave out {TERMINAL}.")
        unknown = sorted(set(weights) - {term.name for term in study.rewards})
        if unknown:
            there = ", ".join(term.name for term in study.rewards) or "none"
            raise ConfigError(
                f"rewards: study '{study.name}' has no reward term {', '.join(unknown)}; its terms are: {there}."
                + did_you_mean(unknown[0], [TERMINAL, *(term.name for term in study.rewards)])
            )
        terms = tuple(
            term.model_copy(update={"coefficient": weights.get(term.name, term.coefficient)}) for term in study.rewards
        )
        outcome = study.terminal_coeff if self.terminal_coeff is None else self.terminal_coeff
        return study.model_copy(update={"rewards": terms, TERMINAL: outcome})

    def named(self, study: StudySpec) -> Config:
        """The same weights with a field for each term of the study, and its meaning, as a form shows them."""
        fields: dict[str, Any] = {
            term.name: (float | None, Field(None, description=_meaning(term, study), examples=[term.coefficient]))
            for term in study.rewards
        }
        if not study.reward_column and study.outcome != "none":
            fields[TERMINAL] = (float | None, type(self).model_fields[TERMINAL])
        kind = create_model("Weights", __base__=Config, __doc__=RewardGroup.__doc__, **fields)
        return kind(**{name: value for name, value in self.model_dump().items() if name in fields})


def _meaning(term: RewardTerm, study: StudySpec) -> str:
    """What a weight weighs."""
    column = study.column(term.column)
    name = column.label or column.name
    what = {
        "stagnation": f"an unchanged {name} above 0",
        "difference": f"the change in {name}",
        "tanh_difference": f"the change in {name}, large ones damped",
        "range": f"{name} within {term.low or 0:g} to {term.high or 0:g} {column.unit}",
    }[term.kind]
    return f"Weight of {what}"


class FusionGroup(Config):
    """Fusion over phenotypes."""

    lambda_: float = Field(
        15.0, ge=0, description="Sharpness of fusion: 0 averages, large follows the nearest phenotype"
    )
    mode: Mode = Field("prospective", description="Fuse by the stay so far (prospective) or by the whole stay")
    lambdas: tuple[float, ...] = Field(
        (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0, 15.0, 20.0, 30.0, 50.0, 100.0),
        description="Grid of lambda that is stored, besides the single expert",
    )

    @field_validator("lambdas")
    @classmethod
    def _sorted(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not values or min(values) < 0:
            raise ValueError("lambdas are 0 or more, and at least one is needed")
        return tuple(sorted(set(values)))

    @property
    def grid(self) -> tuple[float, ...]:
        """Stored lambdas, the chosen one among them."""
        return tuple(sorted({*self.lambdas, self.lambda_}))


class BaselineGroup(Config):
    """Policies that the study's are held against, each trained on all training patients."""

    enabled: bool = Field(True, description="Train and value them")
    algorithms: tuple[str, ...] = Field(COMPARED, description="Which: " + ", ".join(COMPARED))
    epochs: int = Field(1, ge=1, le=1000, description="Passes of each network over all transitions")
    batch_size: int = Field(32, ge=2, le=65536, description="Transitions per update of each network")
    boosting_rounds: int = Field(40, ge=1, le=2000, description="Trees of each regression of xgb-fqi")
    boosting_depth: int = Field(4, ge=1, le=20, description="Depth of its trees")
    boosting_layout: Literal["joint", "per_action"] = Field(
        "per_action",
        description="joint: one model of (state, one-hot action), published, whose trees may never ask for the action; "
        "per_action: what each action adds to the state's value",
    )
    boosting_iterations: int = Field(
        16, ge=1, le=10000, description="Its iterations of the Bellman update; as many as a stay has steps suffice"
    )

    @field_validator("algorithms")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(COMPARED))
        if unknown:
            raise ValueError(f"there is no policy {', '.join(unknown)}; choose among {', '.join(COMPARED)}")
        return tuple(name for name in COMPARED if name in names)

    @property
    def chosen(self) -> tuple[str, ...]:
        return self.algorithms if self.enabled else ()


class EvaluationGroup(Config):
    """Clinician policy and off-policy estimates."""

    n_neighbors: int = Field(300, ge=1, description="Neighbors of the clinician policy")
    pseudo_count: float = Field(1.0, ge=0, description="Pseudo-count that keeps clinician probabilities above 0")
    control_variate: Literal["fqe", "fqi"] = Field("fqe", description="Q in PHWDR: the policy's, or Q*")
    n_bootstrap: int = Field(500, ge=0, description="Bootstrap samples of patients for the intervals")
    ess_floor: float = Field(30.0, ge=0, description="Effective sample size below which a value is not believed")
    probability_floor: float = Field(0.02, ge=0, le=1, description="Clinician probability below which a dose is rare")
    audit_repeats: int = Field(
        10,
        ge=0,
        le=1000,
        description="Null cohorts, the drug drawn anew, that tell how often a gain would be claimed",
    )
    truth_patients: int = Field(2000, ge=0, description="Simulated patients behind each true value; 0: no truth")
    frontier_patients: int = Field(
        2000,
        ge=0,
        description="The same along the trust frontier, where each step of each patient needs a search among the "
        "recorded states; 0: no truth there",
    )


class RunConfig(Config):
    """Everything adjustable in a run of the ICU study."""

    preset: Literal["quick", "standard", "published"] = "standard"
    run: RunGroup = RunGroup()
    rewards: RewardGroup = RewardGroup()
    encoder: EncoderConfig = EncoderConfig()
    phenotypes: PhenotypeConfig = PhenotypeConfig()
    agents: AgentConfig = AgentConfig()
    fqi: FQIConfig = FQIConfig()
    fqe: FQIConfig = FQIConfig()
    fusion: FusionGroup = FusionGroup()
    baselines: BaselineGroup = BaselineGroup()
    evaluation: EvaluationGroup = EvaluationGroup()

    @model_validator(mode="after")
    def _evaluable(self) -> Self:
        rule = CATALOG[self.agents.algorithm]
        if rule.bootstrap is None or rule.preferences is not None:
            raise ValueError(
                f"agents.algorithm = {rule.name} gives no value of every dose, which the fusion needs; it is "
                "trained as a policy to compare with (baselines.algorithms)"
            )
        if self.fqe.method != "frozen":
            raise ValueError("fqe.method must be frozen: fitted Q evaluation iterates on one forest structure")
        for name, group in (("fqi", self.fqi), ("fqe", self.fqe)):
            if group.gamma != self.agents.gamma:
                raise ValueError(
                    f"{name}.gamma = {group.gamma:g} must equal agents.gamma = {self.agents.gamma:g}, the discount of "
                    f"all values that are compared; leave {name}.gamma out"
                )
        return self


def load_preset(name: str, overrides: Mapping[str, str] | None = None) -> RunConfig:
    """A preset with overrides such as {"encoder.epochs": "5"}; `ConfigError` names an unknown group, key or value."""
    if name not in PRESET_NAMES:
        raise ConfigError(f"preset '{name}' is not known; choose one of {', '.join(PRESET_NAMES)}.")
    values: dict[str, Any] = tomllib.loads((PRESETS / f"{name}.toml").read_text(encoding="utf-8"))
    for key, text in (overrides or {}).items():
        group, _, field = key.partition(".")
        if not field or group not in RunConfig.model_fields or group == "preset":
            groups = ", ".join(sorted(set(RunConfig.model_fields) - {"preset"}))
            near = did_you_mean(group, RunConfig.model_fields)
            raise ConfigError(f"setting '{key}' is not GROUP.KEY=VALUE; groups are {groups}.{near}")
        values.setdefault(group, {})[field] = parse_value(text)
    return RunConfig.build({"preset": name, **_inherit(values)}, where="settings")


def kept_values(config: RunConfig, paths: Iterable[str]) -> dict[str, Any]:
    """The values of settings by path ("encoder.epochs") as the configuration holds them, fit for JSON."""
    held = config.model_dump(mode="json")
    return {path: held[path.partition(".")[0]][path.partition(".")[2]] for path in paths}


def _inherit(values: dict[str, Any]) -> dict[str, Any]:
    """Stages take seed, device and discount from the run and the agents, unless they are given their own; policies to
    compare with take their passes and minibatches too, so that no rival is trained less than the run's agents."""
    shared = {**values.get("run", {}), **{k: v for k, v in values.get("agents", {}).items() if k == "gamma"}}
    stages: dict[str, type[Config]] = {
        "encoder": EncoderConfig,
        "agents": AgentConfig,
        "fqi": FQIConfig,
        "fqe": FQIConfig,
    }
    for group, kind in stages.items():
        for field in ("seed", "device", "gamma"):
            if field in kind.model_fields and field in shared:
                values.setdefault(group, {}).setdefault(field, shared[field])
    for field in ("epochs", "batch_size"):
        if field in values.get("agents", {}):
            values.setdefault("baselines", {}).setdefault(field, values["agents"][field])
    return values
