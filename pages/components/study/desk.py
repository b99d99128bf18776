"""A desk: one study's pages as the parts that all studies share know them; and the desk of the ICU study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.icu.study import ICU
from core.runs.study import AnyStudy
from core.study import load_study
from pages.components.shell.places import run_path, uploads_root
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.config import RunConfig
    from core.runs.status import RunInfo

Definition = Path | None


@dataclass(frozen=True)
class Desk:
    """What the visitor has chosen in one study, and the words that its pages use.

    Each pair of functions reads a choice and takes another one: the run on show, the run that the panel follows, the
    stored data for the next run, its preset. `overrides` is its changed settings by path, to be changed in place.
    """

    study: AnyStudy
    on_show: Callable[[], str]
    show: Callable[[str], None]
    job: Callable[[], str]
    follow: Callable[[str], None]
    chosen: Callable[[], str]
    choose: Callable[[str], None]
    overrides: Callable[[], dict[str, Any]]
    of_run: Callable[[RunInfo], tuple[bool, Definition]]  # may one train on its data, and under what definition
    kept: str  # what a run that was cut short has kept, as one sentence
    upload_key: str  # prefixes of widgets' keys
    train_key: str
    first_group: str  # of the settings
    shown: str = "Every page shows this run now."
    settings: Callable[[Any, Definition], Any] = lambda config, _: config  # as forms show them under a definition
    uploads: str = ""  # folder of its data within one's uploads
    presets: Mapping[str, str] = field(default_factory=dict)  # what each is for
    preset: Callable[[], str] = str
    take_preset: Callable[[str], None] = lambda _: None

    def folder(self, name: str) -> Path | None:
        """Folder of a run by its name; None for anything that is not a plain name."""
        return run_path(name, self.study)

    @property
    def data_folder(self) -> Path:
        """Where this visitor's own data of the study lie."""
        return uploads_root(get_session().owner) / self.uploads


def _set(name: str) -> Callable[[str], None]:
    return lambda value: setattr(get_session(), name, value)


def _study_of_run(run: RunInfo) -> tuple[bool, Definition]:
    path = run.path / "study.json"
    return True, path if path.is_file() else None


def _with_own_rewards(config: RunConfig, definition: Definition) -> RunConfig:
    """Settings with a field for the weight of each of the study's own reward terms; `ConfigError` for another's."""
    study = load_study(definition)
    config.rewards.apply(study)
    return config.model_copy(update={"rewards": config.rewards.named(study)})


ICU_DESK = Desk(
    study=ICU,
    on_show=lambda: get_session().run,
    show=lambda name: get_session().open_run(name),
    job=lambda: get_session().job,
    follow=_set("job"),
    chosen=lambda: get_session().cohort,
    choose=_set("cohort"),
    overrides=lambda: get_session().overrides,
    settings=_with_own_rewards,
    of_run=_study_of_run,
    kept="What was finished is kept: resuming loses at most one epoch of the encoder, or the stage at work.",
    upload_key="upload",
    train_key="encoder",
    first_group="encoder",
    presets={
        "quick": "Seconds to minutes, for a first look; the estimates are rough.",
        "standard": "What the evidence favors: a bottleneck encoder whose phenotypes are not lengths of stay.",
        "published": "The published choices, with the published encoder of 50 epochs.",
    },
    preset=lambda: get_session().preset,
    take_preset=_set("preset"),
)
