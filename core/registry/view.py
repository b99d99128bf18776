"""A run folder of the registry study, read only and lazily: what is stored of a run, and the models it loads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from core.base.errors import ArtifactError
from core.base.files import read_arrays, read_json, read_table
from core.fusion.dials import furthest_supported
from core.registry.added import AddedSets, added_to
from core.registry.advice import RegistryAdvice
from core.registry.ask.compared import Screen, along
from core.registry.cohort.decisions import DecisionData, StateEncoder, decision_points
from core.registry.cohort.describe import reward_tolerance
from core.registry.cohort.drugs import Combinations
from core.registry.cohort.load import load_registry
from core.registry.cohort.table import RegistryCohort
from core.registry.config import RegistryConfig, stored_config
from core.registry.manifest import registry_manifest
from core.registry.spec import RegistrySpec
from core.runs.manifest import Manifest
from core.tables.report import CohortReport
from core.tables.split import Split

if TYPE_CHECKING:
    from core.evaluation.judging.left_out import ColumnOdds
    from core.registry.ask.policies import TreatmentModels
    from core.registry.fit.inputs import Inputs
    from core.registry.fit.layers import Layers
    from core.registry.fit.screening import Screening

Model = TypeVar("Model")


class RegistryView:
    """The run in `path`; each attribute is read when first asked for. `ArtifactError` where it is not there yet.

    Tables name stages as the registry does ("100 days"; "all" for all stages together) with their `day` (-1 for all).
    owners: whose own added policies are seen, beside those that all see who see the run. A view is of the moment at
    which it was made: open the run again to see a policy that was added since.
    """

    def __init__(self, path: str | Path, owners: Sequence[str] = ()) -> None:
        self.path = Path(path)
        self.owners = tuple(owners)

    # What the run is

    @cached_property
    def manifest(self) -> Manifest[RegistrySpec]:
        return registry_manifest(self.path)

    @cached_property
    def config(self) -> RegistryConfig:
        return stored_config(self.manifest.config, where=str(self.path))

    @property
    def spec(self) -> RegistrySpec:
        return self.manifest.study

    @property
    def complete(self) -> bool:
        """True where every stage is done."""
        return "frontier" in self.manifest.stages  # the last stage

    @property
    def decisions(self) -> tuple[str, ...]:
        """All decisions, in the registry's order."""
        return tuple(decision.name for decision in self.spec.decisions)

    @property
    def treatments(self) -> tuple[str, ...]:
        """Decisions for which a policy is learned, with a Q-network."""
        return self.spec.learned

    # Data

    @cached_property
    def cohort(self) -> RegistryCohort:
        return replace(load_registry(self.path / "cohort.parquet", self.spec), report=self.report)

    @cached_property
    def report(self) -> CohortReport:
        """Attrition and mended problems of the file that the run was made from."""
        return CohortReport.from_json(read_json(self.path / "report.json"))

    @cached_property
    def split(self) -> Split:
        """Positions of training, validation (both are learned from or tuned on) and test patients."""
        return Split(**read_arrays(self.path / "split.npz"))

    @cached_property
    def _decisions(self) -> dict[str, Any]:
        stored = read_json(self.path / "decisions.json")
        if not isinstance(stored, dict) or not {"encoder", *self.decisions} <= stored.keys():
            raise ArtifactError(f"{self.path / 'decisions.json'} does not hold this run's decisions; train again.")
        return stored

    @cached_property
    def encoder(self) -> StateEncoder:
        return StateEncoder.from_json(self._decisions["encoder"], self.spec)

    @cached_property
    def catalogs(self) -> dict[str, Combinations]:
        """Combinations of each decision, as given to training and validation patients."""
        return {name: Combinations.from_json(self._decisions[name]["catalog"]) for name in self.decisions}

    @cached_property
    def inputs(self) -> dict[str, Inputs]:
        """What the networks of each decision see, and what the low-variance filter dropped."""
        from core.registry.fit.inputs import Inputs

        return {name: Inputs.from_json(self._decisions[name]["inputs"]) for name in self.decisions}

    @cached_property
    def points(self) -> dict[str, DecisionData]:
        """Decision points of the run's own cohort."""
        learned = self.split.learners
        return {name: decision_points(self.cohort, name, self.encoder, learned) for name in self.decisions}

    # Models

    def screening(self, decision: str) -> Screening:
        """Screening network of a decision."""
        return self._cached("screening", decision, self._read_screening)

    def q_network(self, decision: str) -> Layers:
        """Q-network of a treatment."""
        return self._cached("dqn", decision, self._read_q_network)

    def models(self, decision: str) -> TreatmentModels:
        """Everything learned about a treatment."""
        return self._cached("models", decision, self._read_models)

    def reward_model(self, decision: str) -> Layers:
        """Network that predicts the reward of (state, drugs), apart from the policies' own models."""
        return self._cached("reward", decision, self._read_reward_model)

    @cached_property
    def _models(self) -> dict[tuple[str, str], Any]:
        return {}

    def _cached(self, kind: str, decision: str, read: Callable[[str], Model]) -> Model:
        if (kind, decision) not in self._models:
            self._models[kind, decision] = read(decision)
        model: Model = self._models[kind, decision]
        return model

    def _network(self, kind: str, decision: str, hidden: tuple[int, ...], inputs: int, outputs: int) -> Layers:
        from core.registry.fit.layers import load_layers

        return load_layers(self.path / f"{kind}_{decision}.safetensors", (inputs, *hidden, outputs))

    def _read_screening(self, decision: str) -> Screening:
        from core.registry.fit.screening import Screening

        hidden, catalog = self.config.screening.hidden_sizes, self.catalogs[decision]
        network = self._network("screening", decision, hidden, len(self.inputs[decision].names), len(catalog))
        path = self.path / f"screening_{decision}.json"
        try:
            temperature = float(read_json(path)["temperature"])
        except (KeyError, TypeError, ValueError):
            raise ArtifactError(f"{path} does not hold a temperature; train again.") from None
        return Screening(network, temperature)

    def _read_q_network(self, decision: str) -> Layers:
        hidden, catalog = self.config.dqn.hidden_sizes, self.catalogs[decision]
        return self._network("dqn", decision, hidden, len(self.inputs[decision].names), len(catalog))

    def _read_reward_model(self, decision: str) -> Layers:
        width = len(self.inputs[decision].names) + len(self.catalogs[decision].drugs)
        return self._network("reward", decision, self.config.reward_model.hidden_sizes, width, 1)

    def _read_models(self, decision: str) -> TreatmentModels:
        from core.registry.ask.policies import TreatmentModels, has_indicator, usual_shares
        from core.registry.fit.forest import load_reward_forest

        catalog, inputs = self.catalogs[decision], self.inputs[decision]
        path = self.path / f"forest_{decision}.npz"
        data = self.points[decision]
        here = data.of(self.split.learners)
        treats = self.spec.decision(decision).treats
        ill = has_indicator(data.states[here], data.names, treats)
        return TreatmentModels(
            catalog=catalog,
            inputs=inputs,
            screening=self.screening(decision),
            q_network=self.q_network(decision),
            read_forest=lambda: load_reward_forest(path, len(inputs.names), len(catalog.drugs)),
            shares=usual_shares(catalog, data.drugs[here], ill),
            treats=treats,
            temperature=reward_tolerance(self.spec) or 1.0,  # all rewards alike: nothing is learned at any T
        )

    @property
    def screen(self) -> Screen:
        """The screen of the policy dqn-screened."""
        return Screen(self.config.evaluation.screen_n, self.config.evaluation.screen_threshold)

    # Policies from elsewhere

    @cached_property
    def added_policies(self) -> dict[str, AddedSets]:
        """Policies that were added to the run and may be seen, by name; those that do not fit it are left out."""
        return added_to(self.path, self.owners)[0]

    @property
    def added(self) -> tuple[str, ...]:
        return tuple(self.added_policies)

    def _with_added(self, table: str) -> pd.DataFrame:
        """A table of the run, then the rows of each added policy, in the run's columns."""
        own = read_table(self.path / f"{table}.parquet")
        more = [rows for one in self.added_policies.values() if len(rows := one.table(table))]
        return (
            pd.concat([own, *(rows.reindex(columns=own.columns) for rows in more)], ignore_index=True) if more else own
        )

    # Results

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """Top-N accuracy on test patients: decision, stage, day, n, accuracy, low, high, decisions."""
        return read_table(self.path / "accuracy.parquet")

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """Expert probabilities on test patients: decision, stage, day, predicted, observed, low, high, n, error,
        log_loss."""
        return read_table(self.path / "calibration.parquet")

    @cached_property
    def history(self) -> pd.DataFrame:
        """Screening networks in training: decision, epoch, train_loss, valid_loss."""
        parts = [read_table(self.path / f"screening_{name}.parquet").assign(decision=name) for name in self.decisions]
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def combinations(self) -> pd.DataFrame:
        """What followed each combination in training: decision, action, name, count, decisions, patients, reward, low,
        high."""
        return read_table(self.path / "combinations.parquet")

    @cached_property
    def matched(self) -> pd.DataFrame:
        """Mean reward where the record agrees with a policy: decision, group (all; ill: with the disease), policy,
        value, low, high, n_matched, n. Confounded: see `core.registry.fit.evaluate.CONFOUNDED`."""
        return read_table(self.path / "matched.parquet")

    @cached_property
    def modeled(self) -> pd.DataFrame:
        """Mean predicted reward of each policy's choice: decision, stage, day, policy, value, low, high, n."""
        return read_table(self.path / "modeled.parquet")

    @cached_property
    def ope(self) -> pd.DataFrame:
        """Off-policy estimates of the course of treatment, from its first stage on: policy, estimator, value, low,
        high, ess, zero_weight, max_weight, support, reasons, n, distance (mean total variation from the experts)."""
        return self._with_added("ope")

    @cached_property
    def frontier(self) -> pd.DataFrame:
        """The same from the experts to each policy: policy, dial, setting, then the columns of `ope`; see
        `core.registry.ask.frontier`."""
        return self._with_added("frontier")

    @cached_property
    def frontier_truth(self) -> pd.DataFrame:
        """True values along it, on simulated patients: policy, dial, setting, true_value, true_se, n, true_difference
        (to the experts) and its true_difference_se."""
        return self._with_added("frontier_truth")

    @cached_property
    def judgments(self) -> pd.DataFrame | None:
        """Differences to the experts by the mix, at the same places and of the policies as they are (dial ""): see
        `core.registry.ask.frontier.Frontier`; None for a run from before them."""
        return self._with_added("judgments") if (self.path / "judgments.parquet").is_file() else None

    @cached_property
    def learned(self) -> pd.DataFrame | None:
        """Whether its models learned (`core.registry.ask.learned`); None for a run from before it was asked."""
        path = self.path / "learned.parquet"
        return read_table(path) if path.is_file() else None

    @cached_property
    def advice(self) -> RegistryAdvice | None:
        """What the run advises by default; None for a run from before there was advice."""
        path = self.path / "advice.json"
        return RegistryAdvice.build(read_json(path), where=str(path)) if path.is_file() else None

    @cached_property
    def atlas_means(self) -> dict[str, np.ndarray] | None:
        """(C, leaves) leaf means of each learned decision's forest under each choice of the advice's atlas; None for a
        run from before other choices were tried."""
        path = self.path / "atlas.npz"
        return read_arrays(path) if path.is_file() else None

    @property
    def columns(self) -> tuple[ColumnOdds, ...]:
        """How far recorded columns move the odds of what was given; none for a run from before it was asked."""
        return (self.advice and self.advice.left_out) or ()

    def reach(self, policy: str, dial: str) -> float | None:
        """The furthest setting of a dial at which the records still support a policy; None if they never do."""
        return furthest_supported(along(self.frontier, policy, dial), self.config.evaluation.ess_floor)

    @cached_property
    def truth(self) -> pd.DataFrame:
        """True values of the same course, on simulated patients: policy, true_value, true_se,
        true_difference (to the experts), true_difference_se, event_free, event_free_se, n (who reach its first stage);
        empty for real patients."""
        return self._with_added("truth")

    @cached_property
    def step_truth(self) -> pd.DataFrame:
        """What matched means should be, on simulated patients: decision, group, policy, true_value, true_se; the mean
        reward of a decision where all follow the policy in it. Empty for real patients."""
        return read_table(self.path / "step_truth.parquet")

    @property
    def confounding(self) -> pd.DataFrame:
        """Matched means beside the truth: the rows of `matched` with true_value and true_se (NaN where unknown)."""
        return self.matched.merge(self.step_truth, on=["decision", "group", "policy"], how="left")

    @property
    def warning(self) -> str:
        """Why matched means are no values, with this run's worst example where the truth is known."""
        from core.registry.fit.evaluate import confounding_text

        return confounding_text(self.confounding)
