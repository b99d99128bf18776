"""What was left out and mended survives the file: the report is read back in front of the new check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from core.cohort import Cohort, CohortReport, Exclusion, Problem, load_cohort, make_cohort, save_cohort
from core.cohort.extract import Extraction, save_extraction
from core.study import StudySpec
from core.tables.kept_report import MAX_BYTES, REPORT_KEY, read_report, report_metadata


@pytest.fixture
def cohort(table: pd.DataFrame, study: StudySpec) -> Cohort:
    """A cohort of which one stay was too short and two values were filled in."""
    single = table.iloc[[0]].assign(traj=99, step=0, outcome=1)
    table = pd.concat([table, single], ignore_index=True)
    table["Lactate"] = table["Lactate"].astype(float)
    table.loc[[0, 4], "Lactate"] = np.nan
    return make_cohort(table, study)


def rewritten(path: Path, report: bytes) -> Path:
    """The file with another report in its metadata."""
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, REPORT_KEY: report}), path)
    return path


def test_attrition_and_warnings_survive_any_number_of_saves(cohort: Cohort, study: StudySpec, tmp_path: Path) -> None:
    assert cohort.report.attrition[-1].reason == "stay of one step"
    assert cohort.report.attrition[-1].patients == 1
    back = cohort
    for i in range(3):
        back = load_cohort(save_cohort(back, tmp_path / f"{i}.parquet"), study)
        assert back.report.attrition == cohort.report.attrition
        assert {p.place for p in back.report.warnings} == {p.place for p in cohort.report.warnings}
        assert back.report.ok
        assert len(back.report.warnings) == len(cohort.report.warnings)


def test_what_the_new_check_finds_goes_on_with_the_chart(cohort: Cohort, study: StudySpec, tmp_path: Path) -> None:
    path = save_cohort(cohort, tmp_path / "c.parquet")
    n, rows = cohort.report.attrition[-1].left
    own = make_cohort(pd.read_parquet(path).drop(columns="_imputed"), study).report
    later = replace(own, attrition=(own.attrition[0], Exclusion("too short", 1, 2, n - 1, rows - 2)))
    assert [step.left for step in later.following(cohort.report).attrition] == [
        *(step.left for step in cohort.report.attrition),
        (n - 1, rows - 2),
    ]


def test_an_attrition_of_another_table_is_left_out(cohort: Cohort) -> None:
    own = CohortReport(attrition=(Exclusion("rows read", 0, 0, 1, 2),))
    assert own.following(cohort.report).attrition == own.attrition
    assert own.following(CohortReport()) == own


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{not json",
        b"[]",
        b'{"problems": [], "attrition": [{"reason": 1}]}',
        b'{"problems": [], "attrition": [], "more": 1}',
        b'{"problems": [{"rule": "x", "message": "y", "severity": "error"}], "attrition": []}',
        b'{"problems": [], "attrition": []}' + b" " * MAX_BYTES,
    ],
)
def test_a_malformed_report_is_ignored(cohort: Cohort, study: StudySpec, tmp_path: Path, text: bytes) -> None:
    back = load_cohort(rewritten(save_cohort(cohort, tmp_path / "c.parquet"), text), study)
    assert back.report.ok
    assert [step.reason for step in back.report.attrition] == ["rows read", "stay of one step"]
    assert back.report.attrition[1].patients == 0
    assert back.data_hash == cohort.data_hash


def test_only_what_fits_is_kept() -> None:
    many = CohortReport(tuple(Problem("r", "m" * 5000, row, severity="warning") for row in range(2000)))
    kept = read_report(report_metadata(many))
    assert 0 < len(kept.warnings) < 2000
    assert max(len(problem.message) for problem in kept.warnings) <= 1000


def test_an_extraction_keeps_its_attrition(table: pd.DataFrame, study: StudySpec, tmp_path: Path) -> None:
    n, rows = table["traj"].nunique(), len(table)
    attrition = (Exclusion("all ICU stays", 0, 0, 50, 900), Exclusion("no sepsis", 50 - n, 900 - rows, n, rows))
    extraction = Extraction(table, attrition, {}, {}, (), study=study)
    report = load_cohort(save_extraction(extraction, tmp_path / "e.parquet"), study).report
    assert report.attrition[:2] == attrition
