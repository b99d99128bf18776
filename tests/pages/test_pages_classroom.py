"""The Class page: a reader study from its set-up to its figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.teaching.kept import read_kept
from core.teaching.reading import ReaderStudy


def texts(page: AppTest) -> str:
    parts = (*page.markdown, *page.caption, *page.warning, *page.info, *page.error)
    return " ".join(str(part.value) for part in parts)


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click()
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def choose(page: AppTest, option: str, key: str) -> AppTest:
    next(group for group in page.button_group if group.key == key).set_value(option)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def answer(page: AppTest, dose: int, button: str) -> AppTest:
    page.radio[0].set_value(dose)
    return press(page, button)


def kept(data: Path) -> ReaderStudy:
    (path,) = data.glob("uploads/*/readings/tiny-*/*.json")
    return read_kept(path, ReaderStudy)


@pytest.fixture
def study(open_page, app_run: str) -> AppTest:
    page = choose(open_page("classroom", {"run": app_run}), "Reader study", "class-view")
    page.number_input[0].set_value(3)
    page.number_input[1].set_value(30)
    return press(page, "Start study")


def test_a_reader_decides_twice_goes_on_after_a_reload_and_sees_the_rates(
    study: AppTest, open_page, app_run: str, app_data: Path
) -> None:
    page = study
    assert kept(app_data).planted.sum() == 1
    assert "Case 1 of 3, reader 1" in json.dumps([str(part.proto) for part in page.get("progress")])
    said = texts(page)
    assert "Advice:" not in said
    assert "survived" not in said
    page = press(page, "Keep first answer")
    assert "Choose a dose first" in texts(page)
    page = answer(page, 2, "Keep first answer")
    params = {
        name: page.query_params[name][0] for name in ("reading-study", "reading-reader") if name in page.query_params
    }
    page = choose(open_page("classroom", {"run": app_run} | params), "Reader study", "class-view")
    assert page.radio[0].value == 2, "the first answer outlives a reload"
    arms = []
    for order in (1, 2, 3):
        if order > 1:
            page = answer(page, 2, "Keep first answer")
        arms.append(kept(app_data).seen(1, order)[1])
        case = kept(app_data).seen(1, order)[0]
        assert ("Advice: **" in texts(page)) == (arms[-1] != "alone")
        assert ("most similar states got this dose" in texts(page)) == (arms[-1] == "support")
        page = answer(page, case.shown, "Keep and go on")
    assert sorted(arms) == ["advice", "alone", "support"]
    assert "has finished all 3 cases" in texts(page)
    page = choose(page, "Results", "reading-part")
    (figure,) = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    notes = [note["text"] for note in figure["layout"]["annotations"]]
    assert notes.count("no decision yet") == 3  # two cases without planted advice, one with, over three arms
    assert "3 decisions of 1 readers on 3 cases, 1 with planted advice" in texts(page)


def test_more_cases_than_patients_are_refused_in_a_sentence(open_page, app_run: str) -> None:
    page = choose(open_page("classroom", {"run": app_run}), "Reader study", "class-view")
    page.number_input[0].set_value(60)
    page = press(page, "Start study")
    assert "60 cases are asked for" in texts(page)
