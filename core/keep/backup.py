"""One archive of all that is kept, and its way back: byte by byte the same, or refused.

A tar file whose last member lists SHA-256 and size of every other. Nothing in an archive is believed before all of it
has been read: names that lead out of the data folder, links, devices, members that are not listed, and digests that
differ are refused, and nothing is left behind then.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from filelock import FileLock
from pydantic import ValidationError

from core.base.config import Config, explain
from core.base.errors import ArtifactError, RunError
from core.base.files import PART, write_atomic
from core.keep.holdings import LINKS, MORE, UPLOADS, runs
from core.runs.folders import private_files
from core.runs.lock import LOCK, hold
from core.runs.manifest import FilePath, Sha256, now
from core.runs.study import studies

INDEX = "phenopolicy-backup.json"
MOST_INDEX = 256 << 20  # bytes
AUDIT = "audit"


class Member(Config):
    """What one file of the archive must be."""

    sha256: Sha256
    size: int


class Index(Config):
    """The last member of an archive."""

    format: Literal["phenopolicy backup 1"] = "phenopolicy backup 1"
    created: str
    files: dict[FilePath, Member]


@dataclass(frozen=True)
class Copied:
    """What was saved or restored; left_out: runs at work and links, which a backup does not hold."""

    files: int
    size: int
    left_out: tuple[str, ...] = ()


def kept_folders() -> tuple[str, ...]:
    """Folders of a data folder that a backup holds; all others come with the program."""
    return tuple(dict.fromkeys([*(study.home for study in studies()), UPLOADS, LINKS, *MORE, AUDIT]))


def backup(root: Path, archive: Path) -> Copied:
    """Save what is kept into a new file; runs stand still meanwhile, those at work are left out and named."""
    refuse_to_replace(archive)
    left_out: list[str] = []
    saved: dict[str, Member] = {}
    with ExitStack() as held, private_files():
        if (root / AUDIT).is_dir():  # no line is added while its files are copied
            held.enter_context(FileLock(root / AUDIT / LOCK))
        busy = set()
        for run in runs(root):
            try:
                held.enter_context(hold(run.path))
            except RunError:
                busy.add(run.path)
                left_out.append(f"{run} is at work")

        def write(file: BinaryIO) -> None:
            with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for path in _files(root, busy, left_out):
                    name = path.relative_to(root).as_posix()
                    saved[name] = _add(tar, path, name)
                text = Index(created=now(), files=saved).model_dump_json().encode()
                _add_bytes(tar, INDEX, text)

        write_atomic(archive, write)
    return Copied(len(saved), sum(member.size for member in saved.values()), tuple(left_out))


def refuse_to_replace(archive: Path) -> None:
    """Raise `RunError` where a file of that name is there already."""
    if archive.exists():
        raise RunError(f"{archive} is there already; name another file.")


def restore(archive: Path, root: Path) -> Copied:
    """Write an archive into a data folder that keeps nothing yet; `ArtifactError` where it is damaged or foreign."""
    filled = [name for name in kept_folders() if (root / name).is_dir() and any((root / name).iterdir())]
    if filled:
        raise RunError(f"{root} keeps something already ({', '.join(filled)}); restore into an empty folder.")
    with private_files():
        root.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".restore-", dir=root))
        try:
            index = _checked(_unpack(archive, stage), stage, archive)
            for name in sorted({path.split("/")[0] for path in index.files}):
                if (root / name).is_dir():
                    (root / name).rmdir()
                os.replace(stage / name, root / name)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return Copied(len(index.files), sum(member.size for member in index.files.values()))


def _files(root: Path, busy: set[Path], left_out: list[str]) -> Iterator[Path]:
    """Files to save, in order; locks, half-written files and links are none."""
    for name in kept_folders():
        for path in sorted((root / name).rglob("*")):
            if path.is_symlink():
                left_out.append(f"{path.relative_to(root)} is a link")
            elif path.is_file() and busy.isdisjoint(path.parents) and not _passing(path.relative_to(root)):
                yield path


def _passing(path: Path) -> bool:
    """Locks, what was being written, and what is being deleted."""
    return any(part.startswith(".") for part in path.parts) or path.suffix in (".lock", PART)


class _Digesting:
    """A file that is digested while it is read, so that the digest is of what went into the archive."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.digest.update(data)
        return data


def _add(tar: tarfile.TarFile, path: Path, name: str) -> Member:
    with path.open("rb") as file:
        info = tar.gettarinfo(arcname=name, fileobj=file)
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mode = 0o600
        digesting = _Digesting(file)
        tar.addfile(info, digesting)
    return Member(sha256=digesting.digest.hexdigest(), size=info.size)


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    tar.addfile(info, io.BytesIO(data))


def _unpack(archive: Path, stage: Path) -> tuple[Any, dict[str, str]]:
    """Write members into a folder of our own, digested on the way; the index as it stands, and the digests found."""
    found: dict[str, str] = {}
    index: Any = None
    try:
        with tarfile.open(archive, mode="r|") as tar:
            for member in tar:
                if index is not None:
                    raise ArtifactError(f"{archive} goes on after its index; it is no archive of this program.")
                source = tar.extractfile(member) if member.isreg() and not member.issparse() else None
                if source is None:
                    raise ArtifactError(f"{archive}: {member.name[:80]!r} is no file; links and devices are refused.")
                if member.name == INDEX:
                    index = json.loads(source.read(MOST_INDEX))
                    continue
                target = stage / _safe(member.name, archive)
                if member.name in found:
                    raise ArtifactError(f"{archive} holds {member.name[:80]!r} twice; no archive of this program does.")
                target.parent.mkdir(parents=True, exist_ok=True)
                found[member.name] = _write(source, target)
                os.utime(target, (member.mtime, member.mtime))
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise ArtifactError(f"{archive} is damaged or no archive of this program ({error}).") from None
    return index, found


def _safe(name: str, archive: Path) -> str:
    """A name that stays inside of the data folder, in one of the folders that are kept."""
    parts = name.split("/")
    hidden = any(part in ("", ".", "..") or part.startswith(".") for part in parts)
    if hidden or "\\" in name or "\0" in name or len(parts) < 2 or parts[0] not in kept_folders():
        raise ArtifactError(f"{archive}: {name[:80]!r} leads out of the folders that are kept; nothing was restored.")
    return name


def _write(source: Any, target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while data := source.read(1 << 20):
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _checked(unpacked: tuple[Any, dict[str, str]], stage: Path, archive: Path) -> Index:
    """The index, where every file is as it says and there is no other."""
    values, found = unpacked
    if values is None:
        raise ArtifactError(f"{archive} ends before its index: it was cut short, or is no archive of this program.")
    try:
        index = Index.model_validate(values)
    except ValidationError as error:
        raise ArtifactError(explain(error, f"{archive}, {INDEX}")) from None
    wrong = sorted(
        name
        for name in index.files.keys() | found.keys()
        if name not in index.files or found.get(name) != index.files[name].sha256
    )
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ArtifactError(f"{archive} is damaged: {wrong[0]}{more} not as saved; nothing was restored.")
    return index
