"""A finished run of the registry study in a researcher's hands: values, policies and figures, by the same words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.api.figures import Figures, registry_figures
from core.api.kept import KeptRun
from core.api.values import ranked
from core.base.errors import ConfigError, RunError
from core.bring import Asked
from core.registry.ask.against import against_experts
from core.registry.ask.compared import DIALS, OBSERVED, POLICIES
from core.registry.ask.own import beside_known, policy_probs
from core.registry.view import RegistryView


class RegistryRun(KeptRun[RegistryView]):
    """One finished run. `view` is the folder's reader, for what is not offered here."""

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
        return [*POLICIES, *self.view.added]

    def states(self, decision: str) -> pd.DataFrame:
        """What a function that is added is told at each decision point: features and indicators, and `stage`, its day;
        rows as in `policy(...).table(decision)`."""
        return Asked.of_run(self.view).states(decision)

    @property
    def learned(self) -> pd.DataFrame:
        """Did the models learn? One row a decision and model: agrees, and text, what it says and what was recorded.

        `RunError` for a run from before it was asked.
        """
        if self.view.learned is None:
            raise RunError("this run was made before its models were asked; train it again.")
        return self.view.learned.set_index(["decision", "name"])[["agrees", "text"]]

    def policy(self, name: str = "dqn-screened", dial: str = "", setting: float = 1.0) -> PolicyOfRegistry:
        """One of the run's policies; see `policies` for names. dial: "mixture" or "floor", at one of its settings: part
        of the way from the experts to the policy in its softened form. `ConfigError` for what the run does not have.
        """
        if name not in self.policies:
            raise ConfigError(f"the run has no policy '{name}'; choose one of {', '.join(self.policies)}.")
        if dial and dial not in DIALS:
            raise ConfigError(f"there is no dial '{dial}'; choose one of {', '.join(DIALS)}, or none.")
        return PolicyOfRegistry(self.view, name, dial, setting)

    def _figures(self) -> Figures:
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
        data = self.view.points[decision]
        catalog, probs = policy_probs(self.view, decision, self.name)
        if self.dial and self.name != OBSERVED:
            catalog, soft = policy_probs(self.view, decision, self.name, softened=True)
            experts = self.view.models(decision).expert_probs(data.states, data.stage)
            probs = DIALS[self.dial].mix(beside_known(experts, catalog), soft, self.setting)
        stages = np.array([stage.name for stage in self.view.spec.stages])
        patients = np.asarray(self.view.cohort.patients)
        index = pd.MultiIndex.from_arrays([patients[data.patient], stages[data.stage]], names=["patient", "stage"])
        return pd.DataFrame(probs, index=index, columns=list(catalog.names))

    def __repr__(self) -> str:
        at = f", {self.dial} at {self.setting:g}" if self.dial else ""
        return f"Policy '{self.name}'{at} of run '{self.view.manifest.name}'"
