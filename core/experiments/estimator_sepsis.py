"""Cases of the estimator lab from ICU-Sepsis: stays of the expert, and policies on the way to others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from core.cohort import split_cohort
from core.experiments.estimator_cases import CLINICIAN, DEFAULT, Case
from core.experiments.estimator_cohorts import SPLIT, estimated_clinicians
from core.experiments.icu_sepsis import Process, load_process, optimal_policy, policy_value, sample_stays
from core.fusion import between
from core.trajectories import fit_scaler, make_trajectories

STUDY = "icu-sepsis"
DIAL = (0.1, 0.25, 0.5)
EPSILON = 0.1  # the best and the worst policy keep this share for all admissible actions


def sepsis_policies(process: Process) -> dict[str, np.ndarray]:
    """Policies (S, A): the expert, and those on the way to the best, the worst and the uniform one."""
    soft = {
        name: (1 - EPSILON) * optimal_policy(process, sign) + EPSILON * process.uniform
        for name, sign in (("optimal", 1), ("worst", -1))
    }
    targets = {**soft, "uniform": process.uniform}
    policies = {CLINICIAN: process.expert}
    for name, target in targets.items():
        policies |= {f"{name} dial {a:g}": between(process.expert, target, a) for a in DIAL}
    return policies | targets


def sepsis_case(seed: int, n_patients: int) -> tuple[Case, pd.DataFrame]:
    """The case of one seed, and the calibration curves of its estimated experts."""
    process = load_process()
    sampled = sample_stays(process, n_patients, seed)
    cohort = sampled.cohort
    split = split_cohort(cohort, seed, SPLIT)
    train, test = np.sort(split.learners), split.test
    data = make_trajectories(cohort, fit_scaler(cohort, train))
    data = replace(data, rewards=np.maximum(data.rewards, 0))  # death earns 0, so that a value is a survival
    policies = sepsis_policies(process)
    probs = np.zeros((len(policies), *data.mask.shape, data.study.n_actions), dtype=np.float32)
    for grid, policy in zip(probs, policies.values(), strict=True):
        grid[data.mask] = policy[sampled.states]
    true = probs[0].astype(np.float64)
    behaviors, curves = estimated_clinicians(data, train, test, true, [DEFAULT])
    case = Case(
        STUDY,
        seed,
        data,
        train,
        test,
        tuple(policies),
        probs,
        np.array([policy_value(process, policy) for policy in policies.values()]),
        np.zeros(len(policies)),
        1.0,
        behaviors,
    )
    return case, curves.assign(study=STUDY, seed=seed)
