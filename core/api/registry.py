"""A finished run of the registry study in a researcher's hands: values, policies and figures, by the same words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.api.figures import Figures, registry_figures
from core.api.values import ranked
from core.base.errors import ConfigError
from core.registry.ask.against import against_experts
from core.registry.ask.compared import DIALS, POLICIES
from core.registry.view import RegistryView


class RegistryRun:
    """One finished run. `view` is the folder's reader, for what is not offered here."""

    def __init__(self, view: RegistryView) -> None:
        self.view = view

    @property
    def folder(self) -> Path:
        return self.view.path

    @property
    def name(self) -> str:
        return self.view.manifest.name

    def values(self) -> pd.DataFrame:
        """One row a policy, and a row a dial that the advice was chosen among, as `Run.values`: supported ones first.

        Index policy; difference to the experts with its 95 % interval (low, high), grade, effective courses, n, value;
        true_value where patients are simulated. `ConfigError` for a run from before judgments.
        """
        table = against_experts(self.view)
        if table is None:
            raise ConfigError("the run was made before policies were judged against the experts; train it again.")
        return ranked(table, ["policy"])

    @property
    def policies(self) -> list[str]:
        """Names that `policy` takes."""
        return list(POLICIES)

    def policy(self, name: str = "dqn-screened", dial: str = "", setting: float = 1.0) -> PolicyOfRegistry:
        """One of the run's policies; see `policies` for names. dial: "mixture" or "floor", at one of its settings: part
        of the way from the experts to the policy in its softened form. `ConfigError` for what the run does not have.
        """
        if name not in POLICIES:
            raise ConfigError(f"the run has no policy '{name}'; choose one of {', '.join(POLICIES)}.")
        if dial and dial not in DIALS:
            raise ConfigError(f"there is no dial '{dial}'; choose one of {', '.join(DIALS)}, or none.")
        return PolicyOfRegistry(self.view, name, dial, setting)

    @cached_property
    def figures(self) -> Figures:
        """Figures of the run by name, as `run.figures.differences`."""
        return Figures(lambda: registry_figures(self.view))

    def __repr__(self) -> str:
        manifest, advice = self.view.manifest, self.view.advice
        kind = "simulated" if manifest.simulated else "recorded"
        head = f"Run '{self.name}': {self.view.spec.title}, {manifest.n_patients:,} {kind} patients"
        return f"{head}\n  {advice.text if advice else 'No advice is stored.'}\n  {self.folder}"


@dataclass(frozen=True, repr=False)
class PolicyOfRegistry:
    """One policy of a registry run, as it is or at a setting of a dial."""

    view: RegistryView
    name: str
    dial: str
    setting: float

    def table(self, decision: str) -> pd.DataFrame:
        """Probability of each combination, one row a recorded decision point, by patient and stage."""
        if decision not in self.view.treatments:
            raise ConfigError(f"nothing is learned of '{decision}'; choose one of {', '.join(self.view.treatments)}.")
        models, data = self.view.models(decision), self.view.points[decision]
        asked = self.name, data.states, data.stage, self.view.screen
        if not self.dial or self.name == "observed":
            probs = models.probs(*asked)
        else:
            experts = models.expert_probs(data.states, data.stage)
            probs = DIALS[self.dial].mix(experts, models.soft_probs(*asked), self.setting)
        stages = np.array([stage.name for stage in self.view.spec.stages])
        patients = np.asarray(self.view.cohort.patients)
        index = pd.MultiIndex.from_arrays([patients[data.patient], stages[data.stage]], names=["patient", "stage"])
        return pd.DataFrame(probs, index=index, columns=list(models.catalog.names))

    def __repr__(self) -> str:
        at = f", {self.dial} at {self.setting:g}" if self.dial else ""
        return f"Policy '{self.name}'{at} of run '{self.view.manifest.name}'"
