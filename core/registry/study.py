"""The registry study as the kit of runs knows it; what it does stands in `core.registry.pipeline`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.worlds import EFFECTS
from core.registry.manifest import KIND, TITLE, registry_manifest
from core.registry.spec import RegistrySpec
from core.runs.manifest import Manifest
from core.runs.run import run
from core.runs.study import Evaluation, Option, Stage, Study, register

if TYPE_CHECKING:
    from core.base.types import Progress
    from core.registry.cohort.table import RegistryCohort
    from core.registry.config import RegistryConfig
    from core.registry.document import PolicyMetrics, Reach
    from core.registry.view import RegistryView


class RegistryStudy(Study["RegistryCohort", "RegistryConfig", RegistrySpec, "RegistryView"]):
    """Patients of a registry, treated with sets of drugs in stages."""

    kind = KIND
    title = TITLE
    home = "registry"
    verb = "registry"
    data_word = "registry"
    definition_word = "registry"
    definition_option = "--spec"
    maps = True
    example = "dqn.updates=2000"
    patients = 6021  # as published
    demo_name = "Default registry (simulated)"
    simulate_options = (
        Option(
            "--effect",
            "what all drugs do; none: nothing, so that every policy is worth the same",
            choices=EFFECTS,
            default="full",
        ),
        Option(
            "--confounding",
            "experts see a frailty that no column records: the frail get more drugs",
            kind=float,
            default=0.0,
        ),
    )

    def config(self, preset: str, overrides: Mapping[str, str]) -> RegistryConfig:
        from core.registry.config import registry_config

        return registry_config(overrides)

    def stored_config(self, values: Mapping[str, Any], where: str) -> RegistryConfig:
        from core.registry.config import stored_config

        return stored_config(values, where)

    def read_definition(self, values: Any) -> RegistrySpec:
        return RegistrySpec.model_validate(values)

    def definition(self, data: RegistryCohort, config: RegistryConfig) -> RegistrySpec:
        return data.spec

    def threads(self, config: RegistryConfig) -> int:
        return config.run.threads

    def load(self, file: Path, definition: str | Path | None, config: RegistryConfig) -> RegistryCohort:
        from core.registry.cohort.load import load_registry

        return load_registry(file, definition)

    def load_mapped(
        self,
        file: Path,
        definition: str | Path | RegistrySpec | None,
        mapping: str,
        config: RegistryConfig | None = None,
    ) -> RegistryCohort:
        from core.registry.cohort.load import load_registry
        from core.registry.cohort.mapping import parse_registry_mapping

        return load_registry(file, definition, parse_registry_mapping(mapping))

    def mapping(self, data: RegistryCohort) -> str:
        return data.report.mapping

    def load_for(self, file: Path, view: RegistryView) -> RegistryCohort:
        from core.registry.cohort.load import load_registry

        return load_registry(file, view.spec)

    def simulate(self, n_patients: int, seed: int, options: Mapping[str, Any]) -> RegistryCohort:
        from core.registry.simulate import simulate_registry

        effect, confounding = options.get("effect", "full"), options.get("confounding", 0.0)
        return simulate_registry(n_patients, seed, effect, confounding)[0]

    def save(self, data: RegistryCohort, path: Path) -> None:
        from core.registry.cohort.load import save_registry

        save_registry(data, path)

    def check(self, data: RegistryCohort) -> None:
        from core.registry.pipeline import check_learnable

        check_learnable(data)

    def store(self, view: RegistryView, data: RegistryCohort) -> Iterator[Progress]:
        from core.registry.pipeline import store_cohort

        return store_cohort(view, data)

    def stages(self, view: RegistryView) -> Mapping[str, Stage[RegistryView]]:
        from core.registry.pipeline import stages_of

        return stages_of(view.spec)

    def open(self, folder: Path) -> RegistryView:
        from core.registry.view import RegistryView

        return RegistryView(folder)

    def manifest(self, folder: Path) -> Manifest[RegistrySpec]:
        return registry_manifest(folder)

    def evaluate(self, view: RegistryView, data: RegistryCohort, options: Mapping[str, Any]) -> Evaluation:
        from core.registry.document import evaluate_registry

        document = evaluate_registry(view, data)
        policies = document.policies.items()
        lines = [f"{name:<20} {_estimate(policy)}" for name, policy in policies]
        lines.append("As far as the records support it, from the experts (a = 0) to the softened policy (a = 1):")
        lines += [f"{name:<20} {_reach(policy.frontier['mixture'])}" for name, policy in policies if policy.frontier]
        lines.append(document.advice.text)
        return Evaluation(document, tuple(lines), " ".join(filter(None, (document.cohort.note, document.added_note))))


def _estimate(policy: PolicyMetrics | Reach) -> str:
    """Difference to the experts with interval and grade; PHWDR with its own; and the truth where it is known."""
    found = policy.phwdr
    text = "no recorded course follows it to its end"
    if found.value is not None:
        low, high, ess = (math.nan if n is None else n for n in (found.low, found.high, found.ess))
        text = f"PHWDR {found.value:6.3f} [{low:6.3f}, {high:6.3f}]   ESS {ess:7.1f}   {policy.support}"
    if policy.true_value is not None:
        text += f"   true {policy.true_value:6.3f} (SE {policy.true_se:.3f})"
    if policy.true_difference is not None:
        text += f", {policy.true_difference:+.3f} (SE {policy.true_difference_se:.3f}) against experts"
    return f"{policy.text('experts')}   {text}"


def _reach(point: Reach | None) -> str:
    """The furthest supported point of the mixture; nowhere where not even the experts' own treatment is supported."""
    if point is None:
        return "nowhere: not even the experts' own treatment rests on enough patients"
    return f"a = {point.setting:<4g} {_estimate(point)}"


REGISTRY = RegistryStudy()
register(REGISTRY)


def train_registry(
    cohort: RegistryCohort, config: RegistryConfig, run_dir: str | Path, name: str = "", owner: str = ""
) -> Iterator[Progress]:
    """Run the study on a registry, yielding progress; resumes what is already in `run_dir`. See `core.runs.run.run`.

    Raises `CohortError` where the registry cannot be learned from.
    """
    return run(REGISTRY, cohort, config, run_dir, name, owner)
