"""The Experiments page: runs, two runs beside each other, tables of an experiment, lab, sweeps, report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.api import open_run
from core.base.errors import ConfigError
from core.base.files import read_json, write_json, write_table
from core.base.judging import JUDGING
from core.cli.main import main
from core.experiments.board import EXAMPLE, example_board
from core.experiments.document import write_tables
from core.experiments.repeats import machine
from core.experiments.settings import ExperimentSettings
from core.icu.ask.sweeps import sweep_grid
from core.icu.ask.tables import policy_table
from core.icu.view import RunView
from core.report.comparison import (
    differing_settings,
    incomparable,
    phenotype_agreement,
    shared_values,
    value_differences,
)
from core.runs.manifest import sealed
from core.sites import digest_of
from pages.components.experiments.compare import _which
from tests.manifests import edit_manifest

SETTINGS = {
    "title": "For a test",
    "presets": ["quick"],
    "repeats": [1, 2, 3],
    "development": {"like": "mimic-iv", "patients": 160, "seed": 3},
}


def test_a_comparison_is_remembered_apart_for_who_sees_other_added_policies(tiny_run: Path, tmp_path: Path) -> None:
    """Two visitors may call their own policies alike; neither is shown what the other's is worth."""
    shutil.copy(tiny_run / "manifest.json", tmp_path)
    for owner in ("me", "you"):
        (tmp_path / "brought" / f"~{owner}" / "mine").mkdir(parents=True)
        (tmp_path / "brought" / f"~{owner}" / "mine" / "added.json").write_text("{}")
    views = [RunView(tmp_path, owners) for owners in ((), ("me",), ("you",))]
    assert len({_which(view, views[0]) for view in views}) == 3
    assert _which(views[1], views[0]) == _which(RunView(tmp_path, ("me",)), RunView(tmp_path))


def choose(page: AppTest, name: str) -> AppTest:
    next(group for group in page.button_group if group.key == "experiments-view").set_value(name)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def texts(page: AppTest) -> str:
    return " ".join(str(part.value) for part in (*page.markdown, *page.caption, *page.warning, *page.error))


def figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def variant(tiny_run: Path, folder: Path, name: str, owner: str = "") -> Path:
    """A copy of the tiny run under another name and lambda; its arrays are shared."""
    folder.mkdir(parents=True)
    for path in tiny_run.iterdir():
        if path.name != "manifest.json" and not path.name.startswith("."):
            (folder / path.name).symlink_to(path, target_is_directory=path.is_dir())
    manifest = read_json(tiny_run / "manifest.json")
    manifest |= {"name": name, "owner": owner}
    manifest["config"]["fusion"]["lambda_"] = 4.0
    write_json(folder / "manifest.json", sealed(manifest))
    return folder


@pytest.fixture
def experiment(app_data: Path, tiny_run: Path) -> Path:
    """An experiment whose repeats are the tiny run's values, moved a little."""
    folder = app_data / "experiments" / "small"
    folder.mkdir(parents=True)
    view = RunView(tiny_run)
    fusion = view.config.fusion
    rows = policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)
    rows = pd.concat([rows.assign(repeat=repeat, value=rows["value"] + repeat) for repeat in (1, 2, 3)])
    shared = {"preset": "quick", "cohort": "development", "like": "mimic-iv", "simulated": True, "own_mode": True}
    shape = dict.fromkeys(("max_probability", "distance_from_uniform", "distance_from_clinicians"), 0.5)
    write_table(folder / "evaluations.parquet", rows.assign(**shared, **shape))
    settings = ExperimentSettings.build(SETTINGS).model_dump(mode="json")
    cells = [{"preset": "quick", "repeat": repeat, "seconds": 1.0} for repeat in (1, 2, 3)]
    record = {"name": "small", "written": "2025-01-02T03:04:05+00:00", "settings": settings, "machine": machine()}
    write_json(folder / "experiment.json", {**record, "cells": cells})
    write_tables(folder)
    return folder


