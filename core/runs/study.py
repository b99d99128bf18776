"""What one study tells the kit: how its data are read, its stages, its settings, its words. `register` lets it join.

A registered study has its verbs on the command line, its runs in the background, and its lines in the list of runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from core.base.config import Config
from core.base.errors import ConfigError, RunError
from core.base.types import Progress
from core.runs.folders import data_root
from core.runs.manifest import Manifest, typed_manifest


class Source(Protocol):
    """Where data come from: recorded, or drawn by a simulator from (like, n_patients, seed, world)."""

    @property
    def simulated(self) -> bool: ...
    @property
    def like(self) -> str: ...
    @property
    def n_patients(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def world(self) -> str: ...


class Data(Protocol):
    """What the kit sees of a study's checked data."""

    @property
    def data_hash(self) -> str: ...
    @property
    def n_patients(self) -> int: ...
    @property
    def frame(self) -> Sized: ...
    @property
    def origin(self) -> Source: ...


FIRST = "cohort"  # the stage that stores a run's data
DataT = TypeVar("DataT", bound=Data)
SettingsT = TypeVar("SettingsT", bound=Config)
DefinitionT = TypeVar("DefinitionT", bound=Config)
ViewT = TypeVar("ViewT")


@dataclass(frozen=True)
class Stage(Generic[ViewT]):
    """One stage of a run: it reads what the stages that it needs stored in the folder, and stores its own results.

    share: its usual share of the run's time. needs: names of stages, the first one aside, which all need. within: the
    stage in which runs from before this was a stage of its own did its work; where one of them has that, this is done.
    """

    work: Callable[[ViewT], Iterator[Progress]]
    share: float
    needs: tuple[str, ...] = ()
    within: str = ""


@dataclass(frozen=True)
class Option:
    """One option of a verb, beyond those of all studies; the study finds its value under `name`."""

    flag: str
    help: str
    kind: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    default: Any = None  # False: a switch that is off unless given; True: one that is on, with a --no- to it

    @property
    def name(self) -> str:
        return self.flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class Evaluation:
    """What the policies of a run are worth: the JSON document, a line a policy, and what it all rests on."""

    document: Config
    lines: tuple[str, ...]
    note: str


