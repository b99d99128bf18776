"""Time of phenotypes and off-line evaluation at the published size; run it as a script, `--help` lists its options.

Prints CPU seconds of each step for simulated patients; the representation is a random map of patient means, wide as the
encoder's.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from core.cohort import simulate_cohort, split_cohort
from core.evaluation import knn_behavior_policy, phwdr_many, phwis_many
from core.phenotypes import PhenotypeConfig, fit_phenotypes, honesty_table, patient_means, project
from core.trajectories import fit_scaler, make_trajectories


def timed(name: str, run: Callable[[], object]) -> object:
    start = time.process_time()
    result = run()
    print(f"{name:<48}{time.process_time() - start:8.1f} s", flush=True)
    return result


def main(n_patients: int, n_policies: int, n_bootstrap: int, width: int = 128) -> None:
    cohort, truth = simulate_cohort("mimic-iv", n_patients, seed=0)
    split = split_cohort(cohort, 1)
    data = make_trajectories(cohort, fit_scaler(cohort, split.train))
    rng = np.random.default_rng(0)
    readout = rng.normal(size=(data.study.n_columns, width))
    z = (patient_means(data.states, data.mask) @ readout).astype(np.float32)
    steps = np.maximum(np.cumsum(data.mask, axis=1), 1)[..., None]
    z_prefix = (np.cumsum(data.states * data.mask[..., None], axis=1) / steps @ readout).astype(np.float32)
    config, train, lengths = PhenotypeConfig(), split.train, data.lengths
    phenotypes = fit_phenotypes(z[train], config, lengths[train])
    timed("phenotypes, K = 2..9", lambda: fit_phenotypes(z[train], config, lengths[train]))
    timed("distances of every prefix, largest K", lambda: phenotypes.distances(z_prefix, max(phenotypes.k_values)))
    timed("honesty table", lambda: honesty_table(z, z_prefix, data, phenotypes, train, truth.phenotype, config))
    timed("map, compilation included", lambda: project(z, config))
    known = np.zeros(data.n, dtype=bool)
    known[train] = True
    bank, queries = data.mask & known[:, None], data.mask & ~known[:, None]
    states, actions = data.states[bank], data.actions[bank]
    timed(
        f"clinician policy at {queries.sum():,} states",
        lambda: knn_behavior_policy(states, actions, data.states[queries], data.study.n_actions),
    )
    evaluation = rng.dirichlet(np.ones(data.study.n_actions), (n_policies, *data.mask.shape))[..., 0]
    mask, given, critic = data.transition_mask, np.clip(truth.propensities, 1e-3, 1), data.rewards
    options = {"n_bootstrap": n_bootstrap, "rng": rng}
    name = f"{n_policies} policies, {n_bootstrap} resamples, {data.n:,} patients"
    timed(f"PHWIS, {name}", lambda: phwis_many(data.rewards, mask, evaluation, given, **options))
    timed(f"PHWDR, {name}", lambda: phwdr_many(data.rewards, mask, evaluation, given, critic, critic, **options))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=13_355)
    parser.add_argument("--policies", type=int, default=50)
    parser.add_argument("--resamples", type=int, default=1_000)
    given = parser.parse_args()
    main(given.patients, given.policies, given.resamples)
