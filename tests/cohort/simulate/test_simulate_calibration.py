"""The simulated cohorts against the published tables."""

import dataclasses
import json

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.cohort import check_cohort
from core.cohort.simulate import calibration_report, mechanism
from core.cohort.simulate.calibrate import calibrate
from core.cohort.simulate.constants import REFERENCE, Constants, load_constants
from core.cohort.simulate.published import load_targets


@pytest.fixture(params=["mimic", "eicu", "mimic_memory", "eicu_memory"])
def pair(request):
    return request.getfixturevalue(request.param)


def test_every_feature_meets_the_published_mean_and_spread(pair):
    cohort, _ = pair
    states = cohort.states.astype(np.float64)
    targets = load_targets(cohort.origin.like)
    for j, column in enumerate(cohort.study.columns):
        mean, sd = targets.moments(column.name)
        if column.binary:
            assert abs(states[:, j].mean() - mean) < 0.03, column.name
        else:
            assert abs(states[:, j].mean() - mean) < 0.15 * sd, column.name
            assert abs(states[:, j].std() / sd - 1) < 0.20, column.name


@pytest.mark.parametrize("version", ["", "_memory"])
def test_sizes_steps_mortality_and_doses(version, request):
    cohort, _ = request.getfixturevalue(f"mimic{version}")
    assert cohort.n_patients == 13_355
    assert abs(len(cohort.frame) - 178_807) < 13_355 * 0.3
    assert abs((cohort.outcomes < 0).mean() - 0.2746) < 0.015
    given = np.bincount(cohort.actions, minlength=5) / len(cohort.actions)
    published = np.array([0.8572, 0.0973, 0.0149, 0.0152, 0.0153])
    assert np.abs(given - published).max() < 0.015
    assert np.abs(given / published - 1).max() < 0.15  # the rare doses too
    other, _ = request.getfixturevalue(f"eicu{version}")
    assert abs(len(other.frame) - 89_174) < 6_066 * 0.3
    assert abs((other.outcomes < 0).mean() - 0.1695) < 0.015


def test_stays_have_two_to_horizon_steps_of_many_lengths(pair):
    cohort, _ = pair
    assert cohort.lengths.min() >= 2
    assert cohort.lengths.max() == cohort.study.horizon
    assert len(np.unique(cohort.lengths)) == cohort.study.horizon - 1


@pytest.mark.parametrize("name", ["mimic", "mimic_memory"])
def test_phenotype_sizes_and_mortality(name, request):
    cohort, truth = request.getfixturevalue(name)
    died = cohort.outcomes < 0
    for k, (size, mortality) in enumerate([(4143, 0.14), (4482, 0.41), (4730, 0.26)]):
        members = truth.phenotype == k
        assert abs(members.sum() - size) < 250
        assert abs(died[members].mean() - mortality) < 0.04


def test_the_files_own_check_finds_nothing(pair):
    cohort, _ = pair
    report = check_cohort(cohort.frame, cohort.study)
    assert report.ok
    assert report.problems == ()
    assert cohort.report.summary["patients"] == cohort.n_patients


def test_report_passes_and_notices_a_shifted_feature(pair):
    cohort, truth = pair
    assert calibration_report(cohort, truth).ok
    shifted = cohort.frame.assign(HR=cohort.frame["HR"] + np.float32(10))
    report = calibration_report(dataclasses.replace(cohort, frame=shifted), truth)
    assert not report.ok
    assert report.features.loc[~report.features["ok"], "feature"].tolist() == ["HR"]
    gap = report.features.set_index("feature").loc["HR", "difference"]
    assert gap == pytest.approx(10 / load_targets(truth.like).moments("HR")[1], abs=0.05)


def test_report_shapes_cover_every_phenotype_and_step(small):
    cohort, truth = small
    shapes = calibration_report(cohort, truth).shapes
    assert len(shapes) == 3 * cohort.study.horizon
    first = shapes.query("step == 0").set_index("phenotype")["SOFA"]["recovering"]
    rows = np.repeat(truth.phenotype == 0, cohort.lengths) & (cohort.frame["step"] == 0)
    assert first == pytest.approx(cohort.frame.loc[rows, "SOFA"].mean(), rel=1e-5)


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("like", ["mimic-iv", "eicu"])
def test_stored_constants_are_a_fixed_point_of_the_calibration(like, memory):
    stored = load_constants(like, memory)
    again = calibrate(like, n_patients=3000, rounds=1, start=stored, memory=memory)
    assert np.allclose(again.action_intercepts, stored.action_intercepts, atol=0.25)
    assert np.allclose(again.late_death_intercepts, stored.late_death_intercepts, atol=0.3)
    latents = np.linspace(-1.5, 1.5, 7)
    for name in mechanism.NAMES:
        if name in load_targets(like).features.index and stored.transforms[name].kind != "binary":
            moved = again.transforms[name](latents) - stored.transforms[name](latents)
            assert np.abs(moved).max() < 0.4 * load_targets(like).moments(name)[1], name


def test_calibration_is_deterministic_and_survives_json():
    first, second = (calibrate("eicu", n_patients=300, rounds=1) for _ in range(2))
    assert first == second
    assert Constants.build(json.loads(json.dumps(first.model_dump(mode="json")))) == first


def test_constants_refuse_an_unknown_data_set():
    with pytest.raises(ConfigError, match="choose one of mimic-iv, eicu"):
        load_constants("mimic-iii")
    assert json.loads((REFERENCE / "simulator.json").read_text())["schema_version"] == 1
