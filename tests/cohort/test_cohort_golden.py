"""One broken file and the whole report that a person reads about it."""

from __future__ import annotations

from pathlib import Path

from core.cohort import check_cohort, read_table, report_text
from core.study import StudySpec

GOLDEN = Path(__file__).parent / "golden"


def test_report_of_a_broken_file(study: StudySpec) -> None:
    report = check_cohort(read_table(GOLDEN / "broken.csv").frame, study, columns={"Stay": "traj"})
    assert report_text(report) + "\n" == (GOLDEN / "broken.txt").read_text(encoding="utf-8")
