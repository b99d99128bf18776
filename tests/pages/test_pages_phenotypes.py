"""The Phenotypes page: map, selection, published panel, honesty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.icu.ask.names import phenotype_texts
from core.icu.ask.stay_values import values_of_stays
from core.icu.view import RunView
from pages.components.phenotypes.point_map import MISSING, take_rows
from pages.components.shell.patients import WALKED
from pages.components.shell.session import KEY, Selection


def figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def view(page: AppTest, name: str, key: str = "phenotypes-view") -> AppTest:
    next(group for group in page.button_group if group.key == key).set_value(name)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def texts(page: AppTest) -> str:
    return " ".join(
        str(part.value) for part in (*page.markdown, *page.caption, *page.warning, *page.header, *page.info)
    )


def points(figure: dict) -> dict[int, tuple[float, float]]:
    placed = {}
    for trace in figure["data"]:
        patients = np.ravel(decode(trace["customdata"]))
        placed |= dict(zip(patients.tolist(), zip(decode(trace["x"]), decode(trace["y"]), strict=True), strict=True))
    return placed


def decode(values: object) -> np.ndarray:
    """Plotly sends typed arrays as base64."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return np.asarray(values)


def test_without_a_run_the_page_says_what_to_do(open_page) -> None:
    assert "No finished run yet" in texts(open_page("phenotypes"))


def components(page: AppTest) -> dict[str, Any]:
    """The messages that make the map in the browser: its points, its look (values), and the selection."""
    parts = [part.proto for part in page.get("bidi_component") if "map" in part.proto.component_name]
    named = {part.component_name: part for part in parts if part.bytes}
    return named | {next(iter({"selection", "values"} & json.loads(p.json).keys())): p for p in parts if not p.bytes}


def look(page: AppTest) -> dict[str, Any]:
    return json.loads(components(page)["values"].json)


def test_k_recolors_the_map_in_the_browser_and_its_points_stay(open_page, app_run: str, tiny_run: Path) -> None:
    page, run = open_page("phenotypes", {"run": app_run}), RunView(tiny_run)
    before, colored = components(page)["point_map"].bytes, look(page)
    assert f'"n": {run.cohort.n_patients}'.encode() in before
    assert colored["names"] == list(phenotype_texts(run, 3))
    assert colored["groups"][0]["detail"].startswith(f"{(run.labels(3) == 0).sum()} patients, ")
    page.select_slider(key="map-k").set_value(4).run()
    assert not page.exception
    assert components(page)["point_map"].bytes == before
    assert look(page)["values"] != colored["values"]
    assert len(look(page)["groups"]) == 4


@pytest.mark.parametrize("color", ["Outcome", "Policy", "Length of stay", "column Platelets", "column Gender"])
def test_the_map_is_colored_by_anything(open_page, app_run: str, color: str) -> None:
    page = open_page("phenotypes", {"run": app_run})
    page.selectbox(key="map-color").set_value(color).run()
    assert not page.exception, page.exception[0].message
    colored = look(page)
    assert colored["range"] or len(colored["groups"]) == 2
    assert bool(colored["ring"]) == bool(colored["hollow"]) == (color == "Policy")
    assert colored["title"] in colored["alt"], "told in words too"
    page.session_state[MISSING] = True
    page.run()
    assert not page.exception, page.exception[0].message
    assert "draws no WebGL" in texts(page)


