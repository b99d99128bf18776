"""The Encoder page: set up, start, follow, look into a run, save and load weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
from streamlit.testing.v1 import AppTest

from core.base.files import write_json
from core.cohort import save_cohort, simulate_cohort
from core.encoder import EncoderConfig, build_encoder, save_encoder
from core.encoder.archive import pack_encoder
from core.icu.view import RunView
from core.runs import jobs, status
from core.runs.folders import owner_of
from core.runs.job import JobRecord
from core.runs.status import JobStatus
from core.runs.study import AnyStudy
from core.study import STUDIES, StudySpec, load_study
from pages.components.shell.patients import longest_unseen

OWNER = "a-token-of-this-test-only"


def go(page: AppTest, view: str, key: str = "encoder-view") -> AppTest:
    next(group for group in page.button_group if group.key == key).set_value(view)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


@pytest.fixture
def stored(app_data: Path) -> str:
    """A cohort of this owner; returns its key."""
    cohort, _ = simulate_cohort("mimic-iv", 20, 1)
    path = save_cohort(cohort, app_data / "uploads" / owner_of(OWNER) / f"{cohort.data_hash}.parquet")
    facts = {"label": "small", "n_patients": 20, "simulated": True, "created": "2026-01-01", "report": {}}
    write_json(path.with_suffix(".json"), facts)
    return cohort.data_hash


def asked_for(folder: Path, owner: str) -> None:
    """A folder of a run that is about to begin."""
    folder.mkdir(parents=True)
    JobRecord(kind="icu", file="c.parquet", owner=owner).write(folder)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What start_run was called with, instead of a subprocess."""
    calls: list[dict] = []

    def start_run(
        study: AnyStudy,
        cohort: Path,
        folder: Path,
        preset: str,
        overrides: Mapping[str, str],
        owner: str,
        *,
        name: str,
        definition: Path | None,
    ) -> JobStatus:
        given = {"cohort": cohort, "folder": folder, "overrides": overrides, "owner": owner, "name": name}
        calls.append({**given, "kind": study.kind, "preset": preset, "definition": definition})
        asked_for(folder, owner)
        return JobStatus("waiting")

    monkeypatch.setattr(jobs, "start_run", start_run)
    return calls


def test_without_a_cohort_the_page_says_where_to_get_one(open_page) -> None:
    page = open_page("encoder")
    assert any("No cohort to train on yet" in str(part.value) for part in page.markdown)


def test_changed_parameters_reach_the_run(open_page, stored: str, started: list, monkeypatch) -> None:
    monkeypatch.setattr(status, "read_job", lambda folder: JobStatus("waiting"))
    page = open_page("encoder")
    page.number_input(key="setting-encoder.epochs").set_value(7)
    page.run()
    go(page, "phenotypes", "encoder-group")
    page.number_input(key="setting-phenotypes.n_clusters").set_value(4)
    page.run()
    go(page, "encoder", "encoder-group")
    assert page.number_input(key="setting-encoder.epochs").value == 7
    page.button(key="encoder-run").click()
    page.run()
    assert not page.exception
    (call,) = started
    assert call["cohort"].stem == stored
    assert call["overrides"] == {"encoder.epochs": "7", "phenotypes.n_clusters": "4"}
    assert call["definition"] is None  # the app's own
    assert (call["kind"], call["owner"]) == ("icu", owner_of(OWNER))
    assert page.query_params["job"] == call["folder"].name


def test_back_to_the_preset_forgets_every_change(open_page, stored: str) -> None:
    page = open_page("encoder")
    before = page.number_input(key="setting-encoder.epochs").value
    page.number_input(key="setting-encoder.epochs").set_value(before + 1)
    page.run()
    next(button for button in page.button if button.label == "Back to the preset").click()
    page.run()
    assert page.number_input(key="setting-encoder.epochs").value == before


def test_every_group_of_parameters_draws_with_its_meaning(open_page, stored: str) -> None:
    from core.icu.config import RunConfig

    page = open_page("encoder")
    groups: dict[str, Any] = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    groups["rewards"] = type(RunConfig().rewards.named(load_study()))  # a field for each of the study's terms
    for group, kind in groups.items():
        if group == "preset":
            continue
        go(page, group, "encoder-group")
        widgets = [*page.number_input, *page.selectbox, *page.toggle, *page.text_input]
        drawn = {widget.key: widget.help for widget in widgets if str(widget.key).startswith(f"setting-{group}.")}
        assert set(drawn) == {f"setting-{group}.{name}" for name in kind.model_fields}
        shown = [str(caption.value).lower() for caption in page.caption]
        for name, meant in kind.model_fields.items():
            assert any(text.startswith((meant.description or "?").lower()) for text in shown), (group, name)


