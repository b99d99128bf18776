"""Padding, scaling on training patients alone, and transitions that stay in step with the arrays."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import ArtifactError
from core.cohort import Cohort, make_cohort
from core.study import StudySpec, load_study
from core.trajectories import Scaler, fit_scaler, make_trajectories, make_transitions, padded


def random_cohort(study: StudySpec, lengths: list[int], seed: int) -> Cohort:
    """Stays of these lengths with states all over their plausible ranges."""
    rng = np.random.default_rng(seed)
    rows, n = sum(lengths), len(lengths)
    starts = np.cumsum(lengths) - lengths
    frame = pd.DataFrame(
        {"traj": np.repeat(np.arange(n), lengths), "step": np.arange(rows) - np.repeat(starts, lengths)}
    )
    for column in study.columns:
        values = rng.integers(0, 2, rows) if column.binary else rng.uniform(*column.plausible, rows)
        frame[column.name] = np.repeat(values[starts], lengths) if column.kind == "static" else values
    outcome = np.zeros(rows)
    outcome[starts + np.array(lengths) - 1] = rng.choice([-1, 1], n)
    return make_cohort(frame.assign(action=rng.integers(0, study.n_actions, rows), outcome=outcome), study)


def test_scaler_sees_training_patients_only(small_cohort: Cohort) -> None:
    both, one = fit_scaler(small_cohort), fit_scaler(small_cohort, np.array([1]))
    np.testing.assert_allclose(both.spans[1:], [12, 180])
    np.testing.assert_allclose(one.spans[1:], [2, 40])  # a constant score gets half = 1
    assert one.center[2] == 100
    changed = small_cohort.frame.copy()
    changed.loc[changed["traj"] == 5, ["score", "count"]] = 20.0
    again = fit_scaler(Cohort(changed, small_cohort.study), np.array([1]))
    np.testing.assert_array_equal(again.center, one.center)
    np.testing.assert_array_equal(again.half, one.half)


def test_training_values_span_minus_one_to_one_and_static_ones_are_standardized() -> None:
    study = load_study()
    cohort = random_cohort(study, [4, 5, 6, 7], 0)
    scaled = fit_scaler(cohort).scale(cohort.states)
    temporal = scaled[:, study.n_static :]
    np.testing.assert_allclose(temporal.min(axis=0), -1, atol=1e-6)
    np.testing.assert_allclose(temporal.max(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(scaled[:, 0].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, 0].std(), 1, atol=1e-5)


def test_scaling_is_undone(small_cohort: Cohort) -> None:
    scaler = fit_scaler(small_cohort)
    np.testing.assert_allclose(scaler.unscale(scaler.scale(small_cohort.states)), small_cohort.states, atol=1e-4)


def test_scaler_survives_json_and_refuses_what_is_foreign(small_cohort: Cohort, small_study: StudySpec) -> None:
    scaler = fit_scaler(small_cohort)
    stored = json.loads(json.dumps(scaler.to_json()))
    np.testing.assert_array_equal(Scaler.from_json(stored, small_study).half, scaler.half)
    with pytest.raises(ArtifactError, match="not for study thrombocytopenia"):
        Scaler.from_json(stored, load_study())
    for broken in ({}, {**stored, "half": "x"}, {**stored, "half": [0, 1, 1]}, {**stored, "center": [np.nan, 0, 0]}):
        with pytest.raises(ArtifactError, match="train again"):
            Scaler.from_json(broken, small_study)


def test_padding_is_zero_and_masked(small_cohort: Cohort) -> None:
    trajectories = make_trajectories(small_cohort, fit_scaler(small_cohort))
    assert trajectories.mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert trajectories.transition_mask.tolist() == [[True, True, True, False], [True, False, False, False]]
    assert trajectories.lengths.tolist() == [4, 2]
    for array in (trajectories.states, trajectories.actions, trajectories.rewards):
        assert not array[~trajectories.mask].any()
    assert trajectories.actions.tolist() == [[0, 1, 2, 0], [1, 1, 0, 0]]
    assert trajectories.outcomes.tolist() == [-1, 1]
    assert trajectories.static.shape == (2, 1)
    assert trajectories.temporal.shape == (2, 4, 2)
    assert (trajectories.states.dtype, trajectories.actions.dtype) == (np.float32, np.int64)


def test_subset_keeps_patients_whole(small_cohort: Cohort) -> None:
    trajectories = make_trajectories(small_cohort, fit_scaler(small_cohort))
    second = trajectories.subset(np.array([1]))
    assert second.n == 1
    np.testing.assert_array_equal(second.states[0], trajectories.states[1])
    assert second.lengths.tolist() == [2]


@settings(max_examples=40)
@given(lengths=st.lists(st.integers(2, 4), min_size=1, max_size=8), seed=st.integers(0, 3), data=st.data())
def test_transitions_stay_in_step(lengths: list[int], seed: int, data: st.DataObject, small_study: StudySpec) -> None:
    """A stay of T steps has T - 1 transitions, the last one terminal; next states are the next rows of the cohort."""
    cohort = random_cohort(small_study, lengths, seed)
    scaler = fit_scaler(cohort)
    patients = np.array(sorted(data.draw(st.sets(st.integers(0, len(lengths) - 1), min_size=1))))
    flat = make_transitions(make_trajectories(cohort, scaler), patients)
    scaled = scaler.scale(cohort.states)
    i = 0
    for patient in patients:
        rows = cohort.rows(patient)
        for step, row in enumerate(range(rows.start, rows.stop - 1)):
            np.testing.assert_array_equal(flat.states[i], scaled[row])
            np.testing.assert_array_equal(flat.next_states[i], scaled[row + 1])
            assert flat.actions[i] == cohort.actions[row]
            assert flat.terminals[i] == (row == rows.stop - 2)
            assert (flat.patient[i], flat.step[i]) == (patient, step)
            i += 1
    assert len(flat) == i
    assert flat.terminals.sum() == len(patients)


def test_discounted_returns_end_with_the_outcome(small_cohort: Cohort) -> None:
    """The terminal reward stands on the last transition and nowhere else."""
    trajectories = make_trajectories(small_cohort, fit_scaler(small_cohort))
    quiet = small_cohort.study.model_copy(update={"terminal_coeff": 0.0})
    without = make_trajectories(Cohort(small_cohort.frame, quiet), fit_scaler(small_cohort))
    terminal = trajectories.rewards - without.rewards
    np.testing.assert_allclose(terminal, [[0, 0, -10, 0], [10, 0, 0, 0]], atol=1e-5)


def test_patients_at_the_ends_of_an_imported_order(small_study: StudySpec) -> None:
    """Rows of a shuffled file give the same arrays as the ordered one."""
    cohort = random_cohort(small_study, [3, 4, 2], 5)
    shuffled = make_cohort(cohort.frame.sample(frac=1, random_state=2), small_study)
    assert shuffled.data_hash == cohort.data_hash
    one, two = (make_trajectories(c, fit_scaler(c)) for c in (cohort, shuffled))
    np.testing.assert_array_equal(one.rewards, two.rewards)


def test_padded_puts_each_step_at_its_place_and_keeps_its_type() -> None:
    mask = np.array([[True, True, False], [True, False, False]])
    grid = padded(np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int16), mask, -1)
    assert grid.dtype == np.int16
    assert grid.tolist() == [[[1, 2], [3, 4], [-1, -1]], [[5, 6], [-1, -1], [-1, -1]]]
