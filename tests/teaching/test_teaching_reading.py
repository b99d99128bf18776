"""Reader studies: balanced arms, planted advice as stated, decisions that stand, and an export without outcomes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ConfigError
from core.base.statistics import wilson
from core.icu.view import RunView
from core.study import load_study
from core.teaching.arms import ARMS, arms_of, order_of
from core.teaching.cases import ReadingSettings, choose_cases, evenly, hazardous_from, wrong_dose
from core.teaching.kept import read_kept
from core.teaching.measures import AGREEMENT, CHANGE, OVER_RELIANCE, rates
from core.teaching.reading import (
    COLUMNS,
    ReaderStudy,
    keep_first,
    keep_second,
    list_studies,
    open_case,
    start_study,
)

ACTIONS = load_study().actions
SETTINGS = ReadingSettings(n_cases=8, planted_share=0.25, seed=5)


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture
def kept(run: RunView, tmp_path: Path) -> Path:
    cases = choose_cases(run, SETTINGS, np.arange(run.cohort.n_patients))
    return start_study(tmp_path, "Morning round", run.manifest.data_hash, SETTINGS, cases)


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 500), st.integers(0, 20))
def test_arms_are_balanced_by_reader_by_planting_and_by_case(
    n_planted: int, others: int, seed: int, block: int
) -> None:
    planted = np.arange(n_planted + others) < n_planted
    readers = [arms_of(planted, reader, seed) for reader in range(3 * block + 1, 3 * block + 4)]
    for arms in readers:
        for group in (planted, ~planted, np.ones(len(planted), dtype=bool)):
            counts = [sum(arm == one for arm, here in zip(arms, group, strict=True) if here) for one in ARMS]
            assert max(counts) - min(counts) <= 1
    for seen in zip(*readers, strict=True):
        assert sorted(seen) == sorted(ARMS)
    assert sorted(order_of(len(planted), 1, seed)) == list(range(len(planted)))


def test_arms_and_order_come_from_the_seed_and_differ_between_readers() -> None:
    planted = np.arange(30) < 8
    assert arms_of(planted, 2, 7) == arms_of(planted, 2, 7) != arms_of(planted, 3, 7)
    assert arms_of(planted, 2, 7) != arms_of(planted, 2, 8)
    assert order_of(30, 1, 7).tolist() == order_of(30, 1, 7).tolist() != order_of(30, 2, 7).tolist()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_cases_are_drawn_as_evenly_from_strata_as_these_have_members(strata: list[int], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(strata)))
    chosen = evenly(np.array(strata), n, np.random.default_rng(data.draw(st.integers(0, 99))))
    assert len(set(chosen.tolist())) == n
    taken = np.bincount(np.array(strata)[chosen], minlength=5)
    have = np.bincount(strata, minlength=5)
    left = have > taken  # a stratum with members left over has no fewer taken than any other, but one
    if left.any():
        assert taken.max() - taken[left].min() <= 1


def test_a_wrong_dose_is_hazardous_where_one_is_and_else_what_hardly_anybody_gives() -> None:
    clinicians = np.array([0.6, 0.2, 0.1, 0.02, 0.08])
    assert wrong_dose(clinicians, 0, None) == 3
    assert wrong_dose(clinicians, 3, None) == 4
    assert wrong_dose(clinicians, 0, 4) == 4
    assert wrong_dose(clinicians, 4, 4) == 3, "where the only hazardous dose is the advice itself, any other is taken"
    assert wrong_dose(np.array([0.8, 0.1, 0.0, 0.0, 0.1]), 0, None) == 3, "of two that nobody gives, the farther one"


@pytest.mark.parametrize("sampling", ["outcome", "disagreement", "selection"])
def test_cases_are_steps_of_different_patients_with_the_stated_share_planted(run: RunView, sampling: str) -> None:
    settings = SETTINGS.model_copy(update={"sampling": sampling})
    patients = np.arange(run.cohort.n_patients)
    cases = choose_cases(run, settings, patients)
    assert len({case.patient for case in cases}) == 8
    assert sum(case.planted for case in cases) == 2
    policy = run.probs(run.own_policy)
    for case in cases:
        assert case.advice == policy[case.patient, case.step].argmax()
        assert case.given == run.trajectories.actions[case.patient, case.step]
        assert 1 <= case.step < run.cohort.lengths[case.patient] - 1
        hazard = hazardous_from(run, case.patient, case.step)
        if case.planted and hazard is not None:
            assert case.shown >= hazard
    assert cases == choose_cases(run, settings, patients)
    assert cases != choose_cases(run, settings.model_copy(update={"seed": 6}), patients)
    assert {case.patient for case in choose_cases(run, settings, patients[40:80])} <= set(range(40, 80))


def test_more_cases_than_patients_are_refused_with_what_there_is(run: RunView) -> None:
    with pytest.raises(ConfigError, match="8 cases are asked for; ask for fewer"):
        choose_cases(run, SETTINGS, np.arange(4))


def read_all(path: Path, reader: int, second: int = 0, first: int = 1) -> ReaderStudy:
    study, order = open_case(path, reader, 100.0)
    while order is not None:
        keep_first(path, reader, order, first, 40, 100.0 * order + 7, ACTIONS)
        keep_second(path, reader, order, second, 70, 100.0 * order + 12, ACTIONS)
        study, order = open_case(path, reader, 100.0 * (order + 1))
    return study


def test_a_reader_goes_on_where_he_stopped_and_what_he_kept_stands(kept: Path) -> None:
    assert open_case(kept, 1, 50.0)[1] == 1
    keep_first(kept, 1, 1, 2, 35, 60.0, ACTIONS)
    study, order = open_case(kept, 1, 900.0)  # the page was loaded again
    answer = study.answer(1, 1)
    assert order == 1
    assert answer is not None
    assert (answer.opened, answer.before, answer.confidence_before) == (50.0, 2, 35)
    with pytest.raises(ConfigError, match="kept already, perhaps in another tab"):
        keep_first(kept, 1, 1, 0, 99, 61.0, ACTIONS)
    keep_second(kept, 1, 1, 0, 80, 75.0, ACTIONS)
    with pytest.raises(ConfigError, match="answered already"):
        keep_second(kept, 1, 1, 4, 80, 76.0, ACTIONS)
    study, order = open_case(kept, 1, 80.0)
    assert order == 2
    with pytest.raises(ConfigError, match="no first answer yet"):
        keep_second(kept, 1, 2, 4, 80, 90.0, ACTIONS)
    last = study.answer(1, 1)
    assert last is not None
    assert (last.before, last.after) == (2, 0)


def test_what_is_no_answer_is_refused_and_changes_nothing(kept: Path) -> None:
    open_case(kept, 1, 0.0)
    before = kept.read_bytes()
    for reader, dose, confidence, words in (
        (1, 5, 50, "not one of the 5 doses"),
        (1, 1, 101, "from 0 to 100"),
        (2, 1, 50, "reader 2 is not at case 1"),
        (0, 1, 50, "numbers from 1 to 99"),
    ):
        with pytest.raises(ConfigError, match=words):
            keep_first(kept, reader, 1, dose, confidence, 1.0, ACTIONS)
    assert kept.read_bytes() == before


def test_readers_in_several_tabs_at_once_lose_nothing(kept: Path) -> None:
    with ThreadPoolExecutor(4) as tabs:
        for done in [tabs.submit(read_all, kept, reader) for reader in (1, 2, 3, 4)]:
            done.result()
    study = read_kept(kept, ReaderStudy)
    assert study.readers == [1, 2, 3, 4]
    assert len(study.answers) == 4 * 8
    assert all(study.next_order(reader) is None for reader in study.readers)


def test_the_export_has_a_row_a_decision_and_no_outcome(kept: Path, run: RunView) -> None:
    study = read_all(kept, 3)
    table = study.table(run.study)
    assert list(table) == list(COLUMNS)
    assert not any("outcome" in name or "surv" in name for name in table)
    assert table["order"].tolist() == list(range(1, 9))
    assert table["planted"].sum() == 2
    assert table["seconds"].tolist() == [12.0] * 8
    assert table["seconds_before"].tolist() == [7.0] * 8
    for row in table.itertuples():
        case, arm = study.seen(3, row.order)
        assert (row.patient, row.arm, row.advice, row.given) == (case.key, arm, case.shown, case.given)
        assert row.after_dose == run.study.actions.label(0)


def test_rates_count_decisions_by_arm_with_wilson_intervals() -> None:
    rows = [  # arm, planted, advice, before, after
        ("advice", False, 1, 0, 1),
        ("advice", False, 1, 0, 0),
        ("advice", True, 4, 0, 4),
        ("advice", True, 4, 0, 0),
        ("advice", True, 4, 4, 4),
        ("alone", False, 1, 1, 1),
    ]
    found = rates(pd.DataFrame(rows, columns=["arm", "planted", "advice", "before", "after"])).set_index(
        ["measure", "arm"]
    )
    assert found.loc[(AGREEMENT, "advice"), ["count", "n"]].tolist() == [1, 2]
    assert found.loc[(OVER_RELIANCE, "advice"), ["count", "n"]].tolist() == [2, 3]
    assert found.loc[(CHANGE, "advice"), ["count", "n"]].tolist() == [2, 5]
    assert found.loc[(CHANGE, "alone"), "rate"] == 0
    low, high = wilson(2, 3)
    assert found.loc[(OVER_RELIANCE, "advice"), ["low", "high"]].tolist() == [float(low), float(high)]
    assert found.loc[(OVER_RELIANCE, "support"), "n"] == 0
    assert np.isnan(found.loc[(OVER_RELIANCE, "support"), "rate"])


def test_studies_are_listed_by_name_and_a_broken_file_hides_none(run: RunView, kept: Path) -> None:
    cases = read_kept(kept, ReaderStudy).cases
    start_study(kept.parent, "A first one", "hash", SETTINGS, cases)
    (kept.parent / "broken.json").write_text("{")
    assert [study.name for study in list_studies(kept.parent).values()] == ["A first one", "Morning round"]
    with pytest.raises(ConfigError, match="1 to 60 characters"):
        start_study(kept.parent, "  ", "hash", SETTINGS, cases)
