"""One cause is one line, and its remedy is true for that very cell."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from core.base.errors import CohortError
from core.cohort import CohortReport, check_cohort, load_cohort
from core.registry import check_registry, simulate_registry
from core.study import StudySpec
from core.tables.causes import cause_of
from core.tables.text import error_text

SEX = "0 = male, 1 = female"


@pytest.mark.parametrize(
    ("cell", "coding", "remedy"),
    [
        ("M", SEX, "Write the code: 0 for 'M', 1 for 'F'."),
        ("female", SEX, "Write the code: 0 for 'male', 1 for 'female'."),
        ("W", SEX, "Write the code: 0 for 'M', 1 for 'F'."),
        ("Yes", "0 or 1", "Write the code: 1 for yes and 0 for no."),
        ("diverse", SEX, "Write the code: 0 = male, 1 = female."),
        ("> 89", "", "Write one number for such values, for example 90 for '> 89'."),
        (">=90", "", "Write one number for such values, for example 90 for '>=90'."),
        ("90+", "", "Write one number for such values, for example 90 for '90+'."),
        ("<0.1", "", "Write one number for such values, for example 0.1 for '<0.1'."),
        ("63,5", "", "Write decimals with a point: 63.5 for '63,5'."),
        (
            "1,234",
            "",
            "Write 1234, or 1.234 where the comma is the decimal sign: a point for decimals, no thousands separators.",
        ),
        ("1,234,567", "", "Write 1234567: a point for decimals, no thousands separators."),
        ("1,234.5", "", "Write 1234.5: a point for decimals, no thousands separators."),
        ("2020-01-31", "", "A date or time stands where a number is expected; give the right column."),
        ("31.01.2020 14:00", "", "A date or time stands where a number is expected; give the right column."),
        ("5.2 mmol/L", "", "Write the number alone: 5.2 for '5.2 mmol/L'; the unit is that of the study."),
        ("98%", "", "Write the number alone: 98 for '98%'; the unit is that of the study."),
        ("0x1f", "", "Write it in decimal digits: 31 for '0x1f'."),
        ("not done", "", "Leave unknown values empty."),
        ("--", "", "Leave unknown values empty."),
        ("hemolyzed", "", "Write a plain number; leave unknown values empty."),
    ],
)
def test_the_remedy_fits_the_cell(cell: str, coding: str, remedy: str) -> None:
    assert cause_of(cell, coding).remedy == remedy


def report(table: pd.DataFrame, study: StudySpec) -> CohortReport:
    return check_cohort(table, study)


def test_cells_of_one_column_fold_by_what_mends_them(table: pd.DataFrame, study: StudySpec) -> None:
    cells = ["<0.5", "63,5", "<0.5", "1.0", "<0.3", "not done", "1", "2", "3", "4", "5"]
    lines = error_text(report(table.assign(Lactate=cells), study)).splitlines()
    assert lines == [
        "the cohort has 3 kinds of problem:",
        "- row 1, column 'Lactate': '<0.5' is not a number. Write one number for such values, for example 0.5 for "
        "'<0.5'; or say in the mapping which number such a code means. (also rows 3, 5)",
        "- row 2, column 'Lactate': '63,5' is not a number. Write decimals with a point: 63.5 for '63,5'; or say in "
        "the mapping that decimals have a comma.",
        "- row 6, column 'Lactate': 'not done' is not a number. Leave unknown values empty; or say in the mapping that "
        "it means not measured.",
    ]


def test_decimal_commas_of_a_whole_file_are_one_problem(table: pd.DataFrame, study: StudySpec) -> None:
    commas = {name: table[name].map(lambda x: f"{x:.1f}".replace(".", ",")) for name in ("age", "Lactate", "score")}
    errors = report(table.assign(**commas), study).errors
    assert [(p.rule, p.count, p.row) for p in errors] == [("decimal-comma", 33, 1)]
    assert "in 3 columns (first: column 'age', '60,0')" in errors[0].message
    with pytest.raises(CohortError, match="the cohort has 1 kind of problem"):
        load_cohort(io.BytesIO(table.assign(**commas).to_csv(index=False).encode()), study)


def test_decimal_commas_beside_semicolons_are_read(table: pd.DataFrame, study: StudySpec) -> None:
    for separator in (";", "\t", "|"):
        text = "\ufeff" + table.assign(hours=6 * table["step"] + 0.5).to_csv(index=False, sep=separator, decimal=",")
        cohort = load_cohort(io.BytesIO(text.encode()), study)
        assert cohort.data_hash == load_cohort(io.BytesIO(table.to_csv(index=False).encode()), study).data_hash
        assert cohort.extra is not None
        assert cohort.extra["hours"].tolist() == (6 * cohort.frame["step"] + 0.5).tolist()
        assert [p.rule for p in cohort.report.warnings] == ["delimiter", "decimal-comma"]


def test_commas_that_may_part_thousands_are_not_read_as_decimals(table: pd.DataFrame, study: StudySpec) -> None:
    sure = table.assign(age=table["age"].astype(int), Lactate=1)
    for cells in ("1,234", "1,234.5"):
        text = sure.assign(Lactate=cells).to_csv(index=False, sep=";")
        with pytest.raises(CohortError) as caught:
            load_cohort(io.BytesIO(text.encode()), study)
        assert f"'{cells}' is not a number. Write 1234" in str(caught.value)


def test_impossible_values_say_what_explains_them(table: pd.DataFrame) -> None:
    from core.cohort import simulate_cohort

    frame = simulate_cohort(n_patients=12, seed=1)[0].frame
    frame.loc[[3, 5, 8, 9], "Glucose"] = -1
    frame.loc[[4, 7], "Glucose"] = [4.5, 3000]
    frame.loc[[2], "Temperature"] = 98.6
    remedies = {(p.column, p.row): p.remedy for p in check_cohort(frame).errors}
    assert "if -1 stands for 'not measured', say so in the mapping" in remedies["Glucose", 4]
    assert "values like 4.5 fit mmol/L: this one would be 81.07 mg/dL" in remedies["Glucose", 5]
    assert "check that the unit is mg/dL" in remedies["Glucose", 8]
    assert "fit deg F: this one would be 37 deg C" in remedies["Temperature", 3]


def test_the_registry_s_remedies_fit_too() -> None:
    frame = simulate_registry(20, seed=0)[0].frame
    frame = frame.assign(relapse=["yes" if value else "no" for value in frame["relapse"]])
    frame["age"] = frame["age"].astype(object)
    frame.loc[0, "age"] = "> 70"
    text = error_text(check_registry(frame))
    assert "'no' is not a number. Write the code: 1 for yes and 0 for no." in text
    assert "'> 70' is not a number. Write one number for such values, for example 71 for '> 70'." in text
