"""Stays of another cohort under a trained run: everything computed with the run's own models, nothing refitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from core.agents.keys import agent_key
from core.cohort import Cohort
from core.errors import RunError
from core.runs.baselines import baseline_values
from core.runs.clinicians import behavior_arrays
from core.runs.remembered import remembered
from core.runs.stays import PolicyKey, Stays, decision_distances
from core.runs.values import load_critic
from core.trajectories import make_trajectories

if TYPE_CHECKING:
    from core.runs.view import RunView


class ForeignStays(Stays):
    """External validation: the run's scaler, encoder, centroids, agents, clinicians and critics on new stays."""

    def __init__(self, view: RunView, cohort: Cohort) -> None:
        ours, theirs = view.study, cohort.study
        if (theirs.names, theirs.n_actions, theirs.horizon) != (ours.names, ours.n_actions, ours.horizon):
            raise RunError(
                f"the run is of study '{ours.name}', whose columns, doses or horizon differ from this cohort's; "
                "evaluate a cohort of the same study."
            )
        self.view, self.config, self._persons = view, view.config, cohort.persons
        self.trajectories = make_trajectories(replace(cohort, study=ours), view.scaler)  # the run's reward weights

    @cached_property
    def _prefixes(self) -> np.ndarray:
        return self.view.encoder().encode_prefixes(self.trajectories)

    @cached_property
    def _whole(self) -> np.ndarray:
        return self.view.encoder().encode(self.trajectories)

    @remembered(8)
    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        if mode == "prospective":
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

    @remembered(3)
    def baseline_q(self, name: str) -> np.ndarray:
        return baseline_values(self.view, name)(self.trajectories.states)

    @remembered(2)
    def mean_distances(self, mode: str) -> np.ndarray:
        return self.view.mean_phenotypes.distances(self.trajectories.states, self.trajectories.mask, mode)

    @cached_property
    def behavior(self) -> np.ndarray:
        return behavior_arrays(self.view, self.trajectories, own=False)["behavior"]

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
