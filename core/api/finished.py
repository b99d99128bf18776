"""A finished run in a researcher's hands: tables in physical units, policies, values, figures, exports."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from core.api.export import anndata_parts, d3rlpy_arrays, minari_episodes
from core.api.figures import Figures, icu_figures
from core.api.kept import KeptRun
from core.api.values import ranked
from core.base.errors import ConfigError, RunError
from core.evaluation.judging.grade import GradeSettings, grade
from core.evaluation.judging.mix import Judged
from core.icu.ask.compare import compare_policies
from core.icu.ask.judge import judge_policies
from core.icu.ask.tables import all_judgments, known_truth
from core.icu.view import RunView
from core.policies.key import KEY_COLUMNS, PolicyKey


class Run(KeptRun[RunView]):
    """One finished run. `view` is the folder's reader, for what is not offered here."""

    @property
    def n_clusters(self) -> int:
        """The run's own K."""
        return self.view.n_clusters

    @property
    def lambda_(self) -> float:
        """The run's own lambda."""
        return self.view.config.fusion.lambda_

    @cached_property
    def patients(self) -> pd.DataFrame:
        """One row a stay, by its key: steps, survived, split ("train", "valid", "test"), person, phenotype.

        In place of survived stands outcome where that does not tell survival.
        """
        cohort, view = self.view.cohort, self.view
        return pd.DataFrame(
            {
                "steps": cohort.lengths,
                **({"survived": ~cohort.died} if cohort.study.tells_survival else {"outcome": cohort.outcomes}),
                "split": view.split_name,
                "person": cohort.persons,
                "phenotype": view.labels(view.n_clusters),
            },
            index=pd.Index(cohort.patients, name="traj"),
        )

    @cached_property
    def states(self) -> pd.DataFrame:
        """One row a step, by stay and step: the study's columns in physical units (see `units`), then the action."""
        cohort = self.view.cohort
        table = cohort.frame.set_index(["traj", "step"])[[*cohort.study.names, "action"]]
        table.attrs["units"] = self.units
        return table

    @property
    def units(self) -> dict[str, str]:
        """Unit of each state column."""
        return {column.name: column.unit for column in self.view.study.columns}

    @property
    def actions(self) -> list[str]:
        """What each action number means."""
        study = self.view.study
        return study.actions.labels

    def values(self) -> pd.DataFrame:
        """One row a policy, the run's own at its own K and lambda and those that were added.

        Supported ones first, then weak ones, each by the difference: a large difference that nothing supports is last.
        Index policy, mode; difference to the clinicians with its 95 % interval (low, high), grade, effective stays, n,
        value; true_value where patients are simulated.
        """
        view = self.view
        table = all_judgments(view)
        if table is None:
            raise RunError("this run was made before runs were judged against the clinicians; train it again.")
        whole = table.merge(known_truth(view)[[*KEY_COLUMNS, "true_value"]], on=list(KEY_COLUMNS), how="left")
        return ranked(whole, ["policy", "mode"])

    def minus(self, other: Run, estimator: str = "phwdr") -> pd.DataFrame:
        """Values of this run's policies less those of the same names in another run.

        Index policy; difference with its 95 % interval (low, high), and whether both runs test the same patients
        (paired). estimator: "phwis" or "phwdr". `ConfigError` where the runs differ in study, reward, discount or
        horizon: their values are not counted in the same unit.
        """
        from core.report.comparison import shared_policies, value_differences

        pair = other.view, self.view
        return value_differences(*pair, shared_policies(*pair, estimator), estimator).set_index("policy")

    @property
    def learned(self) -> pd.DataFrame:
        """Did the agents learn? One row a learner: agrees, and text, what it says of itself and what the records do.

        `RunError` for a run from before it was asked.
        """
        if self.view.learned is None:
            raise RunError("this run was made before its learners were asked; train it again.")
        return self.view.learned.set_index("name")[["agrees", "text"]]

    def policy(
        self, name: str = "fused", k: int | None = None, lambda_: float | None = None, mode: str = "prospective"
    ) -> PolicyOfRun:
        """One of the run's policies at any K and lambda (default: the run's own); see `policies` for names.

        lambda_ = inf is the single expert. `ConfigError` for a K that the run does not have.
        """
        view = self.view
        k, lambda_ = view.n_clusters if k is None else k, self.lambda_ if lambda_ is None else lambda_
        if k not in view.k_values:
            raise ConfigError(f"the run has no k = {k}; choose one of {', '.join(map(str, view.k_values))}.")
        return PolicyOfRun(view, PolicyKey.at(name, k, lambda_, mode))

    @property
    def policies(self) -> list[str]:
        """Names that `policy` takes."""
        return [*dict.fromkeys(key.policy for key in self.view.evaluated), *self.view.added]

    def _figures(self) -> Figures:
        return Figures(lambda: icu_figures(self.view))

    def to_d3rlpy(self, split: str = "train") -> dict[str, np.ndarray]:
        """Arrays for `d3rlpy.dataset.MDPDataset(**run.to_d3rlpy())`; see `core.api.export.d3rlpy_arrays`."""
        return d3rlpy_arrays(self.view, split)

    def to_minari(self, split: str = "train") -> list[dict[str, Any]]:
        """Episodes as Minari's buffers hold them; see `core.api.export.minari_episodes`."""
        return minari_episodes(self.view, split)

    def to_anndata(self) -> dict[str, Any]:
        """Parts for `anndata.AnnData(**run.to_anndata())`: a row a stay, its representation and its maps."""
        return anndata_parts(self.view, self.patients)

    def __repr__(self) -> str:
        manifest, advice = self.view.manifest, self.view.advice
        kind = "simulated" if manifest.simulated else "recorded"
        return (
            f"Run '{self.name}': study {self.view.study.name}, {manifest.n_patients:,} {kind} stays, K = "
            f"{self.n_clusters}, lambda = {self.lambda_:g}, preset {self.view.config.preset}\n"
            f"  {advice.text if advice else 'No advice is stored.'}\n  {self.folder}"
        )


