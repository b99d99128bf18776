"""The wall between training and test patients of the ICU study, and between a choice and what comes after it.

Poisoned runs: every state, action and outcome of the test patients, then of the validation patients, is replaced, and
the study is run again. What training patients taught must not change by a bit. Validation patients may choose the
encoder's best epoch and nothing else: here it has one epoch, so that there is nothing to choose and nothing may change.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.cohort import Cohort, History, make_cohort, split_cohort
from core.encoder import train_encoder
from core.fusion.dials import DIALS
from core.icu.ask.compare import compare_policies, recorded_survival
from core.icu.ask.frontier import frontier_table
from core.icu.config import load_preset
from core.icu.fit.simulated import RunPolicy
from core.icu.fit.values import fit_critics
from core.icu.foreign import ForeignStays
from core.icu.study import run_study
from core.icu.view import RunView
from core.policies.key import PolicyKey
from core.policies.policy import NamedPolicy
from tests.contract.wall import differing, differing_rows, files_of, icu_frame, poisoned_stays

SMALL = {
    "run.threads": "1",
    "encoder.epochs": "1",
    "encoder.hidden_size": "16",
    "encoder.latent_dim": "4",
    "phenotypes.k_max": "3",
    "phenotypes.n_bootstrap": "1",
    "phenotypes.n_init": "1",
    "agents.epochs": "1",
    "agents.hidden_size": "8",
    "fqi.n_trees": "2",
    "fqe.n_trees": "2",
    "baselines.boosting_rounds": "2",
    "baselines.boosting_iterations": "2",
    "evaluation.n_bootstrap": "40",
    "evaluation.n_neighbors": "10",
}
# Every file of a run stands on one side of the wall. Taught by training patients:
LEARNED = {
    "split": ("split.npz", "study.json"),
    "scaler": ("scaler.json",),
    "encoder": ("encoder/*", "representation.json"),
    "phenotypes": ("phenotypes/*",),
    "agents": ("agents/agents.*",),
    "baselines": ("baselines/*.json", "baselines/*.npz", "baselines/*/*"),
    "critics": ("fqi.npz", "fqi_history.parquet", "fqe.npz"),
    "clinicians": ("similar_reference.npy",),
    "survival": ("survival_curve.parquet",),
}
# What they taught, at every state of every stay, and the axis of the stays; `cohort.parquet` holds the stays themselves
AT_STATES = {
    "z.npy": 0,
    "z_prefix.npy": 0,
    "attention.npy": 0,
    "agents/q_*.npy": 0,
    "baselines/*.npy": 0,
    "behavior.npy": 0,
    "support.npy": 0,
    "neighbors.npy": 0,
    "fqi_*.npy": 0,
    "fqe_q.npy": 1,
}
JUDGED = ("evaluations.parquet",)  # on test patients
# Each stay by models of others, validation and test patients among them: see tests/icu/ask/test_ask_judge.py.
CROSS_FITTED = (
    "judgments.parquet",
    "advice.*",
    "audit.json",
    "atlas.npy",
    "jury.npy",
    "differences.parquet",
    "subgroups.parquet",
    "learned.parquet",
    "calibration.parquet",
)
# Said of all patients together, and read by no later stage; truths are empty for recorded patients.
DESCRIBED = ("report.json", "projection.*", "honesty.parquet", "truth.parquet", "frontier.parquet")


@dataclass(frozen=True)
class Runs:
    """The same study on the cohort as it is, and with its test or validation patients poisoned."""

    clean: Path
    test: Path
    valid: Path

    @cached_property
    def view(self) -> RunView:
        return RunView(self.clean)


@pytest.fixture(scope="module", params=["dynamics", "seq2seq"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    config = load_preset("quick", {**SMALL, "encoder.model_name": request.param})
    folder, frame = tmp_path_factory.mktemp(request.param), icu_frame()
    split = split_cohort(make_cohort(frame), config.run.seed, config.run.fractions)
    frames = {
        "clean": frame,
        "test": poisoned_stays(frame, split.test),
        "valid": poisoned_stays(frame, split.valid),
    }
    for name, table in frames.items():
        for _ in run_study(make_cohort(table), config, folder / name):
            pass
    return Runs(**{name: folder / name for name in frames})


# Test and validation patients


def test_every_file_of_a_run_stands_on_one_side_of_the_wall(runs: Runs) -> None:
    sides = [pattern for patterns in LEARNED.values() for pattern in patterns]
    known = files_of(runs.clean, [*sides, *AT_STATES, "cohort.parquet", *JUDGED, *CROSS_FITTED, *DESCRIBED])
    assert files_of(runs.clean, ["*"]) == known, "say in this test who taught a new file, and who may not change it"
    for pattern in (*sides, *AT_STATES):
        assert files_of(runs.clean, [pattern]), f"no file is called {pattern} any more"


@pytest.mark.parametrize("part", LEARNED)
def test_test_patients_teach_nothing(runs: Runs, part: str) -> None:
    assert differing(runs.clean, runs.test, LEARNED[part]) == []


@pytest.mark.parametrize("part", [part for part in LEARNED if part != "encoder"])
def test_validation_patients_teach_nothing_but_the_epoch(runs: Runs, part: str) -> None:
    assert differing(runs.clean, runs.valid, LEARNED[part]) == []


@pytest.mark.parametrize("part", ["test", "valid"])
def test_what_other_patients_are_told_does_not_depend_on_poisoned_ones(runs: Runs, part: str) -> None:
    """Representation, Q of agents and critics, clinicians' policy, neighbors; and imputed values, so the medians."""
    poisoned = getattr(runs.view.split, part)
    others = np.setdiff1d(np.arange(runs.view.cohort.n_patients), poisoned)
    assert differing_rows(runs.clean, getattr(runs, part), AT_STATES, others) == []
    stored = [
        view.cohort.frame[view.cohort.frame["traj"].isin(others)] for view in (runs.view, RunView(getattr(runs, part)))
    ]
    assert stored[0].equals(stored[1])
    imputed = runs.view.cohort.imputed
    assert imputed[runs.view.cohort.starts[runs.view.split.train]].any()  # or no median is ever used