def test_weights_of_a_studys_own_reward_terms_stand_under_their_names(open_page, stored: str, app_data: Path) -> None:
    text = (STUDIES / "thrombocytopenia.toml").read_text(encoding="utf-8").replace('"C_2"', '"lactate clearance"')
    (app_data / "uploads" / owner_of(OWNER) / f"{stored}.toml").write_text(text, encoding="utf-8")
    page = open_page("encoder", {"cohort": stored})
    next(group for group in page.button_group if group.key == "encoder-group").set_value("rewards")
    page.run()
    names = [box.label for box in page.number_input]
    assert names == ["C_0", "C_1", "lactate clearance", "C_3", "C_4", "terminal_coeff"]
    assert "Weight of the change in Lactate, large ones damped." in [part.value for part in page.caption]
    page.number_input(key="setting-rewards.lactate clearance").set_value(-1.5).run()
    assert any("`rewards.lactate clearance=-1.5`" in part.value for part in page.caption)


def test_what_a_group_takes_from_another_is_shown_and_follows_it(open_page, stored: str) -> None:
    page = go(open_page("encoder"), "run", "encoder-group")
    page.number_input(key="setting-run.seed").set_value(7)
    page.run()
    assert page.number_input(key="setting-run.seed").value == 7
    go(page, "agents", "encoder-group")
    assert page.number_input(key="setting-agents.seed").value == 7
    page.number_input(key="setting-agents.gamma").set_value(0.9)
    page.run()
    go(page, "fqe", "encoder-group")
    gamma = page.number_input(key="setting-fqe.gamma")
    assert gamma.value == 0.9
    assert gamma.disabled
    assert any("The same as agents: gamma" in str(caption.value) for caption in page.caption)
    listed = next(str(caption.value) for caption in page.caption if str(caption.value).startswith("Changed"))
    assert listed == "Changed: `agents.gamma=0.9`, `run.seed=7`"


def test_a_name_that_is_taken_is_refused(open_page, stored: str, started: list, app_data: Path) -> None:
    (app_data / "runs" / "mine").mkdir()
    page = open_page("encoder")
    page.text_input(key="encoder-name").set_value("mine")
    page.button(key="encoder-run").click()
    page.run()
    assert "There is a run 'mine' already" in page.error[0].value
    assert not started


def test_a_run_keeps_the_name_that_it_was_given(open_page, stored: str, started: list, monkeypatch) -> None:
    monkeypatch.setattr(status, "read_job", lambda folder: JobStatus("waiting", name="Älter als <b>65</b> / neu"))
    page = open_page("encoder")
    page.text_input(key="encoder-name").set_value("Älter als <b>65</b> / neu")
    page.button(key="encoder-run").click()
    page.run()
    assert not page.exception
    (call,) = started
    assert call["name"] == "Älter als <b>65</b> / neu"
    assert call["folder"].name == "lter-als-b-65-b-neu"
    assert any("&lt;b&gt;65" in block.proto.body for block in page.get("html"))


@pytest.mark.parametrize("state", ["waiting", "running", "done", "failed", "cancelled", "interrupted"])
def test_the_panel_of_a_run_draws_in_every_state(open_page, app_data: Path, monkeypatch, state: str) -> None:
    asked_for(app_data / "runs" / "job", owner_of(OWNER))
    history = pd.DataFrame({"epoch": [1.0, 2.0], "train_loss": [1.0, 0.5], "valid_loss": [0.9, 0.6]})
    error = "It broke." if state == "failed" else ""
    told = JobStatus(state, "encoder", 0.5, 0.25, 12.0, "epoch 2 of 4", error=error, history=history, name="Mine")
    monkeypatch.setattr(status, "read_job", lambda path: told)
    page = open_page("encoder", {"job": "job"})
    buttons = {button.label for button in page.button}
    charts = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    active = state in ("waiting", "running")
    assert [chart["layout"]["title"]["text"] for chart in charts] == ["Loss by epoch: Mine"] * (state != "done")
    assert ("Close" in buttons) == (not active)
    assert ("Cancel" in buttons) == (state in ("waiting", "running"))
    assert ("Resume" in buttons) == (state in ("failed", "cancelled", "interrupted"))
    assert ("Show this run" in buttons) == (state == "done")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (JobStatus("waiting", message="Starting"), ["Whole run: 0 %", "Starting"]),
        (
            JobStatus("waiting", "waiting", message="Another run is at work; this one starts when it ends"),
            ["Whole run: 0 %", "Another run is at work; this one starts when it ends"],
        ),
        (
            JobStatus("running", "encoder", 0.0, 0.01, beside=("net_two", "baselines")),
            [
                "Whole run: 1 % · at work: encoder, net two, baselines",
                "Encoder: 0 % · left in this stage: not known yet",
            ],
        ),
        (
            JobStatus("running", "advice", 0.5, 0.47, 13.0, "two of four"),
            ["Whole run: 47 %", "Advice: two of four · left in this stage: 13 s"],
        ),
        (JobStatus("running", "truth", 1.0, 0.6, None, "all"), ["Whole run: 60 %", "Truth: all"]),
    ],
)
def test_the_panel_of_a_run_says_how_far_it_is_in_two_lines(
    open_page, app_data: Path, monkeypatch, told: JobStatus, said: list[str]
) -> None:
    asked_for(app_data / "runs" / "job", owner_of(OWNER))
    monkeypatch.setattr(status, "read_job", lambda path: told)
    page = open_page("encoder", {"job": "job"})
    assert [bar.proto.text for bar in page.get("progress")] == said
    assert not any("t work" in str(caption.value) for caption in page.caption), "no line that comes and goes"


