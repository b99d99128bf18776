"""What is saved is read back: data, origin, imputation flags, optional columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import CohortError
from core.cohort import Cohort, Origin, load_cohort, make_cohort, save_cohort
from core.study import StudySpec


@pytest.fixture
def cohort(table: pd.DataFrame, study: StudySpec) -> Cohort:
    """A simulated cohort with float values that text must keep exactly, imputed cells and a dose."""
    table["Lactate"] = np.random.default_rng(0).uniform(0, 50, len(table)).astype(np.float32)
    table.loc[[0, 4], "Lactate"] = np.nan
    table["dose"] = [0, 2.5, np.nan, 0, 0, 5, 0.1, 0, 0, 20, 20]
    return make_cohort(table, study, origin=Origin("simulated", "eicu", 4, 11))


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_round_trip(cohort: Cohort, study: StudySpec, tmp_path: Path, ending: str) -> None:
    path = save_cohort(cohort, tmp_path / "new folder" / f"c.{ending}")
    back = load_cohort(path, study)
    pd.testing.assert_frame_equal(back.frame, cohort.frame)
    assert back.data_hash == cohort.data_hash
    assert back.extra is not None
    pd.testing.assert_frame_equal(back.extra, cohort.extra)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_parquet_keeps_origin_and_imputation_flags(cohort: Cohort, study: StudySpec, tmp_path: Path) -> None:
    back = load_cohort(save_cohort(cohort, tmp_path / "c.parquet"), study)
    assert back.origin == cohort.origin
    assert cohort.imputed is not None
    assert cohort.imputed.sum() == 2
    np.testing.assert_array_equal(back.imputed, cohort.imputed)
    assert not [p for p in back.report.warnings if p.rule == "ignored-column"]


def test_csv_holds_the_table_alone(cohort: Cohort, study: StudySpec, tmp_path: Path) -> None:
    back = load_cohort(save_cohort(cohort, tmp_path / "c.csv"), study)
    assert back.origin == Origin()
    assert back.imputed is not None
    assert not back.imputed.any()


def test_flags_of_another_study_are_ignored(cohort: Cohort, study: StudySpec, tmp_path: Path) -> None:
    path = save_cohort(cohort, tmp_path / "c.parquet")
    frame = pd.read_parquet(path)
    frame["_imputed"] = [b"too long"] * len(frame)
    assert not make_cohort(frame, study).imputed.any()  # type: ignore[union-attr]


def test_bounds_survive_single_precision(table: pd.DataFrame, tmp_path: Path, study: StudySpec) -> None:
    """0.1 as float32 is above 0.1; a value on the bound must still load after saving."""
    column = study.column("Lactate").model_copy(update={"plausible": (0.0, 0.1)})
    narrow = study.model_copy(update={"columns": (*study.columns[:2], column, *study.columns[3:])})
    cohort = make_cohort(table.assign(Lactate=0.1), narrow)
    assert load_cohort(save_cohort(cohort, tmp_path / "c.parquet"), narrow).data_hash == cohort.data_hash


def test_other_endings_and_unwritable_places_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"saved as \.parquet, \.csv or \.csv\.gz"):
        save_cohort(cohort, tmp_path / "c.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(CohortError, match="cannot be written"):
        save_cohort(cohort, tmp_path / "file" / "c.csv")


def test_an_interrupted_save_leaves_the_old_file(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_cohort(cohort, tmp_path / "c.csv")
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.tables.write.pa_csv.write_csv", fail)
    with pytest.raises(CohortError, match="No space left"):
        save_cohort(cohort, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.csv"]
