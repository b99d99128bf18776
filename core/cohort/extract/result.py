"""What an extraction yields: stays in the cohort layout, how they were selected, and where everything comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.cohort.extract.options import HEPARIN_KINDS
from core.cohort.smallness import too_small
from core.study import StudySpec, load_study
from core.tables.report import Exclusion

# Shares of the heparin bins given by clinicians in the published MIMIC-IV cohort, percent of steps.
PUBLISHED_SHARES = (85.7, 9.7, 1.5, 1.5, 1.5)


@dataclass(frozen=True, eq=False)
class Extraction:
    """Stays in the cohort layout, and how they were selected.

    frame: traj, step, <state columns of the study>, action, outcome, dose, hours, subject, dose_<kind of heparin>; NaN
    where a value was not measured. ages: hours since each value was measured, "age: <column>".
    attrition: what each criterion removed, in stays ("patients") and ICU steps ("rows").
    counts: totals of the source, to compare with known ones.
    implausible: values outside the plausible range, by column, readings or steps; missing in the frame.
    losses: rows that were lost, "N of M rows, because ...". notes: the definitions used, one sentence each.
    provenance: source, release, versions and options by name. database: where the stays come from.
    """

    frame: pd.DataFrame
    attrition: tuple[Exclusion, ...]
    counts: Mapping[str, int]
    implausible: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    database: str = "mimic-iv"
    losses: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    ages: pd.DataFrame = field(default_factory=pd.DataFrame)
    study: StudySpec = field(default_factory=load_study)

    @property
    def n_stays(self) -> int:
        return int(self.frame["traj"].nunique())

    def lines(self) -> tuple[str, ...]:
        """Everything there is to say about the cohort, one sentence each: for the file, the printout and the page."""
        said = [f"{name}: {value}" for name, value in self.provenance.items()]
        said += self.notes
        said += [f"Lost: {loss}" for loss in self.losses]
        said.append("Counts of the source: " + ", ".join(f"{name} {n:,}" for name, n in self.counts.items()) + ".")
        refused = ", ".join(f"{name} {n:,}" for name, n in self.implausible.items()) or "none"
        said.append(f"Implausible values, taken as missing: {refused}.")
        said += [self.shares(), self.kinds(), *self.warnings()]
        return tuple(said)

    def shares(self) -> str:
        """Share of the steps in each action bin, beside the published ones for the heparin study."""
        counted = np.bincount(self.frame["action"].to_numpy(), minlength=self.study.n_actions)
        text = "/".join(f"{100 * n / max(len(self.frame), 1):.1f}" for n in counted)
        published = "/".join(map(str, PUBLISHED_SHARES))
        beside = f" (published: {published} %)" if self.study.actions.drug == "heparin" else ""
        return f"Actions 0 to {self.study.n_actions - 1}: {text} % of {len(self.frame):,} steps{beside}."

    def kinds(self) -> str:
        """Steps and units of each kind of heparin, counted as the drug or not."""
        parts = []
        for kind in HEPARIN_KINDS:
            dose = self.frame.get(f"dose_{kind}", pd.Series(dtype=float))
            parts.append(f"{kind} {int((dose > 0).sum()):,} steps, {dose.sum():,.0f} units")
        return "Heparin by kind: " + "; ".join(parts) + "."

    def warnings(self) -> tuple[str, ...]:
        """What is too small to learn from."""
        found = []
        empty = [name for name in self.study.names if self.frame[name].isna().all()]
        if empty:
            found.append(
                f"The source has no value of {', '.join(empty)}: the file can be used with a study without these "
                f"columns only "
                f"(--study), and so can the cohort it is compared with."
            )
        died, treated = int((self.frame["outcome"] == -1).sum()), int((self.frame["action"] > 0).sum())
        return (*found, *too_small(self.n_stays, died, treated, self.study.actions.drug))
