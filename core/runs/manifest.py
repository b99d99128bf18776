"""The manifest of a run: what was computed, from which data, with which settings and versions."""

from __future__ import annotations

import importlib.metadata
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError

from core.base.config import Config, explain
from core.base.errors import ArtifactError
from core.base.files import read_json, write_json
from core.cohort.cohort import Cohort
from core.study import StudySpec

MANIFEST = "manifest.json"
PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "umap-learn", "scipy")


class StageRecord(Config):
    """One finished stage."""

    seconds: float
    finished: str


class OriginRecord(Config):
    """Where the cohort came from; see `core.cohort.Origin`."""

    kind: Literal["recorded", "simulated"]
    like: str = ""
    n_patients: int = 0
    seed: int = 0


class RunRecord(Config):
    """What identifies a run of any study; `stages` grows as the run goes on."""

    schema_version: Literal[1] = 1
    name: str
    owner: str = ""  # empty: shared with everybody who opens the app
    created: str
    data_hash: str
    n_patients: int
    n_rows: int
    origin: OriginRecord
    config: dict[str, Any]
    versions: dict[str, str]
    stages: dict[str, StageRecord] = Field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        return self.origin.kind == "simulated"

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST, self.model_dump(mode="json"))

    def with_stage(self, stage: str, seconds: float) -> Self:
        """A copy in which the stage is done."""
        record = StageRecord(seconds=round(seconds, 3), finished=now())
        return self.model_copy(update={"stages": {**self.stages, stage: record}})


class Manifest(RunRecord):
    """Everything that identifies a run of the ICU study."""

    study: StudySpec


Record = TypeVar("Record", bound=RunRecord)


def new_manifest(cohort: Cohort, config: dict[str, Any], study: StudySpec, name: str, owner: str) -> Manifest:
    """Manifest of a run that is about to start."""
    origin = cohort.origin
    return Manifest(
        name=name,
        owner=owner,
        created=now(),
        data_hash=cohort.data_hash,
        n_patients=cohort.n_patients,
        n_rows=len(cohort.frame),
        origin=OriginRecord(kind=origin.kind, like=origin.like, n_patients=origin.n_patients, seed=origin.seed),
        config=config,
        study=study,
        versions=versions(),
    )


def read_manifest(folder: Path) -> Manifest:
    """Manifest of a run folder of the ICU study; `ArtifactError` names what is wrong with it."""
    return read_record(folder, Manifest)


def read_record(folder: Path, kind: type[Record]) -> Record:
    """Manifest of a run folder of any study."""
    values = read_json(folder / MANIFEST)
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != 1:
        raise ArtifactError(
            f"{folder / MANIFEST} has schema version {version}, this program reads 1; use the one that wrote it."
        )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ArtifactError(explain(error, str(folder / MANIFEST))) from None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
