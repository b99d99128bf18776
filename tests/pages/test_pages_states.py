"""States that no page may fail in: nothing there, a run at work, a run with damaged files, too few patients."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.cohort import simulate_cohort
from core.icu.config import load_preset
from core.icu.study import run_study
from core.runs.folders import owner_of
from core.runs.job import JobRecord
from tests.manifests import before_checksums

OWNER = "a-token-of-this-test-only"
VIEWS = {
    "encoder": ("Training", "Reconstruction", "Attention"),
    "phenotypes": ("Map", "Published panel", "How far to trust them"),
    "policies": ("Doses", "Fusion λ", "Trust frontier", "Value", "Support", "Choices", "Dose excess", "Hazard rules"),
    "values": ("By dose, phenotype and step", "Critics", "Survival", "Two estimators"),
    "patient": ("",),
}
# A run without an atlas may be an older one: its view says so, and no file is named.
RESULTS = [(name, view) for name, views in VIEWS.items() for view in views if view != "Choices"]
# What a run is told by: with these alone it counts as finished, and every other file can be lacking.
KEPT = {"manifest.json", "progress.json", "report.json", "study.json", "cohort.parquet", "split.npz", "z.npy"}
FEW = 17
QUICK = {
    "encoder.epochs": "2",
    "phenotypes.k_max": "4",
    "phenotypes.n_bootstrap": "2",
    "agents.epochs": "1",
    "fqi.n_trees": "4",
    "fqe.n_trees": "4",
    "evaluation.n_bootstrap": "40",
    "evaluation.truth_patients": "20",
    "baselines.boosting_rounds": "2",
    "baselines.boosting_iterations": "2",
}


@pytest.fixture(scope="module")
def few_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a handful of stays: hardly anyone is held out, and no group holds many."""
    folder = tmp_path_factory.mktemp("few") / "run"
    cohort, _ = simulate_cohort("mimic-iv", FEW, seed=5)
    for _ in run_study(cohort, load_preset("quick", QUICK), folder, name="Few stays"):
        pass
    return folder


@pytest.fixture
def gutted(app_data: Path, tiny_run: Path) -> Path:
    """A finished run that has lost all files but those that it is told by."""
    folder = app_data / "runs" / "gutted"
    shutil.copytree(tiny_run, folder)
    before_checksums(folder)  # else it would not open at all
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in KEPT and path.parent.name != "phenotypes":
            path.unlink()
    return folder


def at(page: AppTest, name: str, view: str) -> AppTest:
    """The page at one of its views; it may show errors, never an exception."""
    if view:
        page.query_params[f"{name}-view"] = view
        page.run()
    assert not page.exception
    assert page.title
    return page


def said(page: AppTest) -> str:
    parts = (*page.markdown, *page.caption, *page.info, *page.warning, *page.error)
    return "\n".join(str(part.value) for part in parts)


@pytest.mark.parametrize(("name", "view"), RESULTS)
def test_a_missing_file_is_named_where_it_is_needed(open_page, gutted: Path, name: str, view: str) -> None:
    page = at(open_page(name), name, view)
    assert "did not work" in page.error[0].value
    assert "is missing" in page.error[0].value


@pytest.mark.parametrize("name", ["overview", *VIEWS, "experiments", "learn"])
def test_a_run_without_its_cohort_stands_in_no_pages_way(open_page, app_data: Path, tiny_run: Path, name: str) -> None:
    shutil.copytree(tiny_run, app_data / "runs" / "torn")
    (app_data / "runs" / "torn" / "cohort.parquet").write_bytes(b"PAR1 and then nothing")
    page = open_page(name, {"run": "torn"})
    assert all("cohort.parquet" in error.value for error in page.error), "the damaged file is named"
    assert page.title


@pytest.mark.parametrize(("name", "key"), [("overview", "runs"), ("experiments", "experiment-runs")])
def test_a_run_that_cannot_be_read_is_said_so_when_it_is_chosen(
    open_page, app_data: Path, tiny_run: Path, name: str, key: str
) -> None:
    shutil.copytree(tiny_run, app_data / "runs" / "torn")
    (app_data / "runs" / "torn" / "cohort.parquet").unlink()
    page = open_page(name)
    page.session_state[key] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    page.run()
    assert not page.exception
    assert "This run cannot be shown" in page.error[0].value


@pytest.mark.parametrize("name", VIEWS)
def test_while_the_first_run_is_at_work_pages_say_where_to_follow_it(open_page, app_data: Path, name: str) -> None:
    folder = app_data / "runs" / "job"
    folder.mkdir()
    JobRecord(kind="icu", file="c.parquet", owner=owner_of(OWNER)).write(folder)
    page = at(open_page(name, {"job": "job"}), name, VIEWS[name][0])
    assert "Your run is not finished" in said(page)


@pytest.mark.parametrize(("name", "view"), [*RESULTS, ("overview", ""), ("cohort", "")])
def test_a_handful_of_stays_is_drawn_and_called_small(
    open_page, app_data: Path, few_run: Path, name: str, view: str
) -> None:
    (app_data / "runs" / "few").symlink_to(few_run, target_is_directory=True)
    page = at(open_page(name), name, view)
    assert not page.error
    assert any(f"small cohort: {FEW} patients" in block.proto.body for block in page.get("html"))
    assert page.get("plotly_chart") or page.metric or "Too few patients" in said(page)


def test_estimates_on_a_handful_of_stays_are_not_called_supported(open_page, app_data: Path, few_run: Path) -> None:
    (app_data / "runs" / "few").symlink_to(few_run, target_is_directory=True)
    for name, view in (("values", "Two estimators"), ("policies", "Fusion λ"), ("overview", "")):
        assert "not supported" in said(at(open_page(name), name, view))
    assert not at(open_page("values"), "values", "Two estimators").success
