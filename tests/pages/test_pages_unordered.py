"""A run whose actions are sets of drugs: no page speaks of a dose, since none of them is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.icu.view import RunView
from core.study import load_study
from pages.components.policies.choices import WORDS, words_for

DOSE = re.compile(r"\bdos(?:es?|ed|ing)\b", re.IGNORECASE)
TEXTS = ("title", "header", "markdown", "caption", "info", "warning", "error")
WIDGETS = ("selectbox", "multiselect", "radio", "slider", "select_slider", "toggle", "button", "button_group", "metric")
OPENED = {"patient-blind": "off", "find-patient": "on"}
VIEWS = [
    ("overview", {}),
    ("phenotypes", {}),
    *(("policies", {"policies-view": name}) for name in ("Doses", "Fusion λ", "Trust frontier", "Value", "Support")),
    *(("values", {"values-view": name}) for name in ("By dose, phenotype and step", "Critics", "Two estimators")),
    *(("patient", OPENED | {"decision-view": name}) for name in ("Options", "Probabilities", "Similar states")),
    ("patient", OPENED | {"decision-view": "What if"}),
]


def told(page: AppTest) -> Iterator[str]:
    """All that a reader sees, or is told on asking: texts, labels, options, headings of tables, words in figures."""
    for kind in TEXTS:
        yield from (str(part.value) for part in getattr(page, kind))
    for kind in WIDGETS:
        for part in getattr(page, kind):
            yield str(part.label)
            yield str(getattr(part.proto, "help", ""))
            yield from (str(getattr(option, "content", option)) for option in getattr(part, "options", None) or [])
    for frame in page.dataframe:
        yield from map(str, frame.value.columns)
    for chart in page.get("plotly_chart"):
        yield from re.findall(r'"(?:text|title|name|hovertemplate)":\s*"([^"]*)"', chart.proto.spec)


@pytest.mark.parametrize(("name", "asked"), VIEWS, ids=[" ".join([n, *list(a.values())[-1:]]) for n, a in VIEWS])
def test_nothing_speaks_of_doses(
    open_page, app_data: Path, unordered_run: Path, monkeypatch: pytest.MonkeyPatch, name: str, asked: dict[str, str]
) -> None:
    (app_data / "runs" / "sets").symlink_to(unordered_run, target_is_directory=True)
    advice = RunView(unordered_run).advice
    assert advice is not None
    # what the run stored of other choices still tells of the bins that it was made with
    monkeypatch.setattr(RunView, "advice", property(lambda _: advice.model_copy(update={"atlas": None})))
    page = open_page(name, {"run": "sets", **asked})
    texts = list(told(page))
    assert any("ombination" in text for text in texts) or name == "phenotypes", "it is the run of sets that is shown"
    assert [text for text in texts if DOSE.search(text)] == []


def test_the_view_of_what_is_given_has_the_name_of_the_actions(open_page, app_data: Path, unordered_run: Path) -> None:
    (app_data / "runs" / "sets").symlink_to(unordered_run, target_is_directory=True)
    page = open_page("policies", {"run": "sets"})
    views = next(group for group in page.button_group if group.key == "policies-view")
    assert views.options[0] == "Combinations"


def test_other_choices_are_told_without_bins(unordered_run: Path) -> None:
    words = words_for(RunView(unordered_run).study)
    assert not any(DOSE.search(text) for text in (words.how, words.of, *words.groups, *words.same))
    assert words.told("the same dose in all") == "the same combination in all"
    assert words_for(load_study()) == WORDS
