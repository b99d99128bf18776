"""The ICU study as the kit of runs knows it; what it does stands in `core.icu.pipeline`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.errors import ConfigError
from core.base.worlds import EFFECTS, PHENOTYPES
from core.icu.config import PRESET_NAMES
from core.icu.manifest import KIND, TITLE
from core.runs.run import run
from core.runs.study import Evaluation, Option, Stage, Study, register
from core.study import StudySpec

if TYPE_CHECKING:
    from core.base.types import Progress
    from core.cohort import Cohort
    from core.icu.ask.metrics import PolicyMetrics
    from core.icu.config import RunConfig
    from core.icu.view import RunView


# options of `simulate` that make the world
WORLD = ("effect", "confounding", "irregular", "memory", "late_starts", "phenotypes")


class IcuStudy(Study["Cohort", "RunConfig", StudySpec, "RunView"]):
    """Stays in intensive care, learned by phenotype."""

    kind = KIND
    title = TITLE
    home = "runs"
    presets = PRESET_NAMES
    preset = "standard"
    example = "encoder.epochs=5"
    maps = True
    single_columns = True
    patients = 2000
    demo_name = "Default run (simulated)"
    demo_preset = "quick"
    simulate_options = (
        Option("--like", "published cohort to resemble", choices=("mimic-iv", "eicu"), default="mimic-iv"),
        Option(
            "--effect",
            "what heparin does; none: nothing, so that every policy is worth the same",
            choices=EFFECTS,
            default="full",
        ),
        Option(
            "--confounding",
            "clinicians who know the hidden phenotype: log odds of a dose rise by this in the sick one and fall by it "
            "in the healthy one (below 0: the other way round)",
            kind=float,
            default=0.0,
        ),
        Option("--irregular", "clinicians who follow sharp protocols, no smooth line", default=False),
        Option(
            "--memory",
            "heparin in courses, held in danger; onset at the first low count; without, the simulator's first version",
            default=True,
        ),
        Option(
            "--late-starts", "share of stays whose record starts late in the window; adds a column hours", kind=float
        ),
        Option(
            "--phenotypes",
            "what sets phenotypes apart: all (full), their courses alone, or straight drifts alone",
            choices=PHENOTYPES,
            default="full",
        ),
    )
    evaluate_options = (
        Option("--clusters", "K (default: the run's)", kind=int),
        Option("--lambda", "lambda, 0 or more; inf is the single expert (default: the run's)", kind=float),
        Option("--mode", "default: the run's", choices=("prospective", "retrospective")),
        Option(
            "--clinicians",
            "on another cohort: divide by its own clinicians' habits (auto: where it is large enough) or by those of "
            "the run's development cohort",
            choices=("auto", "own", "development"),
            default="auto",
        ),
    )

    def config(self, preset: str, overrides: Mapping[str, str]) -> RunConfig:
        from core.icu.config import load_preset

        return load_preset(preset, overrides)

    def stored_config(self, values: Mapping[str, Any], where: str) -> RunConfig:
        from core.icu.config import RunConfig

        return RunConfig.build(values, where=where)

    def read_definition(self, values: Any) -> StudySpec:
        return StudySpec.from_stored(values)

    def definition(self, data: Cohort, config: RunConfig) -> StudySpec:
        return config.rewards.apply(data.study)

    def threads(self, config: RunConfig) -> int:
        return config.run.threads

    def load(self, file: Path, definition: str | Path | None, config: RunConfig) -> Cohort:
        """The outcome is the column that the settings name (a file may hold several)."""
        from core.cohort import load_cohort

        label = config.run.outcome_label
        return load_cohort(file, definition, columns=None if label == "outcome" else {label: "outcome"})

    def load_mapped(
        self, file: Path, definition: str | Path | StudySpec | None, mapping: str, config: RunConfig | None = None
    ) -> Cohort:
        from core.cohort import load_cohort
        from core.tables.mapping import read_mapping

        document = read_mapping(mapping)
        label = "outcome" if config is None else config.run.outcome_label
        if label != "outcome":
            if document.outcome is not None or "outcome" in document.columns:
                raise ConfigError(
                    f"the mapping and run.outcome_label={label} both say which column is the outcome; keep one."
                )
            document = document.merged({"outcome": label}, {})
        if isinstance(definition, StudySpec):  # a run's, which lacks already what the run's own mapping left out
            document = document.without_lacking(definition.names)
        return load_cohort(file, definition, mapping=document)

    def load_for(self, file: Path, view: RunView) -> Cohort:
        from core.cohort import load_cohort

        return load_cohort(file, view.study)

    def simulate(self, n_patients: int, seed: int, options: Mapping[str, Any]) -> Cohort:
        from core.cohort import simulate_cohort

        chosen = {option.name: option.default for option in self.simulate_options} | dict(options)
        world = {name: chosen[name] for name in WORLD}
        return simulate_cohort(chosen["like"], n_patients, seed, **world)[0]

    def save(self, data: Cohort, path: Path) -> None:
        from core.cohort import save_cohort

        save_cohort(data, path)

    def summary(self, data: Cohort) -> str:
        kind = "simulated" if data.origin.simulated else "recorded"
        died = f", mortality {100 * data.mortality():.1f} %" if data.study.tells_survival else ""
        kind += f" ({data.origin.world})" if data.origin.world else ""
        return f"{data.n_patients:,} {kind} patients, {len(data.frame):,} steps{died}"

    def mapping(self, data: Cohort) -> str:
        return data.report.mapping

    def cautions(self, data: Cohort) -> tuple[str, ...]:
        from core.cohort.smallness import cohort_too_small

        return tuple(cohort_too_small(data))

    def store(self, view: RunView, data: Cohort) -> Iterator[Progress]:
        from core.icu.pipeline import store_cohort

        return store_cohort(view, data)

    def stages(self, view: RunView) -> Mapping[str, Stage[RunView]]:
        from core.icu.pipeline import STAGES

        return STAGES

    def open(self, folder: Path) -> RunView:
        from core.icu.view import RunView

        return RunView(folder)

    def evaluate(self, view: RunView, data: Cohort, options: Mapping[str, Any]) -> Evaluation:
        from core.icu.pipeline import evaluate_run

        k, lambda_, mode = (options.get(name) for name in ("clusters", "lambda", "mode"))
        document = evaluate_run(view, data, k, lambda_, mode, options.get("clinicians", "auto"))
        lines = [HEADING, *(f"{name:<16} {_estimate(policy)}" for name, policy in document.policies.items())]
        lines.append(document.advice.text)
        on = document.cohort
        notes = (on.note, on.shared_note, on.clinicians_note, document.added_note)
        return Evaluation(document, tuple(lines), " ".join(filter(None, notes)))


HEADING = (
    "Policy: reward a stay more than clinicians, with interval, and whether the records support it; then its value by "
    "PHWDR with interval, effective sample size, and how far the records support that value."
)


def _estimate(policy: PolicyMetrics) -> str:
    """Difference of one policy to the clinicians with interval and grade, then its PHWDR."""
    found = policy.phwdr
    value, low, high, ess = (math.nan if n is None else n for n in (found.value, found.low, found.high, found.ess))
    against, interval = policy.text("clinicians"), f"[{low:7.3f}, {high:7.3f}]"
    return f"{against}   PHWDR {value:7.3f} {interval}   ESS {ess:8.1f}   {policy.support}"


ICU = IcuStudy()
register(ICU)


def run_study(
    cohort: Cohort, config: RunConfig | str, run_dir: str | Path, name: str = "", owner: str = ""
) -> Iterator[Progress]:
    """Run the study on a cohort, yielding progress; resumes what is already in `run_dir`. See `core.runs.run.run`.

    config: settings, or the name of a preset.
    """
    settings = ICU.config(config, {}) if isinstance(config, str) else config
    return run(ICU, cohort, settings, run_dir, name, owner)
