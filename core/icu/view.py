"""A run's own stays under its encoder, phenotypes, agents, clinicians and critics, read lazily from its folder.

What one asks of them stands in `core.icu.ask`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.base.errors import ArtifactError
from core.base.files import read_array, read_arrays, read_json
from core.base.remembered import remembered
from core.icu.added import AddedPolicy, added_to
from core.icu.baselines import MEANS, MeanPhenotypes, stored_baselines, stored_q
from core.icu.folder import RunFolder
from core.icu.spreads import baseline_spread, expert_spreads
from core.icu.stays import Stays, decision_distances
from core.policies.families import evaluated_keys
from core.policies.hazards import hazard_bands
from core.policies.key import FUSED, PROSPECTIVE, PolicyKey
from core.trajectories import Scaler, Trajectories, make_trajectories, padded

if TYPE_CHECKING:
    from core.agents import AgentStack
    from core.encoder import Encoder
    from core.phenotypes import Phenotypes

REPRESENTATION = "representation.json"


class RunView(RunFolder, Stays):  # type: ignore[override]
    """The run in `path`: what its folder holds, and its stays as a `Situation` of every policy.

    owners: whose own added policies are seen, beside those that all see who see the run. A view is of the moment at
    which it was made: open the run again to see a policy that was added since.
    """

    def __init__(self, path: str | Path, owners: Sequence[str] = ()) -> None:
        super().__init__(path)
        self.owners = tuple(owners)

    # Data

    @cached_property
    def scaler(self) -> Scaler:
        return Scaler.from_json(read_json(self.path / "scaler.json"), self.study)

    @cached_property
    def trajectories(self) -> Trajectories:  # type: ignore[override]
        return make_trajectories(self.cohort, self.scaler)

    @cached_property
    def hours(self) -> np.ndarray:
        """(N, T) start of each step in hours from onset; NaN on padding."""
        return padded(self.cohort.hours, self.trajectories.mask, np.nan)

    @cached_property
    def slots(self) -> np.ndarray:
        """(N, T) slot of `cohort.axis` of each step, -1 on padding: stays aligned by hour."""
        return padded(self.cohort.axis.slots, self.trajectories.mask, -1)

    # Encoder

    @cached_property
    def encoder_history(self) -> pd.DataFrame:
        """epoch, train_loss, valid_loss; of the manifest alone, so that torch need not load."""
        known = read_json(self.path / "encoder" / "encoder.json").get("history", [])
        return pd.DataFrame(list(known), columns=["epoch", "train_loss", "valid_loss"])

    @remembered(1)
    def encoder(self) -> Encoder:
        from core.encoder import load_encoder

        return load_encoder(self.path / "encoder", self.study)

    @cached_property
    def sees_current_action(self) -> bool:
        """True where the representation of a step knows the action given at it; stored, so that torch need not load."""
        stored = self.path / REPRESENTATION
        if stored.is_file():
            return bool(read_json(stored).get("sees_current_action"))
        return self.encoder().sees_current_action

    @cached_property
    def z(self) -> np.ndarray:
        """(N, H) representation of the whole stay."""
        return read_array(self.path / "z.npy")

    @cached_property
    def z_prefix(self) -> np.ndarray:
        """(N, T, H) representation of the steps so far."""
        return read_array(self.path / "z_prefix.npy")

    # Phenotypes

    @cached_property
    def phenotypes(self) -> Phenotypes:
        from core.phenotypes import load_phenotypes

        return load_phenotypes(self.path / "phenotypes", self.z.shape[-1])

    @property
    def n_clusters(self) -> int:
        """The run's own K (fewer than asked for where there are few patients)."""
        return self.phenotypes.n_clusters

    @property
    def k_values(self) -> tuple[int, ...]:
        return self.phenotypes.k_values

    @property
    def indices(self) -> pd.DataFrame:
        """One row per K: indices of cluster quality."""
        return self.phenotypes.indices

    @remembered(16)
    def labels(self, n_clusters: int) -> np.ndarray:
        """(N,) phenotype of the whole stay."""
        return self.phenotypes.labels(self.z, n_clusters)

    @remembered(4)
    def prefix_labels(self, n_clusters: int) -> np.ndarray:
        """(N, T) phenotype by the steps so far, the current one included."""
        return self.phenotypes.labels(self.z_prefix, n_clusters)

    @remembered(8)
    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        if mode == PROSPECTIVE:
            distances = self.phenotypes.distances(self.z_prefix, n_clusters).astype(np.float32)
            return decision_distances(distances, self.sees_current_action)
        whole = self.phenotypes.distances(self.z, n_clusters).astype(np.float32)
        return np.broadcast_to(whole[:, None, :], (len(whole), self.study.horizon, n_clusters))

    # Agents

    @cached_property
    def agents(self) -> AgentStack:
        from core.agents import load_agents

        return load_agents(self.path / "agents", self.study.names, self.study.n_actions)

    @remembered(3)
    def agent_q(self, n_clusters: int) -> np.ndarray:
        return read_array(self.path / "agents" / f"q_{n_clusters}.npy")

    @remembered(3)
    def agent_probs(self, n_clusters: int) -> np.ndarray:
        return super().agent_probs(n_clusters)

    @remembered(16)
    def expert_spreads(self, n_clusters: int) -> np.ndarray:
        return expert_spreads(self.path, self.config.agents.softmax, n_clusters)

    @remembered(32)
    def baseline_spread(self, name: str) -> float | np.ndarray:
        def training_q() -> np.ndarray:
            train = self.split.train
            return np.asarray(self.baseline_q(name)[train][self.trajectories.transition_mask[train]])

        return baseline_spread(self.path, self.config.agents.softmax, name, training_q)

    @cached_property
    def baselines(self) -> tuple[str, ...]:  # type: ignore[override]
        return stored_baselines(self.path)

    def trained_q(self, name: str) -> np.ndarray:
        return read_array(stored_q(self.path, name))

    # Policies from elsewhere

    @cached_property
    def added_policies(self) -> dict[str, AddedPolicy]:
        """Policies that were added to the run and may be seen, by name; those that do not fit it are left out."""
        return added_to(self.path, self.owners)[0]

    @property
    def added(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self.added_policies)

    @remembered(4)
    def added_probs(self, name: str) -> np.ndarray:
        return padded(self.added_policies[name].probs, self.trajectories.mask)

    @remembered(4)
    def added_q(self, name: str) -> np.ndarray:
        return self.added_policies[name].q

    @cached_property
    def mean_phenotypes(self) -> MeanPhenotypes:
        """Phenotypes of the ablation without encoder."""
        return MeanPhenotypes(**read_arrays(self.path / MEANS))

    @remembered(2)
    def mean_distances(self, mode: str) -> np.ndarray:
        return self.mean_phenotypes.distances(self.trajectories.states, self.trajectories.mask, mode)

    # Clinician policy and values

    @cached_property
    def behavior(self) -> np.ndarray:
        return read_array(self.path / "behavior.npy")

    @cached_property
    def neighbors(self) -> np.ndarray:
        """(N, T, m) most similar training states, as rows of `training_states`; -1 on padding, and where there are no
        more in the same hazards."""
        return read_array(self.path / "neighbors.npy")

    @cached_property
    def training_states(self) -> np.ndarray:
        """(n, 2) patient position and step of each training state that `neighbors` points to."""
        return np.argwhere(self.trajectories.mask & (self.split_name == "train")[:, None])

    @cached_property
    def support(self) -> np.ndarray:
        """(N, T) closeness to the training states: 1 in their midst, 0 beyond all of them."""
        return read_array(self.path / "support.npy")

    @cached_property
    def similar_reference(self) -> np.ndarray | None:
        """(r,) sorted distances of training states, from which `support` is read; None for a run from before hazards
        were matched."""
        path = self.path / "similar_reference.npy"
        return read_array(path) if path.is_file() else None

    @cached_property
    def bands(self) -> np.ndarray:
        """(N, T) which of the study's own hazard rules apply, see `hazard_bands`; -1 on padding."""
        return padded(hazard_bands(self.study, self.cohort.states), self.trajectories.mask, -1)

    @cached_property
    def fqi_q(self) -> np.ndarray:
        return read_array(self.path / "fqi_q.npy")

    @cached_property
    def fqi_sd(self) -> np.ndarray:
        """(N, T, A) spread of Q* between the trees."""
        return read_array(self.path / "fqi_sd.npy")

    def fqi_layout_q(self, layout: str) -> np.ndarray:
        """(N, T, A) Q* by one "joint" forest on (state, one-hot action), the published layout, or one "per_action"."""
        return read_array(self.path / f"fqi_{layout}_q.npy")

    @property
    def persons(self) -> np.ndarray:
        return self.cohort.persons

    @cached_property
    def evaluated(self) -> list[PolicyKey]:
        lambda_, nothing = self.config.fusion.lambda_, self.study.actions.has_nothing
        return evaluated_keys(self.k_values, self.n_clusters, lambda_, self.baselines, nothing)

    @property
    def own_policy(self) -> PolicyKey:
        """The run's own policy: fused at its own K and lambda, by the steps so far."""
        return PolicyKey(FUSED, self.n_clusters, self.config.fusion.lambda_, PROSPECTIVE)

    @cached_property
    def fqe_stack(self) -> np.ndarray:
        stack = read_array(self.path / "fqe_q.npy")
        if len(stack) != len(self.evaluated):
            raise ArtifactError(
                f"run '{self.manifest.name}' was made by another version of this program; train it again."
            )
        return stack

    @property
    def lambdas(self) -> tuple[float, ...]:
        """Stored lambdas; the last, infinity, is the single expert."""
        return (*self.config.fusion.grid, np.inf)

    @cached_property
    def advised_action(self) -> np.ndarray:
        """(N, T) dose that the pessimistic step takes by itself, -1 where it does as clinicians do."""
        return read_array(self.path / "advice.npy")
