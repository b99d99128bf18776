"""True values of a run's policies on simulated patients: the policies rolled out in the simulator itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.rng import derive_seed
from core.base.types import Progress
from core.registry.ask.compared import GREEDY, OBSERVED, POLICIES
from core.registry.ask.policies import SimulatedPolicy
from core.registry.cohort.courses import state_rewards
from core.registry.fit.evaluate import ALL, ILL
from core.registry.simulate import Policy, registry_truth
from core.registry.simulate.rollout import Rollout, roll_out
from core.registry.spec import RegistrySpec
from core.registry.view import RegistryView

TRUE_DIFFERENCE = ["true_difference", "true_difference_se"]  # to the experts, over the same patients
COURSE = ["policy", "true_value", "true_se", *TRUE_DIFFERENCE, "event_free", "event_free_se", "n"]
STEP = ["decision", "group", "policy", "true_value", "true_se"]


@dataclass(frozen=True)
class MeanReward:
    """Mean reward of n decisions of simulated patients, with its standard error over patients."""

    value: float
    standard_error: float
    n: int


def roll_out_truth(view: RegistryView) -> Iterator[tuple[Progress, pd.DataFrame, pd.DataFrame]]:
    """Yields progress and the two tables so far (see `RegistryView.truth`, `.step_truth`); empty for real patients."""
    n, truth = view.config.evaluation.truth_patients, registry_truth(view.cohort)
    course, steps = pd.DataFrame(columns=COURSE), pd.DataFrame(columns=STEP)
    if truth is None or n == 0:
        yield Progress("truth", 1, 1, "No truth: the patients are real, or roll-outs are off"), course, steps
        return
    seed, longest, rows, step_rows = truth_seed(view), longest_treatment(view), [], []
    done, total = 0, len(POLICIES) + (len(GREEDY) + 1) * len(view.treatments)
    experts = truth.returns({}, n, seed, decision=longest)
    for name in POLICIES:
        acting = _policies(view, name, view.treatments)
        earned = truth.returns(acting, n, seed, decision=longest) if acting else experts
        found = earned.value()
        free = found.event_free, found.event_free_standard_error
        rows.append((name, found.value, found.standard_error, *earned.less(experts), *free, found.n))
        course, done = pd.DataFrame(rows, columns=COURSE), done + 1
        yield Progress("truth", done, total, f"{name} rolled out on {n:,} patients"), course, steps
    for decision in view.treatments:
        for name in (*GREEDY, OBSERVED):
            rolled = roll_out(view.spec, n, seed, "value", _policies(view, name, (decision,)), truth.world)
            for group in (ALL, ILL) if view.spec.decision(decision).treats else (ALL,):
                mean = mean_reward(rolled, view.spec, decision, group)
                step_rows.append((decision, group, name, mean.value, mean.standard_error))
            steps, done = pd.DataFrame(step_rows, columns=STEP), done + 1
            yield Progress("truth", done, total, f"{name} in {decision} treatment alone"), course, steps


def truth_seed(view: RegistryView) -> int:
    """Seed of the simulated patients behind true values: every policy meets the same."""
    return derive_seed(view.config.run.seed, "registry", "truth")


def longest_treatment(view: RegistryView) -> str:
    """The treatment that is decided at all stages of a course."""
    return max(view.treatments, key=lambda name: len(view.spec.decision(name).stages))


def _policies(view: RegistryView, name: str, decisions: tuple[str, ...]) -> Mapping[str, Policy]:
    """The policy in these decisions; nothing for the observed treatment, which is the simulator's experts."""
    if name == OBSERVED:
        return {}
    return {d: SimulatedPolicy(view.models(d), view.encoder, name, view.screen) for d in decisions}


def mean_reward(rolled: Rollout, spec: RegistrySpec, decision: str, group: str) -> MeanReward:
    """Mean reward of the decisions of one kind over simulated patients: a ratio of sums, linearized for its error.

        R = sum_i y_i / sum_i m_i,   se = sqrt(sum_i (y_i - R m_i)^2) / sum_i m_i

    y_i, m_i: sum of rewards and number of decisions of patient i. group: all decisions, or those of patients ill.
    """
    treats = spec.decision(decision).treats
    y, m = np.zeros(len(rolled.reached)), np.zeros(len(rolled.reached))
    for stage in spec.decision(decision).stages:
        now = rolled.indicators[:, stage]
        posed = rolled.reached[:, stage] & now[:, 0] & ~now[:, 3]
        posed &= now[:, spec.indicator_names.index(treats)] if group == ILL else True
        y += np.where(posed, state_rewards(rolled.indicators[:, stage + 1], spec), 0.0)
        m += posed
    total = max(m.sum(), 1.0)
    value = float(y.sum() / total)
    error = float(np.sqrt(((y - value * m) ** 2).sum()) / total)
    return MeanReward(value, error, int(m.sum()))
