"""ICU-Sepsis: its published values, exactly; its stays through the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.experiments.estimator_sepsis import sepsis_policies
from core.experiments.icu_sepsis import LIVING, load_process, optimal_policy, policy_value, sample_stays
from core.icu.ask.tables import comparison
from core.icu.config import load_preset
from core.icu.study import run_study
from core.icu.view import RunView
from core.study import load_study

pytest.importorskip("icu_sepsis")

SMALL = {
    "encoder.epochs": "1",
    "encoder.hidden_size": "8",
    "phenotypes.k_max": "3",
    "phenotypes.n_bootstrap": "2",
    "agents.epochs": "1",
    "fqi.n_trees": "2",
    "fqe.n_trees": "2",
    "evaluation.n_bootstrap": "20",
}


def test_the_published_values_are_reproduced_exactly() -> None:
    process = load_process()
    everything = np.full(process.expert.shape, 1 / process.expert.shape[1])
    assert policy_value(process, everything) == pytest.approx(0.7801, abs=5e-5)
    assert policy_value(process, process.uniform) == pytest.approx(policy_value(process, everything), abs=1e-9)
    assert policy_value(process, process.expert) == pytest.approx(0.7818, abs=5e-5)
    assert policy_value(process, optimal_policy(process)) == pytest.approx(0.8751, abs=5e-5)


def test_no_policy_of_the_lab_is_beyond_the_best_and_the_worst() -> None:
    process = load_process()
    best, worst = (policy_value(process, optimal_policy(process, sign)) for sign in (1, -1))
    for policy in sepsis_policies(process).values():
        assert policy[:LIVING].sum(axis=1) == pytest.approx(1)
        assert (policy[:LIVING][~process.admissible[:LIVING]] == 0).all()
        assert worst < policy_value(process, policy) < best


def test_sampled_stays_follow_the_expert_and_fit_the_study() -> None:
    process, study = load_process(), load_study("icu_sepsis")
    assert (study.n_columns, study.n_actions, study.n_static) == (47, 25, 0)
    sampled = sample_stays(process, 1200, seed=0)
    cohort = sampled.cohort
    assert cohort.n_patients == 1200
    assert 2 <= cohort.lengths.min() <= cohort.lengths.max() <= study.horizon
    assert cohort.lengths.mean() - 1 == pytest.approx(9.22, abs=0.6)  # published length of an episode
    assert (cohort.outcomes > 0).mean() == pytest.approx(policy_value(process, process.expert), abs=0.04)
    assert cohort.states == pytest.approx(process.centers[sampled.states], abs=1e-5)
    assert (process.expert[sampled.states, cohort.actions] > 0).all()


def test_stays_beyond_the_horizon_are_drawn_again() -> None:
    study = load_study("icu_sepsis").model_copy(update={"horizon": 6})
    cohort, again = (sample_stays(load_process(), 200, seed=1, study=study).cohort for _ in range(2))
    assert cohort.n_patients == 200
    assert cohort.lengths.max() == 6
    assert again.data_hash == cohort.data_hash


def test_the_engine_takes_it_unchanged(tmp_path: Path) -> None:
    study = load_study("icu_sepsis").model_copy(update={"horizon": 20})
    cohort = sample_stays(load_process(), 60, seed=2, study=study).cohort
    for _ in run_study(cohort, load_preset("quick", SMALL), tmp_path / "run"):
        pass
    view = RunView(tmp_path / "run")
    assert view.complete
    assert view.behavior.shape == (60, 20, 25)
    table = comparison(view)
    assert {"clinician", "random", "zero-drug", "fused"} <= set(table["policy"])
    assert np.isfinite(table.loc[table["estimator"] == "phwis", "value"]).all()
    assert table["true_value"].isna().all()  # nothing is known of it inside the engine
