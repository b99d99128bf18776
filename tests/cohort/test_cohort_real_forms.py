"""Three files as people have them come in by command line with a mapping alone, train, and are made anew from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli.main import main
from core.cohort import Cohort, load_cohort, simulate_cohort
from core.icu.study import ICU
from core.icu.view import RunView
from core.tables.mapping import load_mapping, mapping_text, read_mapping
from tests.conftest import TINY

PATIENTS = 120


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return simulate_cohort("mimic-iv", PATIENTS, seed=3)[0]


def mimic_table(cohort: Cohort, folder: Path) -> Path:
    """The AI Clinician's names, steps from 1, age in days, a sex as letters, mortality on every row, raw units."""
    frame = cohort.frame
    died = (frame.groupby("traj")["outcome"].transform("last") == -1).astype(int)
    names = {
        **{"traj": "icustayid", "step": "bloc", "MBP": "MeanBP", "SBP": "SysBP", "DBP": "DiaBP", "PaO2": "paO2"},
        **{"Temperature": "Temp_C", "PH": "Arterial_pH", "PaCO2": "paCO2", "WBC": "WBC_count", "Age": "age"},
        **{"Platelets": "Platelets_count", "Lactate": "Arterial_lactate", "BaseExcess": "Arterial_BE"},
        **{"Gender": "gender", "Weight": "Weight_kg", "Total Input": "input_4hourly", "Ventilation": "mechvent"},
        **{"Total Output": "output_4hourly", "Vasopressor": "max_dose_vaso"},
    }
    table = frame.drop(columns=["outcome", "action"]).assign(
        step=frame["step"] + 1, Age=frame["Age"] * 365.2425, Gender=frame["Gender"].map({0: "M", 1: "F"}),
        mortality_90d=died, heparin_units=doses(cohort),
    )  # fmt: skip
    table.rename(columns=names).to_csv(folder / "MIMICtable.csv", index=False)
    return folder / "MIMICtable.csv"


def wide_with_times(cohort: Cohort, folder: Path) -> Path:
    """A Parquet file with a time a row in place of a step, and raw doses in place of actions."""
    frame = cohort.frame
    stay = pd.factorize(frame["traj"])[0]
    at = pd.Timestamp("2150-03-01 08:10") + pd.to_timedelta(frame["step"] * 4 + 37 * 24.0 * stay, unit="h")
    table = frame.drop(columns=["step", "action"]).assign(charttime=at, heparin_units=doses(cohort))
    table.rename(columns={"traj": "stay_id"}).to_parquet(folder / "wide.parquet", index=False)
    return folder / "wide.parquet"


def european(cohort: Cohort, folder: Path) -> Path:
    """Semicolons, decimal commas, a byte order mark, and one column that the hospital does not measure."""
    table = cohort.frame.drop(columns="RDW").rename(columns={"traj": "stay_id"})
    table.to_csv(folder / "europe.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
    return folder / "europe.csv"


def doses(cohort: Cohort) -> np.ndarray:
    return np.asarray(cohort.study.actions.representative)[cohort.frame["action"]]


FORMS = [mimic_table, wide_with_times, european]


@pytest.mark.parametrize("form", FORMS)
def test_a_real_form_goes_the_whole_way(
    form: Callable[[Cohort, Path], Path], cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHENOPOLICY_DATA", str(tmp_path / "data"))
    file, mapping = form(cohort, tmp_path), tmp_path / "mapping.toml"
    assert main(["check", str(file)]) == 2
    assert main(["map", str(file), "--out", str(mapping)]) == 0
    if form is european:
        assert main(["check", str(file), "--mapping", str(mapping)]) == 2  # nothing is left out unless one says so
        mapping.write_text('leave_out = ["RDW"]\n' + mapping.read_text())
    assert main(["check", str(file), "--mapping", str(mapping)]) == 0
    run, settings = tmp_path / "run", [part for name, value in TINY.items() for part in ("--set", f"{name}={value}")]
    train = ["train", str(file), "--mapping", str(mapping), "--run", str(run), "--preset", "quick"]
    assert main([*train, *settings]) == 0
    manifest = ICU.manifest(run)
    again = load_cohort(file, mapping=read_mapping(manifest.mapping))
    assert again.data_hash == manifest.data_hash  # the run is made anew from raw file and mapping alone
    assert RunView(run).report.mapping == manifest.mapping == mapping_text(load_mapping(mapping))
    for name in ("step", "action", "outcome"):
        assert again.frame[name].tolist() == cohort.frame[name].tolist(), name
    out = tmp_path / "m.json"
    assert main(["evaluate", str(run), "--cohort", str(file), "--mapping", str(mapping), "--out", str(out)]) == 0
    assert json.loads(out.read_text())["cohort"]["split"] == "test"
    assert main(["report", str(run), "--out", str(tmp_path / "r.html")]) == 0
    assert "The mapping through which the raw file was read" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_single_columns_and_units_are_named_on_the_command_line(
    cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = cohort.frame.rename(columns={"HR": "beats"}).assign(Platelets=cohort.frame["Platelets"] / 10)
    table.to_csv(tmp_path / "c.csv", index=False)
    check = ["check", str(tmp_path / "c.csv")]
    assert main(check) == 2
    assert "--column OURS=THEIRS and --unit OURS=UNIT" in capsys.readouterr().err
    assert main([*check, "--column", "HR=beats", "--unit", "Platelets=10^4/uL"]) == 0
    said = capsys.readouterr().out
    assert 'HR = "beats"' in said
    assert 'Platelets = "10^4/uL"' in said
    for wrong, reason in (("HR", "write it as OURS=THEIRS"), ("HR=nobody", "names 'nobody', which the file does not")):
        assert main([*check, "--column", wrong]) == 2
        told = capsys.readouterr()
        assert reason in told.out + told.err