def test_values_on_test_patients_do_not_depend_on_validation_patients(runs: Runs) -> None:
    assert differing(runs.clean, runs.valid, JUDGED) == []


@pytest.mark.parametrize("part", ["test", "valid"])
def test_the_poison_is_strong(runs: Runs, part: str) -> None:
    """Every recorded value of every poisoned patient is another one, and some die who lived."""
    clean, poisoned = runs.view, RunView(getattr(runs, part))
    here = getattr(clean.split, part)
    one, other = (view.trajectories.subset(here) for view in (clean, poisoned))
    recorded = ~clean.cohort.imputed & np.array([not column.binary for column in clean.study.columns])
    moved = clean.cohort.states != poisoned.cohort.states
    of_them = clean.cohort.frame["traj"].isin(here).to_numpy()
    assert moved[of_them][recorded[of_them]].all()
    assert (one.actions != other.actions)[one.mask].all()
    assert (one.outcomes != other.outcomes).sum() >= 2
    if part == "test":
        assert differing(runs.clean, runs.test, JUDGED) == list(JUDGED)


def test_validation_patients_move_no_weight_of_the_encoder(runs: Runs, tmp_path: Path) -> None:
    """After any number of epochs weights and optimizer are the same; which epoch is kept is theirs to choose."""
    view, poisoned = runs.view, RunView(runs.valid)
    config = view.config.encoder.model_copy(update={"epochs": 3})
    losses = []
    for name, valid in (("clean", view), ("poisoned", poisoned)):
        train = view.trajectories.subset(view.split.train)
        steps = train_encoder(config, train, valid.trajectories.subset(view.split.valid), tmp_path / name)
        losses.append([(step.metrics["train_loss"], step.metrics["valid_loss"]) for step in steps])
    one, other = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("clean", "poisoned"))
    moving = [name for name in one if name.startswith(("model/", "optimizer/"))]
    assert len(moving) > 10
    assert [name for name in moving if one[name].tobytes() != other[name].tobytes()] == []
    (train_loss, valid_loss), (train_again, valid_again) = (zip(*pairs, strict=True) for pairs in losses)
    assert train_loss == train_again
    assert all(a != b for a, b in zip(valid_loss, valid_again, strict=True))


# A choice and what comes after it


def prospective(view: RunView) -> Iterator[PolicyKey]:
    """Policies that act forward in time."""
    k, lambda_ = view.n_clusters, 2.0
    yield PolicyKey("phenotype-0", k)
    yield PolicyKey("fused", k, lambda_, "prospective")
    yield PolicyKey("single-expert", k, np.inf, "prospective")
    yield PolicyKey("no-encoder", k, lambda_, "prospective")
    yield PolicyKey("dqn")


