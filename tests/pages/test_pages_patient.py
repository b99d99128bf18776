"""The Patient page: list, timeline, and one decision with its support."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.base.text import markdown
from core.cohort import Cohort
from core.icu.ask import decision as asked
from core.icu.ask import options
from core.icu.ask.hazards import fallen_steps, hit_at
from core.icu.ask.options import refusal
from core.icu.ask.similar import neighborhood, similar_patients
from core.icu.ask.what_if import recorded_values, what_if
from core.icu.ask.why import why
from core.icu.view import RunView
from core.policies import PolicyKey
from pages.components.patient import decision
from pages.components.patient.decision import known_weight
from pages.components.patient.similar import CAME_FROM
from pages.components.shell.patients import patient_table
from pages.components.shell.session import KEY, Selection


def figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def numbers(part: dict | list) -> list[float]:
    """An array of a figure's JSON."""
    if isinstance(part, list):
        return [float(one) for one in part]
    return np.frombuffer(base64.b64decode(part["bdata"]), dtype=part["dtype"]).astype(float).tolist()


def texts(page: AppTest) -> str:
    parts = (*page.markdown, *page.caption, *page.warning, *page.info, *page.header)
    return " ".join(str(part.value) for part in parts)


def view(page: AppTest, name: str, key: str = "decision-view") -> AppTest:
    next(group for group in page.button_group if group.key == key).set_value(name)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


