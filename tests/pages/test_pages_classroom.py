"""The Class page: a reader study from its set-up to its figures, and a conference from its code to its reveal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.icu.view import RunView
from core.runs.folders import owner_of
from core.teaching.codes import MOST_WRONG, WrongCodes
from core.teaching.kept import read_kept
from core.teaching.reading import ReaderStudy
from core.teaching.rooms import conferences_of
from pages.components.shell.session import KEY
from tests.manifests import edit_manifest
from tests.pages.test_pages_unordered import DOSE, told

TEACHER, EVE = "the-teacher-of-this-test", "somebody-who-tries-codes"
STUDENTS = ("the-first-student-here", "the-second-student-here")


@pytest.fixture(autouse=True)
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong codes are counted anew in every test."""
    count = WrongCodes()
    monkeypatch.setattr("pages.components.classroom.entrance.wrong_codes", lambda: count)


def texts(page: AppTest) -> str:
    parts = (*page.markdown, *page.caption, *page.warning, *page.info, *page.error)
    return " ".join(str(part.value) for part in parts)


def said(page: AppTest) -> str:
    """Texts of the progress bars."""
    return " ".join(str(part.proto.text) for part in page.get("progress"))


def figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def mark(page: AppTest, name: str) -> str:
    """A parameter that the page has put into its address."""
    return str(page.session_state[KEY].marks[name])


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
    assert "Case 1 of 3, reader 1" in said(page)
    assert "Advice:" not in texts(page)
    assert "survived" not in texts(page)
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
    (figure,) = figures(page)
    notes = [note["text"] for note in figure["layout"]["annotations"]]
    assert notes.count("no decision yet") == 3  # two cases without planted advice, one with, over three arms
    assert "3 decisions of 1 reader on 3 cases, 1 with planted advice" in texts(page)


def test_more_cases_than_patients_are_refused_in_a_sentence(open_page, app_run: str) -> None:
    page = choose(open_page("classroom", {"run": app_run}), "Reader study", "class-view")
    page.number_input[0].set_value(60)
    page = press(page, "Start study")
    assert "60 cases are asked for" in texts(page)


@pytest.fixture
def sets_run(app_data: Path, unordered_run: Path) -> str:
    """A run whose actions are sets of drugs."""
    (app_data / "runs" / "sets").symlink_to(unordered_run, target_is_directory=True)
    return "sets"


def of_combinations(page: AppTest) -> AppTest:
    """The page, which tells something, and nowhere of doses."""
    found = list(told(page))
    assert any(found)
    assert [text for text in found if DOSE.search(text)] == []
    return page


def test_a_reader_of_a_run_of_combinations_is_told_of_no_dose(open_page, sets_run: str) -> None:
    page = choose(open_page("classroom", {"run": sets_run}), "Reader study", "class-view")
    page.number_input[0].set_value(3)
    page = press(of_combinations(page), "Start study")
    assert page.radio[0].label == "Anticoagulation"
    page = of_combinations(press(page, "Keep first answer"))
    assert "Choose a combination first" in texts(page)
    shown = []
    for _ in range(3):
        page = of_combinations(answer(page, 2, "Keep first answer"))
        shown.append("most similar states got this combination" in texts(page))
        page = answer(page, 2, "Keep and go on")
    assert sum(shown) == 1, "one of the three arms tells what supports the advice"
    page = choose(page, "Results", "reading-part")
    assert "seconds, combination given" in texts(of_combinations(page))


def test_a_class_on_a_run_of_combinations_is_told_of_no_dose(open_page, sets_run: str) -> None:
    teacher = opened(open_page, sets_run)
    ann = of_combinations(joined(open_page, mark(teacher, "class-code"), "Ann", STUDENTS[0]))
    assert "Choose a combination first" in texts(of_combinations(press(ann, "Commit")))
    ann = of_combinations(answer(ann, 1, "Commit"))
    press(again(teacher), "Reveal")
    ann = of_combinations(again(ann))
    assert "for each combination, to the right" in texts(ann)
    assert "Fused: the run's own policy" in texts(ann)
    for part in ("Step by step", "What it is worth", "The whole stay"):
        ann = of_combinations(choose(ann, part, "class-part"))


@pytest.fixture
def private_run(app_data: Path, tiny_run: Path) -> str:
    """A run that its teacher alone may see."""
    folder = app_data / "runs" / "private"
    shutil.copytree(tiny_run, folder)
    edit_manifest(folder, owner=owner_of(TEACHER), name="Secret run")
    return "private"


