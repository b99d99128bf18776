"""A run folder, read only and lazily: what is stored of a run. What one asks of it stands in `core.icu.ask`."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.base.errors import ArtifactError
from core.base.files import read_array, read_arrays, read_json, read_table
from core.base.remembered import remembered
from core.cohort import Cohort, CohortReport, Split, load_cohort
from core.evaluation import SurvivalCurve
from core.icu.advice import AdviceRecord
from core.icu.baselines import MEANS, MeanPhenotypes, stored_baselines, stored_q
from core.icu.config import RunConfig
from core.icu.manifest import icu_manifest
from core.icu.stays import Stays, decision_distances
from core.policies.families import evaluated_keys
from core.policies.key import FUSED, PROSPECTIVE, PolicyKey
from core.runs.manifest import Manifest
from core.study import StudySpec
from core.trajectories import Scaler, Trajectories, make_trajectories

if TYPE_CHECKING:
    from core.agents import AgentStack
    from core.encoder import Encoder
    from core.phenotypes import Phenotypes

REPRESENTATION = "representation.json"
ATTENTION = "attention.npy"


class RunView(Stays):
    """The run in `path`; each attribute is read when first asked for. `ArtifactError` where it is not there yet."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @cached_property
    def manifest(self) -> Manifest[StudySpec]:
        return icu_manifest(self.path)

    @cached_property
    def config(self) -> RunConfig:  # type: ignore[override]
        return RunConfig.build(self.manifest.config, where=str(self.path))

    @property
    def study(self) -> StudySpec:
        return self.manifest.study

    @property
    def complete(self) -> bool:
        """True where every stage is done."""
        return "evaluation" in self.manifest.stages  # the last stage

    # Data

    @cached_property
    def cohort(self) -> Cohort:
        """`ArtifactError` where its stays do not stand as the stored arrays do, as far as their lengths tell."""
        cohort = load_cohort(self.path / "cohort.parquet", self.study)
        if (self.path / ATTENTION).is_file():
            real = np.arange(self.study.horizon) < cohort.lengths[:, None]
            if self.attention.shape != real.shape or self.attention[~real].any():
                raise ArtifactError(
                    f"{self.path / 'cohort.parquet'} holds other stays, or in another order, than the arrays; "
                    "restore the file that the run stored, or train again."
                )
        return replace(cohort, report=self.report)

    @cached_property
    def report(self) -> CohortReport:
        """Attrition and mended problems of the file that the run was made from."""
        return CohortReport.from_json(read_json(self.path / "report.json"))

    @cached_property
    def split(self) -> Split:
        return Split(**read_arrays(self.path / "split.npz"))

    @cached_property
    def split_name(self) -> np.ndarray:
        """(N,) "train", "valid" or "test"."""
        return self.split.names(self.cohort.n_patients)

    @cached_property
    def scaler(self) -> Scaler:
        return Scaler.from_json(read_json(self.path / "scaler.json"), self.study)

    @cached_property
    def trajectories(self) -> Trajectories:  # type: ignore[override]
        return make_trajectories(self.cohort, self.scaler)

    # Encoder

    @cached_property
    def encoder_history(self) -> pd.DataFrame:
        """epoch, train_loss, valid_loss."""
        return pd.DataFrame(list(self.encoder().history), columns=["epoch", "train_loss", "valid_loss"])

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

    @cached_property
    def attention(self) -> np.ndarray:
        """(N, T) attention of the encoder; rows sum to 1 over real steps."""
        return read_array(self.path / ATTENTION)

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

    def projection(self, name: str) -> np.ndarray:
        """(N, 2) "umap" or "pca" coordinates; NaN for patients outside the drawn sample."""
        return read_arrays(self.path / "projection.npz")[name]

    @property
    def projection_note(self) -> str:
        """How the map was fitted, in words."""
        return str(read_json(self.path / "projection.json")["note"])

    @cached_property
    def honesty(self) -> pd.DataFrame:
        """How far the phenotypes can be trusted, beside plain rivals."""
        return read_table(self.path / "honesty.parquet")

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

    @cached_property
    def baselines(self) -> tuple[str, ...]:  # type: ignore[override]
        return stored_baselines(self.path)

    def trained_q(self, name: str) -> np.ndarray:
        return read_array(stored_q(self.path, name))

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
        """(N, T, m) nearest training states, as rows of `training_states`; -1 on padding."""
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
    def support_reference(self) -> np.ndarray:
        """(r,) sorted mean neighbor distances of training states, from which `support` is read."""
        return read_array(self.path / "support_reference.npy")

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

    @cached_property
    def fqi_history(self) -> pd.DataFrame:
        """iteration, mean_v, max_change."""
        return read_table(self.path / "fqi_history.parquet")

    @property
    def persons(self) -> np.ndarray:
        return self.cohort.persons

    @cached_property
    def evaluated(self) -> list[PolicyKey]:
        return evaluated_keys(self.k_values, self.n_clusters, self.config.fusion.lambda_, self.baselines)

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
    def survival_curve(self) -> SurvivalCurve:
        """Survival against the FQI value, on training patients."""
        table = read_table(self.path / "survival_curve.parquet")
        return SurvivalCurve(**{name: table[name].to_numpy() for name in table.columns})

    @cached_property
    def truth(self) -> pd.DataFrame:
        """True values of policies that were rolled out in the simulator; empty for real patients."""
        return read_table(self.path / "truth.parquet")

    @cached_property
    def judgments(self) -> pd.DataFrame | None:
        """Differences to the clinicians by the mix, at the run's own K and lambda; None for a run from before them."""
        path = self.path / "judgments.parquet"
        return read_table(path) if path.is_file() else None

    @cached_property
    def advice(self) -> AdviceRecord | None:
        """What the run advises by default; None for a run from before there was advice."""
        path = self.path / "advice.json"
        return AdviceRecord.build(read_json(path), where=str(path)) if path.is_file() else None

    @cached_property
    def advised_action(self) -> np.ndarray:
        """(N, T) dose that the pessimistic step takes by itself, -1 where it does as clinicians do."""
        return read_array(self.path / "advice.npy")

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row a policy, K, mode, lambda and estimator (see `core.icu.ask.compare`), without the truth."""
        return read_table(self.path / "evaluations.parquet")

    @cached_property
    def frontier_truth(self) -> pd.DataFrame:
        """True values of the run's own fused policy along each dial; empty for real patients."""
        return read_table(self.path / "frontier.parquet")
