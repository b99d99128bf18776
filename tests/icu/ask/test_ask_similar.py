"""Similar patients are the stored neighbors of a state, and their course is what their records say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.icu.ask.similar import Similar, later_course, neighborhood, similar_patients, similar_table
from core.icu.view import RunView

STEP = 3


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture(scope="module")
def longest(run: RunView) -> int:
    return int(np.argmax(run.cohort.lengths))


def test_similar_states_are_counted_from_training_patients(run: RunView, longest: int) -> None:
    table = neighborhood(run, longest, STEP)
    assert table["n"].sum() == (run.neighbors[longest, STEP] >= 0).sum()
    assert table["share"].sum() == pytest.approx(1)
    assert (table["patients"] <= table["n"]).all()
    states = run.training_states[run.neighbors[longest, STEP]]
    none = states[run.trajectories.actions[states[:, 0], states[:, 1]] == 0]
    assert table["patients"][0] == len(np.unique(none[:, 0]))
    survived = np.mean(run.cohort.outcomes[np.unique(none[:, 0])] > 0)
    assert table["survival"][0] == pytest.approx(survived)
    known = table["n"] > 0
    assert (table.loc[known, "low"] <= table.loc[known, "survival"]).all()
    assert table.loc[~known, "low"].isna().all()


def test_each_similar_patient_stands_once_at_its_nearest_state(run: RunView, longest: int) -> None:
    found = similar_patients(run, longest, STEP)
    assert len(np.unique(found.patients)) == len(found.patients)
    assert longest not in found.patients
    assert (run.split_name[found.patients] == "train").all()
    order = [tuple(run.training_states[row]) for row in run.neighbors[longest, STEP] if row >= 0]
    assert (found.patients[0], found.steps[0]) == order[0]
    for patient, step in zip(found.patients, found.steps, strict=True):
        assert step == next(s for p, s in order if p == patient)


def test_the_later_course_is_read_off_the_records(run: RunView) -> None:
    similar = Similar(np.array([0, 1, 2, 5]), np.array([1, 0, 2, 1]))
    course = later_course(run, similar, "Platelets", minimum=2)
    states, column = run.cohort.states, run.study.index("Platelets")
    for ahead, row in enumerate(course.itertuples()):
        values = [
            states[run.cohort.starts[p] + s + ahead, column]
            for p, s in zip(similar.patients, similar.steps, strict=True)
            if s + ahead < run.cohort.lengths[p]
        ]
        assert row.n == len(values)
        assert row.hours == ahead * run.study.step_hours
        if len(values) < 2:
            assert np.isnan(row.median)
        else:
            assert row.median == pytest.approx(np.median(values))
            assert (row.low, row.high) == pytest.approx(tuple(np.quantile(values, (0.25, 0.75))))
    assert course["n"].iloc[0] == 4
    assert course["n"].is_monotonic_decreasing


def test_a_course_of_too_few_patients_is_not_drawn(run: RunView) -> None:
    course = later_course(run, Similar(np.array([0, 1]), np.array([0, 0])), "SOFA", minimum=3)
    assert course["median"].isna().all()
    assert course["n"].max() == 2


def test_the_table_of_similar_patients_says_what_each_got_and_where_it_ended(run: RunView) -> None:
    similar = Similar(np.array([7, 4]), np.array([1, 0]))
    table = similar_table(run, similar, ["SOFA"], 3)
    assert table["patient"].tolist() == run.cohort.patients[[7, 4]].tolist()
    assert table["step"].tolist() == [2, 1]
    first, last = run.cohort.rows(7).start, run.cohort.rows(7).stop - 1
    sofa = run.study.index("SOFA")
    assert table["SOFA then"][0] == pytest.approx(run.cohort.states[first + 1, sofa], abs=0.01)
    assert table["SOFA at the end"][0] == pytest.approx(run.cohort.states[last, sofa], abs=0.01)
    assert table["steps after"].tolist() == [run.cohort.lengths[7] - 2, run.cohort.lengths[4] - 1]
    assert table["heparin then"][0] == run.study.actions.label(int(run.cohort.actions[first + 1]))
    died = run.cohort.outcomes[[7, 4]] < 0
    assert [outcome == run.study.died_label for outcome in table["outcome"]] == died.tolist()


def test_every_similar_state_meets_the_same_hazards(run: RunView) -> None:
    cohort, study, mask = run.cohort, run.study, run.trajectories.mask
    low, long = (cohort.states[:, study.index(name)] for name in ("Platelets", "PTT"))
    hazards = np.stack([low < 50, long > 100], axis=1)
    rows = run.neighbors[mask]
    train = run.training_states
    theirs = hazards[cohort.starts[train[:, 0]] + train[:, 1]]
    known = rows >= 0
    assert hazards[:, 0].any()
    assert hazards[:, 1].any()
    assert (theirs[rows] == hazards[:, None])[known].all()
    table = neighborhood(run, *np.argwhere(run.bands == 1)[0])
    assert table["in_band"].tolist() == table["n"].tolist()


def test_a_run_from_before_hazards_were_matched_says_how_many_share_them(
    run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bands = run.bands.copy()
    rows = run.neighbors[longest, STEP]
    train = run.training_states[rows[rows >= 0]]
    bands[tuple(train[0])] = bands[longest, STEP] + 1  # as if the nearest met another hazard
    monkeypatch.setitem(run.__dict__, "bands", bands)
    table = neighborhood(run, longest, STEP)
    assert table["n"].sum() - table["in_band"].sum() == 1
    assert np.flatnonzero(table["n"] != table["in_band"]).tolist() == [run.trajectories.actions[tuple(train[0])]]