@pytest.mark.parametrize("view", ["Two runs", "Published tables", "Estimators", "Sweeps", "Report"])
def test_an_empty_view_says_how_to_fill_it(open_page, view: str) -> None:
    page = choose(open_page("experiments"), view)
    said = texts(page)
    assert any(word in said for word in ("make experiment", "core sweep", "Train another", "No finished run"))


def test_runs_are_listed_with_their_settings_and_those_of_others_are_not(
    open_page, app_run, app_data, tiny_run
) -> None:
    variant(tiny_run, app_data / "runs" / "hidden", "Hidden run", owner="the-token-of-somebody-else")
    page = open_page("experiments", {"run": app_run})
    shown = page.dataframe[0].value
    assert shown["run"].tolist() == ["Tiny run"]
    first, view = shown.iloc[0], RunView(tiny_run)
    assert first["K"] == view.config.phenotypes.n_clusters
    assert first["λ"] == view.config.fusion.lambda_
    assert first["data hash"] == view.manifest.data_hash
    assert first["work (s)"] == pytest.approx(sum(s.seconds for s in view.manifest.stages.values()), abs=0.1)
    columns = json.loads(page.dataframe[0].proto.columns)
    assert "at the same time" in columns["work"]["help"]


def test_two_runs_are_compared_by_settings_values_and_phenotypes(open_page, app_run, app_data, tiny_run) -> None:
    variant(tiny_run, app_data / "runs" / "other", "Other <b>run</b>")
    page = choose(open_page("experiments", {"run": app_run}), "Two runs")
    settings, values = (frame.value for frame in page.dataframe[:2])
    assert settings["setting"].tolist() == ["fusion.lambda_"]
    assert "adjusted Rand index" in " ".join(metric.label for metric in page.metric)
    assert page.metric[0].value == "1.00", "the same clustering"
    assert (values["B minus A"] != "").all()
    clinicians = values[values["policy"] == "Clinicians"].iloc[0]
    assert clinicians["B minus A"].strip("()").startswith("+0.00 [0.00, 0.00]"), "paired on the same patients"
    assert "paired on the same test patients" in texts(page)


def test_a_difference_of_runs_is_that_of_their_values(tiny_run: Path, tmp_path: Path) -> None:
    first, second = RunView(tiny_run), RunView(variant(tiny_run, tmp_path / "other", "Other"))
    assert differing_settings(first, second)["second"].tolist() == ["4.0"]
    for estimator in ("phwis", "phwdr"):
        found = value_differences(first, second, ["clinician", "fused"], estimator).set_index("policy")
        values = shared_values(first, second, estimator).set_index("policy")
        for policy in ("clinician", "fused"):
            expected = values.loc[policy, "value_b"] - values.loc[policy, "value_a"]
            assert found.loc[policy, "difference"] == pytest.approx(expected)
            assert found.loc[policy, "low"] <= expected <= found.loc[policy, "high"]
    agreement = phenotype_agreement(first, second)
    assert agreement is not None
    assert agreement.ari == pytest.approx(1.0)


def test_the_library_subtracts_as_the_page_and_the_command_line_as_the_library(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = variant(tiny_run, tmp_path / "other", "Other")
    found = open_run(other).minus(open_run(tiny_run), "phwis")
    expected = value_differences(RunView(tiny_run), RunView(other), list(found.index), "phwis").set_index("policy")
    pd.testing.assert_frame_equal(found, expected)
    assert main(["compare", str(other), str(tiny_run), "--estimator", "phwis"]) == 0
    said = capsys.readouterr().out
    assert f"PHWIS of {other} minus {tiny_run}, with 95 % intervals, on the same test patients" in said
    assert "fused" in said
    edit_manifest(other, lambda manifest: [manifest["config"][part].update(gamma=0.5) for part in DISCOUNTED])
    assert main(["compare", str(other), str(tiny_run)]) == 2
    assert "compare: values of runs that differ in discount are not subtracted" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="differ in discount"):
        open_run(tiny_run).minus(open_run(other))


