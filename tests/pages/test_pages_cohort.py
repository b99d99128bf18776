"""The Cohort page as a user meets it: empty, simulate, look, upload good and broken files, extract."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.cohort import load_cohort, simulate_cohort
from core.cohort.knowledge import AS_OF
from core.tables.mapping import read_mapping
from pages.components.shell.export import to_csv
from tests.cohort.define.tables import norepinephrine_table
from tests.cohort.test_cohort_real_forms import FORMS, european


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click()
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def go(page: AppTest, part: str, key: str = "cohort-source") -> AppTest:
    next(group for group in page.button_group if group.key == key).set_value(part)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def texts(page: AppTest) -> str:
    parts = [*page.markdown, *page.caption, *page.error, *page.success, *page.warning]
    return "\n".join(str(part.value) for part in parts)


@pytest.fixture
def simulated(open_page) -> AppTest:
    page = open_page("cohort")
    page.number_input(key="simulate-patients").set_value(40)
    return press(page, "Simulate MIMIC-IV-like")


def test_first_visit_offers_sources(open_page) -> None:
    page = open_page("cohort")
    assert {"Simulate MIMIC-IV-like", "Simulate eICU-like"} <= {button.label for button in page.button}
    assert any("Research and teaching only" in block.proto.body for block in page.get("html"))


def test_simulating_stores_by_hash_and_shows_the_cohort(simulated: AppTest, app_data: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 40, 0, memory=True)
    assert [path.stem for path in app_data.glob("uploads/*/*.parquet")] == [cohort.data_hash]
    assert simulated.query_params["cohort"] == cohort.data_hash
    assert simulated.metric[0].value == "40"
    assert "Only 40 stays" in texts(simulated)


@pytest.mark.parametrize("after", range(5))
@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "read-only file system")])
def test_a_full_disk_is_a_sentence_on_the_page(
    open_page, app_data: Path, monkeypatch: pytest.MonkeyPatch, after: int, code: int, says: str
) -> None:
    """Whichever write is refused: the cohort, its line in the audit, or what stands beside it."""
    page, calls = open_page("cohort"), iter(range(100))

    def fsync(descriptor: int) -> None:
        if next(calls) >= after:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr("core.base.files.os.fsync", fsync)
    page.number_input(key="simulate-patients").set_value(40)
    page = press(page, "Simulate MIMIC-IV-like")
    assert not page.exception
    assert len(page.error) == (next(calls) > after), "nothing is said where nothing was refused"
    for error in page.error:
        assert error.value.startswith("**Simulating did not work.** ")
        assert says in error.value.lower()
    assert not [path for path in app_data.rglob("*") if path.suffix == ".part"]
    monkeypatch.undo()


def test_another_world_can_be_chosen(open_page, app_data: Path) -> None:
    page = open_page("cohort")
    page.number_input(key="simulate-patients").set_value(20)
    page.selectbox(key="simulate-effect").set_value("none")
    page.slider(key="simulate-confounding").set_value(-0.6)
    page.toggle(key="simulate-irregular").set_value(True)
    page.slider(key="simulate-late").set_value(40)
    page.selectbox(key="simulate-phenotypes").set_value("slow-drift")
    assert page.toggle(key="simulate-memory").value  # what everyone meets who asks for nothing else
    press(page, "Simulate eICU-like")
    (path,) = app_data.glob("uploads/*/*.parquet")
    assert (
        load_cohort(path).origin.world
        == "effect=none confounding=-0.6 irregular late_starts=0.4 memory phenotypes=slow-drift"
    )
    assert (
        "eICU-like, seed 0, effect=none confounding=-0.6 irregular late_starts=0.4 memory"
        in path.with_suffix(".json").read_text()
    )


@pytest.mark.parametrize("view", ["Patients", "Table 1", "Missing values", "Outcome", "Doses"])
def test_every_view_of_a_small_cohort_draws(simulated: AppTest, view: str) -> None:
    page = go(simulated, view, "cohort-view")
    assert page.dataframe or page.get("plotly_chart") or "No value was filled in" in texts(page)


def test_another_owner_does_not_see_the_cohort(simulated: AppTest, open_page) -> None:
    other = open_page("cohort", {"owner": "somebody-else-altogether"})
    assert not other.metric


def box(page: AppTest, label: str):
    return next(box for box in page.selectbox if box.label == label)


def upload(page: AppTest, name: str, content: bytes) -> AppTest:
    go(page, "Upload").file_uploader(key="upload-file").set_value((name, content, "text/csv"))
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def test_upload_proposes_with_evidence_and_takes_what_is_corrected(open_page, app_data: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 30, 5)
    frame = cohort.frame.rename(columns={"Total Input": "input_4hourly", "traj": "stay", "HR": "beats"})
    page = upload(open_page("cohort"), "mine.csv", to_csv(frame))
    assert box(page, "Stay (key)").value == "stay"
    assert box(page, "Total Input").value == "input_4hourly"
    assert box(page, "HR").value == "(not in the file)"  # no name that the field knows, and spelling is no evidence
    accept = next(button for button in page.button if button.label == "Accept this cohort")
    assert accept.disabled
    box(page, "HR").set_value("beats")
    press(page, "Check with this mapping")
    press(page, "Accept this cohort")
    (path,) = app_data.glob("uploads/*/*.parquet")
    assert path.stem == cohort.data_hash
    assert 'HR = "beats"' in load_cohort(path).report.mapping
    assert page.metric[0].value == "30"


@pytest.mark.parametrize("form", FORMS)
def test_files_as_people_have_them_come_in_without_code(open_page, app_data: Path, tmp_path: Path, form) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 40, 5)
    file = form(cohort, tmp_path)
    page = upload(open_page("cohort"), file.name, file.read_bytes())
    if form is european:
        box(page, "RDW").set_value("(study goes without it)")
        press(page, "Check with this mapping")
    press(page, "Accept this cohort")
    (path,) = app_data.glob("uploads/*/*.parquet")
    definition = path.with_suffix(".toml")
    stored = load_cohort(path, definition if definition.exists() else None)
    again = load_cohort(file, mapping=read_mapping(stored.report.mapping))
    assert stored.data_hash == again.data_hash
    assert stored.frame["action"].tolist() == cohort.frame["action"].tolist()
    assert stored.outcomes.tolist() == cohort.outcomes.tolist()


def test_a_column_is_never_taken_twice_in_silence(open_page) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 30, 5)
    frame = cohort.frame.rename(columns={"PaO2": "po2", "SpO2": "other"})
    page = upload(open_page("cohort"), "mine.csv", to_csv(frame))
    box(page, "SpO2").set_value("po2")
    press(page, "Check with this mapping")
    assert "file column 'po2' is used twice" in texts(page)
    assert not [button for button in page.button if button.label == "Accept this cohort"]


def test_the_study_goes_without_a_column_and_a_document_says_so(open_page, app_data: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 30, 5)
    died = (cohort.frame.groupby("traj")["outcome"].transform("last") == -1).astype(int)
    frame = cohort.frame.drop(columns=["RDW", "outcome"]).assign(mortality_90d=died)
    page = go(open_page("cohort"), "Upload")
    document = 'leave_out = ["RDW"]\n[outcome]\ncolumn = "mortality_90d"\ndied = [1]\n'
    page.file_uploader(key="upload-file").set_value(("mine.csv", to_csv(frame), "text/csv"))
    page.run()
    page.file_uploader(key="upload-mapping-file").set_value(("m.toml", document.encode(), "application/toml"))
    page.run()
    assert not page.exception, page.exception[0].message
    assert box(page, "RDW").value == "(study goes without it)"
    press(page, "Accept this cohort")
    (path,) = app_data.glob("uploads/*/*.parquet")
    stored = load_cohort(path, path.with_suffix(".toml"))
    assert "RDW" not in stored.study.names
    assert stored.outcomes.tolist() == cohort.outcomes.tolist()


def test_upload_lists_problems_by_row_and_column(open_page) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 30, 5)
    frame = cohort.frame.astype({"HR": object})
    frame.loc[4, "HR"] = "fast"
    frame.loc[6, "Age"] = 999.0
    page = go(open_page("cohort"), "Upload")
    page.file_uploader[0].set_value(("mine.csv", to_csv(frame), "text/csv"))
    page.run()
    assert not page.exception
    tables = [element.value for element in page.dataframe if "problem" in element.value]
    listed = {(row, column) for table in tables for row, column in zip(table["row"], table["column"], strict=True)}
    assert (5, "HR") in listed
    assert (7, "Age") in listed
    assert next(button for button in page.button if button.label == "Accept this cohort").disabled


def test_a_column_in_another_unit_is_pointed_out_and_converted(open_page, app_data: Path) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 30, 5)
    frame = cohort.frame.assign(Temperature=cohort.frame["Temperature"] * 1.8 + 32)
    page = go(open_page("cohort"), "Upload")
    page.file_uploader[0].set_value(("mine.csv", to_csv(frame), "text/csv"))
    page.run()
    assert not page.exception
    assert box(page, "Unit of Temperature").value == "°F"
    assert "read as deg F the median is" in texts(page)
    press(page, "Accept this cohort")
    stored = load_cohort(next(app_data.glob("uploads/*/*.parquet")))
    np.testing.assert_allclose(stored.frame["Temperature"], cohort.frame["Temperature"], rtol=1e-4)


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"PK\x03\x04 not a table", b"a,b\n1,2,3\n"])
def test_files_that_are_no_table_are_refused_in_words(open_page, content: bytes) -> None:
    page = go(open_page("cohort"), "Upload")
    page.file_uploader[0].set_value(("mine.csv", content, "text/csv"))
    page.run()
    assert not page.exception
    assert page.error


def test_extract_from_a_folder_that_is_none_is_refused_in_words(open_page, tmp_path: Path) -> None:
    page = go(open_page("cohort"), "Extract")
    page.text_input(key="extract-folder").set_value(str(tmp_path / "nowhere"))
    page.run()
    press(page, "Extract")
    assert "Extracting did not work" in page.error[0].value


def test_extract_from_the_open_demo(open_page, shared_data: Path) -> None:
    page = go(open_page("cohort"), "Extract")
    page.text_input(key="extract-folder").set_value(str(shared_data / "mimic-iv-demo"))
    page.run()
    press(page, "Extract")
    assert int(page.metric[0].value) > 2
    go(page, "Missing values", "cohort-view")


def test_an_extraction_can_keep_a_copy_and_says_what_its_states_know(
    open_page, shared_data: Path, tmp_path: Path
) -> None:
    page = go(open_page("cohort"), "Extract")
    page.text_input(key="extract-folder").set_value(str(shared_data / "mimic-iv-demo"))
    page.text_input(key="extract-copy").set_value(str(tmp_path / "copy"))
    page.run()
    press(page, "Extract")
    assert (tmp_path / "copy" / "icu" / "chartevents" / "part-00000.parquet").is_file()
    assert AS_OF["start"] in texts(page)
    (notes,) = [table.value for table in page.dataframe if "Where the stays come from" in table.value.columns[0]]
    assert "mimic-iv-demo (columnar copy of " in notes.iloc[0, 0]
    assert AS_OF["start"] in notes.iloc[:, 0].tolist()


def test_a_file_that_does_not_tell_what_its_states_know_is_said_to(open_page) -> None:
    cohort, _ = simulate_cohort("mimic-iv", 30, 5)
    page = go(open_page("cohort"), "Upload")
    page.file_uploader[0].set_value(("mine.csv", to_csv(cohort.frame), "text/csv"))
    page.run()
    press(page, "Accept this cohort")
    assert "does not tell whether a state holds what was measured before the dose" in texts(page)


def test_cohort_of_the_run_is_offered_by_phenotype(open_page, app_run: str) -> None:
    page = open_page("cohort", {"run": app_run})
    page = go(page, "Table 1", "cohort-view")
    names = [str(column) for column in page.dataframe[0].value.columns]
    assert any(name.startswith("Phenotype 0") for name in names)


SMALL_STUDY = """
schema_version = 1
name = "fluids"
title = "Fluids"
population = "Adults in a small unit"
horizon = 6
step_hours = 2.0
terminal_coeff = 5.0
severity = "Score"
highlights = ["Score"]