def changed_from(cohort: Cohort, step: int) -> Cohort:
    """The cohort with another action at this step and at all later ones, and other states at all later ones."""
    frame, study = cohort.frame.copy(), cohort.study
    after, temporal = frame["step"] > step, [column.name for column in study.columns if column.kind == "temporal"]
    frame.loc[after, temporal] = frame.loc[after, temporal][::-1].to_numpy()
    frame["action"] = np.where(frame["step"] >= step, (frame["action"] + 1) % study.n_actions, frame["action"])
    return replace(cohort, frame=frame)


@pytest.mark.parametrize("step", [0, 1, 7])
def test_a_choice_sees_neither_itself_nor_what_follows(runs: Runs, step: int) -> None:
    """Prospective distances and policies up to a step stay as they are, whatever is done at it or happens later."""
    view, k = runs.view, runs.view.n_clusters
    stays, changed = (
        ForeignStays(view, cohort, "development") for cohort in (view.cohort, changed_from(view.cohort, step))
    )
    real = stays.trajectories.mask[:, : step + 1]

    def unchanged(one: np.ndarray, other: np.ndarray) -> bool:
        return np.array_equal(one[:, : step + 1][real], other[:, : step + 1][real])

    assert unchanged(stays.distances(k, "prospective"), changed.distances(k, "prospective"))
    assert not unchanged(stays.distances(k, "retrospective"), changed.distances(k, "retrospective"))
    for key in prospective(view):
        assert unchanged(stays.probs(key), changed.probs(key)), key.policy


@pytest.mark.parametrize("step", [0, 1, 7])
def test_recorded_and_simulated_histories_are_treated_alike(runs: Runs, step: int) -> None:
    """A history in progress holds no action of its current step: what a run stored must need none either."""
    view, data = runs.view, runs.view.trajectories
    there = np.flatnonzero(data.mask[:, step])
    states = view.scaler.unscale(data.states[there, : step + 1])
    everyone = np.ones(len(there), dtype=bool)
    for key in prospective(view):
        history = History(states, data.actions[there, :step], everyone, np.zeros(len(there), dtype=np.int64))
        stored = view.probs(key)[there, step]
        np.testing.assert_allclose(RunPolicy(view, NamedPolicy(key))(history), stored, atol=1e-4, err_msg=key.policy)


class Elsewhere(RunView):
    """A run in which all policies choose other doses at some steps (N, T), True there."""

    def __init__(self, path: Path, steps: np.ndarray) -> None:
        super().__init__(path)
        self.steps = steps

    def probs(self, key: PolicyKey) -> np.ndarray:
        probs = super().probs(key)
        return np.where(self.steps[..., None], np.roll(probs, 1, axis=-1), probs)


def test_a_critic_reads_its_policy_where_the_transition_leads(runs: Runs, tmp_path: Path) -> None:
    """Nothing leads into a first step, and nothing follows a last one: what a policy does there is nothing to its
    critic. Everywhere else it counts."""
    mask = runs.view.trajectories.mask
    first = np.zeros_like(mask)
    first[:, 0] = True
    last = mask & (np.cumsum(mask, axis=1) == mask.sum(axis=1, keepdims=True))
    second = np.roll(first, 1, axis=1)
    for name, steps, counts in (("first", first, False), ("last", last, False), ("second", second, True)):
        folder = tmp_path / name
        shutil.copytree(runs.clean, folder)
        for _ in fit_critics(Elsewhere(folder, steps)):
            pass
        assert differing(runs.clean, folder, LEARNED["critics"]) == (["fqe.npz"] if counts else []), name


def test_comparisons_draw_persons_not_stays(runs: Runs) -> None:
    """Stays that are written twice under the same person make no interval narrower."""
    view, test = runs.view, runs.view.split.test
    assert len(np.unique(view.persons[test])) == len(test) / 2
    keys = [PolicyKey("clinician"), *prospective(view)]
    dial = next(iter(DIALS.values()))
    tables = {
        "compared": lambda rows: compare_policies(view, rows, keys, view.survival_curve),
        "frontier": lambda rows: frontier_table(view, rows, keys[2], dial),
    }
    for name, table in tables.items():
        once, twice = table(test), table(np.repeat(test, 2))
        assert (once["high"].dropna() > once["low"].dropna()).any()
        for column in {"value", "low", "high", "survival_low", "survival_high"} & set(once):
            np.testing.assert_allclose(twice[column], once[column], rtol=1e-5, atol=1e-6, err_msg=f"{name} {column}")
    curves = [recorded_survival(view, rows) for rows in (view.split.train, np.repeat(view.split.train, 2))]
    np.testing.assert_allclose(curves[1].low, curves[0].low)
    np.testing.assert_allclose(curves[1].high, curves[0].high)