def test_runs_of_another_judging_are_told_apart(tiny_run: Path, tmp_path: Path) -> None:
    other = variant(tiny_run, tmp_path / "other", "Other")
    edit_manifest(other, lambda manifest: manifest["versions"].update(judging="1"))
    rows = differing_settings(RunView(tiny_run), RunView(other)).set_index("setting")
    assert rows.loc["judging"].tolist() == [str(JUDGING), "1"]


DISCOUNTED = ("agents", "fqi", "fqe")
APART = {
    "study": lambda view: setattr(view, "manifest", _of_study(view, name="other")),
    "reward": lambda view: setattr(view, "manifest", _of_study(view, terminal_coeff=1.0)),
    "horizon": lambda view: setattr(view, "manifest", _of_study(view, step_hours=1.0)),
    "discount": lambda view: setattr(view, "config", _discounted(view)),
}


def _of_study(view: RunView, **changed):
    return view.manifest.model_copy(update={"study": view.study.model_copy(update=changed)})


def _discounted(view: RunView):
    return view.config.model_copy(update={"agents": view.config.agents.model_copy(update={"gamma": 0.5})})


@pytest.mark.parametrize("what", APART)
def test_values_that_are_not_counted_in_the_same_unit_are_not_subtracted(tiny_run: Path, what: str) -> None:
    first, second = RunView(tiny_run), RunView(tiny_run)
    assert incomparable(first, second) == ()
    APART[what](second)
    assert incomparable(first, second) == (what,)
    with pytest.raises(ConfigError, match=f"runs that differ in {what} are not subtracted"):
        value_differences(first, second, ["clinician"], "phwis")


