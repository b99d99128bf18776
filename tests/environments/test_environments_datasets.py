"""Data sets are the episodes of the worlds' environments, and their metadata the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.cli.main import main
from core.cohort import simulate_cohort
from core.environments import HeparinEnv, TransplantEnv, datasets
from core.environments.datasets import WorldData, save_minari, transplant_rules, world_data
from core.registry.simulate.rollout import roll_out


@pytest.fixture(scope="module")
def heparin() -> WorldData:
    return world_data("heparin", 300, seed=4, truth_patients=800)


def returns(data: WorldData) -> np.ndarray:
    """(n,) discounted returns of the episodes."""
    gamma = data.metadata["truth"]["discount"]
    return np.array([one["rewards"] @ gamma ** np.arange(len(one["rewards"])) for one in data.episodes])


def check_form(data: WorldData, env: Any) -> None:
    """Each episode has the form of Minari's buffers, in the spaces of the environment."""
    for one in data.episodes:
        n = len(one["rewards"])
        assert len(one["observations"]) == n + 1
        assert len(one["actions"]) == len(one["terminations"]) == len(one["truncations"]) == n
        assert all(len(values) == n + 1 for values in one["infos"].values())
        assert one["terminations"].sum() == one["terminations"][-1] == 1
        assert not one["truncations"].any()
        assert all(env.observation_space.contains(state) for state in one["observations"])
        assert all(env.action_space.contains(action) for action in one["actions"])
    json.dumps(data.metadata)


def test_heparin_episodes_are_the_cohort_of_that_seed(heparin: WorldData) -> None:
    check_form(heparin, HeparinEnv())
    cohort, truth = simulate_cohort("mimic-iv", 300, 4)
    np.testing.assert_array_equal(np.concatenate([one["observations"] for one in heparin.episodes]), cohort.states)
    last = np.array([one["rewards"][-1] for one in heparin.episodes])
    np.testing.assert_array_equal(last > 0, cohort.outcomes > 0)
    shown = np.concatenate([one["infos"]["clinicians"] for one in heparin.episodes])
    given = truth.action_probs[truth.action_probs.any(axis=2)]
    np.testing.assert_allclose(shown, given / given.sum(axis=1, keepdims=True))


def test_recorded_returns_are_worth_what_the_metadata_say_of_clinicians(heparin: WorldData) -> None:
    said, found = heparin.metadata["truth"]["policies"]["clinicians"], returns(heparin)
    error = np.hypot(said["standard_error"], found.std() / np.sqrt(len(found)))
    assert abs(found.mean() - said["value"]) < 4 * error
    assert set(heparin.metadata["truth"]["policies"]) == {"clinicians", *datasets.RULES}


def test_where_the_drug_does_nothing_all_policies_are_worth_the_same() -> None:
    for name in ("null", "transplant-null"):
        values = world_data(name, 2, truth_patients=300).metadata["truth"]["policies"].values()
        assert len({value["value"] for value in values}) == 1


def test_transplant_episodes_are_courses_to_the_last_stage_death_or_relapse() -> None:
    env = TransplantEnv()
    data = world_data("transplant", 400, seed=2, truth_patients=2000)
    check_form(data, env)
    course = roll_out(env.registry, 400, 2, "data set")
    for one, reached, indicators in zip(data.episodes, course.reached, course.indicators, strict=True):
        np.testing.assert_array_equal(one["observations"][:, -5:-1], indicators[reached])
        np.testing.assert_array_equal(one["observations"][:, -1], np.arange(reached.sum()))
    said, found = data.metadata["truth"]["policies"]["experts"], returns(data)
    error = np.hypot(said["standard_error"], found.std() / np.sqrt(len(found)))
    assert abs(found.mean() - said["value"]) < 4 * error


def test_steroids_are_given_to_those_with_the_disease_alone() -> None:
    env = TransplantEnv()
    course = roll_out(env.registry, 300, 1, "test", transplant_rules(env)["steroids-alone"])
    for name, column in (("acute", 1), ("chronic", 2)):
        decision = env.registry.decision(name)
        stages = list(decision.stages)
        going = course.reached[:, stages] & course.indicators[:, stages, 0] & ~course.indicators[:, stages, 3]
        ill = course.indicators[:, stages, column]
        np.testing.assert_array_equal(course.drugs[name][:, stages].sum(axis=2), going & ill)


def test_without_minari_the_arrays_are_there_and_writing_says_what_is_missing(
    heparin: WorldData, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="package minari is not installed: pip install"):
        save_minari(heparin)
    assert main(["dataset", "moon", "--patients", "2"]) == 2
    assert "world 'moon' is not known" in capsys.readouterr().err


def test_minari_reads_them_back_with_the_truth_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minari: Any = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    sizes = ["--patients", "6", "--truth-patients", "20", "--root", str(tmp_path)]
    for _ in range(2):  # the second time it takes the place of the first
        assert main(["dataset", "confounded", "transplant", *sizes]) == 0
    for name in ("confounded", "transplant"):
        data, found = world_data(name, 6, 0, 20), minari.load_dataset(f"phenopolicy/{name}/clinicians-v0")
        assert found.total_episodes == 6
        assert found.storage.metadata["truth"] == data.metadata["truth"]
        assert found.recover_environment().unwrapped.world == datasets.make_world(name).world
        for one, read in zip(data.episodes, found.iterate_episodes(), strict=True):
            np.testing.assert_array_equal(read.observations, one["observations"])
            np.testing.assert_array_equal(read.actions, one["actions"])
            np.testing.assert_array_equal(read.rewards, one["rewards"])
            for info, values in one["infos"].items():
                np.testing.assert_array_equal(read.infos[info], values)