def opened(open_page, run: str, pace: str = "together") -> AppTest:
    """A teacher's page after opening a conference of two decisions from step 2 on."""
    page = open_page("classroom", {"run": run, "owner": TEACHER})
    page.number_input[0].set_value(2)
    page.number_input[1].set_value(2)
    page.radio(key="class-pace").set_value(pace)
    return press(page, "Open conference")


def joined(open_page, code: str, nickname: str, owner: str) -> AppTest:
    page = open_page("classroom", {"class-code": code, "owner": owner})
    page.text_input[1].set_value(nickname)
    return press(page, "Join")


def again(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def test_a_class_without_rights_to_the_run_plays_its_case_blind_and_sees_what_it_is_worth(
    open_page, private_run: str, tiny_run: Path
) -> None:
    teacher = opened(open_page, private_run)
    code = mark(teacher, "class-code")
    run = RunView(tiny_run)
    (conference,) = conferences_of(owner_of(TEACHER))
    assert conference.asked.steps == range(1, 3)
    outcome = run.study.survived_label if run.cohort.outcomes[conference.asked.patient] > 0 else run.study.died_label

    stranger = open_page("classroom", {"class-code": code, "owner": STUDENTS[0]})
    assert "Patient" not in texts(stranger), "a code alone, without joining, shows nothing"
    ann = joined(open_page, code, "<b>Ann</b>", STUDENTS[0])
    bob = joined(open_page, code, "[Bob](http://x)", STUDENTS[1])
    assert f"**Patient {run.cohort.patients[conference.asked.patient]}**" in texts(ann)
    assert "Secret run" not in texts(ann)
    assert "0 of 2 have committed" in said(again(ann))
    assert r"\<b\>Ann" in texts(ann)
    assert f"**{outcome}**" not in texts(ann)
    assert "no finished run" in texts(open_page("patient", {"run": private_run, "owner": STUDENTS[0]})).lower()

    ann = answer(ann, 1, "Commit")
    assert "You committed" in texts(ann)
    assert "1 of 2 have committed" in said(again(teacher))
    teacher = press(teacher, "Next step")
    ann, bob = again(ann), again(bob)
    answer(ann, 0, "Commit")
    answer(bob, 4, "Commit")
    teacher = press(again(teacher), "Reveal")
    for page in (teacher, again(ann)):
        assert f"**{outcome}**" in texts(page)
        (figure,) = figures(page)
        votes = {trace["name"] for trace in figure["data"]}
        assert votes == {"class", "given", "Clinicians, most often", "Fused"} | ({"you"} if page is ann else set())
    ann = choose(ann, "Step by step", "class-part")
    assert "Class (n = 1)" in figures(ann)[0]["layout"]["yaxis"]["ticktext"]
    ann = choose(ann, "What it is worth", "class-part")
    rows = ann.dataframe[0].value.set_index("Policy")
    assert {"Clinicians", "Fused", "No drug", "<b>Ann</b> (you)", "[Bob](http://x)"} == set(rows.index)
    assert rows.loc["<b>Ann</b> (you)", "Answers"] == "2"
    assert rows.loc["[Bob](http://x)", "Hazard rate [95 %]"].startswith("100 %")
    assert "in truth" in texts(ann)

    teacher.number_input[0].set_value(3)
    teacher = press(teacher, "Play this case")
    assert "Decision 1 of" in texts(again(ann))
    press(teacher, "Close conference")
    assert not conferences_of(owner_of(TEACHER))


def test_everybody_goes_at_their_own_pace_until_the_reveal(open_page, app_run: str) -> None:
    teacher = opened(open_page, app_run, "own")
    ann = joined(open_page, mark(teacher, "class-code"), "Ann", STUDENTS[0])
    ann = answer(ann, 1, "Commit")
    assert "Decision 2 of 2" in texts(ann)
    ann = answer(ann, 2, "Commit")
    assert "Wait for the teacher" in texts(ann)
    assert "1 of 1 are through" in said(again(teacher))


def test_a_wrong_code_or_a_name_that_is_taken_is_told_and_tries_are_limited(open_page, app_run: str) -> None:
    teacher = opened(open_page, app_run)
    code = mark(teacher, "class-code")
    joined(open_page, code, "Ann", STUDENTS[0])
    assert "nickname is taken" in texts(joined(open_page, code, "ann", STUDENTS[1]))
    for _ in range(MOST_WRONG):
        assert "no open conference" in texts(joined(open_page, "ABCD-2345", "Eve", EVE))
    assert "too many wrong codes" in texts(joined(open_page, code, "Eve", EVE)), "the right one is not looked up either"
