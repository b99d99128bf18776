"""Session, places, exports and forms, apart from any page."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from core.encoder.config import EncoderConfig
from core.icu.selection import Selection
from core.runs.folders import owner_of
from pages.components.shell import export
from pages.components.shell.export import basis, figure_html, file_name, neutralize, number_columns, to_csv
from pages.components.shell.forms import _bounds, _kind, _step
from pages.components.shell.places import new_token, rename_old, run_path, uploads_root
from pages.components.shell.session import KEY, LONGEST_TEXT, Session


def fake_run(**changes: object) -> SimpleNamespace:
    config = SimpleNamespace(
        phenotypes=SimpleNamespace(n_clusters=4),
        fusion=SimpleNamespace(lambda_=9.0, mode="prospective"),
    )
    run = {"k_values": (2, 3, 4), "lambdas": (0.0, 9.0, 15.0, math.inf), "config": config}
    return SimpleNamespace(**{**run, "cohort": SimpleNamespace(n_patients=10), **changes})


def test_session_round_trip_keeps_the_view_but_not_the_token() -> None:
    session = Session(owner="o" * 20, run="a-run")
    session.choose("n_clusters", 5)
    session.choose("lambda_", math.inf)
    session.choose("mode", "retrospective")
    session.patient, session.step = 7, 3
    session.select("mine", [4, 2, 2])
    shared = session.to_params(private=False)
    for params in (shared, session.to_params()):
        assert "owner" not in params
        assert not any("o" * 20 in value for value in params.values())
    again = Session(owner="p" * 20)
    again.read_params(shared)
    assert (again.run, again.n_clusters, again.lambda_, again.mode) == ("a-run", 5, math.inf, "retrospective")
    assert (again.patient, again.step, again.selection) == (7, 3, Selection.of("mine", [2, 4]))


@pytest.mark.parametrize(
    "params",
    [
        {"run": "../../etc"},
        {"run": "/etc/passwd"},
        {"k": "nan"},
        {"k": "1e99"},
        {"lambda": "-1"},
        {"mode": "psychic"},
        {"patient": "-1"},
        {"patient": "inf"},
        {"temperature": "0.5"},  # in links of earlier versions; it was read by nobody
        {"selection": "%%%"},
    ],
)
def test_malformed_links_change_nothing(params: dict[str, str]) -> None:
    session = Session(owner="o" * 20)
    session.read_params(params)
    assert session == Session(owner="o" * 20)


def test_the_set_up_of_the_next_run_survives_a_reload() -> None:
    changes = {"encoder.epochs": 7, "run.train_share": 0.8, "run.valid_share": 0.25}  # together too much: to be mended
    session = Session(owner="o" * 20, preset="standard", overrides=changes)
    again = Session(owner="p" * 20)
    again.read_set_up(session.to_params())
    assert (again.preset, again.overrides) == ("standard", changes)


def test_a_shared_link_holds_nothing_of_the_set_up_and_no_address_the_folder_of_ones_encoder() -> None:
    folder = f"data/uploads/{'o' * 20}/encoder-1"
    session = Session(owner="o" * 20, preset="standard", overrides={"run.encoder_folder": folder, "run.seed": 2})
    assert not any("o" * 20 in value for value in session.to_params(private=False).values())
    assert not {"preset", "settings"} & set(session.to_params(private=False))
    assert session.to_params()["settings"] == '{"run.seed": 2}'


@pytest.mark.parametrize(
    "params",
    [
        {"preset": "heroic"},
        {"settings": "["},
        {"settings": "[1]"},
        {"settings": "[" * 5000},
        {"settings": "[" * 7000},
        {"settings": "~" + "0" * 32},
        {"settings": '{"encoder.epochs": "many"}'},
        {"settings": '{"encoder.epochs": -1}'},
        {"settings": '{"encoder.magic": 1}'},
        {"settings": '{"magic": 1}'},
        {"settings": '{"run.encoder_folder": "/etc"}'},
    ],
)
def test_a_malformed_set_up_changes_nothing(params: dict[str, str], app_data: Path) -> None:
    session = Session(owner="o" * 20)
    session.read_set_up(params)
    assert session == Session(owner="o" * 20)


def test_settings_are_taken_as_the_settings_classes_hold_them() -> None:
    session = Session(owner="o" * 20)
    session.read_set_up({"settings": '{"encoder.epochs": "5.0", "run.train_share": "0.6", "run.plot_flag": "no"}'})
    assert session.overrides == {"encoder.epochs": 5, "run.train_share": 0.6, "run.plot_flag": False}
    assert type(session.overrides["encoder.epochs"]) is int


def test_a_link_from_outside_brings_no_set_up(open_page) -> None:
    page = open_page("encoder", {"preset": "published", "settings": '{"encoder.epochs": 3}', "own": "stranger"})
    assert (page.session_state[KEY].preset, page.session_state[KEY].overrides) == ("quick", {})


@pytest.mark.parametrize(("n", "stored"), [(13_355, False), (100_000, True)])
def test_half_of_all_patients_come_back_from_a_link_of_bounded_length(n: int, stored: bool, app_data: Path) -> None:
    session = Session(owner="o" * 20)
    chosen = np.flatnonzero(np.random.default_rng(0).random(n) < 0.5)
    session.select("half", chosen)
    params = session.to_params(private=False)
    assert max(len(value) for value in params.values()) <= LONGEST_TEXT
    assert (app_data / "links").exists() == stored, "only what is too long for a link is stored"
    again = Session(owner="p" * 20)
    again.read_params(params)
    assert again.selection == Selection.of("half", chosen)


def test_a_link_to_a_selection_that_is_not_stored_here_says_so(app_data: Path) -> None:
    session = Session(owner="o" * 20)
    session.read_params({"selection": "~" + "0" * 32})
    assert session.selection is None
    assert session.unread


def test_selections_are_undone_and_redone_in_order() -> None:
    session = Session(owner="o" * 20)
    one, two = Selection.of("one", [1]), Selection.of("two", [2])
    session.put(one)
    session.put(two)
    session.put(None)
    seen = []
    for _ in range(4):  # one more than there is to undo
        session.undo()
        seen.append(session.selection)
    assert seen == [two, one, None, None]
    for _ in range(4):
        session.redo()
    assert session.selection is None
    session.undo()
    session.put(one)
    assert not session.undone, "a new selection ends what could be redone"


def test_choosing_the_same_patients_again_is_no_step_of_its_own() -> None:
    session = Session(owner="o" * 20)
    session.select("one", [3, 1])
    session.select("one", [1, 3, 3])
    assert session.past == [None]


def test_an_empty_lasso_is_no_selection() -> None:
    session = Session(owner="o" * 20)
    session.select("one", [1])
    session.select("lasso", [])
    assert session.selection is None
    session.undo()
    assert session.selection == Selection.of("one", [1])


def test_a_kept_selection_has_its_name_and_its_patients() -> None:
    session = Session(owner="o" * 20)
    session.select("lasso", [1, 2])
    session.keep("early shock")
    assert session.selection == Selection.of("early shock", [1, 2])
    assert session.selections == {"early shock": session.selection}


def test_fields_follow_the_run_until_they_are_chosen() -> None:
    session = Session(owner="o" * 20)
    session.fit(fake_run())
    assert (session.n_clusters, session.lambda_, session.mode) == (4, 9.0, "prospective")
    session.choose("n_clusters", 3)
    session.choose("lambda_", 14.0)
    session.patient = 99
    session.select("some", [1, 99])
    session.fit(fake_run())
    assert (session.n_clusters, session.lambda_) == (3, 15.0)
    assert session.patient is None
    assert session.selection == Selection.of("some", [1])


def test_a_choice_that_the_run_does_not_hold_falls_back_to_the_run() -> None:
    session = Session(owner="o" * 20)
    session.choose("n_clusters", 9)
    session.fit(fake_run(k_values=(2,)))
    assert session.n_clusters == 2


def test_another_run_drops_patients_of_the_run_before() -> None:
    session = Session(owner="o" * 20, run="a", patient=3, step=2)
    session.select("some", [1])
    session.keep("mine")
    session.open_run("b")
    assert (session.patient, session.step, session.selection, session.selections) == (None, None, None, {})
    session.undo()
    assert session.selection is None, "undo does not bring back patients of another run"


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a/b", "", ".hidden", "a" * 200, "a\\b", "a\0"])
def test_run_names_cannot_leave_the_folder(name: str) -> None:
    assert run_path(name) is None


@pytest.mark.parametrize("owner", ["", "short", "../../../../../../etc", "x" * 100])
def test_owners_cannot_leave_the_folder(owner: str) -> None:
    with pytest.raises(ValueError, match="an owner has 32"):
        uploads_root(owner)


def test_new_tokens_are_long_and_differ(tmp_path: Path) -> None:
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert len({uploads_root(owner_of(token)).name for token in tokens}) == 50


def test_the_folder_of_uploads_does_not_tell_the_key_and_is_found_under_its_old_name(app_data: Path) -> None:
    key = new_token()
    before = app_data / "uploads" / key
    before.mkdir(parents=True)
    (before / "c.parquet").touch()
    folder = uploads_root(owner_of(key))
    rename_old(key)
    assert key not in str(folder)
    assert [path.name for path in folder.iterdir()] == ["c.parquet"]
    assert not before.exists()
    rename_old(key)
    assert [path.name for path in folder.iterdir()] == ["c.parquet"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", '=HYPERLINK("x")'])
def test_formulas_in_text_cells_are_neutralized(text: str) -> None:
    assert neutralize(text).startswith("'")
    line = to_csv(pd.DataFrame({"a": [text], "b": [-1.5]})).decode()
    again = pd.read_csv(pd.io.common.StringIO(line), dtype=str) if "\r" not in text and "\t" not in text else None
    if again is not None:
        assert again["a"][0].startswith("'")
        assert float(again["b"][0]) == -1.5


def test_formula_headers_are_neutralized_and_numbers_are_not() -> None:
    assert to_csv(pd.DataFrame({"=x": [-2]})).decode() == "'=x\n-2\n"
    assert neutralize(-3) == -3
    assert neutralize("plain") == "plain"


def test_file_names_are_harmless() -> None:
    assert file_name("../../a b/c", "csv") == "a-b-c.csv"
    assert file_name("", "csv") == "phenopolicy.csv"


def test_a_figure_that_leaves_offers_no_way_to_a_cloud_and_no_markup_from_its_text() -> None:
    page = figure_html(go.Figure(), 'lactate "high" <script>alert(1)</script>')
    assert '"showSendToCloud": false' in page
    assert 'aria-label="lactate &quot;high&quot; &lt;script&gt;alert(1)&lt;/script&gt;"' in page
    assert not re.search(r"<script[^>]+src=", page)


def test_basis_names_interval_support_and_mode() -> None:
    text = basis(low=1.0, high=2.0, ess=3.25, n=2004, estimator="PHWIS", mode="prospective")
    assert text == "95 % CI [1.00, 2.00] · ESS 3.2 of 2,004 · PHWIS · prospective"
    assert basis() == "no basis stated"
    assert "no interval" in basis(low=math.nan, high=math.nan)


def test_form_bounds_are_values_that_the_settings_accept() -> None:
    for name, field in EncoderConfig.model_fields.items():
        kind, _ = _kind(field.annotation)
        if kind not in (int, float):
            continue
        low, high = _bounds(field, kind)
        for value in (low, high):
            if value is not None and abs(value) < 1e12:
                assert getattr(EncoderConfig.build({name: value}), name) == value


@pytest.mark.parametrize(("annotation", "wanted"), [(int | None, (int, True)), (float, (float, False))])
def test_optional_fields_are_known(annotation: object, wanted: tuple[type, bool]) -> None:
    assert _kind(annotation) == wanted


@pytest.mark.parametrize(("value", "step"), [(5e-5, 1e-6), (0.3, 0.01), (0.0, 0.1), (15.0, 1.0)])
def test_steps_follow_the_magnitude(value: float, step: float) -> None:
    assert math.isclose(_step(value), step)


def test_settings_hold_the_colors_of_the_theme_and_no_file_watcher() -> None:
    import tomllib

    from core.figures.theme import PHENOTYPE_COLORS

    settings = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml").read_text())
    assert tuple(settings["theme"]["chartCategoricalColors"]) == PHENOTYPE_COLORS
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["server"]["fileWatcherType"] == "none", "it walks the data and all packages before the first page"
    json.dumps(settings)


def test_numbers_of_a_table_are_told_alike_and_stay_whole_in_the_file() -> None:
    frame = pd.DataFrame(
        {
            "patient": [13355, 2],
            "steps": [16, 3],
            "patients": [13355, 2000],
            "dose": [25055.25, 0.5],
            "rmse": [0.313, 0.25],
            "sign": [1.0, 0.5],
            "rate": [1e-4, 3e-4],
            "n (%)": ["1,200 (38.1 %)", "–"],
            "interval": ["1.20 [0.80, 1.60]", "(-0.31 [-0.50, 0.10])"],
            "policy": ["2 of 3", "clinicians"],
        }
    )
    shown, told = number_columns(frame)
    assert shown["dose"].tolist() == [25055.0, 0.0]  # read, not counted with
    assert frame["dose"].tolist() == [25055.25, 0.5]
    formats = {name: config.get("type_config", {}).get("format") for name, config in told.items()}
    assert formats == {
        "patients": "localized",
        "dose": "localized",
        "rmse": "%.2f",
        "sign": "%.1f",
        "n (%)": None,
        "interval": None,
    }
    assert told["n (%)"]["alignment"] == told["interval"]["alignment"] == "right"


def test_a_callers_column_keeps_its_say_and_takes_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr(export.st, "dataframe", lambda frame, **options: seen.update(options, frame=frame))
    monkeypatch.setattr(export, "csv_button", lambda *_, **__: None)
    frame = pd.DataFrame({"count": [5927, 18], "share": [0.011, 0.9437], "reward": ["1.0", "0.8"], "hidden": [1, 2]})
    column = export.st.column_config
    config = {
        "count": column.NumberColumn(width="small"),
        "share": column.NumberColumn("share treated", format="percent"),
        "reward": column.TextColumn(width="small"),
        "hidden": None,
    }
    export.table(frame, "some", column_config=config)
    told: dict = seen["column_config"]  # type: ignore[assignment]
    assert (told["count"]["width"], told["count"]["type_config"]["format"]) == ("small", "localized")
    assert (told["share"]["label"], told["share"]["type_config"]["format"]) == ("share treated", "%.1f %%")
    assert seen["frame"]["share"].tolist() == pytest.approx([1.1, 94.37])  # type: ignore[index]
    assert (told["reward"]["width"], told["reward"]["alignment"]) == ("small", "right")
    assert told["hidden"] is None


def test_what_pages_draw_with_is_imported_before_a_page_can_run() -> None:
    """Visitors who come at once to a fresh server would import it in several threads, and find it half there."""
    import ast

    module = ast.parse((Path(__file__).resolve().parents[2] / "app.py").read_text(encoding="utf-8"))
    imported = {name.name for node in module.body if isinstance(node, ast.Import) for name in node.names}
    assert {"pandas", "plotly.graph_objects", "streamlit"} <= imported
