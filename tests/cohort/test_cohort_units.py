"""Columns in another unit are converted when asked for, and noticed when not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.cohort import check_cohort, make_cohort
from core.study import StudySpec, load_study

PHYSIOLOGY = [  # column, unit in the file, value there, value in the study's unit
    ("Temperature", "deg F", 98.6, 37.0),
    ("Glucose", "mmol/L", 7.7, 138.72),
    ("Creatinine", "umol/L", 150.0, 1.6964),
    ("Hb", "g/L", 100.0, 10.0),
    ("PaO2", "kPa", 16.0, 120.01),
    ("Lactate", "mg/dL", 20.0, 2.22),
    ("Hematocrit", "fraction", 0.3, 30.0),
    ("Height", "in", 67.0, 170.18),
]


def icu_table() -> pd.DataFrame:
    """Two stays of the ICU study with every value in its healthy range."""
    frame = pd.DataFrame({"traj": [1, 1, 2, 2], "step": [0, 1, 0, 1], "action": 0, "outcome": [0, 1, 0, -1]})
    for column in load_study().columns:
        frame[column.name] = 0.0 if column.binary else float(np.mean(column.reference or column.plausible))
    return frame


def test_a_table_in_the_study_s_units_raises_no_suspicion() -> None:
    assert not check_cohort(icu_table()).problems


@pytest.mark.parametrize(("column", "unit", "theirs", "ours"), PHYSIOLOGY)
def test_a_column_in_another_unit_is_noticed_and_converted(column: str, unit: str, theirs: float, ours: float) -> None:
    table = icu_table().assign(**{column: theirs})
    report = check_cohort(table)
    warning = next(p for p in report.warnings if p.rule == "unit")
    assert warning.column == column
    assert f"read as {unit} it would be" in warning.message
    assert f"If the file holds {unit}, name that unit in the mapping" in warning.remedy
    cohort = make_cohort(table, units={column: unit})
    assert not cohort.report.problems
    np.testing.assert_allclose(cohort.frame[column], ours, rtol=1e-4)


def test_the_study_s_own_unit_changes_nothing(table: pd.DataFrame, study: StudySpec) -> None:
    cohort = make_cohort(table, study, units={"Lactate": "mmol/L"})
    assert cohort.data_hash == make_cohort(table, study).data_hash


def test_unknown_units_and_columns_are_errors(table: pd.DataFrame, study: StudySpec) -> None:
    report = check_cohort(table, study, units={"Lactate": "parsec", "pulse": "Hz"})
    assert [(p.rule, p.column) for p in report.errors] == [("unknown-unit", "Lactate"), ("unknown-unit", "pulse")]
    assert report.errors[0].remedy == "Use mmol/L."
    assert "columns of the study: age, female" in report.errors[1].remedy