def test_rows_from_the_browser_become_the_selection(open_page, app_run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page("phenotypes", {"run": app_run})
    session = page.session_state[KEY]
    monkeypatch.setattr("pages.components.phenotypes.point_map.get_session", lambda: session)
    shown = np.array([4, 9, 11, 30])
    take_rows("lasso:" + Selection.of("rows", [1, 3]).encode(), shown)
    assert session.selection == Selection.of("lasso on the map", [9, 30])
    for nonsense in (None, "%%%", "lasso:%%%", "lasso:AAAA", "magic:" + Selection.of("rows", [1]).encode()):
        take_rows(nonsense, shown)
        assert len(session.selection) == 2, "what is no selection changes nothing"
    take_rows("view:" + Selection.of("rows", [2, 4, 999]).encode(), shown)
    assert session.selection == Selection.of("in view on the map", [11]), "rows beyond the map are nobody"
    take_rows("click:", shown)
    assert session.selection is None


def test_k_recolors_and_no_point_moves(open_page, app_run: str, tiny_run: Path) -> None:
    page = open_page("phenotypes", {"run": app_run})
    page.session_state[MISSING] = True  # the plain map, for a browser without WebGL
    page.run()
    before = points(figures(page)[0])
    assert len(before) == RunView(tiny_run).cohort.n_patients
    page.select_slider(key="map-k").set_value(4).run()
    assert not page.exception
    after = figures(page)[0]
    assert points(after) == before
    assert len(after["data"]) == 4
    assert page.session_state[KEY].n_clusters == 4


def test_the_map_says_what_it_is_not(open_page, app_run: str) -> None:
    said = texts(open_page("phenotypes", {"run": app_run}))
    for words in ("are not measurements", "clustering is done in the latent space", "seed 42", "All patients"):
        assert words in said


def test_a_selection_in_the_link_is_shown_with_its_patients(open_page, app_run: str, tiny_run: Path) -> None:
    chosen = Selection.of("map", [3, 5, 8, 13, 21, 34])
    page = open_page("phenotypes", {"run": app_run, "selection": chosen.encode(), "selected": "map"})
    run = RunView(tiny_run)
    assert "Selected: **map** · 6 patients of 160" in texts(page)
    listed = page.dataframe[0].value["patient"].tolist()
    assert listed == run.cohort.patients[list(chosen.patients)].tolist()
    page = view(page, "What sets them apart", "selection-show")
    assert "6 selected against" in texts(page)
    assert "Not judged in this selection" in texts(view(page, "What the advice does for them", "selection-show"))
    whole = Selection.of("map", range(160))
    page = open_page("phenotypes", {"run": app_run, "selection": whole.encode(), "selected": "map"})
    page = view(page, "What the advice does for them", "selection-show")
    assert run.advice is not None
    assert f"{run.advice.shown.value:+.2f}" in page.metric[0].value
    assert "corrected for 1 selection looked at" in texts(page)


def test_one_selected_patient_is_one(open_page, app_run: str) -> None:
    page = open_page("phenotypes", {"run": app_run, "selection": Selection.of("map", [3]).encode()})
    assert "1 patient of 160" in texts(page)


def test_too_few_patients_are_not_compared(open_page, app_run: str) -> None:
    page = open_page("phenotypes", {"run": app_run, "selection": Selection.of("map", [1, 2]).encode()})
    assert "Too few patients to compare" in texts(view(page, "What sets them apart", "selection-show"))


def test_clearing_the_selection_brings_back_the_hint(open_page, app_run: str) -> None:
    page = open_page("phenotypes", {"run": app_run, "selection": Selection.of("map", [1, 2, 3]).encode()})
    page.button(key="clear-selection").click().run()
    assert page.session_state[KEY].selection is None
    assert "Drag a lasso" in texts(page)


def test_a_kept_selection_can_be_returned_to_after_another_lasso(open_page, app_run: str) -> None:
    page = open_page("phenotypes", {"run": app_run, "selection": Selection.of("map", [1, 2, 3, 4]).encode()})
    page.text_input(key="selection-name").set_value("early shock")
    page.button(key="keep-selection").click().run()
    assert page.session_state[KEY].selection == Selection.of("early shock", [1, 2, 3, 4])
    page.session_state[KEY].select("map", [7, 8])
    page.run()
    assert "**map** · 2 patients" in texts(page)
    page.selectbox(key="kept-selections").set_value("early shock").run()
    assert "**early shock** · 4 patients" in texts(page)


def test_what_is_cleared_can_be_undone_and_redone(open_page, app_run: str) -> None:
    page = open_page("phenotypes", {"run": app_run, "selection": Selection.of("map", [1, 2, 3]).encode()})
    page.button(key="clear-selection").click().run()
    assert "No patients selected" in texts(page)
    page.button(key="undo-selection").click().run()
    assert "3 patients of 160" in texts(page)
    assert page.query_params["selection"] == Selection.of("map", [1, 2, 3]).encode()
    page.button(key="redo-selection").click().run()
    assert page.session_state[KEY].selection is None
    assert "selection" not in page.query_params


@pytest.mark.parametrize("name", ["phenotypes", "policies", "values", "patient"])
def test_a_slice_made_on_any_page_is_the_selection(open_page, app_run: str, tiny_run: Path, name: str) -> None:
    page = open_page(name, {"run": app_run})
    page.multiselect(key="select-phenotype-d").set_value([2])
    page.multiselect(key="select-outcome").set_value(["died"])
    page.multiselect(key="select-split").set_value(["train"]).run()
    page.button(key="slice-select").click().run()
    assert not page.exception
    assert not [name for name in page.session_state[KEY].marks if name.startswith("select-")]  # done, the form is empty
    run = RunView(tiny_run)
    wanted = (run.labels(3) == 2) & (run.cohort.outcomes < 0) & (run.split_name == "train")
    assert page.session_state[KEY].selection == Selection.of("phenotype 2 of 3, died, train", np.flatnonzero(wanted))
    assert f"**phenotype 2 of 3, died, train** · {wanted.sum()} patient" in texts(page)


def test_a_slice_that_matches_nobody_changes_nothing(open_page, app_run: str, tiny_run: Path) -> None:
    run = RunView(tiny_run)
    chosen = Selection.of("map", np.flatnonzero(run.cohort.outcomes > 0)[:5])
    page = open_page("phenotypes", {"run": app_run, "selection": chosen.encode(), "selected": "map"})
    page.multiselect(key="select-outcome").set_value(["died"])
    page.checkbox(key="select-selection").check().run()
    assert page.button(key="slice-select").label == "Select 0 patients"
    assert page.button(key="slice-select").disabled
    assert page.session_state[KEY].selection == chosen


def test_both_charts_of_two_features_show_the_selection(open_page, app_run: str, tiny_run: Path) -> None:
    chosen = Selection.of("map", [3, 5, 8, 13, 21, 34])
    page = view(open_page("phenotypes", {"run": app_run, "selection": chosen.encode()}), "Two features")
    run = RunView(tiny_run)
    gate, small_map = figures(page)
    for figure in (gate, small_map):
        bright = [
            np.ravel(decode(trace["customdata"]))[decode(trace["selectedpoints"]).astype(int)]
            for trace in figure["data"]
        ]
        assert sorted(np.concatenate(bright).tolist()) == chosen.patients.tolist()
    x, y = points(gate)[8]
    rows = run.cohort.rows(8)
    assert x == pytest.approx(run.cohort.states[rows, run.study.index("SOFA")].mean(), rel=1e-5)
    assert y == pytest.approx(run.cohort.states[rows, run.study.index("Platelets")].mean(), rel=1e-5)
    page.selectbox(key="gate-y-value").set_value("last").run()
    assert points(figures(page)[0])[8][1] == pytest.approx(
        run.cohort.states[rows, run.study.index("Platelets")][-1], rel=1e-5
    )


def test_a_comparison_with_the_selection_before(open_page, app_run: str, tiny_run: Path) -> None:
    page = open_page("phenotypes", {"run": app_run, "selection": Selection.of("one", range(30)).encode()})
    page.session_state[KEY].select("two", range(100, 140))
    page = view(page, "What sets them apart", "selection-show")
    page.selectbox(key="selection-against").set_value("the selection before: from link").run()
    assert "40 selected against 30" in texts(page)
    run = RunView(tiny_run)
    effects = figures(page)[-1]["data"][0]
    names, values = effects["y"], decode(effects["x"])
    sofa = values_of_stays(run, "mean")[:, run.study.index("SOFA")]
    one, two = sofa[:30], sofa[100:140]
    wanted = (two.mean() - one.mean()) / np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 2)
    found = dict(zip(names, values, strict=True))
    assert found.get("SOFA score", wanted) == pytest.approx(wanted)
    assert len(found) == 15


