"""The estimator lab: its policies, truths and tables, and that it resumes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ConfigError, RunError
from core.cohort import History, simulate_cohort
from core.evaluation import knn_behavior_policy
from core.experiments import estimator_truth
from core.experiments.estimator_cases import Source
from core.experiments.estimator_cohorts import estimated_clinicians
from core.experiments.estimator_evidence import evidence_note, make_evidence
from core.experiments.estimator_policies import Forward, LabPolicy, lab_policies, recorded_probs, train_fused
from core.experiments.estimator_summary import band, errors, judged, rank_correlations
from core.experiments.estimator_truth import clinician_value, reference_scaler, true_clinicians, true_value
from core.experiments.estimators import run_estimator_lab
from core.trajectories import Trajectories, make_trajectories

SMALL = {"seeds": (1,), "n_patients": 120, "truth_patients": 40, "n_bootstrap": 20, "epochs": 1}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator_truth, "MANY", 2000)
    monkeypatch.setattr(estimator_truth, "CHUNK", 1000)
    monkeypatch.setattr(estimator_truth, "REFERENCE_PATIENTS", 500)


@pytest.fixture(scope="module")
def recorded() -> tuple[Trajectories, np.ndarray, np.ndarray, np.ndarray]:
    """Stays, their states in physical units (N, T, D), true clinicians (N, T, A) and phenotypes (N,)."""
    cohort, known = simulate_cohort(n_patients=60, seed=3)
    data = make_trajectories(cohort, reference_scaler())
    states = np.zeros(data.states.shape, dtype=np.float32)
    states[data.mask] = cohort.states
    return data, states, known.action_probs, known.phenotype


@pytest.fixture(scope="module")
def policies(recorded) -> list[LabPolicy]:
    data = recorded[0]
    return lab_policies(train_fused(data, np.arange(40), seed=0, epochs=1), data.study.n_actions)


def test_recorded_and_rolled_out_policies_are_the_same(recorded, policies) -> None:
    data, states, clinicians, phenotype = recorded
    t = 3
    rows = np.flatnonzero(data.mask[:, t])
    history = History(states[rows, : t + 1], data.actions[rows, :t], np.ones(len(rows), dtype=bool), phenotype[rows])
    assert len({policy.name for policy in policies}) == len(policies)
    for policy in policies:
        on_record = recorded_probs(policy, data, clinicians, phenotype)
        assert on_record[data.mask].sum(axis=-1) == pytest.approx(1)
        forward = Forward(policy, reference_scaler(), lambda history, _: true_clinicians(history))
        assert forward(history) == pytest.approx(on_record[rows, t], abs=1e-4)


def test_the_clinicians_rolled_out_as_a_policy_are_worth_what_they_are() -> None:
    anchor = clinician_value()
    assert true_value(true_clinicians, 50) == (pytest.approx(anchor.value), pytest.approx(anchor.error))


def test_clinicians_from_one_search_are_those_of_separate_ones(recorded) -> None:
    data, _, true, _ = recorded
    train, test = np.arange(40), np.arange(40, 60)
    sources = [Source("knn", k, c) for k in (5, 20) for c in (0.0, 2.0)]
    behaviors, curves = estimated_clinicians(data, train, test, true, sources)
    weights = np.array([column.behavior_weight for column in data.study.columns])
    bank, asked = data.mask[train], data.mask[test]
    for source in sources:
        expected = knn_behavior_policy(
            data.states[train][bank],
            data.actions[train][bank],
            data.states[test][asked],
            data.study.n_actions,
            source.k,
            weights,
            source.pseudo_count,
        )
        assert behaviors[source][test][asked] == pytest.approx(expected.action_probs, abs=1e-6)
    assert set(curves["k"]) == {0, 5, 20}
    exact = curves[(curves["propensities"] == "true") & (curves["what"] == "all doses")]
    assert exact["log_ratio_rmse"].iloc[0] == 0


def table(**columns) -> pd.DataFrame:
    shared = {"study": "simulated", "propensities": "knn", "estimator": "phwis", "true_se": 0.1, "ess": 50.0, "seed": 1}
    return pd.DataFrame({**shared, **columns})


def test_errors_by_hand() -> None:
    rows = table(
        policy=["clinician", "a", "b"],
        value=[9.0, 1.0, 4.0],
        true_value=[0.0, 2.0, 2.0],
        low=[8.0, 0.0, 3.0],
        high=[10.0, 3.0, 5.0],
    )
    (found,) = errors(rows, ["study", "estimator"])
    assert (found["n"], found["bias"], found["rmse"]) == (2, 0.5, pytest.approx(np.sqrt(2.5)))
    assert (found["coverage"], found["width"], found["truth_se"]) == (0.5, 2.5, pytest.approx(0.1))
    assert [band(ess) for ess in (1.0, 10.0, 99.0, 1e6)] == ["0 to 10", "10 to 30", "30 to 100", "100+"]


def test_ranks_are_means_over_seeds_above_each_floor() -> None:
    one = table(policy=list("abcd"), value=[1.0, 2, 3, 4], true_value=[1.0, 2, 3, 4])
    two = table(policy=list("abcd"), value=[4.0, 3, 2, 1], true_value=[1.0, 2, 3, 4]).assign(seed=2)
    few = table(policy=list("ab"), value=[1.0, 2], true_value=[2.0, 1]).assign(seed=3, ess=200.0)
    found = {row["ess_floor"]: row for row in rank_correlations(pd.concat([one, two, few]))}
    assert found[30.0]["rank_correlation"] == pytest.approx(0)
    assert found[30.0]["seeds"] == 2
    assert 100.0 not in found


def test_the_lab_writes_its_tables_and_resumes(tmp_path: Path) -> None:
    steps = list(run_estimator_lab(tmp_path, studies=("simulated",), **SMALL))
    assert (steps[-1].done, steps[-1].total) == (2, 2)
    estimates = pd.read_parquet(tmp_path / "estimates.parquet")
    main = estimates[~estimates["swept"]]
    estimators = {"phwis", "phwdr", "phwdr-fqi", "wis", "pdwis", "wdr", "fqe"}
    assert set(main["estimator"]) == estimators
    assert main.groupby(["propensities", "policy", "estimator"]).size().eq(1).all()
    assert np.isfinite(main[["value", "low", "high", "true_value", "ess"]].to_numpy()).all()
    own = main[main["policy"] == "clinician"]
    assert own.loc[own["estimator"] != "fqe", "own_ess"].to_numpy() == pytest.approx(48)
    assert (estimates.groupby(["k", "pseudo_count"]).ngroups, (estimates["impossible_share"] > 0).any()) == (13, True)
    assert "| simulated | knn |" in (tmp_path / "summary.md").read_text()
    first = json.loads((tmp_path / "summary.json").read_text())
    cell = tmp_path / "cells" / "simulated-1.parquet"
    made = cell.stat().st_mtime_ns
    list(run_estimator_lab(tmp_path, studies=("simulated",), **SMALL))
    assert cell.stat().st_mtime_ns == made
    assert json.loads((tmp_path / "summary.json").read_text()) == first
    with pytest.raises(RunError, match="other settings"):
        next(run_estimator_lab(tmp_path, **(SMALL | {"epochs": 2})))
    light = judged(main)
    assert set(light["grade"]) <= {"supported", "weak", "not supported"}
    assert (light.loc[light["grade"] == "supported", "reasons"] == "").all()
    assert (light.loc[light["grade"] != "supported", "reasons"] != "").all()
    evidence = make_evidence(first, "2026-01-01")
    measured = evidence["studies"]["simulated"]
    assert set(measured) <= estimators


def test_unknown_studies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="simulated, icu-sepsis"):
        next(run_estimator_lab(tmp_path, studies=("mimic",)))


def test_the_sentence_quotes_what_was_measured() -> None:
    measured = {"n": 40, "coverage": 0.85, "rank_correlation": 0.9}
    evidence = {
        "settings": {"seeds": [1, 2]},
        "ess_floor": 30.0,
        "goals": {"coverage": 0.9, "rank_correlation": 0.8},
        "studies": {"simulated": {"phwis": measured}},
        "light": [],
    }
    note = evidence_note("phwis", evidence)
    assert "PHWIS on 2 simulated cohorts" in note
    assert "85 % of 40 cases" in note
    assert note.endswith("It misses the goal in coverage.")
    graded = evidence | {"light": [{"grade": "supported", "estimator": "phwis", "coverage": 0.95, "n": 20}]}
    assert evidence_note("phwis", graded).endswith("Where values are graded supported: 95 % of 20 cases.")
    good = evidence | {"studies": {"simulated": {"phwis": measured | {"coverage": 0.95}}}}
    assert evidence_note("phwis", good).endswith("Both goals are met.")
    assert evidence_note("wdr", evidence) == ""
