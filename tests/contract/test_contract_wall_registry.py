"""The wall between learning and test patients of the registry study, and what validation patients may do behind it.

Poisoned runs: every feature, indicator and drug of the test patients is replaced, some are lost to follow-up earlier,
and the study is run again; what was learned must not change by a bit. Validation patients choose the epoch and the
temperature of the screening networks and the epoch of the reward networks; scaling, catalogs, Q-networks, forests and
censoring weights learn from them as from training patients. So for them the demand is another one: their drugs and
outcomes are exchanged among them, which leaves scaling and catalogs as they are, and with one epoch, where there is
nothing to choose, the weights of the screening and reward networks must not change by a bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.registry.ask.compared import POLICIES
from core.registry.ask.tables import Evaluation
from core.registry.cohort.load import make_registry
from core.registry.config import registry_config
from core.registry.pipeline import split_registry
from core.registry.study import train_registry
from core.registry.view import RegistryView
from tests.contract.wall import differing, exchanged_patients, files_of, poisoned_patients, registry_frame

SMALL = {
    "run.threads": "1",
    "screening.epochs": "1",
    "reward_model.epochs": "1",
    "dqn.updates": "20",
    "dqn.look_ahead": "screened",
    "forest.n_trees": "2",
    "forest.min_leaf": "5",
    "evaluation.n_bootstrap": "10",
    "evaluation.ope_bootstrap": "10",
}
# Every file of a run stands on one side of the wall. Taught by learning patients (training and validation):
LEARNED = {
    "split": ("split.npz",),
    "catalogs": ("decisions.json",),  # and the scaling of states and which inputs vary
    "screening": ("screening_*",),
    "q-networks": ("dqn_*.safetensors",),
    "forests": ("forest_*.npz", "atlas.npz"),  # and their leaves under other rewards
    "reward networks": ("reward_*.safetensors",),
    "combinations": ("combinations.parquet",),
}
JUDGED = (
    "accuracy.parquet",
    "calibration.parquet",
    "matched.parquet",
    "modeled.parquet",
    "ope.parquet",
    "learned.parquet",
    "frontier.parquet",
    "judgments.parquet",
    "advice.json",
)
# The patients themselves and what is said of all together; truths are empty for recorded patients.
DESCRIBED = ("cohort.parquet", "report.json", "truth.parquet", "step_truth.parquet", "frontier_truth.parquet")


@dataclass(frozen=True)
class Runs:
    """The same study on the registry as it is, with its test patients poisoned, and its validation ones exchanged."""

    clean: Path
    test: Path
    valid: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder, config, frame = tmp_path_factory.mktemp("registry"), registry_config(SMALL), registry_frame()
    split = split_registry(make_registry(frame).n_patients, config)
    frames = {
        "clean": frame,
        "test": poisoned_patients(frame, split.test),
        "valid": exchanged_patients(frame, split.valid),
    }
    for name, table in frames.items():
        for _ in train_registry(make_registry(table), config, folder / name):
            pass
    return Runs(**{name: folder / name for name in frames})


def test_every_file_of_a_run_stands_on_one_side_of_the_wall(runs: Runs) -> None:
    sides = [pattern for patterns in LEARNED.values() for pattern in patterns]
    known = files_of(runs.clean, [*sides, *JUDGED, *DESCRIBED])
    assert files_of(runs.clean, ["*"]) == known, "say in this test who taught a new file"
    for pattern in sides:
        assert files_of(runs.clean, [pattern]), f"no file is called {pattern} any more"


@pytest.mark.parametrize("part", LEARNED)
def test_test_patients_teach_nothing(runs: Runs, part: str) -> None:
    assert differing(runs.clean, runs.test, LEARNED[part]) == []


def test_test_patients_have_no_say_in_what_is_most_frequent(runs: Runs) -> None:
    clean, poisoned = RegistryView(runs.clean), RegistryView(runs.test)
    for name in clean.treatments:
        np.testing.assert_array_equal(clean.models(name).shares, poisoned.models(name).shares)


def test_test_patients_have_no_say_in_censoring_weights_and_critics(runs: Runs) -> None:
    own = [Evaluation.own(RegistryView(folder)) for folder in (runs.clean, runs.test)]
    clean, poisoned = (one.judging.kept_share for one in own)
    np.testing.assert_array_equal(clean, poisoned)
    assert (clean < 1).any()
    at = own[0].learned  # the same courses for both critics
    for policy in POLICIES:
        critics = [one.judging.critic(one.learned, one.plan(one.learned, policy)) for one in own]
        plan = own[0].plan(at, policy)
        for one, other in zip(*(critic.values(at, plan) for critic in critics), strict=True):
            np.testing.assert_array_equal(one, other)


def test_stored_estimates_take_the_critics_of_learning_patients(runs: Runs) -> None:
    """A critic that was fitted on the patients it judges would share their chance."""
    own = Evaluation.own(RegistryView(runs.clean))
    plans = [own.plan(own.recorded, policy) for policy in POLICIES]
    values = {}
    for name, courses in (("learning", own.learned), ("test", own.recorded)):
        critics = [own.judging.critic(courses, own.plan(courses, policy)) for policy in POLICIES]
        table = own.judging.table(own.recorded, plans, critics)
        values[name] = table.set_index("estimator").loc["phwdr", "value"].to_numpy()
    stored = own.view.ope.set_index("estimator").loc["phwdr", "value"].to_numpy()
    assert np.isfinite(stored).any()
    np.testing.assert_array_equal(stored, values["learning"])
    assert (stored != values["test"])[np.isfinite(stored)].all()


def test_the_poison_is_strong(runs: Runs) -> None:
    """Test patients have combinations that nobody else was given, and are lost at other rates; their results differ."""
    clean, poisoned = RegistryView(runs.clean), RegistryView(runs.test)
    for name in poisoned.treatments:
        data, catalog = poisoned.points[name], poisoned.catalogs[name]
        assert (catalog.encode(data.drugs[data.of(poisoned.split.test)]) < 0).mean() > 0.9
    kept = [Evaluation.own(view).recorded.courses.kept_share() for view in (clean, poisoned)]
    assert (kept[0] != kept[1]).all()
    assert differing(runs.clean, runs.test, JUDGED) == sorted(JUDGED)


def test_validation_patients_move_no_weight_of_screening_and_reward_networks(runs: Runs) -> None:
    weights = [*LEARNED["reward networks"], "screening_*.safetensors", *LEARNED["catalogs"]]
    assert differing(runs.clean, runs.valid, weights) == []
    temperatures = files_of(runs.clean, ["screening_*.json"])
    assert differing(runs.clean, runs.valid, temperatures) == temperatures  # which is theirs to choose