class Study(ABC, Generic[DataT, SettingsT, DefinitionT, ViewT]):
    """One kind of study. Its heavy imports belong into its methods: the command line asks every study for its words.

    DataT: its checked data. SettingsT: everything adjustable in a run. DefinitionT: which columns, stages and rewards
    there are. ViewT: how its run folder is read.
    """

    kind: ClassVar[str]  # names it in manifests and jobs: lower case, one word
    title: ClassVar[str]  # "the ICU study"
    home: ClassVar[str]  # the folder of its runs, under the data folder
    verb: ClassVar[str] = ""  # the word that its verbs stand under: "registry" train; none for the first study
    data_word: ClassVar[str] = "cohort"  # what its data are called
    definition_word: ClassVar[str] = "study"  # what its definition is called
    definition_option: ClassVar[str] = "--study"  # names the TOML file of a definition
    presets: ClassVar[tuple[str, ...]] = ()
    preset: ClassVar[str] = ""  # of `train`, where none is named
    example: ClassVar[str]  # of a setting: "encoder.epochs=5"
    maps: ClassVar[bool] = False  # its files may be read through a mapping
    single_columns: ClassVar[bool] = False  # and told single columns and units without one
    patients: ClassVar[int]  # that `simulate` and `demo` draw
    demo_name: ClassVar[str]
    demo_preset: ClassVar[str] = ""
    simulate_options: ClassVar[tuple[Option, ...]] = ()
    evaluate_options: ClassVar[tuple[Option, ...]] = ()

    # Settings and definition

    @abstractmethod
    def config(self, preset: str, overrides: Mapping[str, str]) -> SettingsT:
        """Settings of a preset with overrides such as {"encoder.epochs": "5"}; `ConfigError` names what is unknown."""

    @abstractmethod
    def stored_config(self, values: Mapping[str, Any], where: str) -> SettingsT:
        """Settings as a manifest of this or an earlier version holds them."""

    @abstractmethod
    def read_definition(self, values: Any) -> DefinitionT:
        """The definition as a manifest holds it; raises pydantic's `ValidationError`."""

    @abstractmethod
    def definition(self, data: DataT, config: SettingsT) -> DefinitionT:
        """What the data are learned under."""

    def threads(self, config: SettingsT) -> int:
        """Cores that a run works on; 0: all."""
        return 0

    # Data

    @abstractmethod
    def load(self, file: Path, definition: str | Path | None, config: SettingsT) -> DataT:
        """Read and check a file under the definition in a TOML file (None: the study's own)."""

    def load_mapped(self, file: Path, definition: Any, mapping: str, config: SettingsT | None = None) -> DataT:
        """Read and check a file through a mapping, the text of the TOML that brings it into the study's form (where
        `maps`).

        definition: a TOML file, None for the study's own, or the definition of a run. config: settings to train with.
        """
        raise ConfigError(f"{self.title} reads no mapping; write the file in its own form.")

    def read(self, file: Path, definition: str | Path | None, config: SettingsT, mapping: str = "") -> DataT:
        """Read and check a file to train on, through a mapping where there is one."""
        if not mapping:
            return self.load(file, definition, config)
        return self.load_mapped(file, definition, mapping, config)

    @abstractmethod
    def load_for(self, file: Path, view: ViewT) -> DataT:
        """Read and check a file under the definition of a run."""

    @abstractmethod
    def simulate(self, n_patients: int, seed: int, options: Mapping[str, Any]) -> DataT:
        """Draw patients; options: by name of `simulate_options`."""

    @abstractmethod
    def save(self, data: DataT, path: Path) -> None:
        """Write .parquet, .csv or .csv.gz."""

    def summary(self, data: DataT) -> str:
        """The data in a few words."""
        kind = "simulated" if data.origin.simulated else "recorded"
        return f"{data.n_patients:,} {kind} patients, {len(data.frame):,} rows"

    def mapping(self, data: DataT) -> str:
        """The document through which the data were read, as TOML; "" where their file was in the study's form."""
        return ""

    def cautions(self, data: DataT) -> tuple[str, ...]:
        """What the data are too small for, in sentences; they are learned from all the same."""
        return ()

    def check(self, data: DataT) -> None:
        """Refuse data that cannot be learned from: raise `CohortError`."""
        return

    # Runs

    @abstractmethod
    def store(self, view: ViewT, data: DataT) -> Iterator[Progress]:
        """The first stage of a run, `FIRST`: store the data as all others read them."""

    @abstractmethod
    def stages(self, view: ViewT) -> Mapping[str, Stage[ViewT]]:
        """All further stages, in an order in which they can be worked; view: of a folder with a manifest at least."""

    @abstractmethod
    def open(self, folder: Path) -> ViewT:
        """Read a run folder, lazily."""

    @abstractmethod
    def evaluate(self, view: ViewT, data: DataT, options: Mapping[str, Any]) -> Evaluation:
        """Value of every policy of a run on data; options: by name of `evaluate_options`."""

    @property
    def folder(self) -> Path:
        """Where the app keeps the runs of this study."""
        return data_root() / self.home

    @property
    def demo_folder(self) -> Path:
        return self.folder / "default"

    def manifest(self, folder: Path) -> Manifest[DefinitionT]:
        """Manifest of a run of this study; `ArtifactError` names what is wrong with it."""
        return typed_manifest(folder, self.kind, self.title, self.read_definition)


AnyStudy = Study[Any, Any, Any, Any]
_STUDIES: dict[str, AnyStudy] = {}


def register(study: AnyStudy) -> None:
    """Let a study join; `ConfigError` where another one has its kind, its verb or its folder."""
    for other in _STUDIES.values():
        same = [name for name in ("kind", "verb", "home") if getattr(other, name) == getattr(study, name)]
        if same and type(other) is not type(study):
            raise ConfigError(f"study '{study.kind}' has the {same[0]} of study '{other.kind}'; give it its own.")
    _STUDIES[study.kind] = study


def studies() -> tuple[AnyStudy, ...]:
    """All that have joined, in the order in which they did."""
    return tuple(_STUDIES.values())


def study_of(kind: str) -> AnyStudy:
    """The study of a kind; `RunError` where none of it has joined."""
    if kind not in _STUDIES:
        raise RunError(f"there is no study '{kind[:40]}' here; there are {', '.join(_STUDIES) or 'none'}.")
    return _STUDIES[kind]
