"""A run folder of the ICU study, read only and lazily: manifest, cohort, and the tables that its stages stored."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.base.errors import ArtifactError
from core.base.files import read_array, read_arrays, read_json, read_table
from core.cohort import Cohort, CohortReport, Split, load_cohort
from core.evaluation import SurvivalCurve
from core.icu.advice import AdviceRecord, Audited
from core.icu.config import RunConfig
from core.icu.manifest import icu_manifest
from core.runs.manifest import Manifest
from core.study import StudySpec

ATTENTION, ATLAS, JURY, ADVICE_FOLDS = "attention.npy", "atlas.npy", "jury.npy", "advice.npz"
OWN_DIFFERENCES, AUDIT = "differences.parquet", "audit.json"


class RunFolder:
    """The folder `path`; each attribute is read when first asked for. `ArtifactError` where it is not there yet."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @cached_property
    def manifest(self) -> Manifest[StudySpec]:
        return icu_manifest(self.path)

    @cached_property
    def config(self) -> RunConfig:
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
        cohort, path = load_cohort(self.path / "cohort.parquet", self.study), self.path / ATTENTION
        if path.is_file():
            real = np.arange(self.study.horizon) < cohort.lengths[:, None]
            if self.attention.shape != real.shape or self.attention[~real].any():
                raise ArtifactError(
                    f"{self.path / 'cohort.parquet'} holds other stays, or in another order, than the arrays; "
                    "restore the file that the run stored, or train again."
                )
        return replace(cohort, report=self.report)

    @cached_property
    def attention(self) -> np.ndarray:
        """(N, T) attention of the encoder; rows sum to 1 over real steps."""
        return read_array(self.path / ATTENTION)

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

    # Results

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

    @cached_property
    def fqi_history(self) -> pd.DataFrame:
        """iteration, mean_v, max_change."""
        return read_table(self.path / "fqi_history.parquet")

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
        """What the run advises by default, with its audit and atlas once they are made; None for a run from before
        there was advice."""
        path, audited = self.path / "advice.json", self.path / AUDIT
        if not path.is_file():
            return None
        advice = AdviceRecord.build(read_json(path), where=str(path))
        if not audited.is_file():  # in an older run they stand in the advice itself
            return advice
        return advice.model_copy(update=dict(Audited.build(read_json(audited), where=str(audited))))

    @cached_property
    def atlas_taken(self) -> np.ndarray | None:
        """(C, N, T) action of the pessimistic step under each choice of the advice's atlas, -1 where it does as
        clinicians do; None for a run from before other choices were tried."""
        path = self.path / ATLAS
        return read_array(path) if path.is_file() else None

    @cached_property
    def jury_behavior(self) -> np.ndarray | None:
        """(n, T, A) clinicians' probabilities, by which the run's policies were judged, test patients first; of older
        runs (n, T), of the action taken alone; None for a run from before it was kept."""
        path = self.path / JURY
        return read_array(path) if path.is_file() else None

    @property
    def centered(self) -> bool:
        """Whether the critics that judged centered actions by the clinicians' probabilities; not in older runs, whose
        further policies are judged by such critics, too."""
        return self.jury_behavior is None or self.jury_behavior.ndim == 3

    @cached_property
    def advice_folds(self) -> dict[str, np.ndarray] | None:
        """What each fold of the advice learned, see `core.icu.ask.selected.kept_folds`; None for a run from before it
        was kept."""
        path = self.path / ADVICE_FOLDS
        return read_arrays(path) if path.is_file() else None

    @cached_property
    def learned(self) -> pd.DataFrame | None:
        """Whether agents, critics and propensities learned (`core.icu.ask.learned`); None for a run from before."""
        path = self.path / "learned.parquet"
        return read_table(path) if path.is_file() else None

    @cached_property
    def own_differences(self) -> pd.DataFrame | None:
        """The run's own policy against the clinicians along its axes (`core.icu.ask.differences.own_differences`); None
        for a run from before they were kept."""
        path = self.path / OWN_DIFFERENCES
        return read_table(path) if path.is_file() else None

    @cached_property
    def calibration(self) -> pd.DataFrame | None:
        """Predicted beside observed shares of the clinicians' choices (`core.icu.ask.calibrated`), by models that had
        not seen the person; None for a run from before it."""
        path = self.path / "calibration.parquet"
        return read_table(path) if path.is_file() else None

    @cached_property
    def subgroups(self) -> pd.DataFrame | None:
        """The advice's difference in groups of patients (`core.icu.ask.audit`); None for a run from before them."""
        path = self.path / "subgroups.parquet"
        return read_table(path) if path.is_file() else None

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row a policy, K, mode, lambda and estimator (see `core.icu.ask.compare`), without the truth."""
        return read_table(self.path / "evaluations.parquet")

    @cached_property
    def frontier_truth(self) -> pd.DataFrame:
        """True values of the run's own fused policy along each dial; empty for real patients."""
        return read_table(self.path / "frontier.parquet")
