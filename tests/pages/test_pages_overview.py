"""The Overview page: empty, with a run, and with a link to a run that is not one's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.base.text import markdown
from core.figures.theme import fmt_percent
from core.icu.advice import Control
from core.icu.ask.against import advice_hazards
from core.icu.ask.gain import gain
from core.icu.hidden_causes import UNKNOWN
from core.icu.view import RunView
from core.policies.hazards import default_rules
from core.runs.folders import owner_of
from tests.manifests import edit_manifest

ROOT = Path(__file__).resolve().parents[2]


def test_first_visit_says_what_to_do(open_page) -> None:
    page = open_page("overview")
    assert any("No finished run yet" in str(part.value) for part in page.markdown)


def test_with_a_run_every_value_has_its_basis(open_page, app_run: str) -> None:
    page = open_page("overview")
    assert not page.query_params  # a bare address stays one place of the history until something is chosen
    page.run()
    assert page.query_params["run"] == app_run
    supported, whole = page.metric[6:]
    assert supported.label == "PHWDR: trust frontier, minus clinicians"
    assert supported.value == "–"  # 24 test patients are fewer than the floor
    assert any("no departure from the clinicians keeps" in str(part.value) for part in page.caption)
    assert whole.label == "PHWDR: fused policy itself, minus clinicians"
    assert re.fullmatch(r"\([+-]\d+\.\d\d\)", whole.value)  # in brackets: not supported
    assert any("True (simulator)" in str(part.value) for part in page.markdown)
    assert any("ESS" in str(part.value) and "PHWDR" in str(part.value) for part in page.caption)
    assert page.dataframe[0].value["run"].tolist() == ["Tiny run"]


def test_the_gain_at_the_trust_frontier_stands_beside_that_of_the_whole_policy(
    open_page, app_run: str, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.icu.ask.frontier.furthest_supported", lambda table, floor: 0.5)
    page = open_page("overview")
    run = RunView(tiny_run)
    found = gain(run, run.split.test, run.own_policy, reach=0.5)
    assert page.metric[6].value == f"{found.difference.value:+.2f}"
    true = run.frontier_truth.query("dial == 'mixture'").set_index("setting")["true_value"]
    said = " ".join(str(part.value) for part in page.markdown)
    assert f"True (simulator): **{true[0.5] - true[0.0]:+.2f}**" in said
    assert any("trust frontier at a = 0.5" in str(part.value) for part in page.caption)


def said(page: AppTest) -> str:
    return " ".join(str(part.value) for part in (*page.header, *page.markdown, *page.caption))


def test_the_first_cards_are_the_question_the_advice_and_its_hazards(open_page, app_run: str, tiny_run: Path) -> None:
    page, run = open_page("overview"), RunView(tiny_run)
    assert page.header[0].value.startswith("How much heparin, if any, every 4 h, for adults in intensive care")
    assert run.advice is not None
    shown, text = run.advice.shown, said(page)
    assert run.advice.text in text
    assert run.advice.hidden_in_words in text
    assert run.advice.atlas is not None
    assert f"holds in {'all ' if run.advice.atlas.overall.robust else ''}" in text
    first, survival, *hazards = page.metric[:4]
    assert shown.survival_points is not None
    assert survival.value.strip("()") == f"{shown.survival_points[0]:+.1f} points"
    assert first.value.strip("()") == f"{shown.value:+.2f}"
    assert f"Grade: **{shown.grade}**" in text
    assert f"ESS {shown.ess:.1f} of" in text
    rates = advice_hazards(run, default_rules(run.study), shown.share)
    for number, card in enumerate(hazards):
        given, advised = rates[rates["rule"] == number]["rate"]
        assert card.value == fmt_percent(advised)
        assert f"Clinicians: **{fmt_percent(given)}**" in text


@pytest.mark.parametrize(("share", "title"), [(0.0, "Nearest alternative (not advised)"), (0.5, "Advice")])
def test_the_difference_is_called_advice_only_where_it_is_advised(
    open_page, app_run: str, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, share: float, title: str
) -> None:
    stored = RunView(tiny_run).advice
    assert stored is not None
    name = "pessimistic-step at 0.5" if share else "clinicians"
    advice = stored.model_copy(update={"share": share, "recommended": name, "left_out": None})
    monkeypatch.setattr(RunView, "advice", property(lambda _: advice))
    page = open_page("overview")
    assert page.metric[0].label == f"{title}, minus clinicians"
    assert page.metric[1].label == "Survival, minus clinicians"
    assert UNKNOWN in said(page), "a run from before hidden causes were asked about"
    rules = [markdown(rule.title(RunView(tiny_run).study)) for rule in default_rules(RunView(tiny_run).study)]
    who = "Advice" if share else "Alternative"
    assert [card.label for card in page.metric[2:4]] == [f"{who}: {text}" for text in rules], "cards tell apart"
    assert "heparin while Activated partial thromboplastin time" in page.metric[3].help, "the whole rule, on asking"
    assert ("What came nearest" in said(page)) == (not share)


def test_an_audit_that_fails_stands_under_the_claim(
    open_page, app_run: str, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gain where nothing can be gained is no detail of the tab that audits have."""
    stored = RunView(tiny_run).advice
    assert stored is not None
    assert stored.audit is not None
    for seen_gain, seen in ((9.0, True), (0.1, False)):
        controls = (Control(column="PTT", gain=seen_gain, se=1.0),)
        advice = stored.model_copy(update={"audit": stored.audit.model_copy(update={"controls": controls})})
        monkeypatch.setattr(RunView, "advice", property(lambda _, advice=advice: advice))
        assert ("An audit that fails" in said(open_page("overview"))) == seen


