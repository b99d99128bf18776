"""Concepts as data: shipped files are complete, a study with other columns is extracted by its own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.base.errors import ConfigError, ExtractError
from core.cohort.extract import READERS, extract_mimic_iv
from core.cohort.extract.concepts import load_concepts
from core.study import load_study
from tests.cohort.hospital import hospital, write

FLUIDS = """
schema_version = 1
name = "pressors"
title = "Vasopressors in sepsis"
population = "Adults with sepsis"
horizon = 12
step_hours = 4.0
start_hours = -8.0
terminal_coeff = 15.0
severity = "SOFA"
highlights = ["MBP"]

[actions]
drug = "{drug}"
unit = "{unit}"
upper = [0.0, 0.1, 0.3]
representative = [0.0, 0.05, 0.2]

[[columns]]
name = "Age"
unit = "years"
kind = "static"
plausible = [18.0, 120.0]

[[columns]]
name = "MBP"
unit = "mmHg"
kind = "temporal"
plausible = [10.0, 250.0]

[[columns]]
name = "{column}"
unit = "1"
kind = "temporal"
plausible = [0.0, 100.0]

[[columns]]
name = "SOFA"
unit = "points"
kind = "temporal"
plausible = [0.0, 24.0]
"""


def study(
    folder: Path, drug: str = "vasopressor", unit: str = "ug/kg/min, mean of 4 h", column: str = "Bilirubin"
) -> Path:
    path = folder / "study.toml"
    path.write_text(FLUIDS.format(drug=drug, unit=unit, column=column), encoding="utf-8")
    return path


@pytest.mark.parametrize("database", list(READERS))
def test_every_column_of_the_study_has_a_concept(database: str) -> None:
    concepts = load_concepts(database)
    known = {
        *concepts.concepts,
        "Age",
        "Gender",
        "Weight",
        "Height",
        "Total Input",
        "Total Output",
        "Vasopressor",
        "Ventilation",
    }
    assert set(load_study().names) - known == {"SOFA"}
    assert {"Bilirubin", "FiO2", "GCS verbal", "ventilator setting"} <= set(concepts.concepts)


def test_a_study_of_another_drug_is_extracted_by_its_own_file(tmp_path: Path) -> None:
    extraction = extract_mimic_iv(write(hospital(), tmp_path), study=study(tmp_path))
    rows = extraction.frame[extraction.frame["traj"] == 10].set_index("hours")
    assert list(rows.columns[2:6]) == ["Age", "MBP", "Bilirubin", "SOFA"]
    assert rows["dose"].loc[[0, 4, 8]].tolist() == pytest.approx([0.1, 0.1, 0])
    assert rows["action"].loc[[0, 4, 8]].tolist() == [1, 1, 0]
    assert rows["dose_drip"].sum() == 6000
    assert "published" not in extraction.shares()


def test_columns_without_a_concept_are_named(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match=r"mimic_iv\.toml has no concept for column Serum rhubarb of the study"):
        extract_mimic_iv(write(hospital(), tmp_path), study=study(tmp_path, column="Serum rhubarb"))


@pytest.mark.parametrize(("drug", "unit"), [("insulin", "units per 4 h"), ("vasopressor", "units per 4 h")])
def test_a_drug_that_cannot_be_extracted_is_refused(tmp_path: Path, drug: str, unit: str) -> None:
    with pytest.raises(ExtractError, match=f"the drug '{drug}' in '{unit}' cannot be extracted; the drugs are heparin"):
        extract_mimic_iv(write(hospital(), tmp_path), study=study(tmp_path, drug, unit))


def test_a_concept_of_an_unknown_stream_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'like = "mimic-iv"\n[tables]\n[concepts.HR]\nfrom = [{ stream = "monitor", codes = ["1"] }]\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="concept 'HR' names stream 'monitor', which is not described"):
        load_concepts(path)
