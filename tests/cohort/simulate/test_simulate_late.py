"""Stays whose record starts late: hours are recorded, onset stays at hour 0, the window ends at its hour."""

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.cohort import check_cohort, load_cohort, save_cohort
from core.cohort.simulate import World, ground_truth, mechanism, simulate_cohort
from core.cohort.simulate.rollout import roll_out
from core.cohort.simulate.truth import discounted_returns


@pytest.fixture(scope="module")
def many():
    return simulate_cohort("mimic-iv", 6000, 3, late_starts=0.7)


def first_hours(cohort):
    return cohort.extra["hours"].to_numpy()[cohort.starts]


def test_hours_are_whole_steps_from_where_the_record_starts(late_cohort):
    study, hours = late_cohort.study, late_cohort.extra["hours"].to_numpy()
    assert list(late_cohort.extra) == ["hours"]
    step = late_cohort.frame["step"].to_numpy()
    assert np.array_equal(hours, np.repeat(first_hours(late_cohort), late_cohort.lengths) + study.step_hours * step)
    entry = (first_hours(late_cohort) - study.start_hours) / study.step_hours
    assert set(entry) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert not np.array_equal(hours, study.hours(step))  # whoever counts steps draws them at the wrong hour


def test_shares_of_late_records(many):
    cohort, _ = many
    start = first_hours(cohort)
    assert (start > -16).mean() == pytest.approx(0.7, abs=0.03)
    assert (start == 0).mean() == pytest.approx(0.35, abs=0.03)
    nobody, _ = simulate_cohort("mimic-iv", 20, 3, late_starts=0.0)
    assert nobody.extra is None


def test_the_window_ends_at_its_hour_and_some_stays_end_before(many):
    cohort, _ = many
    last = first_hours(cohort) + 4 * (cohort.lengths - 1)
    assert last.max() == 44
    assert cohort.lengths.min() == 2
    for start in (-16, -4, 0):
        here = last[first_hours(cohort) == start]
        assert 0.3 < (here == 44).mean() < 0.9
        assert len(np.unique(here)) > 8


def test_onset_stays_at_hour_0_whenever_the_record_starts(many):
    """By hour late records look like the others, by step they do not (longer ones have losses behind them)."""
    cohort, _ = many
    hours, start = cohort.extra["hours"].to_numpy(), np.repeat(first_hours(cohort), cohort.lengths)
    for name, tolerance in (("SOFA", 0.6), ("Platelets", 4.0)):
        value = cohort.frame[name].to_numpy(float)
        for hour in (0, 8):
            whole, late = (value[(hours == hour) & rows].mean() for rows in (start == -16, start >= -4))
            assert late == pytest.approx(whole, abs=tolerance), name
        first = value[cohort.starts]
        by_step = first[first_hours(cohort) == 0].mean() - first[first_hours(cohort) == -16].mean()
        assert abs(by_step) > 5 * tolerance, name


def test_heparin_acts_from_the_records_start_alone():
    """Up to the first dose of a stay its body is the one it would have had in the drugless world."""
    world, bare = World(late_starts=1.0), World("none", late_starts=1.0)
    _, truth = simulate_cohort("mimic-iv", 5, 0)
    first, second = (
        roll_out(truth.constants, truth.study, 300, 2, "cohort mimic-iv", world=one) for one in (world, bare)
    )
    assert np.array_equal(first.entry, second.entry)
    assert np.array_equal(first.states[:, 0], second.states[:, 0])
    assert (first.entry >= 1).all()
    assert first.entry.max() == mechanism.ONSET


def test_a_late_cohort_survives_a_file_with_its_hours_and_truth(late_cohort, tmp_path):
    assert check_cohort(late_cohort.frame, late_cohort.study).problems == ()
    for name in ("late.parquet", "late.csv"):
        save_cohort(late_cohort, tmp_path / name)
        loaded = load_cohort(tmp_path / name)
        assert loaded.data_hash == late_cohort.data_hash
        assert np.array_equal(loaded.extra["hours"], late_cohort.extra["hours"])
    found = ground_truth(load_cohort(tmp_path / "late.parquet"))
    assert found is not None
    assert found.world.late_starts == 0.6


def test_the_clinicians_value_is_the_recorded_mean_return(many):
    cohort, truth = many
    stays = roll_out(truth.constants, truth.study, 6000, 3, "cohort mimic-iv", world=truth.world)
    recorded = discounted_returns(stays, truth.study, truth.spans, 0.99)
    assert np.array_equal(stays.lengths, cohort.lengths)
    value = truth.policy_value("clinician", 6000, 12)
    error = np.hypot(recorded.std() / np.sqrt(len(recorded)), value.standard_error)
    assert abs(value.value - recorded.mean()) < 3 * error


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_is_a_share(share):
    with pytest.raises(ConfigError, match="give a share between 0 and 1"):
        simulate_cohort("mimic-iv", 5, 0, late_starts=share)