@pytest.fixture
def run(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture
def longest(run: RunView) -> int:
    return int(np.argmax(run.cohort.lengths))


@pytest.fixture
def page(open_page, app_run: str, longest: int) -> AppTest:
    return open_page("patient", {"run": app_run, "patient": str(longest), "step": "5"})


def test_without_a_choice_an_unseen_patient_with_a_long_stay_is_shown(open_page, app_run: str, run: RunView) -> None:
    page = open_page("patient", {"run": app_run})
    chosen = page.session_state[KEY].patient
    assert run.split_name[chosen] == "test"
    assert run.cohort.lengths[chosen] == run.cohort.lengths[run.split.test].max()


def test_the_timeline_shows_the_stay_as_recorded(page: AppTest, run: RunView, longest: int) -> None:
    course = figures(page)[0]
    rows = run.cohort.rows(longest)
    platelets = next(t for t in course["data"] if t["name"] == "Platelets")
    assert len(platelets["marker"]["color"]) == run.cohort.lengths[longest]
    doses = next(t for t in course["data"] if t["name"] == "dose")
    given = [run.study.actions.label(int(a)) for a in run.cohort.actions[rows]]
    assert list(doses["customdata"]) == given
    assert f"**Patient {run.cohort.patients[longest]}**" in texts(page)


def test_the_same_stay_is_there_as_a_table(page: AppTest, run: RunView, longest: int) -> None:
    page = view(page, "Table", "patient-form")
    shown = page.dataframe[-1].value
    assert [text for text in shown["step"] if text.startswith("▸")] == ["▸ 6"]  # the link counts from 0
    assert shown["hours"].tolist() == run.study.hours(np.arange(run.cohort.lengths[longest])).tolist()
    platelets = run.study.column("Platelets")
    recorded = run.cohort.states[run.cohort.rows(longest)][:, run.study.index("Platelets")]
    wanted = [f"{platelets.text(value)} {platelets.flag(value)}".strip() for value in recorded]
    assert [text.strip("()") for text in shown["Platelets (×10⁹/L)"]] == wanted
    assert any(text.endswith(" L") for text in wanted)


@pytest.mark.parametrize("name", ["Options", "Probabilities", "Similar states", "Phenotype"])
def test_every_view_of_a_decision_works_at_first_and_last_step(open_page, app_run, run, longest, name: str) -> None:
    for step in (0, int(run.cohort.lengths[longest]) - 1, 999):
        page = open_page("patient", {"run": app_run, "patient": str(longest), "step": str(step)})
        page = view(page, name)
        assert len(figures(page)) == 2
        assert "never advice for a patient" in texts(page)


def test_probabilities_hold_clinicians_experts_and_the_fusion(page: AppTest, run: RunView, longest: int) -> None:
    page = view(page, "Probabilities")
    labels = figures(page)[1]["layout"]["yaxis"]["ticktext"]
    assert labels[0] == "Clinicians"
    assert len(labels) == 1 + 3 + 1
    fused = run.probs(PolicyKey.at("fused", 3, 15.0, "prospective"))[longest, 5]
    assert fused.sum() == pytest.approx(1, abs=1e-5)


def test_the_policy_as_far_as_supported_stands_beside_the_fused_one(
    page: AppTest, run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.icu.ask.frontier.furthest_supported", lambda table, floor: 0.5)
    drawn = []
    whole = decision.probability_table
    monkeypatch.setattr(decision, "probability_table", lambda *given: (drawn.append(given), whole(*given))[1])
    view(page, "Probabilities")
    names, probs = drawn[-1][:2]
    assert names[-1] == "Fused, as far as supported (a = 0.5)"
    middle = np.sqrt(run.behavior[longest, 5] * run.probs(PolicyKey.at("fused", 3, 15.0, "prospective"))[longest, 5])
    np.testing.assert_allclose(probs[-1], middle / middle.sum(), rtol=1e-4)


def test_options_are_ranked_in_groups_and_rare_doses_are_refused(page: AppTest, run: RunView, longest: int) -> None:
    said = texts(view(page, "Options"))
    if not refusal(run, longest, 5):
        assert "| **1** |" in said
    assert "No options are ranked here" in said or "cannot be told apart" in said


def test_options_begin_with_the_default_advice_of_a_fold_that_never_saw_the_patient(
    page: AppTest, run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.advice is not None
    own = run.advised_action.copy()
    own[longest, 5], own[longest, 4] = 2, -1
    stored = run.advice
    monkeypatch.setattr(RunView, "advised_action", property(lambda _: own))
    monkeypatch.setattr(RunView, "advice", property(lambda _: stored.model_copy(update={"share": 0.5})))
    page.run()
    said = texts(page)
    assert f"**{run.study.actions.label(2)}**" in said
    assert "with probability 50 %, else as clinicians do" in said
    assert "By a fold of the data that never saw this patient" in said
    assert "Of steps at hazard: heparin while Platelets < 50 in " in said
    monkeypatch.setattr(RunView, "advice", property(lambda _: stored.model_copy(update={"share": 0.0})))
    page.run()
    assert "as clinicians do, here and everywhere" in texts(page)
    page.session_state[KEY].step = 4
    page.run()
    assert "The records show no dose that does better here" in texts(page)


def test_hit_and_the_warnings_of_the_study_are_said_at_the_step(open_page, app_run: str, run: RunView) -> None:
    fallen = next(p for p in range(run.cohort.n_patients) if fallen_steps(run, p)["Platelets"].any())
    step = int(fallen_steps(run, fallen)["Platelets"].argmax())
    page = open_page("patient", {"run": app_run, "patient": str(fallen), "step": str(step)})
    said, hit = texts(page), hit_at(run, fallen, step)
    assert hit is not None
    line = next(one for one in page.markdown if f"**HIT: {hit.word}**" in one.value)  # one line: doses stay in sight
    assert "**falling platelets**" in line.value
    assert f"HIT: {hit.word}, {hit.why}" in line.help
    assert "falling platelets (Platelets fell by 30 % or more within 48 h under heparin); here" in line.help
    assert "Triangle: falling under heparin" in said
    symbols = next(t for t in figures(page)[0]["data"] if t["name"] == "Platelets")["marker"]["symbol"]
    assert [s == "triangle-down" for s in symbols] == fallen_steps(run, fallen)["Platelets"].tolist()


def test_a_step_says_under_which_choices_it_is_advised_otherwise(
    page: AppTest, run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.advice is not None
    assert run.advice.atlas is not None
    assert run.atlas_taken is not None
    taken, choices = run.atlas_taken.copy(), run.advice.atlas.choices
    taken[:, longest, 5] = 2
    joined = next(at for at, one in enumerate(choices) if one.joined == 1)
    taken[[one.joined == 1 for one in choices], longest, 5] = 1  # doses 1 and 2 as one
    monkeypatch.setattr(RunView, "atlas_taken", property(lambda _: taken))
    page.run()
    assert f"Under other choices of the study: robust: the same in all {len(choices) - 1} choices." in texts(page)
    other = taken.copy()
    other[1, longest, 5], other[joined, longest, 5] = -1, 2
    monkeypatch.setattr(RunView, "atlas_taken", property(lambda _: other))
    page.run()
    said, label = texts(page), run.study.actions.label(3)
    assert f"the same in {len(choices) - 3} of {len(choices) - 1} choices" in said
    assert markdown(f"{choices[1].text} → as clinicians do; {choices[joined].text} → {label}") in said


def test_a_patient_of_a_run_without_advice_is_still_shown(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunView, "advice", property(lambda _: None))
    page.run()
    assert "Train it again" in texts(page)
    assert "Default advice" not in texts(page)


def test_a_state_far_from_the_records_gets_no_ranking(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "SUPPORT_FLOOR", 1.1)  # every state is now too far
    page.run()
    said = texts(view(page, "Options"))
    assert "No options are ranked here" in said
    assert "Too few similar patients" in said
    assert "| **1** |" not in said


def test_similar_patients_can_be_followed_and_opened_and_left_again(page: AppTest, run: RunView, longest: int) -> None:
    view(page, "Similar states")
    view(page, "How they went on", "similar-part")
    course = figures(page)[1]
    own = next(trace for trace in course["data"] if trace["name"].startswith("this stay"))
    platelets = run.cohort.states[run.cohort.rows(longest)][5:, run.study.index("Platelets")]
    drawn = np.frombuffer(base64.b64decode(own["y"]["bdata"]), dtype=own["y"]["dtype"])
    np.testing.assert_allclose(drawn, platelets, rtol=1e-6)
    view(page, "Who they are", "similar-part")
    similar = similar_patients(run, longest, 5)
    assert page.dataframe[-1].value["patient"].tolist() == run.cohort.patients[similar.patients].tolist()
    other, step = int(similar.patients[0]), int(similar.steps[0])
    page.session_state[CAME_FROM] = [("tiny", int(similar.patients[1]), 2), ("tiny", longest, 5)]
    page.session_state[KEY].patient, page.session_state[KEY].step = other, step
    page.run()
    assert f"**Patient {run.cohort.patients[other]}**" in texts(page)
    page.button(key="similar-back").click().run()
    assert (page.session_state[KEY].patient, page.session_state[KEY].step) == (longest, 5)
    page.button(key="similar-back").click().run()
    assert (page.session_state[KEY].patient, page.session_state[KEY].step) == (int(similar.patients[1]), 2)
    assert not any(button.key == "similar-back" for button in page.button)


def test_a_dose_that_nobody_similar_got_is_not_ranked(page: AppTest, run: RunView, longest: int, monkeypatch) -> None:
    def one_dose(*where: object) -> pd.DataFrame:
        table = neighborhood(run, longest, 5)
        return table.assign(n=np.where(table["action"] == 0, 30, 0))

    monkeypatch.setattr(options, "neighborhood", one_dose)
    monkeypatch.setattr(options, "SUPPORT_FLOOR", 0.0)
    page.run()
    said = texts(view(page, "Options"))
    assert "nobody similar got it (0 of 30)" in said
    assert "| **1** |" in said
    assert "| **2** |" not in said


def test_a_sharp_lambda_is_said_to_leave_one_expert(page: AppTest) -> None:
    page.select_slider(key="patient-lambda").set_value(float("inf")).run()
    assert "one expert decides" in texts(page)


def test_next_and_previous_walk_through_the_list(page: AppTest, longest: int) -> None:
    page.button(key="next-patient").click().run()
    following = page.session_state[KEY].patient
    assert following == longest + 1 or following == longest
    page.button(key="previous-patient").click().run()
    assert not page.exception
    assert page.session_state[KEY].patient == max(following - 1, 0)


def test_filters_narrow_the_list_and_say_when_nothing_matches(page: AppTest, run: RunView) -> None:
    assert not page.dataframe  # the list costs nothing until it is asked for
    page.toggle(key="find-patient").set_value(True).run()
    page.multiselect(key="find-outcome").set_value(["died"]).run()
    shown = page.dataframe[0].value
    assert set(shown["outcome"]) == {"died"}
    assert len(shown) == (run.cohort.outcomes < 0).sum()
    page.toggle(key="find-patient").set_value(False).run()
    assert f"{len(shown):,} in the list" in page.selectbox(key="pick-patient").label  # closed, the filters still hold
    page.toggle(key="find-patient").set_value(True).run()
    page.slider(key="find-steps").set_value((2, 2)).run()
    page.multiselect(key="find-split").set_value(["valid"]).run()
    assert not page.exception


def test_the_list_can_be_limited_to_a_selection(open_page, app_run: str) -> None:
    chosen = Selection.of("map", [2, 4, 6])
    page = open_page("patient", {"run": app_run, "selection": chosen.encode()})
    page.toggle(key="find-patient").set_value(True).run()
    page.checkbox(key="find-selection").check().run()
    assert len(page.dataframe[0].value) == 3


def test_the_exported_table_has_keys_and_every_column(run: RunView) -> None:
    table = patient_table(run, 3, np.arange(5), every_column=True)
    assert table["patient"].tolist() == run.cohort.patients[:5].tolist()
    assert sum(" at start (" in name for name in table) == run.study.n_columns


def test_the_link_holds_the_filters_and_nothing_unusable_is_taken(open_page, app_run: str, run: RunView) -> None:
    asked = {"find-patient": "on", "find-outcome": "died", "find-column": "Platelets", "find-range": "0,80"}
    page = open_page("patient", {"run": app_run, **asked, "find-hazard": "nothing", "find-steps": "x,y"})
    values = run.cohort.states[run.cohort.starts, run.study.index("Platelets")]
    expected = ((run.cohort.outcomes < 0) & (values <= 80)).sum()
    assert 0 < expected < (run.cohort.outcomes < 0).sum()
    assert len(page.dataframe[0].value) == expected
    assert page.dataframe[0].value["Platelets, first (×10⁹/L)"].max() <= 80
    page.selectbox(key="find-column").set_value("Lactate").run()  # the range of another column means nothing here
    assert len(page.dataframe[0].value) == (run.cohort.outcomes < 0).sum()
    page.toggle(key="find-patient").set_value(False).run()
    assert f"{(run.cohort.outcomes < 0).sum():,} in the list" in page.selectbox(key="pick-patient").label


def test_what_if_moves_the_policies_and_is_refused_outside_the_records(
    page: AppTest, run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    view(page, "What if")
    assert "nothing changed yet" in texts(page)
    slider = next(s for s in page.slider if s.key == f"what-if-value-Platelets-{longest}-5")
    values = recorded_values(run, "Platelets")
    assert slider.min <= values.min() <= values.max() <= slider.max <= values.max() + 2 * slider.step
    slider.set_value(slider.min)
    page.run()
    assert "Too few records of such a value" in texts(page)
    page.button(key="what-if-back").click().run()
    assert "nothing changed yet" in texts(page)
    next(s for s in page.slider if s.key == slider.key).set_value(80.0)
    page.run()
    assert not page.exception
    assert "Platelets 80.00" in texts(page)
    found = what_if(run, longest, 5, {"Platelets": 80.0}, PolicyKey("fused", 3, 15.0, "prospective"))
    moved = 0.5 * np.abs(found.fused - run.probs(PolicyKey.at("fused", 3, 15.0, "prospective"))[longest, 5]).sum()
    assert f"moves {100 * moved:.1f} %" in texts(page)
    monkeypatch.setattr(options, "SUPPORT_FLOOR", 1.1)  # every state is now too far
    page.run()
    assert "No recommendation here" in texts(page)


def test_beside_the_what_if_stand_the_columns_that_move_the_chosen_dose(
    page: AppTest, run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    view(page, "What if")
    box = next(box for box in page.selectbox if box.key.startswith("why-dose"))
    box.set_value(2).run()
    assert not page.exception
    key = PolicyKey("fused", 3, 15.0, "prospective")
    found = why(run, longest, 5, key)
    table = found.table(2).head(8)
    bars = sorted(
        (y, x)
        for trace in figures(page)[-1]["data"]
        for x, y in zip(numbers(trace["x"]), numbers(trace["y"]), strict=True)
    )
    assert [x for _, x in bars] == pytest.approx(table["moved"].tolist(), abs=1e-6)
    ticks = figures(page)[-1]["layout"]["yaxis"]["ticktext"]
    assert all("similar patients: " in tick for tick in ticks)
    assert f"give here: {found.advantage[2]:+.2f} by Fused agents" in texts(page)
    monkeypatch.setattr(options, "SUPPORT_FLOOR", 1.1)  # every state is now too far
    page.run()
    assert "Nothing is explained here" in texts(page)


def test_a_verdict_is_kept_and_comes_back(page: AppTest, longest: int, app_data: Path, open_page, app_run: str) -> None:
    def panel(of: AppTest):
        return next(part for part in of.expander if part.label.startswith("Your verdict"))

    buttons = {b.label: b for b in page.button}
    buttons["Keep verdict"].click()
    page.run()
    assert "Choose follow, modify, delay or reject first" in texts(page)
    next(group for group in page.button_group if group.label == "I would").set_value("delay")
    next(b for b in page.button if b.label == "Keep verdict").click()
    page.run()
    assert not page.exception
    assert any("Kept: delay at step 6" in part.value for part in page.success)
    assert len(list(app_data.rglob("verdicts/*.parquet"))) == 1
    again = open_page("patient", {"run": app_run, "patient": str(longest), "step": "5"})
    assert panel(again).label == "Your verdict: delay"


def test_a_course_that_too_few_similar_patients_share_is_not_drawn(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asked.later_course
    monkeypatch.setattr(asked, "later_course", lambda *given: whole(*given, minimum=10_000))
    view(page, "Similar states")
    view(page, "How they went on", "similar-part")
    assert "Too few similar patients to follow" in texts(page)
    assert len(figures(page)) == 1  # the timeline alone


def test_words_at_the_bedside_come_from_the_study(page: AppTest, run: RunView, longest: int) -> None:
    said = texts(page)
    assert "the reward's range (Platelets, PTT)" in said
    assert "herapeutic" not in said
    assert f"Dotted: hour 0, {run.study.onset}" in said
    assert f"({run.study.outcome_horizon})" in said
    kg = known_weight(run, longest, 5)
    assert np.isnan(kg) or f"The doses in U/kg/h at {kg:.0f} kg: > 0–{3600 / kg / 4:.2g}, {3600 / kg / 4:.2g}–" in said
    run.__dict__["cohort"] = replace(run.cohort, imputed=np.ones(run.cohort.states.shape, dtype=bool))
    assert np.isnan(known_weight(run, longest, 5))  # a weight that was filled in says nothing of a dose per kg


BLIND = {"patient-blind": "on"}
VIEWS = ("Options", "Probabilities", "Similar states", "Phenotype", "What if")


def everything(page: AppTest) -> str:
    """All that the page says or draws, and every label and value of what it offers."""
    widgets = (*page.select_slider, *page.slider, *page.toggle, *page.button, *page.expander, *page.selectbox)
    offered = [(part.label, getattr(part, "options", None), getattr(part, "value", None)) for part in widgets]
    tables = [frame.value.to_csv() for frame in page.dataframe]
    return json.dumps([texts(page), figures(page), [str(one) for one in offered], tables])


def other_future(run: RunView, patient: int, step: int) -> Cohort:
    """The cohort with another dose at the step, other rows after it, a shorter stay and the other outcome for one."""
    rows, frame = run.cohort.rows(patient), run.cohort.frame.copy()
    later = frame.index[rows][step + 1 :]
    frame.loc[later, list(run.study.names[run.study.n_static :])] *= 1.5
    frame.loc[frame.index[rows][step:], "action"] = (frame.loc[frame.index[rows][step:], "action"] + 1) % 5
    frame.loc[frame.index[rows], "outcome"] *= -1
    return replace(run.cohort, frame=frame)


@pytest.mark.parametrize("name", VIEWS)
def test_blind_a_page_is_the_same_whatever_came_after_and_however_it_ended(
    open_page, app_run: str, run: RunView, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    patient = int(run.split.test[np.argmax(run.cohort.lengths[run.split.test])])
    asked = {"run": app_run, "patient": str(patient), "step": "3"}
    seen = everything(view(open_page("patient", asked | BLIND), name))
    whole = everything(view(open_page("patient", asked), name))
    other = other_future(run, patient, 3)
    monkeypatch.setattr(RunView, "cohort", property(lambda _: other))
    monkeypatch.setattr(RunView, "labels", lambda self, k: np.full(other.n_patients, k - 1))
    assert everything(view(open_page("patient", asked | BLIND), name)) == seen
    assert everything(view(open_page("patient", asked), name)) != whole  # which is what there was to hide
    assert "by the whole stay" not in seen.lower()
    assert f" of {run.cohort.lengths[patient]} (" not in seen


def test_blind_the_course_ends_at_the_step_and_the_list_tells_no_hindsight(
    open_page, app_run: str, run: RunView, longest: int
) -> None:
    page = open_page("patient", {"run": app_run, "patient": str(longest), "step": "5"} | BLIND)
    course = {trace["name"]: trace for trace in figures(page)[0]["data"]}
    assert len(course["Platelets"]["marker"]["color"]) == 6
    assert len(course["dose"]["customdata"]) == 5  # the dose of the step itself is what is asked
    assert page.select_slider(key=f"patient-step-{longest}-blind").options[-1].startswith("7 (")
    page.toggle(key="find-patient").set_value(True).run()
    assert not {"outcome", "phenotype", "steps", "largest dose"} & set(page.dataframe[0].value)
    assert "find-outcome" not in {box.key for box in page.multiselect}


def test_blind_a_kept_verdict_or_the_toggle_shows_the_rest(open_page, app_run: str, run: RunView, longest: int) -> None:
    outcome = run.study.survived_label if run.cohort.outcomes[longest] > 0 else run.study.died_label
    asked = {"run": app_run, "patient": str(longest), "step": "5"} | BLIND
    page = open_page("patient", asked)
    assert f"**{outcome}**" not in texts(page)
    page.toggle(key="patient-blind").set_value(False).run()
    assert f"**{outcome}**" in texts(page)
    page = open_page("patient", asked)
    next(group for group in page.button_group if group.label == "I would").set_value("reject")
    next(b for b in page.button if b.label == "Keep verdict").click()
    page.run()
    assert not page.exception
    assert f"**{outcome}**" in texts(page)
    assert f"**{run.study.actions.label(int(run.cohort.actions[run.cohort.rows(longest)][5]))}** was given" in texts(
        page
    )
    assert len(next(t for t in figures(page)[0]["data"] if t["name"] == "dose")["customdata"]) > 5
