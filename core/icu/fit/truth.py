"""True values of a run's policies on simulated patients: the policies rolled out in the simulator itself.

Only policies that can act forward in time have a true value: retrospective fusion weighs phenotypes by the whole stay,
which no one has while treating, so it is left out and the table says so by its absence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.agents.keys import agent_key
from core.base.rng import derive_seed
from core.base.types import Progress
from core.cohort import History, ground_truth
from core.evaluation import random_policy, zero_drug_policy
from core.fusion import fuse, fusion_weights
from core.icu.config import NO_ENCODER
from core.icu.fit.baselines import baseline_values
from core.icu.stays import (
    PolicyKey,
    at_temperature,
    baseline_keys,
    baseline_policy,
    in_version,
    phenotype_of,
    split_version,
)

if TYPE_CHECKING:
    from core.encoder import Encoder
    from core.icu.view import RunView
    from core.trajectories import Scaler

COLUMNS = ("policy", "n_clusters", "mode", "lambda_", "true_value", "true_se", "true_survival", "true_survival_se", "n")


class RunPolicy:
    """A run's policy as the simulator calls it: history so far -> action probabilities (n, A)."""

    def __init__(self, view: RunView, key: PolicyKey) -> None:
        self.view, self.key = view, key
        self.policy, self.version = split_version(key.policy)
        self.settings = at_temperature(view.config.agents, self.version)
        if self.policy in view.baselines:
            self.values = baseline_values(view, self.policy)
        elif key.n_clusters:
            names = [agent_key(key.n_clusters, index) for index in range(key.n_clusters)]
            self.agents = view.agents.select(names)
            self.reader = _Reader(view.encoder(), view.scaler)

    def __call__(self, history: History) -> np.ndarray:
        return in_version(self._probs(history), self.version)

    def _probs(self, history: History) -> np.ndarray:
        study = self.view.study
        if self.policy == "random":
            return random_policy((len(history),), study.n_actions)
        if self.policy == "zero-drug":
            return zero_drug_policy((len(history),), study.n_actions)
        if self.policy in self.view.baselines:
            return self._baseline(history)
        probs = self.agents.probs(self.view.scaler.scale(history.state), self.settings.temperature)
        if self.policy.startswith("phenotype-"):
            return probs[phenotype_of(self.policy)]
        return fuse(fusion_weights(self._distances(history), self.key.lambda_), np.moveaxis(probs, 0, -2))

    def _baseline(self, history: History) -> np.ndarray:
        view = self.view
        probs = baseline_policy(self.policy, self.values(view.scaler.scale(history.state)), self.settings)
        if self.policy != NO_ENCODER:
            return probs
        states = view.scaler.scale(history.states)
        distances = view.mean_phenotypes.distances(states, np.ones(states.shape[:2], dtype=bool), "prospective")
        return fuse(fusion_weights(distances[:, -1], self.key.lambda_), probs)

    def _distances(self, history: History) -> np.ndarray:
        """(n, K) distances at the current step, exactly as the recorded stays are seen prospectively."""
        z = self.reader.z(history)
        if z is None:
            return np.zeros((len(history), self.key.n_clusters))
        return self.view.phenotypes.distances(z, self.key.n_clusters)


class _Reader:
    """z of simulated stays at the time of a decision; stays that go on are not read again from their start."""

    def __init__(self, encoder: Encoder, scaler: Scaler) -> None:
        self.encoder, self.scaler = encoder, scaler
        self._read: History | None = None

    def z(self, history: History) -> np.ndarray | None:
        """(n, H) representation of the steps that may decide at the current one; None where there is no such step.

        As `decision_distances`: an encoder that reads the action given at a step decides by the steps before it.
        """
        from core.encoder import StepwiseReader

        if self._read is None or not _continues(self._read, history):
            self._stepwise, self._z = StepwiseReader(self.encoder), None
        known = history.step + (not self.encoder.sees_current_action)
        lag = 0 if self.encoder.sees_current_action else 1
        for step in range(self._stepwise.steps, known):
            actions = history.actions[:, step - lag] if step >= lag else None
            self._z = self._stepwise.read(self.scaler.scale(history.states[:, step]), actions)
        self._read = history
        return self._z


def _continues(before: History, now: History) -> bool:
    """True where `now` holds the same stays as `before`, further on."""
    steps = before.step
    same = len(before) == len(now) and steps < now.step and np.array_equal(before.states, now.states[:, : steps + 1])
    return same and np.array_equal(before.actions, now.actions[:, :steps])


def true_values(view: RunView) -> Iterator[tuple[Progress, pd.DataFrame]]:
    """Roll out the run's policies one by one; yields progress and the table so far (empty for real patients)."""
    n, truth = view.config.evaluation.truth_patients, ground_truth(view.cohort)
    rows: list[dict[str, object]] = []
    if truth is None or n == 0:
        yield Progress("truth", 1, 1, "No truth: the patients are real, or roll-outs are off"), _table(rows)
        return
    truth = replace(truth, study=view.study)  # the run's reward weights
    keys = forward_policies(view)
    seed = derive_seed(view.config.run.seed, "truth")
    for done, key in enumerate(keys, start=1):
        policy = None if key.policy == "clinician" else RunPolicy(view, key)
        result = truth.policy_value(
            policy or "clinician", n, seed, spans=view.scaler.spans, gamma=view.config.agents.gamma
        )
        rows.append(
            {
                "policy": key.policy,
                "n_clusters": key.n_clusters,
                "mode": key.mode,
                "lambda_": key.lambda_,
                "true_value": result.value,
                "true_se": result.standard_error,
                "true_survival": result.survival,
                "true_survival_se": result.survival_standard_error,
                "n": result.n,
            }
        )
        yield Progress("truth", done, len(keys), f"{key.policy} rolled out on {n:,} simulated patients"), _table(rows)


def forward_policies(view: RunView) -> list[PolicyKey]:
    """Simple policies, the run's own K with a few lambdas, at every other K the fused policy at the run's lambda, and
    the baselines."""
    own, lambda_ = view.n_clusters, view.config.fusion.lambda_
    keys = [PolicyKey("clinician"), PolicyKey("random"), PolicyKey("zero-drug")]
    keys += [PolicyKey(f"phenotype-{index}", own) for index in range(own)]
    lambdas = view.config.fusion.grid[:: max(1, len(view.config.fusion.grid) // 4)]
    keys += [PolicyKey("fused", own, "prospective", value) for value in sorted({*lambdas, lambda_})]
    keys.append(PolicyKey("single-expert", own, "prospective", np.inf))
    keys += [PolicyKey("fused", k, "prospective", lambda_) for k in view.k_values if k != own]
    return keys + baseline_keys(view.baselines, own, lambda_, ("prospective",))


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))