def test_the_purpose_defines_hour_0_outcome_and_dose(open_page, app_run: str) -> None:
    (purpose,) = (str(b.proto.body) for b in open_page("overview").get("html") if "<details" in str(b.proto.body))
    assert "Hour 0: the first platelet count below 150" in purpose
    assert "Outcome: died within 90 days" in purpose
    assert "Dose: heparin, units per 4 h." in purpose


def test_a_run_from_before_there_was_advice_says_so(open_page, app_run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunView, "advice", property(lambda _: None))
    page = open_page("overview")
    assert "Train it again" in said(page)
    assert page.metric[0].label == "Patients"


def test_no_door_leads_to_a_page_that_is_not_there(app_data: Path) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not app.exception
    assert not any(str(part.value).startswith("→") for part in app.caption)
    links = app.get("page_link")
    assert len(links) >= 6


def test_the_clinicians_and_the_teachers_doors_lead_in_blind(open_page, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, bool] = {}
    monkeypatch.setattr(
        "streamlit.page_link", lambda page, *, query_params, **_: asked.update({page: "patient-blind" in query_params})
    )
    open_page("overview")
    blind = {"pages/patient.py", "pages/phenotypes.py", "pages/learn.py", "pages/classroom.py", "pages/values.py"}
    assert {page for page, hidden in asked.items() if hidden} == blind
    assert {"pages/policies.py", "pages/encoder.py"} <= set(asked)


def test_runs_of_others_stay_hidden_even_by_their_link(open_page, app_data: Path, tiny_run: Path) -> None:
    folder = app_data / "runs" / "private"
    shutil.copytree(tiny_run, folder)
    edit_manifest(folder, owner=owner_of("the-token-of-somebody-else"))
    page = open_page("overview", {"run": "private"})
    assert not page.metric
    assert not page.dataframe
    mine = open_page("overview", {"run": "private", "owner": "the-token-of-somebody-else"})
    assert mine.metric


def test_a_broken_run_is_left_out(open_page, app_data: Path) -> None:
    folder = app_data / "runs" / "broken"
    folder.mkdir()
    (folder / "manifest.json").write_text("{not json")
    page = open_page("overview", {"run": "broken"})
    assert any("No finished run yet" in str(part.value) for part in page.markdown)


def test_a_run_with_a_damaged_file_is_reported_in_words(app_data: Path, tiny_run: Path) -> None:
    folder = app_data / "runs" / "damaged"
    shutil.copytree(tiny_run, folder)
    (folder / "evaluations.parquet").write_bytes(b"not a table")
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not app.exception
    assert "evaluations.parquet" in app.error[0].value
    assert app.dataframe, "the list of runs is there to choose another one"