def test_a_run_of_somebody_else_cannot_be_followed(open_page, app_data: Path) -> None:
    asked_for(app_data / "runs" / "job", owner_of("the-token-of-somebody-else"))
    page = open_page("encoder", {"job": "job"})
    assert any("This run is not here" in str(part.value) for part in page.markdown)
    assert not page.get("plotly_chart")


@pytest.mark.parametrize("view", ["Training", "Reconstruction", "Attention", "Save and load"])
def test_views_without_a_run_say_so(open_page, view: str) -> None:
    page = go(open_page("encoder"), view)
    assert any("No finished run" in str(part.value) for part in page.markdown)


@pytest.mark.parametrize("view", ["Training", "Reconstruction", "Attention", "Save and load"])
def test_views_of_a_run_draw(open_page, app_run: str, view: str) -> None:
    page = go(open_page("encoder", {"patient": "3"}), view)
    if view == "Save and load":
        assert any("encoder.safetensors" in str(part.value) for part in page.markdown)
    else:
        assert page.get("plotly_chart")


def load(page: AppTest, content: bytes) -> AppTest:
    page = go(page, "Save and load")
    page.file_uploader(key="encoder-archive").set_value(("encoder.zip", content, "application/zip")).run()
    assert not page.exception
    return page


def test_a_saved_encoder_is_taken_for_the_next_run(open_page, app_run: str, tiny_run: Path) -> None:
    """The file that is taken is the one that the page gives."""
    page = load(open_page("encoder"), pack_encoder(tiny_run / "encoder"))
    assert "skips its training" in page.success[0].value
    page = go(page, "Set up")
    assert any("run.encoder_folder" in str(part.value) for part in page.caption)


def test_an_encoder_is_checked_against_the_study_of_the_chosen_cohort(
    open_page, stored: str, tiny_run: Path, app_data: Path
) -> None:
    """One's own study: an encoder of it loads, and one of the app's study does not."""
    study = load_study()
    values = study.model_dump(mode="json", exclude_none=True) | {"name": "mine", "title": "My study"}
    values["columns"] = [column for column in values["columns"] if column["name"] != "RDW"]
    own = StudySpec.model_validate(values)
    (app_data / "uploads" / owner_of(OWNER) / f"{stored}.toml").write_text(tomli_w.dumps(values), encoding="utf-8")
    small = EncoderConfig.build({"hidden_size": 12, "embedding_dim": 6, "latent_dim": 4})
    save_encoder(build_encoder(small, own), app_data / "own")
    page = load(open_page("encoder", {"cohort": stored}), pack_encoder(app_data / "own"))
    assert "skips its training" in page.success[0].value
    page = load(open_page("encoder", {"cohort": stored}), pack_encoder(tiny_run / "encoder"))
    assert "whose temporal columns differ from those of mine" in page.error[0].value
    assert not page.success


def test_a_foreign_encoder_is_refused_in_words(open_page, app_run: str, app_data: Path) -> None:
    page = load(open_page("encoder"), b"not an archive")
    assert "This encoder cannot be used. this is no ZIP file" in page.error[0].value
    assert not list(app_data.glob("uploads/*/encoder-*"))


def test_a_patient_is_shown_before_any_is_chosen(open_page, app_run: str, tiny_run: Path) -> None:
    page = go(open_page("encoder", {"run": app_run}), "Reconstruction")
    run = RunView(tiny_run)
    shown = longest_unseen(run, np.arange(run.cohort.n_patients))
    assert run.split_name[shown] == "test"
    assert any(f"this is patient {run.cohort.patients[shown]}," in part.value for part in page.caption)
    assert len(page.get("plotly_chart")) == 2
