"""What lies in a data folder, a line each: whose it is, how large, how old, and which data its rows are from."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Literal

from core.base.errors import ArtifactError, PhenoPolicyError
from core.base.files import files_below, read_json
from core.runs.added import OWN
from core.runs.folders import owner_of
from core.runs.integrity import BESIDE
from core.runs.job import JOB, read_record
from core.runs.lock import is_held
from core.runs.manifest import MANIFEST, read_manifest
from core.runs.study import studies

Kind = Literal["run", "policy", "data", "encoder", "study", "verdicts", "link"]
KINDS: tuple[Kind, ...] = ("run", "policy", "data", "encoder", "study", "verdicts", "link")
MEGABYTE = 1_000_000
OWNER = re.compile(r"[0-9a-f]{32}")  # see `owner_of`
SHORTEST_OWNER = 8  # characters of an owner by which one is shown, and may be named where no other begins so
UPLOADS, LINKS, VERDICTS = "uploads", "links", "verdicts"
MORE = ("experiments", "sweeps")  # folders of folders of runs, made on the command line
SMALL_FILES = {"studies": "study", VERDICTS: "verdicts"}  # folders of an owner in which each file is one holding


@dataclass(frozen=True)
class Holding:
    """One thing that is kept. path: the file or folder; owner: "" for what everybody shares; data_hash: "" for none."""

    kind: Kind
    path: Path
    name: str
    owner: str
    created: float  # Unix time
    data_hash: str = ""
    shared: bool = False

    @property
    def files(self) -> list[Path]:
        """All of its files; those that stand beside one, of the same name but for their ending, are part of it. What
        visitors have added to a run is theirs."""
        if self.path.is_dir():
            found = [path for path in files_below(self.path) if path.is_file()]
            theirs = f"{self.path / BESIDE / OWN}"
            return [path for path in found if self.kind != "run" or not str(path).startswith(theirs)]
        return [path for path in self.path.parent.glob(f"{self.path.stem}.*") if path.is_file()] or [self.path]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(_size(path) for path in self.files)

    @property
    def at_work(self) -> bool:
        return self.kind == "run" and is_held(self.path)

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"


def holdings(root: Path) -> list[Holding]:
    """Everything that is kept in a data folder, runs first, each kind the newest first."""
    made = list(runs(root))
    found = [*made, *chain.from_iterable(map(policies, made)), *_uploads(root / UPLOADS), *_links(root / LINKS)]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), -one.created))


def runs(root: Path) -> Iterator[Holding]:
    """Runs of every study, and those inside of experiments and sweeps."""
    for home in dict.fromkeys([*(study.home for study in studies()), *MORE]):
        marks = {path.parent for path in files_below(root / home) if path.name in (MANIFEST, JOB)}
        for folder in sorted(marks):
            if not any(part.startswith(".") for part in folder.relative_to(root).parts):
                yield run_in(folder)


def run_in(folder: Path) -> Holding:
    """The run in a folder; one without a sound manifest is whose its job says, or nobody's."""
    try:
        manifest = read_manifest(folder)
    except PhenoPolicyError:
        return Holding("run", folder, folder.name, _asked_by(folder), _changed(folder))
    created = _time(manifest.created, folder)
    return Holding("run", folder, manifest.name, manifest.owner, created, manifest.data_hash, manifest.shared)


def policies(run: Holding) -> Iterator[Holding]:
    """Policies that visitors have added to a run for themselves, whosever run it is."""
    for folder in sorted((run.path / BESIDE).glob(f"{OWN}*/[!.]*")):
        name = f"{folder.name} on {run.name}"
        yield Holding("policy", folder, name, folder.parent.name[len(OWN) :], _changed(folder), run.data_hash)


def with_rows_of(root: Path, data_hash: str) -> list[Holding]:
    """All that holds rows, keys or values of the patients of these data."""
    return [one for one in holdings(root) if data_hash and one.data_hash == data_hash]


def used(root: Path, owner: str) -> tuple[int, int]:
    """Bytes and runs that an owner keeps."""
    own = [one for one in holdings(root) if one.owner == owner]
    return sum(one.size for one in own), sum(one.kind == "run" for one in own)


def _asked_by(folder: Path) -> str:
    try:
        return read_record(folder).owner
    except PhenoPolicyError:
        return ""


def _uploads(root: Path) -> Iterator[Holding]:
    for home in sorted(root.iterdir()) if root.is_dir() else ():
        owner = home.name if OWNER.fullmatch(home.name) else owner_of(home.name)  # earlier versions named it by the key
        for path in sorted(files_below(home)):
            if path.suffix == ".parquet" and path.parent.name != VERDICTS and not path.name.startswith("."):
                yield _data(path, owner)
        for path in sorted(home.glob("encoder-*")):
            yield Holding("encoder", path, path.name, owner, _changed(path))
        for folder, kind in SMALL_FILES.items():
            for path in sorted((home / folder).glob("[!.]*")):
                if path.suffix != ".lock":
                    data_hash = path.stem.rpartition("-")[2] if kind == "verdicts" else ""
                    yield Holding(kind, path, path.stem, owner, _changed(path), data_hash)  # type: ignore[arg-type]


def _data(path: Path, owner: str) -> Holding:
    """Stored data, with what stands beside them."""
    try:
        facts = read_json(path.with_suffix(".json"))
        label, created = str(facts["label"]), _time(str(facts["created"]), path)
    except (ArtifactError, KeyError, TypeError):
        label, created = path.stem, _changed(path)
    return Holding("data", path, label, owner, created, path.stem)


def _links(root: Path) -> Iterator[Holding]:
    for path in sorted(root.glob("[!.]*")):
        yield Holding("link", path, path.name, "", _changed(path))


def _changed(path: Path) -> float:
    """Unix time; now for what somebody else deleted while it was listed."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _time(text: str, path: Path) -> float:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        return _changed(path)