def test_the_published_panel_shows_every_part(open_page, app_run: str, tiny_run: Path) -> None:
    page = view(open_page("phenotypes", {"run": app_run}), "Published panel")
    silhouette, outcomes, courses, severity = figures(page)
    run = RunView(tiny_run)
    assert decode(silhouette["data"][0]["y"]).tolist() == pytest.approx(run.indices["silhouette"].tolist())
    died = decode(outcomes["data"][1]["x"])
    labels = run.labels(3)
    assert died == pytest.approx([100 * (run.cohort.outcomes[labels == k] < 0).mean() for k in range(3)])
    titles = [a["text"] for a in courses["layout"]["annotations"]]
    assert titles[:3] == ["SOFA score (points)", "Platelets (×10⁹/L)", "Lactate (mmol/L)"]
    assert sum(len(decode(t["y"])) > 0 for t in severity["data"]) == 3


def test_any_feature_can_be_chosen_and_none(open_page, app_run: str) -> None:
    page = view(open_page("phenotypes", {"run": app_run}), "Published panel")
    page.multiselect(key="panel-features").set_value(["Creatinine"]).run()
    assert figures(page)[2]["layout"]["annotations"][0]["text"].startswith("Creatinine")
    page.multiselect(key="panel-features").set_value([]).run()
    assert "No feature chosen" in texts(page)


def test_the_honesty_table_names_rivals_and_truth(open_page, app_run: str) -> None:
    page = view(open_page("phenotypes", {"run": app_run}), "How far to trust them")
    shown = page.dataframe[0].value
    assert {"encoder", "patient means"} <= set(shown["representation"])
    assert shown[["ARI, truth", "ARI, 4 steps", "ARI, 6 steps, truth"]].notna().all().all()
    assert "training patients, which the clusters were fitted on" in texts(page)
    assert len(figures(page)) == 1


def test_a_patient_opened_from_the_selection_is_walked_within_it(
    open_page, app_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.components.phenotypes.selected.patient_list", lambda *_, leave, **__: leave())
    chosen = Selection.of("map", [2, 4, 6])
    page = open_page("phenotypes", {"run": app_run, "selection": chosen.encode()})
    assert page.session_state[KEY].marks[WALKED] == "on"
    patient = open_page("patient", {"run": app_run, "patient": "4", "selection": chosen.encode(), WALKED: "on"})
    assert not patient.exception
    assert "3 in the list" in patient.selectbox(key="pick-patient").label
    patient.button(key="next-patient").click().run()
    assert patient.session_state[KEY].patient == 6
    assert patient.button(key="next-patient").disabled
