"""Charted rows are physically possible, one by one."""

import numpy as np
import pytest

from core.cohort.simulate import measurement


@pytest.fixture(params=["mimic", "eicu", "mimic_memory"])
def frame(request):
    return request.getfixturevalue(request.param)[0].frame.astype(np.float64)


def test_values_are_finite_and_plausible(mimic, eicu):
    for cohort, _ in (mimic, eicu):
        assert np.isfinite(cohort.states).all()
        for j, column in enumerate(cohort.study.columns):
            low, high = column.plausible
            assert cohort.states[:, j].min() >= low, column.name
            assert cohort.states[:, j].max() <= high, column.name


def test_mean_pressure_lies_between_diastolic_and_systolic(frame):
    assert (frame["MBP"] > frame["DBP"]).all()
    assert (frame["MBP"] < frame["SBP"]).all()


def test_hematocrit_is_three_times_hemoglobin(frame):
    ratio = frame["Hematocrit"] / frame["Hb"]
    assert abs(ratio.mean() - 3.03) < 0.05
    assert ratio.between(2.0, 4.3).all()


def test_charges_balance(frame):
    gap = frame["Sodium"] - frame["Chloride"] - frame["HCO3"]
    assert np.corrcoef(gap, frame["AnionGap"])[0, 1] > 0.95
    assert (frame["AnionGap"] - gap).std() < 1.0


def test_acid_base_follows_henderson_hasselbalch(frame):
    expected = 6.1 + np.log10(frame["HCO3"] / (0.0307 * frame["PaCO2"]))
    assert np.corrcoef(expected, frame["PH"])[0, 1] > 0.99
    assert (frame["PH"] - expected).abs().mean() < 0.02
    excess = frame["HCO3"] - 24.4 + 14.8 * (frame["PH"] - 7.4)
    assert np.corrcoef(excess, frame["BaseExcess"])[0, 1] > 0.99
    assert np.corrcoef(frame["HCO3"], frame["PaCO2"])[0, 1] > 0.5  # compensation


def test_flags_are_zero_or_one_and_statics_do_not_move(mimic):
    cohort, _ = mimic
    assert set(np.unique(cohort.frame["Ventilation"])) == {0.0, 1.0}
    assert set(np.unique(cohort.frame["Gender"])) == {0.0, 1.0}
    statics = cohort.frame.groupby("traj")[["Age", "Gender", "Weight", "Height"]].nunique()
    assert (statics == 1).all().all()
    women = cohort.frame.loc[cohort.frame["Gender"] == 1, "Height"].mean()
    assert women < cohort.frame.loc[cohort.frame["Gender"] == 0, "Height"].mean() - 5


def test_sofa_counts_the_points_of_its_organs(frame):
    assert (frame["SOFA"] % 1 == 0).all()
    assert frame["SOFA"].between(0, 24).all()
    columns = ("Platelets", "Creatinine", "MBP", "Vasopressor", "PaO2", "Ventilation")
    points = measurement.organ_points({name: frame[name].to_numpy() for name in columns})
    rest = frame["SOFA"] - points
    assert rest.between(0, 8).mean() > 0.9999  # float32 rounding at a threshold moves one point at most
    assert rest.std() > 0.5  # liver and brain are hidden


def test_organ_points_of_one_patient_by_hand():
    row = {"Platelets": 45.0, "Creatinine": 2.4, "MBP": 60.0, "Vasopressor": 0.05, "PaO2": 80.0, "Ventilation": 1.0}
    assert measurement.organ_points({name: np.array([value]) for name, value in row.items()}).item() == 3 + 2 + 3 + 3
    healthy = {"Platelets": 250.0, "Creatinine": 0.8, "MBP": 80.0, "Vasopressor": 0.0, "PaO2": 95.0, "Ventilation": 0.0}
    assert measurement.organ_points({name: np.array([value]) for name, value in healthy.items()}).item() == 0


def test_heparin_prolongs_aptt_in_the_next_step(mimic):
    cohort, _ = mimic
    frame = cohort.frame
    change = frame.groupby("traj")["PTT"].shift(-1) - frame["PTT"]
    by_dose = change.groupby(frame["action"]).mean()
    assert by_dose[1] > by_dose[0] + 1
    assert by_dose[4] > by_dose[1] + 3