[actions]
drug = "fluid"
unit = "mL per 2 h"
upper = [0.0, 250.0, 1000.0]
representative = [0.0, 125.0, 600.0]

[[columns]]
name = "Age"
unit = "years"
kind = "static"
plausible = [0.0, 120.0]

[[columns]]
name = "Score"
unit = "points"
kind = "temporal"
plausible = [0.0, 20.0]
"""


def test_a_cohort_of_another_study_keeps_its_study(open_page, app_data: Path) -> None:
    rows = [(stay, step, 60.0, step % 5, step % 3, 0) for stay in range(12) for step in range(4)]
    frame = pd.DataFrame(rows, columns=["traj", "step", "Age", "Score", "action", "outcome"])
    frame.loc[frame["step"] == 3, "outcome"] = np.where(np.arange(12) % 3, 1, -1)
    page = go(open_page("cohort"), "Upload")
    page.file_uploader(key="upload-study").set_value(("s.toml", b"name = 3", "application/toml"))
    page.run()
    assert not page.exception
    assert "schema" in texts(page) or "missing" in texts(page)
    page.file_uploader(key="upload-study").set_value(("s.toml", SMALL_STUDY.encode(), "application/toml"))
    page.file_uploader(key="upload-file").set_value(("mine.csv", to_csv(frame), "text/csv"))
    page.run()
    press(page, "Accept this cohort")
    (path,) = app_data.glob("uploads/*/*.parquet")
    assert load_cohort(path, path.with_suffix(".toml")).study.name == "fluids"
    assert page.metric[0].value == "12"


def test_a_study_is_proposed_from_the_file_and_its_cohort_accepted(open_page, app_data: Path) -> None:
    """Another drug under other names: no TOML to write, no column to map."""
    page = go(open_page("cohort"), "Upload")
    assert any("one is proposed from it" in part.value for part in page.caption)
    page.file_uploader(key="upload-file").set_value(("shock.csv", to_csv(norepinephrine_table(40)), "text/csv"))
    page.run()
    assert next(button for button in page.button if button.label == "Accept this cohort").disabled
    page.text_input(key="study-proposed-dose").set_value("ward").run()
    press(page, "Propose a study from this file")
    assert "'ward' is no dose" in page.error[0].value
    page.text_input(key="study-proposed-dose").set_value("").run()
    press(page, "Propose a study from this file")
    assert 'name = "norepinephrine"' in page.code[0].value
    assert "as the study's own mapping says" in texts(page)
    press(page, "Accept this cohort")
    (path,) = app_data.glob("uploads/*/*.parquet")
    cohort = load_cohort(path, path.with_suffix(".toml"))
    assert (cohort.study.actions.drug, cohort.n_patients) == ("norepinephrine", 40)
    assert page.metric[0].value == "40"
    assert "Distance from the published cohorts" not in texts(page)
