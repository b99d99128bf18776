"""The verb `extract` as a user types it: settings, printout, files, and one line where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli.main import main
from core.cohort import load_cohort
from core.cohort.extract import ExtractOptions
from tests.cohort.hospital import hospital, write


def test_extract_prints_and_keeps_where_the_cohort_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "c.parquet"
    folder = write(hospital(), tmp_path / "3.1")
    assert main(["extract", "mimic-iv", str(folder), "--out", str(out), "--population", "codes", "--as-of", "end"]) == 0
    printed = capsys.readouterr().out
    for words in ("7 stays left after: all ICU stays", "Release: 3.1", "Heparin by kind: drip 2 steps, 6,000 units",
                  "(published: 85.7/9.7/1.5/1.5/1.5 %)",
                  "Implausible values, taken as missing: MBP 1, Temperature 1"):  # fmt: skip
        assert words in printed
    import pyarrow.parquet as pq

    notes = json.loads(pq.read_schema(out).metadata[b"phenopolicy-report"])["notes"]
    options = json.loads(next(note for note in notes if note.startswith("Options: ")).removeprefix("Options: "))
    assert (options["population"], options["as_of"], options["heparin_subcutaneous"]) == ("codes", "end", False)
    assert any(note.startswith("As of the end") for note in notes)
    assert any("too few to learn" in note for note in notes)


def test_every_setting_is_an_option_and_switches_go_both_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["extract", "--help"])
    shown = capsys.readouterr().out
    assert [name for name in ExtractOptions.model_fields if f"--{name.replace('_', '-')}" not in shown] == []
    folder = str(write(hospital(), tmp_path))
    given = ["--no-heparin-drip", "--heparin-subcutaneous", "--population", "codes", "--out", str(tmp_path / "c.csv")]
    assert main(["extract", "mimic-iv", folder, *given]) == 0
    assert "Heparin that counts as the drug: boluses, subcutaneous prophylaxis;" in capsys.readouterr().out


def test_steps_of_another_length_bring_their_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "c.parquet"
    folder = str(write(hospital(), tmp_path))
    assert main(["extract", "mimic-iv", folder, "--out", str(out), "--step-hours", "2"]) == 0
    study = tmp_path / "c.study.json"
    assert f"--study {study}" in capsys.readouterr().out
    values = json.loads(study.read_text(encoding="utf-8"))
    assert (values["step_hours"], values["horizon"], values["actions"]["upper"][1]) == (2, 32, 1800)


def test_a_loaded_cohort_keeps_the_words(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "c.parquet"
    assert main(["extract", "mimic-iv", str(shared_data / "mimic-iv-demo"), "--out", str(out)]) == 0
    assert any(note.startswith("Sepsis-3: an antibiotic with a culture") for note in load_cohort(out).report.notes)
    capsys.readouterr()
    assert main(["check", str(out)]) == 0
    checked = capsys.readouterr()
    assert "As of the start: a state holds what was measured before its step" in checked.out
    assert "warning: Only 35 stays, 12 deaths" in checked.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["--population", "sepsis"],
            "'population' = sepsis is not usable: Input should be 'sepsis-3', 'codes' or 'platelets'",
        ),
        (["--step-hours", "3"], "'step_hours' = 3 is not usable"),
        (["--onset", "later", "--population", "platelets"], "onset by later needs the population sepsis-3"),
        (["--population", "sepsis-3"], "needs antibiotics and cultures"),
        (["--study", "nowhere.toml"], "nowhere.toml does not exist"),
        (["--min-age", "99"], "no stay meets the criteria"),
    ],
)
def test_bad_settings_end_with_status_2_and_a_reason(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write(hospital(), tmp_path))
    assert main(["extract", "mimic-iv", folder, "--out", str(tmp_path / "c.parquet"), *arguments]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert "Traceback" not in error
    assert not (tmp_path / "c.parquet").exists()
