"""A file of another form comes in through a mapping, by the loader and by the command line, and its report keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import CohortError, ConfigError
from core.cli.main import main
from core.cohort import Cohort, load_cohort, save_cohort, simulate_cohort
from core.icu.config import load_preset
from core.icu.study import ICU
from core.tables.mapping import load_mapping, mapping_text, parse_mapping
from core.tables.report import CohortReport


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return simulate_cohort("mimic-iv", 40, seed=0)[0]


@pytest.fixture
def foreign(cohort: Cohort, tmp_path: Path) -> Path:
    """The cohort under other names, with letters, mortality on every row, raw doses and steps from 1."""
    frame = cohort.frame
    died = (frame.groupby("traj")["outcome"].transform("last") == -1).astype(int)
    units = np.asarray(cohort.study.actions.representative)[frame["action"]]
    table = frame.drop(columns=["outcome", "action"]).assign(
        step=frame["step"] + 1, Gender=frame["Gender"].map({0: "M", 1: "F"}), mortality_90d=died, heparin_units=units
    )
    table = table.rename(columns={"traj": "icustayid", "step": "bloc", "Platelets": "Platelets_count"})
    table.to_csv(tmp_path / "foreign.csv", index=False)
    return tmp_path / "foreign.csv"


def same_patients(one: Cohort, other: Cohort) -> None:
    for name in ("traj", "step", "action", "outcome"):
        assert one.frame[name].tolist() == other.frame[name].tolist(), name
    np.testing.assert_allclose(one.states, other.states, rtol=1e-6)


def test_map_then_check_then_load_brings_a_foreign_file_in(
    cohort: Cohort, foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(foreign)]) == 2
    mapping = tmp_path / "mapping.toml"
    assert main(["map", str(foreign), "--out", str(mapping)]) == 0
    said = capsys.readouterr().out
    assert "traj           <- icustayid: 40 values; with bloc it names each of" in said
    assert "1 = died" in said
    assert main(["check", str(foreign), "--mapping", str(mapping)]) == 0
    loaded = load_cohort(foreign, mapping=load_mapping(mapping))
    same_patients(loaded, cohort)
    assert 'traj = "icustayid"' in loaded.report.mapping


def test_the_mapping_stays_with_the_file_that_it_made(foreign: Path, tmp_path: Path) -> None:
    mapping = parse_mapping(
        {
            "columns": {"traj": "icustayid", "step": "bloc", "Platelets": "Platelets_count"},
            "codes": {"Gender": {"M": 0, "F": 1}},
            "outcome": {"column": "mortality_90d", "died": [1]},
            "action": {"dose": "heparin_units"},
        }
    )
    first = load_cohort(foreign, mapping=mapping)
    again = load_cohort(save_cohort(first, tmp_path / "kept.parquet"))
    assert again.report.mapping == first.report.mapping == mapping_text(mapping)
    assert CohortReport.from_json(first.report.to_json()).mapping == mapping_text(mapping)
    assert again.data_hash == first.data_hash == load_cohort(foreign, mapping=mapping).data_hash


def test_problems_of_a_mapped_file_stand_at_its_own_rows(foreign: Path, tmp_path: Path) -> None:
    table = pd.read_csv(foreign)
    table.loc[7, "Platelets_count"] = -5.0
    table.to_csv(foreign, index=False)
    main(["map", str(foreign), "--out", str(tmp_path / "m.toml")])
    with pytest.raises(CohortError, match=r"row 8, column 'Platelets'"):
        load_cohort(foreign, mapping=load_mapping(tmp_path / "m.toml"))


def test_the_outcome_is_named_once(cohort: Cohort, foreign: Path, tmp_path: Path) -> None:
    """Settings that name another outcome column are not overruled by a mapping without a word."""
    frame = cohort.frame.assign(rewards_icu=-cohort.frame["outcome"])
    frame.rename(columns={"Platelets": "Platelets_count"}).to_csv(foreign, index=False)
    (tmp_path / "m.toml").write_text('[columns]\nPlatelets = "Platelets_count"\n')
    config = load_preset("quick", {"run.outcome_label": "rewards_icu"})
    mapped = ICU.load_mapped(foreign, None, (tmp_path / "m.toml").read_text(), config)
    assert mapped.outcomes.tolist() == (-cohort.outcomes).tolist()
    (tmp_path / "two.toml").write_text('[columns]\nPlatelets = "Platelets_count"\noutcome = "outcome"\n')
    with pytest.raises(ConfigError, match="both say which column is the outcome"):
        ICU.load_mapped(foreign, None, (tmp_path / "two.toml").read_text(), config)


def test_a_run_is_evaluated_through_the_mapping_it_was_trained_with(foreign: Path, tmp_path: Path) -> None:
    table = pd.read_csv(foreign).drop(columns="RDW")
    table.to_csv(foreign, index=False)
    main(["map", str(foreign), "--out", str(tmp_path / "m.toml")])
    text = (tmp_path / "m.toml").read_text()
    (tmp_path / "m.toml").write_text('leave_out = ["RDW"]\n' + text)
    trained = ICU.load_mapped(foreign, None, (tmp_path / "m.toml").read_text())
    assert "RDW" not in trained.study.names
    again = ICU.load_mapped(foreign, trained.study, (tmp_path / "m.toml").read_text())
    assert again.data_hash == trained.data_hash
    (tmp_path / "typo.toml").write_text('leave_out = ["RDX"]\n' + text)
    with pytest.raises(ConfigError, match="leave_out names 'RDX'"):
        ICU.load_mapped(foreign, None, (tmp_path / "typo.toml").read_text())


def test_a_mapping_of_another_file_is_refused_in_a_sentence(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.toml").write_text('[columns]\ntraj = "icustay"\n')
    assert main(["check", str(foreign), "--mapping", str(tmp_path / "m.toml")]) == 2
    said = capsys.readouterr()
    assert "the mapping names 'icustay', which the file does not have." in said.out
    assert "the file has icustayid, bloc, Age, Gender, " in said.out
    assert "`python -m core map FILE --out mapping.toml` proposes a mapping." in said.err
