"""Missing values: carried forward within the stay, else from training patients alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from core.base.errors import CohortError
from core.cohort import make_cohort, reimpute
from core.cohort.impute import impute
from core.study import StudySpec

NAN = np.nan


def test_carry_forward_stops_at_the_stay(table: pd.DataFrame, study: StudySpec) -> None:
    table["Lactate"] = [1.0, NAN, 2.0, NAN, 5.0, 0.5, NAN, NAN, 0.8, 3.0, NAN]
    cohort = make_cohort(table, study)
    median = np.median([1, 2, 5, 0.5, 0.8, 3])
    expected = [1, 1, 2, median, 5, 0.5, 0.5, 0.5, 0.8, 3, 3]
    np.testing.assert_allclose(cohort.frame["Lactate"], expected, rtol=1e-6)
    assert cohort.imputed is not None
    np.testing.assert_array_equal(cohort.imputed[:, 2], table["Lactate"].isna())
    assert cohort.imputed.sum() == 5


def test_medians_come_from_training_patients_alone(table: pd.DataFrame, study: StudySpec) -> None:
    table["Lactate"] = [1.0, 3.0, 2.0, NAN, 5.0, 0.5, 0.6, 0.7, 40.0, 45.0, 50.0]
    assert make_cohort(table, study, train_patients=[0]).frame["Lactate"][3] == 2
    assert make_cohort(table, study, train_patients=[3]).frame["Lactate"][3] == 47.5
    everyone = make_cohort(table, study)
    again = reimpute(everyone, [0])
    assert again.frame["Lactate"][3] == 2
    np.testing.assert_array_equal(again.imputed, everyone.imputed)
    recorded = ~everyone.imputed
    np.testing.assert_array_equal(again.states[recorded], everyone.states[recorded])


def test_reimpute_without_missing_values_is_the_same_cohort(table: pd.DataFrame, study: StudySpec) -> None:
    cohort = make_cohort(table, study)
    assert reimpute(cohort, [0]) is cohort


def test_training_patients_without_a_value_fall_back_to_all(table: pd.DataFrame, study: StudySpec) -> None:
    table["Lactate"] = [NAN, NAN, NAN, 4.0, 5.0, 0.5, 0.6, 0.7, 0.8, 3.0, 3.5]
    cohort = make_cohort(table, study, train_patients=[0])
    assert cohort.frame["Lactate"][0] == np.float32(np.median(table["Lactate"].dropna()))


def test_static_columns_use_the_stay_s_value_and_count_patients_once(table: pd.DataFrame, study: StudySpec) -> None:
    table["age"] = [NAN, 60, 61, NAN, NAN, 50, 50, 50, 50, 81, 81]
    cohort = make_cohort(table, study)
    assert cohort.frame["age"].tolist() == [60] * 3 + [60] * 2 + [50] * 4 + [81] * 2
    assert np.flatnonzero(cohort.imputed[:, 0]).tolist() == [0, 3, 4]  # type: ignore[index]


def test_binary_columns_take_the_most_frequent_value(table: pd.DataFrame, study: StudySpec) -> None:
    table["vent"] = [NAN, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1]
    assert make_cohort(table, study).frame["vent"][0] == 1


def test_train_positions_outside_the_cohort_are_refused(table: pd.DataFrame, study: StudySpec) -> None:
    with pytest.raises(CohortError, match=r"outside 0\.\.3"):
        make_cohort(table, study, train_patients=[4])


@settings(max_examples=60)
@given(data=st.data())
def test_fast_imputation_equals_the_readable_one(data: st.DataObject, study: StudySpec) -> None:
    lengths = np.array(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=6)))
    starts = np.cumsum(lengths) - lengths
    cell = st.sampled_from([0.0, 1.0, NAN])
    states = data.draw(npst.arrays(np.float64, (int(lengths.sum()), 5), elements=cell))
    train = np.array(data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths))))
    filled, imputed = impute(states.T, starts, lengths, study, train)
    assert not np.isnan(filled).any()
    np.testing.assert_array_equal(imputed, np.isnan(states))
    for j in range(study.n_static, 5):
        for start, length in zip(starts, lengths, strict=True):
            latest = NAN
            for row in range(start, start + length):
                latest = states[row, j] if not np.isnan(states[row, j]) else latest
                if not np.isnan(latest):
                    assert filled[row, j] == latest
