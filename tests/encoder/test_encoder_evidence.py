"""The quick encoder must find simulated phenotypes, must not be a clock, and must beat the rivals that see levels.

In a second world the phenotypes are equally restless, so that only their slow courses tell them apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from core.base.statistics import eta_squared
from core.base.worlds import Phenotypes
from core.cohort import simulate_cohort, split_cohort
from core.encoder import load_encoder, train_encoder
from core.icu.config import load_preset
from core.phenotypes import PhenotypeConfig, fit_phenotypes, honesty_table
from core.trajectories import Trajectories, fit_scaler, make_trajectories

SEED = 21  # of patients that nothing was tuned on
PATIENTS = 1200
K = 3


class Evidence(NamedTuple):
    """What training gave: labels of whole stays of all patients, positions of those held out, the honesty table."""

    data: Trajectories
    truth: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    table: pd.DataFrame


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return gather(tmp_path_factory.mktemp("quick_encoder"))


@pytest.fixture(scope="module")
def equally_restless(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return gather(tmp_path_factory.mktemp("equally_restless"), "equally-restless")


def gather(folder: Path, phenotypes: Phenotypes = "full") -> Evidence:
    cohort, truth = simulate_cohort("mimic-iv", PATIENTS, SEED, phenotypes=phenotypes)
    split = split_cohort(cohort, SEED)
    data = make_trajectories(cohort, fit_scaler(cohort, split.train))
    for _ in train_encoder(load_preset("quick").encoder, data.subset(split.train), data.subset(split.valid), folder):
        pass
    encoder = load_encoder(folder, data.study)
    z, z_prefix = encoder.encode(data), encoder.encode_prefixes(data)
    config = PhenotypeConfig(n_clusters=K, k_min=K, k_max=K, n_init=3, n_bootstrap=3)
    phenotypes = fit_phenotypes(z[split.train], config, data.lengths[split.train])
    table = honesty_table(z, z_prefix, data, phenotypes, split.train, truth.phenotype, config)
    return Evidence(data, truth.phenotype, phenotypes.labels(z), split.test, table.set_index("representation"))


def test_clusters_are_no_clock(evidence: Evidence) -> None:
    assert evidence.table.loc["encoder", "eta2_length"] < 0.15
    assert eta_squared(evidence.data.lengths[evidence.test], evidence.labels[evidence.test]) < 0.15


def test_the_encoder_beats_the_rivals_that_see_levels(evidence: Evidence) -> None:
    found = evidence.table["truth_ari"]
    assert found["encoder"] > 0.7
    assert found["encoder"] > max(found["patient means"], found["PCA of padded trajectory"]) + 0.4


def test_the_encoder_keeps_up_with_the_rival_that_sees_restlessness(evidence: Evidence) -> None:
    # Most of what sets simulated phenotypes apart is restlessness, so this rival is strong; 0.02 is for other hardware.
    found = evidence.table["truth_ari"]
    assert found["mean squared change"] > 0.5
    assert found["encoder"] > found["mean squared change"] - 0.02


def test_patients_it_never_saw_are_grouped_as_well(evidence: Evidence) -> None:
    assert adjusted_rand_score(evidence.truth[evidence.test], evidence.labels[evidence.test]) > 0.6


def test_the_first_steps_already_tell(evidence: Evidence) -> None:
    assert evidence.table.loc["encoder", "early_truth_ari"] > 0.35


def test_phenotypes_that_differ_in_slow_courses_only_are_found_by_their_drift(equally_restless: Evidence) -> None:
    found = equally_restless.table["truth_ari"]
    assert found["encoder"] > 0.5
    assert found["encoder"] > found["slope"] - 0.02
    assert found["encoder"] > max(found["patient means"], found["mean squared change"]) + 0.3
    assert equally_restless.table.loc["encoder", "eta2_length"] < 0.15
