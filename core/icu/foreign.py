"""Stays of another cohort under a trained run: its policies and critics as they are, nothing of them refitted.

Only what generated the data is estimated anew, where the cohort is large enough: importance ratios divide by the
probability with which the clinicians who treated these patients gave what they gave. Those of the run's own cohort
are other people with other habits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from core.agents.keys import agent_key
from core.base.errors import RunError
from core.base.remembered import remembered
from core.cohort import Cohort
from core.icu.config import Clinicians
from core.icu.fit.baselines import baseline_values
from core.icu.fit.clinicians import clinicians_at, own_behavior
from core.icu.fit.values import load_critic
from core.icu.stays import Stays, decision_distances
from core.icu.view import RunView
from core.policies.key import PROSPECTIVE, PolicyKey
from core.trajectories import make_trajectories, padded

FEWEST_STATES = 300  # states of other patients with which a cohort can tell what its own clinicians do


class ForeignStays(Stays):
    """External validation: the run's scaler, encoder, centroids, agents and critics on new stays.

    asked: whose habits the estimates divide by, the cohort's own clinicians or those of the run's development cohort;
    "auto" takes the own ones wherever any of these patients has FEWEST_STATES states of others to be compared with.
    """

    def __init__(self, view: RunView, cohort: Cohort, asked: Clinicians = "auto") -> None:
        ours, theirs = view.study, cohort.study
        if (theirs.names, theirs.n_actions, theirs.horizon) != (ours.names, ours.n_actions, ours.horizon):
            raise RunError(
                f"the run is of study '{ours.name}', whose columns, {ours.actions.words} or horizon differ from "
                "this cohort's; evaluate a cohort of the same study."
            )
        self.view, self.config, self._persons = view, view.config, cohort.persons
        self.trajectories = make_trajectories(replace(cohort, study=ours), view.scaler)  # the run's reward weights
        others = states_of_others(self.trajectories.mask, self._persons)
        if asked == "own" and not others:
            raise RunError("a single patient cannot tell what its own clinicians do; take the development cohort's.")
        few = asked == "auto" and others < FEWEST_STATES
        self.clinicians: Clinicians = "development" if few or asked == "development" else "own"

    @cached_property
    def _prefixes(self) -> np.ndarray:
        return self.view.encoder().encode_prefixes(self.trajectories)

    @cached_property
    def _whole(self) -> np.ndarray:
        return self.view.encoder().encode(self.trajectories)

    @remembered(8)
    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        if mode == PROSPECTIVE:
            distances = self.view.phenotypes.distances(self._prefixes, n_clusters)
            return decision_distances(distances, self.view.encoder().sees_current_action)
        whole = self.view.phenotypes.distances(self._whole, n_clusters)
        return np.broadcast_to(whole[:, None, :], (len(whole), self.view.study.horizon, n_clusters))

    @remembered(3)
    def agent_q(self, n_clusters: int) -> np.ndarray:
        agents = self.view.agents.select([agent_key(n_clusters, index) for index in range(n_clusters)])
        return np.moveaxis(agents.q_values(self.trajectories.states), 0, -2)

    @property
    def baselines(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.view.baselines

    @property
    def added(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.view.added

    def expert_spreads(self, n_clusters: int) -> np.ndarray:
        return self.view.expert_spreads(n_clusters)

    def baseline_spread(self, name: str) -> float | np.ndarray:
        return self.view.baseline_spread(name)

    @remembered(3)
    def trained_q(self, name: str) -> np.ndarray:
        return baseline_values(self.view, name)(self.trajectories.states)

    @remembered(2)
    def mean_distances(self, mode: str) -> np.ndarray:
        return self.view.mean_phenotypes.distances(self.trajectories.states, self.trajectories.mask, mode)

    @cached_property
    def behavior(self) -> np.ndarray:
        if self.clinicians == "own":
            return own_behavior(self.view, self.trajectories, self._persons)
        mask = self.trajectories.mask
        return padded(clinicians_at(self.view, self.trajectories.states[mask]).action_probs, mask, 0)

    @cached_property
    def fqi_q(self) -> np.ndarray:
        return load_critic(self.view.path / "fqi.npz").q_values(self.trajectories.states)

    @property
    def persons(self) -> np.ndarray:
        return self._persons

    @property
    def evaluated(self) -> Sequence[PolicyKey]:
        return self.view.evaluated

    @cached_property
    def fqe_stack(self) -> np.ndarray:
        return load_critic(self.view.path / "fqe.npz").q_values(self.trajectories.states)


def states_of_others(mask: np.ndarray, persons: np.ndarray) -> int:
    """Recorded states that a person can be compared with, at least: all but those of whoever has most.

    mask (N, T) real steps, persons (N,) number 0..P-1 of each stay's person.
    """
    states = np.bincount(persons, weights=mask.sum(axis=1))
    return int(states.sum() - states.max(initial=0))
