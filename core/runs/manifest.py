"""The manifest of a run of any study: what was computed, from which data, with which settings and versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from core.base.config import Config, explain
from core.base.errors import ArtifactError
from core.base.files import read_json, write_json
from core.base.judging import judging_version, judging_words
from core.runs.folders import owner_of

MANIFEST = "manifest.json"
JUDGED_BY = "judging"  # among the versions: that of the judging
FIRST_KIND = "icu"  # manifests of version 1 name their kind only where it is another one
PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "umap-learn", "scipy")
Definition = TypeVar("Definition")


SEAL = "checksum"


def _inside(path: str) -> str:
    """Refuse a path that leads out of the run's folder, which is read and, with its stage, deleted."""
    if path.startswith("/") or "\\" in path or not set(path.split("/")).isdisjoint(("", ".", "..")):
        raise ValueError("a file of a run lies in its folder")
    return path


FilePath = Annotated[str, AfterValidator(_inside)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StageRecord(Config):
    """One finished stage; files: SHA-256 of what it wrote, by path in the folder (None: from before checksums).

    apart: stages that did their work within this one in runs from before they were stages of their own, not in this
    run.
    """

    seconds: float
    finished: str
    files: dict[FilePath, Sha256] | None = None
    apart: tuple[str, ...] = ()


class OriginRecord(Config):
    """Where the data came from; see `core.runs.study.Source`."""

    kind: Literal["recorded", "simulated"]
    like: str = ""
    n_patients: int = 0
    seed: int = 0


class Manifest(Config, Generic[Definition]):
    """What identifies a run; `stages` grows as the run goes on.

    kind: the study's, see `core.runs.study`. study: its definition, of a type of its own, or as it stands in the file.
    """

    schema_version: Literal[3] = 3
    kind: str
    name: str
    owner: str = ""  # see `owner_of`; empty: shared with everybody who opens the app
    shared: bool = False  # True: its owner lets everybody who opens the app see it
    created: str
    data_hash: str
    n_patients: int
    n_rows: int
    origin: OriginRecord
    config: dict[str, Any]
    study: Definition
    mapping: str = ""  # the document through which the raw file was read, as TOML; empty: it was in the study's form
    versions: dict[str, str]
    stages: dict[str, StageRecord] = Field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        return self.origin.kind == "simulated"

    @property
    def has_checksums(self) -> bool:
        """False for a run from before there were any: its damage cannot be told."""
        return all(stage.files is not None for stage in self.stages.values())

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file of the finished stages, by path in the folder."""
        return {path: digest for stage in self.stages.values() for path, digest in (stage.files or {}).items()}

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST, sealed(self.model_dump(mode="json")))

    def with_stage(self, stage: str, record: StageRecord, order: Sequence[str]) -> Self:
        """A copy in which the stage is done; stages that the order names stand in it, others before them."""
        place = {name: at for at, name in enumerate(order)}
        done = {**self.stages, stage: record}
        return self.model_copy(
            update={"stages": {name: done[name] for name in sorted(done, key=lambda name: place.get(name, -1))}}
        )

    def gone_on_with(self, versions: Mapping[str, str]) -> Self:
        """A copy whose further stages are worked by these versions: "1, then 2" where one is not what it was."""
        told = {name: _then(self.versions.get(name, "unknown"), version) for name, version in versions.items()}
        return self.model_copy(update={"versions": told})

    def before(self, stage: str) -> Self:
        """A copy in which the stage and those that stand after it are not done."""
        names = list(self.stages)
        return self.model_copy(update={"stages": {name: self.stages[name] for name in names[: names.index(stage)]}})


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as its file holds it: with the SHA-256 of all the rest, so that a damaged one is not believed."""
    rest = {name: value for name, value in values.items() if name != SEAL}
    text = json.dumps(rest, sort_keys=True, allow_nan=False)
    return rest | {SEAL: hashlib.sha256(text.encode()).hexdigest()}


def read_manifest(folder: Path) -> Manifest[dict[str, Any]]:
    """Manifest of a run of whatever study, its definition as it stands there; `ArtifactError` names what is wrong."""
    path = folder / MANIFEST
    values = _migrated(read_json(path), path)
    try:
        return Manifest[dict[str, Any]].model_validate(values)
    except ValidationError as error:
        raise ArtifactError(explain(error, str(path))) from None


def typed_manifest(
    folder: Path, kind: str, title: str, read_definition: Callable[[Any], Definition]
) -> Manifest[Definition]:
    """Manifest of a run of one study, its definition read; read_definition raises pydantic's `ValidationError`."""
    stored = read_manifest(folder)
    if stored.kind != kind:
        raise ArtifactError(f"{folder} holds a run of another study ('{stored.kind}'), not of {title}.")
    try:
        definition = read_definition(stored.study)
    except ValidationError as error:
        raise ArtifactError(explain(error, str(folder / MANIFEST))) from None
    return Manifest(**dict(stored) | {"study": definition})


def _migrated(values: Any, path: Path) -> dict[str, Any]:
    """A manifest as this version reads it. Version 2 had no checksums; version 1 held the owner's key, and a registry's
    definition as `spec`."""
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version == 3:
        if values != sealed(values):
            raise ArtifactError(f"{path} is not as it was written (its checksum differs); restore it or train again.")
        return {name: value for name, value in values.items() if name != SEAL}
    if version == 2:
        return {**values, "schema_version": 3}
    if version != 1:
        raise ArtifactError(
            f"{path} has schema version {version}, this program reads 1 to 3; use the one that wrote it."
        )
    kept = {name: value for name, value in values.items() if name != "spec"}
    definition = {"study": values["spec"]} if "spec" in values else {}
    owner = owner_of(str(values.get("owner", "")))
    return {"kind": FIRST_KIND, **kept, **definition, "owner": owner, "schema_version": 3}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions(centered: bool = True) -> dict[str, str]:
    """Versions of what results depend on: the judging (see `judging_version`), Python, and packages."""
    own = {JUDGED_BY: str(judging_version(centered)), "python": platform.python_version()}
    return own | {name: _version(name) for name in PACKAGES}


def judged_otherwise(manifest: Manifest[Any], centered: bool = True) -> str:
    """A sentence where what a run keeps was judged by another version than judges its policies now; "" where not."""
    found, now_by = manifest.versions.get(JUDGED_BY, "").split(", then ")[-1], judging_version(centered)
    if found == str(now_by):
        return ""
    return (
        f"What this run keeps was judged by {judging_words(int(found) if found.isdecimal() else None)}; what is judged "
        f"in it from now on, by {judging_words(now_by)}. Train the run again before you compare the two."
    )


def _then(before: str, now: str) -> str:
    return before if before.split(", then ")[-1] == now else f"{before}, then {now}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
