"""Conferences: who may do what and when, codes that cannot be tried out, files that many browsers change at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.cli.main import main
from core.cohort import ground_truth
from core.icu.ask.hazards import hazard_table
from core.icu.view import RunView
from core.policies import PolicyKey
from core.policies.hazards import default_rules
from core.policies.rules import HazardRule
from core.study import load_study
from core.teaching import rooms
from core.teaching.codes import MOST_WRONG, MOST_WRONG_OF_ALL, SIGNS, WINDOW, WrongCodes, new_code, read_code
from core.teaching.conference import (
    MOST_MEMBERS,
    CaseSteps,
    Conference,
    Pace,
    advance,
    commit,
    join,
    next_case,
    reveal,
)
from core.teaching.rooms import (
    LASTS,
    change_conference,
    close_conference,
    conferences_of,
    end_old,
    find_conference,
    open_conference,
)
from core.teaching.students import ROW, NearestAnswer, answers_of, policy_rows, student_policy

ASKED = CaseSteps(patient=3, first=2, n=3)
ACTIONS = load_study().actions
N_ACTIONS = ACTIONS.count


def a_conference(pace: Pace = "together", members: int = 2) -> Conference:
    conference = Conference(
        code="ABCD-EFGH", teacher="t", run="r", data_hash="h", opened=0.0, pace=pace, cases=(ASKED,), step=2
    )
    for i in range(members):
        conference = join(conference, f"m{i}", f"Member {i}")
    return conference


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHENOPOLICY_DATA", str(tmp_path))
    return tmp_path / "conferences"


def test_together_everybody_chooses_once_at_the_step_that_is_asked() -> None:
    conference = commit(a_conference(), "m0", 2, 1, ACTIONS)
    assert (conference.step_of("m0"), conference.step_of("m1")) == (None, 2)
    with pytest.raises(ConfigError, match="answered already"):
        commit(conference, "m0", 2, 4, ACTIONS)
    with pytest.raises(ConfigError, match="not asked any more"):
        commit(conference, "m1", 3, 0, ACTIONS)
    later = advance(conference, "t")
    with pytest.raises(ConfigError, match="not asked any more"):
        commit(later, "m1", 2, 0, ACTIONS)  # too late
    later = commit(later, "m1", 3, 0, ACTIONS)
    assert later.votes(0, N_ACTIONS).tolist() == [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0] * 5]
    assert later.stage != conference.stage
    with pytest.raises(ConfigError, match="reveal it"):
        advance(advance(later, "t"), "t")


def test_at_ones_own_pace_steps_follow_each_other_until_the_reveal() -> None:
    conference = a_conference("own")
    for step in (2, 3, 4):
        assert conference.step_of("m0") == step
        conference = commit(conference, "m0", step, 1, ACTIONS)
    assert conference.step_of("m0") is None
    assert conference.committed(4) == {"m0"}
    shown = reveal(conference, "t")
    with pytest.raises(ConfigError, match="not asked any more"):
        commit(shown, "m1", 2, 1, ACTIONS)


MOVES: tuple[Callable[[Conference], Conference], ...] = (
    lambda c: advance(c, "m0"),
    lambda c: reveal(c, "m0"),
    lambda c: next_case(reveal(c, "t"), "m0", ASKED),
)


@pytest.mark.parametrize("move", MOVES)
def test_only_the_teacher_leads(move: Callable[[Conference], Conference]) -> None:
    with pytest.raises(ConfigError, match="only the teacher"):
        move(a_conference())


def test_a_next_case_follows_a_reveal_and_keeps_all_choices() -> None:
    conference = commit(a_conference(), "m0", 2, 1, ACTIONS)
    other = CaseSteps(patient=8, first=1, n=2)
    with pytest.raises(ConfigError, match="reveal this case first"):
        next_case(conference, "t", other)
    conference = next_case(reveal(conference, "t"), "t", other)
    assert (conference.case, conference.step, conference.revealed) == (1, 1, False)
    conference = commit(conference, "m0", 1, 4, ACTIONS)
    places, actions = answers_of(conference, "m0")
    assert places.tolist() == [[3, 2], [8, 1]]
    assert actions.tolist() == [1, 4]
    assert answers_of(conference, "m1")[0].shape == (0, 2)


def test_nicknames_are_one_line_of_text_and_nobody_elses_and_members_are_counted() -> None:
    conference = join(a_conference(members=0), "a", "  <b>Ann</b>\n\u202e ")
    assert conference.members[0].nickname == "<b>Ann</b> \ufffd"
    assert join(conference, "a", "Bob") is conference, "who is in stays who he is"
    for nickname, words in (("", "1 to 24"), ("x" * 25, "1 to 24"), ("<B>ann</b> \ufffd", "taken")):
        with pytest.raises(ConfigError, match=words):
            join(conference, "b", nickname)
    full = a_conference(members=MOST_MEMBERS)
    with pytest.raises(ConfigError, match="full"):
        join(full, "one-more", "One more")
    with pytest.raises(ConfigError, match="join it first"):
        commit(full, "one-more", 2, 0, ACTIONS)


def test_codes_are_read_as_typed_and_nothing_else_names_a_file(root: Path) -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(read_code(code.lower().replace("-", " ")) == code for code in codes)
    assert len(SIGNS) ** 8 > 8e11
    for text in ("", "ABCD", "../../etc", "ABCD-EFG0", "ABCD-EFGH-J", "x" * 10_000):
        assert read_code(text) == ""
        with pytest.raises(ConfigError, match="no open conference"):
            find_conference(text)


def test_wrong_codes_are_stopped_by_visitor_and_in_all_until_the_window_has_passed() -> None:
    tried = WrongCodes()
    for i in range(MOST_WRONG):
        tried.check("eve", float(i))
        tried.count("eve", float(i))
    with pytest.raises(ConfigError, match="too many wrong codes"):
        tried.check("eve", 20.0)
    tried.check("ann", 20.0)
    tried.check("eve", WINDOW + 0.5)
    for i in range(MOST_WRONG_OF_ALL):
        tried.count(f"visitor {i}", WINDOW)  # a new key for each try
    with pytest.raises(ConfigError, match="too many wrong codes"):
        tried.check("ann", WINDOW + 1)


def test_a_class_that_joins_and_chooses_at_once_loses_nothing(root: Path) -> None:
    conference = open_conference("t", "r", "h", ASKED, "own", 1e12)
    code = conference.code

    def play(i: int) -> None:
        change_conference(code, lambda c: join(c, f"m{i}", f"Member {i}"))
        for step in ASKED.steps:
            change_conference(code, lambda c, step=step: commit(c, f"m{i}", step, i % N_ACTIONS, ACTIONS))  # type: ignore[misc]

    with ThreadPoolExecutor(6) as browsers:
        for done in [browsers.submit(play, i) for i in range(12)]:
            done.result()
    found = find_conference(code)
    assert len(found.members) == 12
    assert found.votes(0, N_ACTIONS).sum() == 36


def test_conferences_last_a_day_are_few_and_close_for_their_teacher_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_conference("t", "r", "h", ASKED, "own", now=1e12)
    assert conferences_of("t", 1e12 + 1) == [first]
    with pytest.raises(ConfigError, match="no open conference"):
        find_conference(first.code, now=1e12 + LASTS + 1)
    assert (root / f"{first.code}.json").is_file()
    second = open_conference("t", "r", "h", ASKED, "own", now=1e12 + LASTS + 1)
    assert [path.stem for path in root.glob("*.json")] == [second.code], "what is over is deleted"
    with pytest.raises(ConfigError, match="only the teacher"):
        close_conference(second.code, "somebody")
    monkeypatch.setattr(rooms, "MOST_OF_ONE", 1)
    with pytest.raises(ConfigError, match="too many conferences"):
        open_conference("t", "r", "h", ASKED, "own", now=1e12 + LASTS + 2)
    assert end_old(now=1e12 + LASTS + 3) == 0
    assert find_conference(second.code, now=1e12 + LASTS + 3) == second
    close_conference(second.code, "t")
    assert not list(root.glob("*.json"))
    open_conference("t", "r", "h", ASKED, "own", now=time.time() - LASTS - 1)
    assert main(["expire"]) == 0
    assert not list(root.glob("*.json")), "what is over goes though no other opens"


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_a_student_does_what_he_did_at_the_most_similar_step_in_the_same_hazards(run: RunView) -> None:
    study = run.study
    j = study.index(default_rules(study)[0].column)
    usual = np.median(run.cohort.states, axis=0).astype(float)
    low, high = usual.copy(), usual.copy()
    low[j], high[j] = 20.0, 300.0
    policy = NearestAnswer(study, np.stack([low, high]), np.array([0, 3]), np.ones(study.n_columns))
    asked = np.stack([high, low, high])
    asked[:, j] = (49.0, 51.0, 290.0)  # the second is nearer to 20 than to 300, but no hazard holds there
    assert policy.actions_at(asked).tolist() == [0, 3, 3]
    alone = NearestAnswer(study, high[None], np.array([2]), np.ones(study.n_columns))
    assert alone.actions_at(asked[None]).tolist() == [[2, 2, 2]], "no answer in the hazards: the nearest of all"
    own = student_policy(run, np.array([[0, 0], [1, 1]]), np.array([1, 4]))
    starts = run.cohort.starts
    assert own.actions_at(run.cohort.states[[starts[0], starts[1] + 1]].astype(float)).tolist() == [1, 4]


def test_rows_of_students_hold_their_hazard_rate_and_their_true_value(run: RunView) -> None:
    places, everywhere = np.array([[0, 0], [1, 1]]), np.array([2, 2])
    table = policy_rows(
        run,
        {
            "always": (places, everywhere),
            "never": (places, 0 * everywhere),
            "absent": (np.zeros((0, 2), dtype=int), np.zeros(0, dtype=int)),
        },
    ).set_index("policy")
    assert list(table.reset_index()) == list(ROW)
    assert set(table.index) == {"clinician", "fused", "zero-drug", "always", "never"}
    assert table.loc["always", "hazard"] == 1
    assert table.loc["never", "hazard"] == table.loc["zero-drug", "hazard"] == 0
    # who never gives the drug is the policy without it, to the last digit, and the stored truth says the same
    worth = ["value", "value_low", "value_high", "survival", "gain", "gain_low", "gain_high", "n"]
    assert table.loc["never", worth].tolist() == table.loc["zero-drug", worth].tolist()
    stored = run.truth.set_index("policy")["true_value"]
    for name in ("clinician", "zero-drug", "fused"):
        expected = stored.loc[[name]]
        assert any(np.isclose(table.loc[name, "value"], expected))
    difference = table.loc["zero-drug", "value"] - table.loc["clinician", "value"]
    assert table.loc["zero-drug", "gain"] == pytest.approx(difference)
    assert table.loc["always", "answers"] == 2
    given = run.trajectories.actions[places[:, 0], places[:, 1]]
    assert table.loc["always", "as_given"] == (given == 2).mean()


def test_hazard_rates_are_those_of_the_rules_where_only_one_applies(
    run: RunView, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule: HazardRule = default_rules(run.study)[0]
    monkeypatch.setattr("core.teaching.students.default_rules", lambda study: [rule])
    monkeypatch.setattr("core.teaching.students.ground_truth", lambda cohort: None)
    table = policy_rows(run, {}).set_index("policy")
    one = hazard_table(run, run.split.test, [rule], [PolicyKey("clinician"), run.own_policy]).set_index("policy")
    for name in ("clinician", "fused"):
        assert table.loc[name, "hazard"] == pytest.approx(one.loc[name, "rate"])
    assert table["value"].isna().all(), "recorded patients have no true value"
    assert ground_truth(run.cohort) is not None
