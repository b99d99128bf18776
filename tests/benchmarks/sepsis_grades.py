"""Grades on a world of real patients: `python -m tests.benchmarks.sepsis_grades [--seeds 11 20] [--patients 2000]`.

ICU-Sepsis (an MDP estimated from MIMIC-III: 713 states, 25 doses) has exact values. Stays of its experts are drawn, and
policies on the way from the experts to the best, the worst and the uniform one are judged as a run judges: five folds
by person, clinicians' probabilities by the stack, the difference to the experts by the mix, and its grade. Reported is
how often the interval holds the exact difference, by grade. The judge was designed on other worlds; nothing here served
a choice.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from core.cohort import make_cohort
from core.evaluation.judging.crossfit import Fold, judge
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.grade import grade
from core.evaluation.judging.histories import Histories
from core.experiments.estimator_cases import CLINICIAN
from core.experiments.estimator_sepsis import sepsis_policies
from core.experiments.icu_sepsis import load_process, policy_value, sample_stays
from core.icu.ask.judge import behavior_probs, held_out, judge_settings
from core.trajectories import fit_scaler, make_trajectories


def judged_once(seed: int, n_patients: int) -> pd.DataFrame:
    """One row a policy: policy, difference, low, high, se, ess, grade, truth; all as shares that survive."""
    process = load_process()
    sampled = sample_stays(process, n_patients, seed)
    cohort = make_cohort(sampled.cohort.frame, sampled.cohort.study)
    data = make_trajectories(cohort, fit_scaler(cohort))
    doses = np.asarray(cohort.study.actions.representative)
    rewards = np.maximum(data.rewards, 0)  # death earns 0, so that a value is a survival
    histories = Histories(
        data.states, data.actions, rewards, data.transition_mask, doses, None, cohort.persons, gamma=1.0
    )
    policies = {name: one for name, one in sepsis_policies(process).items() if name != CLINICIAN}
    told = []
    for name, policy in policies.items():
        grid = np.zeros((*data.mask.shape, histories.n_actions))
        grid[data.mask] = policy[sampled.states]
        told.append(Deferring(name, grid))
    folds = [Fold.by(histories, one, told, behavior_probs(histories, ~one, seed)) for one in held_out(histories, seed)]
    usual, rows = policy_value(process, process.expert), []
    for one, policy in zip(judge(histories, folds, judge_settings(cohort.study)), policies.values(), strict=True):
        gain = one.difference
        row = {"policy": one.name, "difference": gain.value, "low": gain.low, "high": gain.high, "ess": gain.ess}
        rows.append(row | {"grade": grade(one).grade, "truth": policy_value(process, policy) - usual})
    return pd.DataFrame(rows).assign(seed=seed)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """By grade: estimates, the share whose interval holds the truth, RMSE, median width, sign right where the truth is
    beyond 0.01."""
    found = found.assign(
        holds=(found["low"] <= found["truth"]) & (found["truth"] <= found["high"]),
        error=(found["difference"] - found["truth"]) ** 2,
        width=found["high"] - found["low"],
        sign=np.where(found["truth"].abs() > 0.01, np.sign(found["difference"]) == np.sign(found["truth"]), np.nan),
    )
    table = found.groupby("grade").agg(
        estimates=("holds", "size"),
        holds=("holds", "mean"),
        rmse=("error", "mean"),
        width=("width", "median"),
        sign=("sign", "mean"),
    )
    return table.assign(rmse=np.sqrt(table["rmse"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=(11, 20))
    parser.add_argument("--patients", type=int, default=2000)
    asked = parser.parse_args()
    seeds = range(asked.seeds[0], asked.seeds[1] + 1)
    found = pd.concat([judged_once(seed, asked.patients) for seed in seeds], ignore_index=True)
    print(found.groupby("policy", sort=False)[["truth", "difference", "ess"]].mean().round(3).to_string())
    print(summary(found).round(3).to_string())


if __name__ == "__main__":
    main()
