"""Presets, overrides, inheritance of seeds, and reward weights."""

from __future__ import annotations

import pytest

from core.base.config import parse_value
from core.base.errors import ConfigError
from core.icu.config import PRESET_NAMES, RewardGroup, RunConfig, load_preset
from core.study import RewardTerm, load_study

# Every parameter of the published method, by its group here.
PUBLISHED = {
    "encoder": {
        "epochs": 50,
        "d": 5,
        "embedding_dim": 32,
        "hidden_size": 128,
        "latent_dim": 32,
        "num_layers": 1,
        "dropout_rate": 0.3,
        "batch_size": 32,
        "lr": 5e-5,
        "model_name": "seq2seq",
        "teacher_forcing_ratio": 0.5,
    },
    "phenotypes": {"n_clusters": 3, "seed": 42},
    "agents": {"epochs": 3, "hidden_size": 128, "batch_size": 32, "lr": 3e-4, "gamma": 0.99},
    "fusion": {"lambda_": 15.0, "mode": "retrospective"},
    "fqi": {
        "n_trees": 80,
        "max_depth": 6,
        "iterations": 100,
        "sample_size": 50_000,
        "method": "refit",
        "layout": "joint",
    },
    "evaluation": {"n_neighbors": 300},
}


def test_the_published_preset_keeps_the_published_choices() -> None:
    config = load_preset("published").model_dump()
    for group, values in PUBLISHED.items():
        assert {key: config[group][key] for key in values} == values


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_every_preset_builds(name: str) -> None:
    assert load_preset(name).preset == name


def test_stages_inherit_seed_and_discount_unless_given_their_own() -> None:
    config = load_preset("quick", {"run.seed": "7", "agents.gamma": "0.9", "agents.seed": "3"})
    assert (config.encoder.seed, config.agents.seed, config.fqi.seed) == (7, 3, 7)
    assert config.fqi.gamma == config.fqe.gamma == config.agents.gamma == 0.9


def test_reward_weights_replace_the_studys() -> None:
    study = load_study()
    changed = RewardGroup(C_2=-1.0, terminal_coeff=10.0).apply(study)
    assert changed.terminal_coeff == 10.0
    assert {t.name: t.coefficient for t in changed.rewards} == {
        **{t.name: t.coefficient for t in study.rewards},
        "C_2": -1.0,
    }
    without = study.model_copy(update={"rewards": study.rewards[:2]})
    with pytest.raises(ConfigError, match="no reward term C_4"):
        RewardGroup(C_4=1.0).apply(without)


def test_there_is_no_weight_of_a_given_reward_nor_of_an_outcome_that_is_not_there() -> None:
    study = load_study()
    none = study.model_copy(update={"outcome": "none", "terminal_coeff": 0.0})
    paid = none.model_copy(update={"reward_column": "paid", "rewards": ()})
    assert RewardGroup().apply(paid) == paid
    assert RewardGroup(C_2=-1.0).apply(none).outcome == "none"
    for weights in (RewardGroup(C_2=-1.0), RewardGroup(terminal_coeff=1.0)):
        with pytest.raises(ConfigError, match="takes its reward from column 'paid', which has no weights"):
            weights.apply(paid)
    with pytest.raises(ConfigError, match="has no outcome to weigh; leave out terminal_coeff"):
        RewardGroup(terminal_coeff=1.0).apply(none)
    assert "terminal_coeff" not in type(RewardGroup().named(none)).model_fields


def test_weights_of_a_studys_own_terms_are_set_by_name_and_shown_with_their_meaning() -> None:
    study = load_study()
    own = study.model_copy(
        update={
            "name": "mine",
            "rewards": (
                RewardTerm(name="map in range", kind="range", column="MBP", coefficient=0.1, low=65, high=90),
                RewardTerm(name="clearance", kind="tanh_difference", column="Lactate", coefficient=-2.0),
            ),
        }
    )
    config = load_preset("quick", {"rewards.map in range": "0.3", "rewards.terminal_coeff": "5"})
    changed = config.rewards.apply(own)
    assert [(t.name, t.coefficient) for t in changed.rewards] == [("map in range", 0.3), ("clearance", -2.0)]
    assert changed.terminal_coeff == 5
    with pytest.raises(ConfigError, match="no reward term map in range; its terms are: C_0, C_1, C_2, C_3, C_4"):
        config.rewards.apply(study)
    form = config.rewards.named(own)
    assert form.model_dump() == {"map in range": 0.3, "clearance": None, "terminal_coeff": 5.0}
    meanings = {name: field.description for name, field in type(form).model_fields.items()}
    assert meanings["map in range"] == "Weight of Mean blood pressure within 65 to 90 mmHg"
    assert meanings["clearance"] == "Weight of the change in Lactate, large ones damped"
    assert RunConfig.build(config.model_dump(mode="json")) == config
    assert RewardGroup(C_0=None) == RewardGroup()  # a stored run from when terms had fixed fields


def test_the_lambda_grid_is_sorted_and_holds_the_chosen_one() -> None:
    grid = load_preset("quick", {"fusion.lambda_": "7.5"}).fusion.grid
    assert 7.5 in grid
    assert list(grid) == sorted(grid)


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("1e-3", 1e-3), ("true", True), ("[1, 2]", [1, 2]), ("cpu", "cpu")]
)
def test_values_are_read_as_json_else_as_text(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ConfigError, match="preset 'fast' is not known"):
        load_preset("fast")
