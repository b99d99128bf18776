"""When a step began: the recorded hour where there is one, and stays aligned by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cohort import Cohort, load_cohort, make_cohort
from core.cohort.describe import in_record_by_hour, missing_by_hour
from core.cohort.extract import ExtractOptions, extract_mimic_iv, save_extraction
from core.cohort.hours import hour_axis, row_hours, spans
from core.study import StudySpec, load_study

STUDY = load_study().model_copy(update={"start_hours": -8.0, "step_hours": 4.0, "horizon": 4})


def hours_of(*stays: list[float]) -> list[list[float]]:
    """`row_hours` of stays given by their recorded hours, and back as stays."""
    lengths = np.array([len(stay) for stay in stays])
    starts, step = np.cumsum(lengths) - lengths, np.concatenate([np.arange(n) for n in lengths])
    found = row_hours(step, starts, lengths, STUDY, np.concatenate(stays).astype(float))
    return [part.tolist() for part in np.split(found, starts[1:])]


def cohort_with(table: pd.DataFrame, study: StudySpec, hours: list[float]) -> Cohort:
    return make_cohort(table.assign(hours=hours), study)


def rules(cohort: Cohort) -> list[str]:
    return [problem.rule for problem in cohort.report.warnings]


def test_a_file_without_hours_is_counted_from_the_windows_start(table: pd.DataFrame, study: StudySpec) -> None:
    cohort = make_cohort(table, study)
    assert not cohort.timed
    assert np.array_equal(cohort.hours, study.hours(cohort.frame["step"].to_numpy()))
    assert np.array_equal(cohort.axis.hours, study.hours(np.arange(study.horizon)))
    assert np.array_equal(cohort.axis.slots, cohort.frame["step"])


def test_recorded_hours_are_kept_and_missing_ones_are_counted_from_their_neighbors() -> None:
    nan = np.nan
    assert hours_of([1, 5.5, 9], [-20, -16]) == [[1, 5.5, 9], [-20, -16]]
    assert hours_of([1, nan, 10, nan]) == [[1, 5, 10, 14]]
    assert hours_of([nan, nan, 10, 15]) == [[2, 6, 10, 15]]
    assert hours_of([nan, nan], [3, nan]) == [[-8, -4], [3, 7]]


def test_hours_that_cannot_be_hours_of_a_stay_are_not_drawn() -> None:
    assert hours_of([0, np.inf, 8], [1e9, 12, 16]) == [[0, 4, 8], [8, 12, 16]]  # no hour; a clock of seconds
    assert hours_of([4, 4, 4], [8, 7, 20]) == [[4, 8, 12], [8, 12, 16]]  # do not increase


def slow_axis(hours: list[list[float]]) -> dict[tuple[int, float], int]:
    """(stay, start of the slot) -> step, the last one that began in the slot."""
    found = {}
    for stay, of_stay in enumerate(hours):
        for step, hour in enumerate(of_stay):
            found[stay, -8 + 4 * float(np.floor((hour + 8) / 4))] = step
    return found


@given(
    st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=4), min_size=1, max_size=5),
    st.lists(st.integers(-30, 40), min_size=5, max_size=5),
)
def test_the_axis_is_that_of_a_plain_loop(apart: list[list[int]], first: list[int]) -> None:
    hours = [
        (start + np.cumsum([0, *gaps[1:]])).astype(float).tolist() for start, gaps in zip(first, apart, strict=False)
    ]
    stay = np.repeat(np.arange(len(hours)), [len(of_stay) for of_stay in hours])
    axis = hour_axis(np.concatenate(hours), stay, STUDY)
    step = np.concatenate([np.arange(len(of_stay)) for of_stay in hours])
    shown = axis.slots >= 0
    found = {
        (int(s), float(axis.hours[slot])): int(t)
        for s, slot, t in zip(stay[shown], axis.slots[shown], step[shown], strict=True)
    }
    assert found == slow_axis(hours)
    assert axis.hours[0] == min(-8, *(slot for _, slot in found))
    assert axis.hours[-1] == max(4, *(slot for _, slot in found))
    assert np.all(np.diff(axis.hours) == 4)
    ends = spans(axis, np.flatnonzero(step == 0))
    for i in range(len(hours)):
        mine = [slot for s, slot in found if s == i]
        assert axis.hours[ends[i]].tolist() == [min(mine), max(mine)]


def test_hours_a_rounding_below_a_slot_belong_to_it() -> None:
    study = STUDY.model_copy(update={"start_hours": 0.0, "step_hours": 0.1})
    assert hour_axis(np.array([0.1, 0.3, 0.7]), np.zeros(3, dtype=int), study).slots.tolist() == [1, 3, 7]


def test_a_late_stay_enters_the_record_late(late_cohort: Cohort) -> None:
    table = in_record_by_hour(late_cohort)
    first = late_cohort.extra["hours"].to_numpy()[late_cohort.starts]
    last = late_cohort.extra["hours"].to_numpy()[late_cohort.starts + late_cohort.lengths - 1]
    for row in table.itertuples():
        assert row.n == ((first <= row.hours) & (row.hours <= last)).sum()
    assert table["n"].iloc[0] < late_cohort.n_patients  # who counts steps has everybody there at the first
    assert table["n"].max() > table["n"].iloc[0]


def test_a_gap_in_the_hours_is_no_departure(table: pd.DataFrame, study: StudySpec) -> None:
    hours = 6.0 * table["step"]
    hours[(table["traj"] == 3) & (table["step"] >= 2)] += 12  # patient 3: 0, 6, 24, 30
    cohort = make_cohort(table.assign(hours=hours), study)
    everybody = in_record_by_hour(cohort).set_index("hours")["n"]
    assert everybody[[12, 18, 24, 30]].tolist() == [2, 1, 1, 1]


def test_missing_values_stand_at_the_hour_at_which_they_are_missing(table: pd.DataFrame, study: StudySpec) -> None:
    table.loc[1, "Lactate"] = np.nan
    counted, late = make_cohort(table, study), make_cohort(table.assign(hours=6 * table["step"] + 12.0), study)
    by_hour = missing_by_hour(late)
    assert by_hour.loc["Lactate"].isna().tolist() == [True, True, False, False, False, False]
    assert by_hour.loc["Lactate"].dropna().tolist() == missing_by_hour(counted).loc["Lactate"].tolist()


@pytest.mark.parametrize(
    ("hours", "rule", "words"),
    [
        (lambda step: ["soon", *(6.0 * step[1:])], "hours-value", "'soon' is no hour of a stay"),
        (lambda step: [1e7, *(6.0 * step[1:])], "hours-value", "no hour of a stay"),
        (lambda step: 6.0 * (step * 0 + 1), "hours-order", "patient 1 goes from hour 6 to 6; such stays (4)"),
        (lambda step: 360.0 * step, "hours-apart", "rows are 360 apart in this column"),
        (lambda step: 0.25 * step, "hours-apart", "the study's steps are 6 hours"),
    ],
)
def test_hours_that_are_none_are_said(table: pd.DataFrame, study: StudySpec, hours, rule: str, words: str) -> None:
    cohort = cohort_with(table, study, list(hours(table["step"].to_numpy())))
    assert rules(cohort) == [rule]
    assert words in cohort.report.warnings[0].message


def test_hours_that_are_some_are_not(table: pd.DataFrame, study: StudySpec, late_cohort: Cohort) -> None:
    assert not rules(cohort_with(table, study, list(6.0 * table["step"] - 3)))
    assert not [rule for rule in rules(late_cohort) if rule.startswith("hours")]


@pytest.mark.parametrize(("population", "stays", "late"), [("platelets", 59, 41), ("sepsis-3", 35, 21)])
def test_every_stay_of_the_open_extract_stands_at_its_recorded_hour(
    shared_data: Path, tmp_path: Path, population: str, stays: int, late: int
) -> None:
    extraction = extract_mimic_iv(shared_data / "mimic-iv-demo", ExtractOptions.build({"population": population}))
    save_extraction(extraction, tmp_path / "demo.parquet")
    cohort = load_cohort(tmp_path / "demo.parquet", extraction.study)
    recorded = cohort.extra["hours"].to_numpy()

    def misplaced(hours: np.ndarray) -> int:
        return int(np.logical_or.reduceat(hours != recorded, cohort.starts).sum())

    assert cohort.n_patients == stays
    assert misplaced(cohort.study.hours(cohort.frame["step"].to_numpy())) == late  # counted in steps
    assert misplaced(cohort.hours) == 0
    assert np.array_equal(cohort.axis.hours[cohort.axis.slots], recorded)  # nor does alignment move one