@dataclass(frozen=True, repr=False)
class PolicyOfRun:
    """One policy of a run: its probabilities, and what it is worth on the run's test patients."""

    view: RunView
    key: PolicyKey

    @property
    def probs(self) -> np.ndarray:
        """(N, T, A) action probabilities on the padded grid of the stays."""
        return np.asarray(self.view.probs(self.key))

    @property
    def table(self) -> pd.DataFrame:
        """Probabilities p0 .. p(A-1), one row a recorded step, by stay and step: what `judge` reads as a file."""
        cohort = self.view.cohort
        rows = self.probs[self.view.trajectories.mask]
        columns = [f"p{a}" for a in range(rows.shape[1])]
        return pd.DataFrame(rows, index=pd.MultiIndex.from_frame(cohort.frame[["traj", "step"]]), columns=columns)

    def judged(self) -> Judged:
        """Value and difference to the clinicians by the mix, on test patients; takes seconds to minutes."""
        view = self.view
        learners = view.split.learners
        return judge_policies(view, view.study, view.n_clusters, [self.key], view.split.test, learners)[0]

    def estimates(self) -> pd.DataFrame:
        """PHWIS, PHWDR and, where its Q was evaluated, FQE, a row each, with interval, effective stays and support."""
        table = compare_policies(self.view, self.view.split.test, [self.key], self.view.survival_curve)
        return table.set_index("estimator")[["value", "low", "high", "ess", "support", "reasons", "n"]]

    def grade(self) -> str:
        """How far the difference may be believed."""
        return str(grade(self.judged(), GradeSettings(ess=self.view.config.evaluation.ess_floor)).grade)

    def __repr__(self) -> str:
        key = self.key
        at = [
            f"k = {key.n_clusters}" if key.n_clusters else "",
            "" if np.isnan(key.lambda_) else f"λ = {key.lambda_:g}",
        ]
        return (
            ", ".join(filter(None, [f"Policy '{key.policy}'", *at, key.mode])) + f" of run '{self.view.manifest.name}'"
        )
