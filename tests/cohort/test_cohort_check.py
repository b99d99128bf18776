"""Each rule finds its planted fault at the right row and column, and says what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.cohort import CohortReport, Problem, check_cohort, make_cohort, report_text
from core.study import StudySpec


def one(report: CohortReport, rule: str, severity: str = "error") -> Problem:
    """The only problem of a report."""
    assert [(p.rule, p.severity) for p in report.problems] == [(rule, severity)], report_text(report)
    assert report.ok == (severity == "warning")
    return report.problems[0]


def put(table: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    """The table with one cell (row from 1) replaced."""
    table = table.copy()
    table[column] = table[column].astype(object)
    table.loc[row - 1, column] = value
    return table


def test_a_good_table_has_no_problems(table: pd.DataFrame, study: StudySpec) -> None:
    report = check_cohort(table, study)
    assert report.ok
    assert not report.problems
    assert report.summary["patients"] == 4
    assert report.summary["rows"] == 11
    assert report.summary["mortality_percent"] == 50
    assert report.summary["action_percent"] == [45.45, 27.27, 27.27]
    assert [(e.reason, e.patients_left, e.rows_left) for e in report.attrition] == [
        ("rows read", 4, 11),
        ("stay of one step", 4, 11),
    ]


CELLS = [
    (
        5,
        "Lactate",
        "1,234",
        "not-a-number",
        "'1,234' is not a number.",
        "a point for decimals, no thousands separators",
    ),
    (5, "Lactate", "high", "not-a-number", "'high' is not a number.", "leave unknown values empty"),
    (
        4,
        "Lactate",
        -3.0,
        "impossible-value",
        "-3 is impossible: plausible values are 0 to 50 mmol/L.",
        "unit is mmol/L",
    ),
    (4, "Lactate", np.inf, "infinite", "the value is infinite.", "Leave it empty"),
    (1, "age", 7, "impossible-value", "7 is impossible: plausible values are 18 to 120 years.", "unit is years"),
    (6, "vent", 2, "impossible-value", "2 is impossible: plausible values are 0 to 1.", "the coding is 0 or 1"),
    (
        8,
        "action",
        3,
        "action-outside-bins",
        "3 is no dose bin.",
        "Use the dose bins 0 to 2 of the study (0 = no insulin), or name a column of raw doses in the mapping.",
    ),
    (8, "action", -1, "action-outside-bins", "-1 is no dose bin.", "0 to 2"),
    (8, "action", 0.5, "action-not-integer", "0.5 is not a whole number.", "0 to 2"),
    (8, "action", None, "missing-value", "the value is missing.", "never filled in"),
    (8, "action", "NA", "missing-value", "the value is missing.", "never filled in"),
    (2, "step", 0.5, "step-not-integer", "0.5 is not a step number.", "0, 1, 2, ... without gaps"),
    (2, "step", None, "missing-value", "the value is missing.", "Every row needs a value"),
    (2, "traj", None, "missing-value", "the value is missing.", "key of its patient"),
    (3, "outcome", None, "missing-value", "the value is missing.", "Every row needs a value"),
    (3, "outcome", 2, "outcome-value", "2 is no outcome.", "+1 (survived) or -1 (died)"),
    (2, "outcome", 1, "outcome-early", "+1 stands before the patient's last row.", "0 on all others"),
    (3, "outcome", 0, "outcome-missing", "patient 1 has no outcome on the last row.", "+1 (survived) or -1 (died)"),
    (2, "step", 0, "duplicate-step", "patient 1 has step 0 twice (also row 1).", "Keep one row a step, or say in the"),
]


@pytest.mark.parametrize(("row", "column", "value", "rule", "message", "remedy"), CELLS)
def test_a_broken_cell_is_named(
    table: pd.DataFrame, study: StudySpec, row: int, column: str, value: object, rule: str, message: str, remedy: str
) -> None:
    report = check_cohort(put(table, row, column, value), study)
    found = [p for p in report.errors if p.rule == rule]
    assert len(found) == 1, report_text(report)
    assert (found[0].row, found[0].column, found[0].count) == (row, column, 1)
    assert found[0].message == message
    assert remedy in found[0].remedy
    assert f"row {row}, column '{column}': {message}" in report_text(report)


def test_equal_problems_are_counted_and_the_first_twenty_listed(study: StudySpec) -> None:
    n = 30
    table = pd.DataFrame(
        {"traj": np.repeat(np.arange(n), 2), "step": [0, 1] * n, "outcome": [0, 1] * (n - 1) + [0, -1]}
    )
    table = table.assign(age=50.0, female=0, Lactate=99.0, vent=0, score=3, action=0)
    report = check_cohort(table, study)
    assert [p.row for p in report.problems] == list(range(1, 21))
    assert {p.count for p in report.problems} == {60}
    assert "row 1, column 'Lactate'" in report_text(report)
    assert "(also rows 2, 3, 4, 5 and 55 more)" in report_text(report)


def test_missing_columns_are_all_named(table: pd.DataFrame, study: StudySpec) -> None:
    report = check_cohort(table.drop(columns=["traj", "score", "outcome"]), study)
    assert [(p.rule, p.column) for p in report.errors] == [
        ("missing-column", "traj"),
        ("missing-column", "score"),
        ("missing-column", "outcome"),
    ]
    assert "(or survival_30d)" in report.errors[2].remedy


def test_a_missing_column_is_looked_for_by_the_names_that_others_use_never_by_spelling(
    table: pd.DataFrame, study: StudySpec
) -> None:
    problem = check_cohort(table.rename(columns={"Lactate": "arterial_lactate"}), study).errors[0]
    assert problem.remedy == "Is it 'arterial_lactate', as other tools call it? Then say so in the mapping."
    problem = check_cohort(table.rename(columns={"Lactate": "lactates"}), study).errors[0]
    assert problem.remedy == (
        "Add it, or name your own column for it in the mapping, or say there that the study goes without it."
    )


def test_step_gap_and_start(table: pd.DataFrame, study: StudySpec) -> None:
    gap = one(check_cohort(table.drop(index=6), study), "step-gap")
    assert gap.message == "patient 3 goes from step 0 to 2."
    assert gap.row == 7
    start = one(check_cohort(table.drop(index=5), study), "step-start")
    assert start.message == "patient 3 starts at step 1."


def test_steps_from_one_are_accepted_only_when_all_do(table: pd.DataFrame, study: StudySpec) -> None:
    warning = one(check_cohort(table.assign(step=table["step"] + 1), study), "steps-from-one", "warning")
    assert warning.count == 4
    mixed = table.assign(step=table["step"] + (table["traj"] == 2))
    assert one(check_cohort(mixed, study), "step-start").message == "patient 2 starts at step 1."


def test_too_many_steps(table: pd.DataFrame, study: StudySpec) -> None:
    longer = pd.concat([table, table.iloc[[8]].assign(step=4)], ignore_index=True)
    longer.loc[8, "outcome"] = 0
    report = check_cohort(longer, study)
    problem = next(p for p in report.problems if p.rule == "too-many-steps")
    assert problem.message == "patient 3 has 5 steps; the study has at most 4."
    assert problem.row == 12
    assert not report.ok


def test_rows_out_of_order_are_a_warning(table: pd.DataFrame, study: StudySpec) -> None:
    shuffled = table.iloc[[1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10]]
    assert one(check_cohort(shuffled, study), "row-order", "warning").row == 2
    assert one(check_cohort(table.iloc[[0, 1, 3, 4, 2, 5, 6, 7, 8, 9, 10]], study), "row-order", "warning").row == 5


def test_patients_in_any_order_are_no_problem(table: pd.DataFrame, study: StudySpec) -> None:
    assert not check_cohort(table.iloc[[9, 10, *range(9)]], study).problems


def test_one_step_patient_is_dropped_with_attrition(table: pd.DataFrame, study: StudySpec) -> None:
    extra = table.iloc[[4]].assign(traj=77, step=0)
    report = check_cohort(pd.concat([table, extra], ignore_index=True), study)
    problem = one(report, "single-step", "warning")
    assert "stays of one step were dropped: 1 (first: patient 77)." in str(problem)
    assert [(e.patients, e.rows, e.patients_left, e.rows_left) for e in report.attrition] == [
        (0, 0, 5, 12),
        (1, 1, 4, 11),
    ]


def test_only_one_step_patients_is_an_error(table: pd.DataFrame, study: StudySpec) -> None:
    report = check_cohort(table.iloc[[4, 10]].assign(step=0), study)
    assert [p.rule for p in report.errors] == ["no-patients"]
    assert "at least two steps" in report.errors[0].remedy


def test_missing_states_are_a_warning_with_the_imputation(table: pd.DataFrame, study: StudySpec) -> None:
    table.loc[[1, 6], "Lactate"] = np.nan
    problem = one(check_cohort(table, study), "missing-value", "warning")
    assert (problem.row, problem.column, problem.count) == (2, "Lactate", 2)
    assert problem.message.startswith("missing values: 2 of 11 (18.2 %); the last value of the stay is carried forward")
    assert "median of the training patients" in problem.message


def test_a_column_without_values_is_an_error(table: pd.DataFrame, study: StudySpec) -> None:
    assert one(check_cohort(table.assign(Lactate=np.nan), study), "empty-column").column == "Lactate"


def test_static_column_that_changes_is_a_warning(table: pd.DataFrame, study: StudySpec) -> None:
    table.loc[2, "age"] = 61
    problem = one(check_cohort(table, study), "static-changes", "warning")
    assert problem.message == "changes within stays: 1 (first: patient 1); the first value is used."


def test_one_outcome_class_is_a_warning(table: pd.DataFrame, study: StudySpec) -> None:
    problem = one(check_cohort(table.assign(outcome=table["outcome"].abs()), study), "one-outcome", "warning")
    assert "all patients survived" in problem.message


def test_zero_one_coding_is_recognized(table: pd.DataFrame, study: StudySpec) -> None:
    report = check_cohort(table.assign(outcome=table["outcome"].clip(lower=0)), study)
    assert [p.row for p in report.errors] == [5, 11]
    assert "coded 0/1" in report.errors[0].remedy
    assert "say in the mapping which code means died" in report.errors[0].remedy


def test_dose_that_contradicts_the_action_is_a_warning(table: pd.DataFrame, study: StudySpec) -> None:
    dose = [0, 2, 12, 0, 0, 5, 6, 0, 0, 20, 20]
    problem = one(check_cohort(table.assign(dose=dose), study), "dose-and-action", "warning")
    assert problem.row == 7
    assert problem.message == "a dose of 6 belongs to bin 2, the action is 1; kept."


def test_share_in_a_binary_column_is_a_warning(table: pd.DataFrame, study: StudySpec) -> None:
    problem = one(check_cohort(put(table, 3, "vent", 0.25), study), "not-binary", "warning")
    assert problem.message == "0.25 where 0 or 1 is expected; kept as it is."


def test_header_only_and_no_table(table: pd.DataFrame, study: StudySpec) -> None:
    assert one(check_cohort(table.head(0), study), "no-rows").remedy == "Give one row a patient and step."
    assert one(check_cohort([1, 2], study), "not-a-table").message == "a table is expected, not list."  # type: ignore[arg-type]


def test_names_without_regard_to_case_blanks_and_outcome_labels(table: pd.DataFrame, study: StudySpec) -> None:
    renamed = table.rename(columns={"traj": " Traj", "Lactate": "LACTATE ", "outcome": "survival_30d"})
    report = check_cohort(renamed, study)
    assert not report.problems
    assert report.summary["renamed"] == {" Traj": "traj", "LACTATE ": "Lactate", "survival_30d": "outcome"}


def test_two_columns_that_fit_are_ambiguous(table: pd.DataFrame, study: StudySpec) -> None:
    renamed = table.rename(columns={"Lactate": "LACTATE"}).assign(lactate=1.0)
    problem = one(check_cohort(renamed, study), "ambiguous-column")
    assert problem.message == "several columns fit: 'LACTATE', 'lactate'."
    assert problem.remedy == "Say in the mapping which of them is 'Lactate'."
    twice = pd.concat([table, table[["score"]]], axis=1)
    assert one(check_cohort(twice, study), "duplicate-column").message == "the name appears 2 times in the header."


def test_exact_name_beats_a_similar_one(table: pd.DataFrame, study: StudySpec) -> None:
    problem = one(check_cohort(table.assign(SCORE=99), study), "ignored-column", "warning")
    assert "'SCORE'" in problem.message


def test_mapping_of_foreign_names(table: pd.DataFrame, study: StudySpec) -> None:
    foreign = table.rename(columns={"traj": "stay_id", "Lactate": "lac"})
    assert not check_cohort(foreign, study, columns={"stay_id": "traj", "lac": "Lactate"}).problems
    wrong = check_cohort(foreign, study, columns={"stay": "traj", "lac": "Laktat"})
    assert [p.rule for p in wrong.errors] == ["column-mapping", "column-mapping", "missing-column"]
    assert wrong.errors[0].message == "'stay' is mapped to 'traj' but is not in the file."


def test_unknown_columns_are_ignored_with_a_warning(table: pd.DataFrame, study: StudySpec) -> None:
    problem = one(check_cohort(table.assign(ward="A", bed=3), study), "ignored-column", "warning")
    assert problem.message == "columns that the study does not use were ignored: 'ward', 'bed'."


def test_text_numbers_and_truth_values_are_numbers(table: pd.DataFrame, study: StudySpec) -> None:
    table["Lactate"] = table["Lactate"].astype(str)
    table["vent"] = table["vent"].astype(bool)
    table["female"] = pd.Categorical(table["female"])
    table["action"] = table["action"].astype("Int64")
    table["traj"] = table["traj"].astype(str)
    assert not check_cohort(table, study).problems


def test_a_broken_step_hides_no_other_patient(table: pd.DataFrame, study: StudySpec) -> None:
    """Patient 1 cannot be ordered; the gap of patient 3 is still found."""
    report = check_cohort(put(table, 2, "step", "x").drop(index=6), study)
    assert [(p.rule, p.row) for p in report.errors] == [("not-a-number", 2), ("step-gap", 7)]


GIVEN = {"reward_column": "paid", "terminal_coeff": 0.0}


def with_rewards(table: pd.DataFrame, study: StudySpec, **changes: object) -> tuple[pd.DataFrame, StudySpec]:
    """A reward of 1 on every row that a step follows, nothing on the last ones."""
    last = table["outcome"] != 0
    return table.assign(paid=np.where(last, np.nan, 1.0)), study.model_copy(update={**GIVEN, **changes})


def test_a_given_reward_is_a_number_on_every_row_that_a_step_follows(table: pd.DataFrame, study: StudySpec) -> None:
    good, paid = with_rewards(table, study)
    assert not check_cohort(good, paid).problems
    np.testing.assert_array_equal(make_cohort(good, paid).given_rewards, np.where(table["outcome"] != 0, 0, 1))
    missing = one(check_cohort(put(good, 2, "paid", None), paid), "reward-missing")
    assert (missing.row, missing.column) == (2, "paid")
    ended = paid.model_copy(update={"last_row": "decision"})
    assert [p.row for p in check_cohort(good, ended).errors] == [3, 5, 9, 11]
    assert make_cohort(good.fillna({"paid": -1.0}), ended).given_rewards.tolist().count(-1) == 4
    late = one(check_cohort(put(good, 3, "paid", -2.0), paid), "reward-late")
    assert (late.row, late.value) == (3, -2.0)
    assert "which no step follows" in late.message
    assert one(check_cohort(put(good, 1, "paid", "much"), paid), "not-a-number").row == 1
    assert one(check_cohort(table, paid), "missing-column").column == "paid"


def test_an_outcome_may_be_any_number_or_none(table: pd.DataFrame, study: StudySpec) -> None:
    number = study.model_copy(update={"outcome": "number"})
    scored = put(put(table, 3, "outcome", 0.25), 5, "outcome", 0)
    assert not check_cohort(scored, number).problems
    assert make_cohort(scored, number).outcomes.tolist() == [0.25, 0, 1, -1]
    early = one(check_cohort(put(scored, 1, "outcome", 3), number), "outcome-early")
    assert (early.row, early.column) == (1, "outcome")
    bare, none = with_rewards(table, study, outcome="none")
    assert not check_cohort(bare.drop(columns="outcome"), none).problems
    assert make_cohort(bare.drop(columns="outcome"), none).outcomes.tolist() == [0, 0, 0, 0]