def test_two_runs_of_other_rewards_stand_beside_each_other_without_a_difference(
    open_page, app_run, app_data, tiny_run, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant(tiny_run, app_data / "runs" / "other", "Other")
    monkeypatch.setattr("pages.components.experiments.compare.incomparable", lambda *_: ("reward",))
    page = choose(open_page("experiments", {"run": app_run}), "Two runs")
    values = page.dataframe[1].value
    assert "B minus A" not in values
    assert {"A", "ESS A", "B", "ESS B"} <= set(values)
    (warning,) = page.warning
    assert warning.value.startswith("The runs differ in reward, so their values are not counted in the same unit")


def test_unequal_test_parts_are_not_paired(tiny_run: Path, tmp_path: Path) -> None:
    other = variant(tiny_run, tmp_path / "other", "Other")
    first, second = RunView(tiny_run), RunView(other)
    second.split = type(first.split)(train=first.split.train, valid=first.split.test, test=first.split.valid)
    found = value_differences(first, second, ["clinician"], "phwis").iloc[0]
    assert not found["paired"]
    assert found["high"] > found["low"]


def test_the_published_table_stands_beside_ours(open_page, app_run, experiment: Path) -> None:
    page = choose(open_page("experiments", {"run": app_run}), "Published tables")
    shown = page.dataframe[0].value.set_index("policy")
    assert shown.loc["Clinician", "published PHWIS"] == "5.78 ± 0.02"
    fused = next(name for name in shown.index if name.startswith("HOPAS-B (fused)"))
    assert shown.loc[fused, "published PHWDR"] == "9.39 ± 0.87"
    assert "±" in shown.loc[fused, "PHWIS"]
    assert "simulated, like MIMIC-IV" in texts(page)
    (boxes,) = figures(page)
    assert sum(trace["type"] == "box" for trace in boxes["data"]) >= 8
    page.selectbox(key="experiment-table").set_value("gains_over_clinicians").run()
    assert not page.exception
    assert "p, sign-flip" in page.dataframe[0].value.columns


def test_an_experiment_that_is_cut_short_says_how_far_it_came(open_page, app_run, experiment: Path) -> None:
    (experiment / "tables.json").unlink()
    page = choose(open_page("experiments", {"run": app_run}), "Published tables")
    assert "0 of 3 runs are done" in texts(page)


def test_a_sweep_is_a_heat_map_of_means(open_page, app_run, app_data: Path) -> None:
    rows = pd.DataFrame(
        [
            {"preset": "quick", "seed": seed, "n_clusters": k, "lambda_": lambda_, "mode": "prospective"}
            | {
                "policy": "fused",
                "phwis": 10.0 * k + seed,
                "ess": 5.0,
                "support": "not supported" if k == 2 else "weak",
            }
            for seed in (1, 2)
            for k in (2, 3)
            for lambda_ in (0.0, np.inf)
        ]
    )
    grid = sweep_grid(rows, "phwis")
    assert grid.mean.tolist() == [[21.5, 21.5], [31.5, 31.5]]
    assert grid.unsupported.tolist() == [[True, True], [False, False]]
    folder = app_data / "sweeps" / "first"
    folder.mkdir(parents=True)
    write_table(folder / "sweep.parquet", rows)
    page = choose(open_page("experiments", {"run": app_run}), "Sweeps")
    (heat,) = figures(page)
    assert np.ravel(heat["data"][0]["text"]).tolist() == ["(21.50)", "(21.50)", "31.50", "31.50"]
    assert len(page.dataframe[0].value) == 8


def test_the_lab_shows_coverage_with_its_interval(open_page, app_run, app_data: Path) -> None:
    rows = [
        {
            "study": "simulated",
            "propensities": "knn",
            "band": band,
            "estimator": name,
            "n": 20,
            "bias": 0.1,
            "rmse": 1.0,
        }
        | {"coverage": 0.9, "coverage_low": 0.7, "coverage_high": 0.97, "width": 3.0, "truth_se": 0.05}
        for band in ("0 to 10", "10 to 30")
        for name in ("phwis", "phwdr")
    ]
    folder = app_data / "experiments" / "lab"
    folder.mkdir(parents=True)
    settings = {"n_patients": 100, "seeds": [1, 2], "n_bootstrap": 50}
    write_json(folder / "summary.json", {"settings": settings, "by_ess": rows, "ranks": []})
    page = choose(open_page("experiments", {"run": app_run}), "Estimators")
    assert "100 patients a cohort, 2 seeds" in texts(page)
    (drawn,) = figures(page)
    assert {trace["name"] for trace in drawn["data"]} == {"PHWIS", "PHWDR"}
    judged = page.dataframe[0].value
    assert {"mix", "memories of 0, 1, 2, 4 actions"} <= set(judged["estimator"]), "the mix stands first"
    assert len(page.dataframe[1].value) == 4


def test_the_report_is_offered_for_a_visible_run(open_page, app_run, tiny_run: Path) -> None:
    page = choose(open_page("experiments", {"run": app_run}), "Report")
    assert page.selectbox(key="report-run").value == app_run
    labels = [button.proto.label for button in page.get("download_button")]
    assert labels == ["Build and download the report", "Model card", "JSON", "Croissant"]
    assert "names no patient" in texts(page)


def site_file(name: str, bundle: str, difference: float) -> tuple[str, bytes, str]:
    """A site's result as a visitor uploads it."""
    policy = {"policy": "fused", "difference": difference, "low": difference - 1, "high": difference + 1, "se": 0.5}
    policy |= {"ess": 40.0, "grade": "supported", "reasons": [], "dose_shares": [0.6, 0.1, 0.1, 0.1, 0.1]}
    site = {"site": name, "bundle": bundle, "study": "thrombocytopenia", "stays": 100, "steps": 900, "deaths": 20}
    content = site | {"phenotypes": [50, 30, 20], "policies": [policy]}
    return f"{name}.json", json.dumps(content).encode(), "application/json"


def test_results_of_other_sites_are_pooled_and_those_of_another_bundle_left_out(
    open_page, app_run, tiny_run: Path
) -> None:
    page = choose(open_page("experiments", {"run": app_run}), "Other sites")
    here = digest_of(RunView(tiny_run))
    assert f"Bundle {here[:16]}" in texts(page)
    files = page.file_uploader(key="sites-files")
    results = [site_file("North", here, 1.0), site_file("South", here, 2.0), site_file("East", "another", 3.0)]
    files.set_value([*results, ("x.json", b"{}", "")]).run()
    assert not page.exception
    said = texts(page)
    assert "x.json is no site's result" in said.replace("\\", "")
    assert "another bundle than this run's: East" in said
    assert "2 sites, 200 stays, 40 deaths" in said
    assert page.dataframe[0].value["a further site"].tolist() == ["+1.50 [0.52, 2.48]"]
    (forest,) = figures(page)
    assert set(forest["layout"]["yaxis"]["ticktext"]) == {"North", "South", "All stays", "A further site"}
    assert [one.site for one in page.session_state["site-results"]] == ["North", "South"], "for the model card"


def test_a_site_that_is_loaded_twice_is_counted_once_and_said(open_page, app_run, tiny_run: Path) -> None:
    page = choose(open_page("experiments", {"run": app_run}), "Other sites")
    here = digest_of(RunView(tiny_run))
    north, south = site_file("North", here, 1.0), site_file("South", here, 2.0)
    page.file_uploader(key="sites-files").set_value([north, ("copy.json", *north[1:])]).run()
    assert not page.exception
    assert "Loaded more than once, of which the first file counts: North." in texts(page)
    assert "North: 100 stays, judged by its own clinicians" in texts(page), "what is left is shown"
    page.file_uploader(key="sites-files").set_value([north, ("copy.json", *north[1:]), south]).run()
    assert not page.exception
    assert page.dataframe[0].value["a further site"].tolist() == ["+1.50 [0.52, 2.48]"]
    assert [one.site for one in page.session_state["site-results"]] == ["North", "South"], "for the model card"


def test_folders_of_other_things_are_left_out(open_page, app_run, app_data: Path) -> None:
    (app_data / "experiments" / "broken").mkdir(parents=True)
    (app_data / "experiments" / "broken" / "experiment.json").write_text("{")
    page = choose(open_page("experiments", {"run": app_run}), "Published tables")
    assert "make experiment" in texts(page)
    shutil.rmtree(app_data / "experiments")


def test_the_leaderboard_shows_the_example_until_a_board_is_loaded(open_page) -> None:
    page = choose(open_page("experiments"), "Leaderboard")
    said = texts(page)
    assert "48 of 48 intervals hold the truth" in said
    assert "Simulated worlds" in said
    board = example_board()
    assert board is not None
    judged = int(board.policies["judging"].iloc[0])
    assert f"version {judged} of the judging" in said
    assert ("Now another version judges" in said) == (judged != JUDGING)
    careful = page.dataframe[0].value.set_index(["world", "policy"]).loc[("heparin", "careful")]
    assert careful[["true value", "true difference to clinicians", "the mix"]].tolist() == [
        "5.81",
        "-0.07 ± 0.14",
        "6.60 [3.17, 10.02]",
    ]
    assert careful[["safe", "holds the truth", "ESS", "grade"]].tolist() == ["yes", "yes", "113.4", "weak"]
    page.selectbox(key="board-world").set_value("null").run()
    page.selectbox(key="board-estimator").set_value("fqe").run()
    assert not page.exception
    assert set(page.dataframe[0].value["world"]) == {"null"}
    assert set(page.dataframe[0].value["holds the truth"]) == {"no interval"}
    assert "without intervals" in texts(page)


def test_a_board_of_ones_own_is_shown_and_a_wrong_file_named(open_page) -> None:
    page = choose(open_page("experiments"), "Leaderboard")
    mine = read_json(EXAMPLE)
    mine["policies"] = [{**row, "judging": 1, "true_value_se": 0.125} for row in mine["policies"][:3]]
    files = [("mine.json", json.dumps(mine).encode(), "application/json"), ("x.json", b"[]", "application/json")]
    page.file_uploader(key="board-files").set_value(files).run()
    assert not page.exception
    said = texts(page).replace("\\", "")
    assert "x.json is no leaderboard: it holds no list of policies" in said
    assert page.selectbox(key="board-name").value == "mine.json"
    assert "Now another version judges, and its numbers are not comparable" in said
    assert page.dataframe[0].value["true value"].tolist()[0] == "5.25 ± 0.12"
    page.selectbox(key="board-name").set_value(page.selectbox(key="board-name").options[-1]).run()
    assert len(page.dataframe[0].value) == 48, "the example is still there"
