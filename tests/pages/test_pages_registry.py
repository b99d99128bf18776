"""The Registry page as a visitor meets it: first start, sources, every view of a run, a patient, who sees what."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.base.files import read_json, write_json
from core.base.text import markdown
from core.policies.tree_words import fidelity_text
from core.registry import save_registry, simulate_registry
from core.registry.ask.compared import along
from core.registry.ask.hidden import hidden_in_words
from core.registry.ask.in_words import decision_in_words
from core.registry.ask.own import policy_file
from core.registry.ask.patient import recommend
from core.registry.ask.why import why
from core.registry.view import RegistryView
from core.runs.folders import owner_of
from core.runs.job import JobRecord
from core.runs.manifest import sealed
from core.runs.status import list_runs
from pages.components.registry.options import group_options
from pages.components.registry.patient import Filters, matching
from tests.manifests import edit_manifest

OWNER = "a-token-of-this-test-only"
STRANGER = "somebody-else-altogether"


@pytest.fixture
def registry_run(app_data: Path, tiny_registry: Path) -> str:
    (app_data / "registry").mkdir()
    (app_data / "registry" / "tiny").symlink_to(tiny_registry, target_is_directory=True)
    return "tiny"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, JobRecord]]:
    """What would have been run in the background, and where, instead of running it."""
    from core.runs import jobs
    from core.runs.status import JobStatus

    calls: list[tuple[Path, JobRecord]] = []

    def note(folder: Path, asked: JobRecord) -> JobStatus:
        folder.mkdir(parents=True, exist_ok=True)
        asked.write(folder)
        calls.append((folder, asked))
        return JobStatus("waiting")

    monkeypatch.setattr(jobs, "_launch", note)
    return calls


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click()
    return rerun(page)


def choose(page: AppTest, key: str, option: object) -> AppTest:
    next(group for group in page.button_group if group.key == key).set_value(option)
    return rerun(page)


def rerun(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def texts(page: AppTest) -> str:
    parts = [*page.markdown, *page.caption, *page.error, *page.success, *page.warning, *page.info]
    return "\n".join(str(part.value) for part in parts)


def head(page: AppTest) -> str:
    return "\n".join(str(block.proto.body) for block in page.get("html"))


def test_first_start_offers_one_button_that_simulates_and_trains(open_page, app_data: Path, started) -> None:
    page = open_page("registry")
    assert "Research and teaching only" in head(page)
    page = press(page, "Simulate 1,500 patients and train")
    ((folder, asked),) = started
    assert asked.kind == "registry"
    assert Path(asked.file).parent == app_data / "uploads" / owner_of(OWNER) / "registry"
    assert asked.owner == owner_of(OWNER)
    assert OWNER not in (folder / "job.json").read_text()
    assert folder.parent == app_data / "registry"
    assert page.query_params["registry-job"] == ["simulated-registry-seed-0"] or page.query_params["registry-job"]


def test_an_icu_run_alone_leaves_the_registry_empty_and_the_other_way_round(
    open_page, app_run: str, app_data: Path, registry_run: str
) -> None:
    assert [run.name for run in list_runs(app_data / "runs", owner_of(OWNER))] == ["Tiny run"]
    (app_data / "registry" / "tiny").unlink()
    page = open_page("registry")
    assert "No registry yet" in texts(page)
    assert "Tiny run" not in head(page)


@pytest.mark.parametrize("view", ["Expert predictions", "Values", "Patient"])
def test_views_without_a_run_say_what_to_do(open_page, view: str) -> None:
    assert "No finished run of the registry study yet" in texts(open_page("registry", {"registry-view": view}))


def test_simulating_stores_by_hash_and_shows_every_view(open_page, app_data: Path) -> None:
    page = open_page("registry")
    page = choose(page, "registry-size", 600)
    page = press(page, "Simulate a registry")
    cohort, _ = simulate_registry(600, 0)
    assert [path.stem for path in app_data.glob("uploads/*/registry/*.parquet")] == [cohort.data_hash]
    assert page.metric[0].value == "600"
    for view in ("Stages", "Follow-up", "Features", "Combinations", "Notes"):
        page = choose(page, "registry-cohort-view", view)
        assert page.dataframe or page.get("plotly_chart") or "Nothing: every value" in texts(page)
    shown = page.query_params["registry-cohort"]
    assert cohort.data_hash in (shown, *shown)
    other = open_page("registry", {"owner": STRANGER, "registry-cohort": cohort.data_hash})
    assert not other.metric, "a registry belongs to the visitor who brought it"
    page = choose(page, "registry-part", "Simulate")
    next(box for box in page.selectbox if box.key == "registry-effect").set_value("none")
    next(s for s in page.slider if s.key == "registry-confounding").set_value(0.5)
    press(choose(page, "registry-size", 600), "Simulate a registry")
    hidden, _ = simulate_registry(600, 0, "none", 0.5)
    kept = [path.stem for path in app_data.glob("uploads/*/registry/*.parquet")]
    assert hidden.data_hash in kept, "the world that was chosen"


def upload(page: AppTest, name: str, content: bytes) -> AppTest:
    page = choose(page, "registry-part", "Upload")
    next(box for box in page.file_uploader if box.key == "registry-file").set_value((name, content, "text/csv"))
    return rerun(page)


def test_a_broken_upload_names_its_problems_and_a_good_one_is_accepted(open_page, app_data: Path, tmp_path) -> None:
    cohort, _ = simulate_registry(40, seed=2)
    path = save_registry(cohort, tmp_path / "mine.csv")
    frame = pd.read_csv(path)
    broken = frame.assign(age=frame["age"].where(frame.index != 3, 400)).drop(columns="alive")
    page = upload(open_page("registry"), "broken.csv", broken.to_csv(index=False).encode())
    assert next(button for button in page.button if button.label == "Accept this registry").disabled
    assert any("alive" in frame.value.to_string() for frame in page.dataframe if "problem" in frame.value)
    page = upload(open_page("registry"), "mine.csv", path.read_bytes())
    assert "Usable: 40 patients" in texts(page)
    press(page, "Accept this registry")
    assert [file.stem for file in app_data.glob("uploads/*/registry/*.parquet")] == [cohort.data_hash]


def test_changed_settings_go_to_the_run(open_page, registry_run: str, started) -> None:
    page = choose(open_page("registry"), "registry-part", "Train")
    page.number_input(key="setting-dqn.updates").set_value(500)
    page = rerun(page)
    page.text_input(key="registry-name").set_value("My first")
    press(rerun(page), "Run")
    ((folder, asked),) = started
    assert asked.overrides == {"dqn.updates": "500"}
    assert asked.name == "My first"
    assert folder.name == "my-first"


ALL_VIEWS = [
    ("Expert predictions", "registry-accuracy-view", view)
    for view in (
        "At transplant",
        "Acute GVHD treatment",
        "Chronic GVHD treatment",
        "Calibration",
        "Did they learn?",
        "Table",
    )
] + [
    ("Values", "registry-values-view", view)
    for view in (
        "Against the experts",
        "Matched rewards",
        "Model-based rewards",
        "Whole course",
        "Trust frontier",
        "Table",
        "Choices",
    )
]


@pytest.mark.parametrize(("view", "key", "part"), ALL_VIEWS)
def test_every_view_of_a_run_draws(open_page, registry_run: str, view: str, key: str, part: str) -> None:
    page = choose(open_page("registry", {"registry-view": view}), key, part)
    assert page.get("plotly_chart") or page.dataframe
    assert "simulated data" in head(page)
    assert "Tiny registry" in head(page)
    assert not page.error


def test_report_and_model_card_of_the_run_on_show_are_offered(open_page, registry_run: str) -> None:
    page = choose(open_page("registry", {"registry-view": "Values"}), "registry-values-view", "Report")
    labels = [button.proto.label for button in page.get("download_button")]
    assert labels == ["Build and download the report", "Model card", "JSON", "Croissant"]
    assert f"report data/registry/{registry_run} --card FILE" in texts(page)
    assert "A model card takes a few seconds" in texts(page)
    assert not page.error


def test_the_difference_to_the_experts_comes_first(open_page, registry_run: str, tiny_registry: Path) -> None:
    run = RegistryView(tiny_registry)
    page = open_page("registry", {"registry-view": "Values"})
    assert run.advice.text in texts(page)
    shown = along(run.judgments, run.advice.policy, run.advice.dial)
    shown = shown[shown["setting"] == run.advice.setting].iloc[0]
    (card,) = page.metric
    assert card.label == "Policy, minus experts"
    assert f"{shown['difference']:+.2f}" in card.value
    assert f"Grade: **{shown['grade']}**" in texts(page)
    assert "In truth" in texts(page)
    columns, table = (frame.value for frame in page.dataframe[:2])
    assert columns.iloc[0, 0] == run.columns[0].column
    assert len(table) == 10  # six dials and four policies
    atlas = run.advice.atlas
    assert markdown(atlas.badge[1:]) in texts(page)
    assert atlas.badge in table["under other choices"].tolist()[:6]
    assert table["under other choices"].tolist()[6:] == [one.badge for one in atlas.policies.values()]
    assert table["in truth"].str.contains("±").all()
    assert {"difference", "ESS", "grade", "mix"} <= set(table.columns)
    (folded,) = [box for box in page.expander if box.label.startswith("Why not more")]
    assert folded.markdown[0].value.startswith("- **")


def test_a_run_from_before_judgments_says_so(open_page, registry_run: str, monkeypatch) -> None:
    monkeypatch.setattr(RegistryView, "judgments", None)
    page = open_page("registry", {"registry-view": "Values"})
    assert "train it again" in texts(page)
    page = choose(page, "registry-values-view", "Trust frontier")
    assert "train it again" in texts(page)
    assert not page.error


def test_a_policy_is_put_into_words_decision_by_decision(open_page, registry_run: str, tiny_registry: Path) -> None:
    page = choose(open_page("registry", {"registry-view": "Values"}), "registry-values-view", "In words")
    assert "tree of at most four questions" in texts(page)
    assert not page.get("plotly_chart"), "nothing heavy before it is asked for"
    page.selectbox(key="registry-in-words-decision").set_value("chronic").run()
    page.selectbox(key="registry-in-words-policy").set_value("random-forest").run()
    page = press(page, "Put it into words")
    spoken = decision_in_words(RegistryView(tiny_registry), "chronic", "random-forest")
    found, words = spoken.found, spoken.words
    assert fidelity_text(words, found) in texts(page)
    assert any("Random forest, chronic GVHD treatment, in words" in part.value for part in page.code)
    tree, worth = (json.loads(chart.proto.spec) for chart in page.get("plotly_chart"))
    assert len([text for text in tree["data"][0]["labels"] if "<b>" in text]) == len(found.tree.limits)
    assert len(worth["layout"]["yaxis"]["ticktext"]) == len(found.judged)
    table = page.dataframe[0].value
    assert len(table) == found.groups["departs"].sum()
    assert {"decisions", "patients", "what was given", "combinations moved"} <= set(table.columns)


def test_matched_means_are_shown_with_the_warning_numbers_and_truth(open_page, registry_run: str) -> None:
    page = choose(open_page("registry", {"registry-view": "Values"}), "registry-values-view", "Matched rewards")
    assert "confounded" in texts(page)
    assert "Example from the simulator" in texts(page)
    figure = json.loads(page.get("plotly_chart")[0].proto.spec)
    assert any(trace["marker"]["symbol"] == "line-ns" for trace in figure["data"])
    assert any("n = " in note["text"] for note in figure["layout"]["annotations"])
    table = page.dataframe[0].value
    assert {"95 % interval", "matched", "true value"} <= set(table.columns)


def test_off_policy_estimates_carry_support_and_truth(open_page, registry_run: str) -> None:
    page = choose(open_page("registry", {"registry-view": "Values"}), "registry-values-view", "Table")
    table = page.dataframe[0].value
    assert {"PHWIS", "PHWDR", "ESS", "support", "true value", "matched, acute"} <= set(table.columns)
    unsupported = table[table["support"] == "not supported"]
    assert all(text.startswith("(") or text == "no course agrees" for text in unsupported["PHWDR"])


def test_a_policy_of_sets_is_uploaded_checked_kept_for_its_visitor_and_taken_out(
    open_page, app_data: Path, tiny_registry: Path
) -> None:
    shutil.copytree(tiny_registry, app_data / "registry" / "copy")
    run = RegistryView(app_data / "registry" / "copy")
    form = policy_file(run, "most-frequent")
    asked = {"registry-run": "copy", "registry-view": "Values"}
    page = choose(open_page("registry", asked), "registry-values-view", "Your own")
    assert "None yet" in texts(page)
    short = form.iloc[1:].to_csv(index=False).encode()
    page.file_uploader(key="registry-own").set_value(("mine.csv", short, "text/csv")).run()
    assert "mine.csv has no row for 1 of the" in page.error[0].value.replace("\\", "")
    page.file_uploader(key="registry-own").set_value(("mine.csv", form.to_csv(index=False).encode(), "text/csv")).run()
    assert "The file answers every decision that it names" in page.success[0].value
    page.button(key="registry-own-keep").click().run()
    assert not page.exception
    listed = page.dataframe[0].value
    assert listed[["policy", "true value", "seen by"]].values.tolist() == [["mine", "not rolled out", "you alone"]]
    page = choose(open_page("registry", asked), "registry-values-view", "Table")
    values = page.dataframe[0].value.set_index("policy")
    same = ["PHWIS", "PHWDR", "ESS", "support"]
    assert values.loc["mine", same].tolist() == values.loc["One size fits all", same].tolist()
    data = run.points["chronic"]
    place = {
        "registry-patient": str(data.patient[0]),
        "registry-stage": str(data.stage[0]),
        "registry-decision": "chronic",
    }
    told = texts(open_page("registry", asked | {"registry-view": "Patient"} | place))
    assert "**mine**, added from elsewhere, gives: " in told
    other = open_page("registry", asked | {"owner": STRANGER})
    assert "None yet" in texts(choose(other, "registry-values-view", "Your own"))
    page = choose(open_page("registry", asked), "registry-values-view", "Your own")
    page.button(key="registry-own-remove").click().run()
    assert "None yet" in texts(page)


def patient_page(open_page, **params: str) -> AppTest:
    return open_page("registry", {"registry-view": "Patient", **{f"registry-{k}": v for k, v in params.items()}})


def test_a_link_restores_patient_stage_decision_and_screen(open_page, registry_run: str, tiny_registry: Path) -> None:
    run = RegistryView(tiny_registry)
    points = run.points["chronic"]
    place = int(np.flatnonzero(points.stage == 2)[0])
    patient = int(points.patient[place])
    page = patient_page(open_page, patient=str(patient), stage="2", decision="chronic", n="4", order="q")
    assert any(str(block.value).startswith(f"**Patient {run.cohort.patients[patient]}** ·") for block in page.markdown)
    options = recommend(run, patient, 2, "chronic", 4, 0.0)
    shown = page.dataframe[-2].value  # the options; what was screened out comes last
    allowed = options[options["screened"] & (options["count"] >= 5)]
    assert set(shown["combination"]) == set(allowed["name"])
    assert shown["group"].is_monotonic_increasing
    out = page.dataframe[-1].value
    assert len(out) == len(options) - 4
    assert out["reason"].str.contains("the screen keeps 4").all()
    page.toggle(key="registry-why").set_value(True).run()
    box = next(box for box in page.selectbox if box.key.startswith("registry-why"))
    first = shown["combination"].iloc[0]
    assert box.value == int(allowed.loc[allowed["name"] == first, "action"].iloc[0])
    found = why(run, patient, 2, "chronic")
    assert f"{found.advantage[box.value]:+.2f} by Q" in texts(page)
    assert "on" in page.query_params["registry-why"]


def test_the_screen_can_leave_nothing_and_then_nothing_is_ranked(
    open_page, registry_run: str, tiny_registry: Path
) -> None:
    run = RegistryView(tiny_registry)
    patient = int(run.points["chronic"].patient[0])
    stage = int(run.points["chronic"].stage[0])
    best = recommend(run, patient, stage, "chronic", 1, 0.0)["probability"].max()
    assert best < 0.9
    page = patient_page(open_page, patient=str(patient), stage=str(stage), decision="chronic", floor="100", n="1")
    refused = "No options are ranked here" in texts(page)
    assert refused == (best < 0.1 or recommend(run, patient, stage, "chronic", 1, 0.0)["count"].iloc[0] < 5)


def test_initial_decisions_show_experts_only(open_page, registry_run: str) -> None:
    page = patient_page(open_page, patient="3", stage="0", decision="prophylaxis")
    assert "No policy is learned for this decision" in texts(page)
    assert "Q" not in page.dataframe[-2].value.columns


@pytest.mark.parametrize("params", [{"patient": "99999999"}, {"patient": "x", "stage": "77", "decision": "surgery"}])
def test_a_malformed_link_does_no_harm(open_page, registry_run: str, params: dict[str, str]) -> None:
    page = patient_page(open_page, **params)
    assert "**Patient " in texts(page)
    assert not page.error


def test_next_goes_through_the_filtered_list(open_page, registry_run: str) -> None:
    page = patient_page(open_page, patient="0")
    page.multiselect(key="registry-filter-outcome").set_value(["dead"])
    page = rerun(page)
    assert "not this one" in next(box for box in page.selectbox if box.key == "registry-pick-patient").label
    page = press(page, "Next")
    assert "**died**" in texts(page)


def test_filters_hold_together() -> None:
    everyone = pd.DataFrame(
        {
            "outcome": ["dead", "well", "well"], "acute_gvhd": [True, False, True], "split": ["test", "test", "train"],
            "hla_match": ["matched", "mismatched", "matched"], "age": [10.0, 40.0, 70.0],
        }
    )  # fmt: skip
    assert matching(everyone, Filters()).tolist() == [0, 1, 2]
    assert matching(everyone, Filters(outcomes=("well",), had=("acute_gvhd",))).tolist() == [2]
    assert matching(everyone, Filters(splits=("test",), category=("hla_match", ("matched",)))).tolist() == [0]
    assert matching(everyone, Filters(age=(30, 80))).tolist() == [1, 2]


def test_the_frontier_starts_at_the_furthest_supported_point(
    open_page, registry_run: str, tiny_registry: Path, monkeypatch
) -> None:
    monkeypatch.setattr(RegistryView, "reach", lambda self, policy, dial: 0.25 if dial == "mixture" else 0.5)
    page = choose(open_page("registry", {"registry-view": "Values"}), "registry-values-view", "Trust frontier")
    rows = along(RegistryView(tiny_registry).frontier, "dqn-screened", "mixture")
    assert departure(page).value == 0.25
    assert "**Trust frontier: a = 0.25.**" in texts(page)
    labels = [metric.label for metric in page.metric]
    assert labels[0] == "Policy, minus experts"
    assert "True value (simulated)" in labels  # 0.25 is rolled out
    assert "In truth" in texts(page)
    departure(page).set_value(1.0)
    page = rerun(page)
    end = rows[rows["setting"] == 1.0].set_index("estimator")
    assert "Beyond the trust frontier (a = 0.25)" in texts(page)
    run = RegistryView(tiny_registry)
    last = along(run.judgments, "dqn-screened", "mixture").iloc[-1]
    assert hidden_in_words(last.to_dict(), run.columns) in texts(page)
    assert f"here it is {end.loc['phwis', 'ess']:.1f}" in texts(page)
    assert end.loc["phwis", "reasons"] in texts(page)
    next(s for s in page.selectbox if s.key == "registry-frontier-policy").set_value("most-frequent")
    page = choose(rerun(page), "registry-frontier-dial", "floor")
    assert departure(page).value == 0.5
    assert len(page.get("plotly_chart")) == 2  # the difference, then the published values


def departure(page: AppTest):
    return next(slider for slider in page.select_slider if slider.label == "Departure from the experts")


def treated(folder: Path) -> dict[str, str]:
    """A patient whose chronic disease is decided on, as a link."""
    points = RegistryView(folder).points["chronic"]
    place = int(np.flatnonzero(points.stage == 2)[0])
    return {"patient": str(int(points.patient[place])), "stage": "2", "decision": "chronic"}


def test_options_stand_as_far_as_the_records_support_by_default(
    open_page, registry_run: str, tiny_registry: Path, monkeypatch
) -> None:
    monkeypatch.setattr(RegistryView, "reach", lambda self, policy, dial: 0.25)
    page = patient_page(open_page, **treated(tiny_registry))
    row = along(RegistryView(tiny_registry).frontier, "dqn-screened", "mixture")
    row = row[(row["setting"] == 0.25) & (row["estimator"] == "phwdr")].iloc[0]
    assert "As far as the records support: a = 0.25" in texts(page)
    assert row["support"] in texts(page)
    assert page.dataframe[-2].value["supported"].is_monotonic_decreasing
    page = choose(page, "registry-order", "q")
    assert "followed always, this policy is" in texts(page)
    assert page.dataframe[-2].value["group"].is_monotonic_increasing
    other = patient_page(open_page, **treated(tiny_registry), n="4")
    assert "which was not judged" in texts(other)
    assert "which was not judged" not in texts(page)


def test_where_nothing_is_supported_options_stand_by_q_and_say_so(
    open_page, registry_run: str, tiny_registry: Path, monkeypatch
) -> None:
    monkeypatch.setattr(RegistryView, "reach", lambda self, policy, dial: None)
    page = patient_page(open_page, **treated(tiny_registry))
    assert "Ordered by Q alone" in texts(page)
    assert page.dataframe[-2].value["group"].is_monotonic_increasing


def test_options_that_records_cannot_tell_apart_stand_together() -> None:
    options = pd.DataFrame(
        {"q": [2.0, 1.95, 1.5, 1.4], "low": [0.7, 0.7, 0.7, np.nan], "high": [0.72, 0.72, 0.72, np.nan]}
    )
    assert group_options(options, 0.06)["group"].tolist() == [1, 1, 2, 3]
    wide = options.assign(low=0.4, high=1.0)  # half-width 0.3
    assert group_options(wide, 0.06)["group"].tolist() == [1, 1, 2, 2]


def test_a_run_of_another_visitor_is_not_shown(open_page, app_data: Path, tiny_registry: Path) -> None:
    folder = app_data / "registry" / "private"
    shutil.copytree(tiny_registry, folder)
    edit_manifest(folder, owner=owner_of(STRANGER))
    page = open_page("registry", {"registry-run": "private", "registry-view": "Values"})
    assert "No finished run" in texts(page)
    owner = open_page("registry", {"owner": STRANGER, "registry-run": "private", "registry-view": "Values"})
    assert "Tiny registry" in head(owner)


def test_the_list_of_runs_follows_one_that_is_not_finished(
    open_page, registry_run: str, app_data: Path, tiny_registry: Path
) -> None:
    cut = app_data / "registry" / "cut"
    cut.mkdir()
    manifest = read_json(tiny_registry / "manifest.json")
    cut_short = manifest | {"name": "Cut short", "created": "2000-01-01T00:00:00+00:00"}
    write_json(cut / "manifest.json", sealed(cut_short))
    page = choose(open_page("registry"), "registry-part", "Train")
    listed = next(frame.value for frame in page.dataframe if "state" in frame.value)
    assert listed["run"].tolist() == ["Tiny registry", "Cut short"]
    assert listed["state"].tolist() == ["Done", "Interrupted"]
    page.session_state["registry-runs"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    page = rerun(page)
    assert page.query_params["registry-job"] in ("cut", ["cut"])
    assert "Resume" in [button.label for button in page.button]


def test_the_page_says_what_its_registry_is(open_page, registry_run: str) -> None:
    page = open_page("registry")
    said = head(page)
    assert "Source: simulated by this program (seed " in said
    assert "Stages, in days from the transplant: 100 days (day 100)" in said
    assert "Chronic GVHD treatment among 24 drugs" in said
    assert "Outcome: the state at each stage." in said
    page = choose(page, "registry-cohort-view", "Notes")
    assert "Doses and days are not recorded" in texts(page)
    assert "GVHD prophylaxis, drugs that may be combined: tacrolimus, cyclosporine, MTX, " in texts(page)
