"""The audit: who did what, when, to which run and which patient, as lines that are only ever added.

Each line holds the SHA-256 of the line before it, across files, so that a line changed, taken out or put in shows
(`core.access.chain`). `head.json` beside them holds number and SHA-256 of the last line, so that lines missing at the
end show too. Nothing measured is ever written. Several processes may write at once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import Field, ValidationError

from core.access.person import Person
from core.access.settings import Audit
from core.base.config import Config
from core.base.errors import ArtifactError
from core.base.files import read_json, write_atomic, write_json
from core.keep.holdings import MEGABYTE
from core.runs.folders import private_files
from core.runs.lock import LOCK

FOLDER, HEAD, KEY = "audit", "head.json", "key"
NOTHING = "0" * 64  # what the very first line holds in place of a digest
LONGEST = 200  # characters of one field
TAIL = 1 << 16  # bytes; several times the longest line
DAY = 24 * 3600
What = Literal[
    "sign-in", "run opened", "patient opened", "export", "upload", "train", "resume", "cancel", "share", "delete",
    "backup", "restore", "refused", "failed", "forgotten",
]  # fmt: skip


class Line(Config):
    """One line as its file holds it."""

    n: int = Field(ge=1)  # counts from 1, across files
    at: str  # UTC
    what: What
    who: str = ""  # owner, see `Person`
    name: str = ""  # as the provider calls them; "" for the user of this machine
    role: str = ""
    run: str = ""
    patient: str = ""  # see `Audit.patients`
    detail: str = ""
    set_back: float = 0.0  # seconds by which the clock stood before the line before: it was set back
    before: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Trail:
    """The audit in the folder `audit` of a data folder."""

    root: Path
    settings: Audit

    @property
    def folder(self) -> Path:
        return self.root / FOLDER

    def files(self) -> list[Path]:
        """In the order in which they were written."""
        return sorted(self.folder.glob("audit-*.jsonl"))

    def add(self, person: Person, what: What, *, run: str = "", patient: str = "", detail: str = "") -> Line:
        """Write one line; `OSError` where it cannot be, and then the act itself must not happen."""
        facts = {"who": person.owner, "name": person.name, "role": person.role.word, "run": run, "detail": detail}
        with private_files():
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / LOCK):
                line = self._append(what, facts | {"patient": self.named(patient)})
                self._forget_old()
        return line

    def named(self, patient: str) -> str:
        """A patient's key as the audit holds it; hashed: HMAC-SHA256 by a key that is made with the first line."""
        if not patient or self.settings.patients == "none":
            return ""
        if self.settings.patients == "plain":
            return patient
        return hmac.new(self._key(), patient.encode(), hashlib.sha256).hexdigest()[:32]

    def _key(self) -> bytes:
        path = self.folder / KEY
        if not path.is_file():
            with FileLock(self.folder / f"{LOCK}-{KEY}"):
                if not path.is_file():
                    write_atomic(path, lambda file: file.write(secrets.token_hex(32).encode()))
        return path.read_bytes()

    def _append(self, what: What, facts: dict[str, str]) -> Line:
        """Add a line to the newest file, or begin the next one; the lock is held."""
        files = self.files()
        last, digest = last_line(files)
        n, told = head(self.folder)
        if n and n >= (last.n if last else 0):  # else a program was stopped between line and head
            digest = told  # of a line that was changed or taken out since, this line still tells
        torn = files and not _ends(files[-1])
        now = datetime.now(UTC)
        line = Line(
            n=max(n, last.n if last else 0) + 1,
            at=now.isoformat(timespec="milliseconds"),
            what=what,
            set_back=_set_back(last, now),
            before=digest,
            **{name: value[:LONGEST] for name, value in facts.items()},
        )
        text = json.dumps(line.model_dump(exclude_defaults=True), ensure_ascii=False).encode()
        with self._file(files, line.n).open("ab") as file:
            file.write((b"\n" if torn else b"") + text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        write_json(self.folder / HEAD, {"n": line.n, "sha256": digest_of(text)})
        return line

    def _file(self, files: list[Path], n: int) -> Path:
        """The newest file while it is not full, else one that is named by its first line."""
        if files and files[-1].stat().st_size < self.settings.megabytes * MEGABYTE:
            return files[-1]
        return self.folder / f"audit-{n:012d}.jsonl"

    def _forget_old(self) -> None:
        """Delete full files past their days; a new line holds what the first one kept must follow."""
        if not self.settings.days:
            return
        for path in self.files()[:-1]:
            last, digest = last_line([path])
            if last is None or time.time() - datetime.fromisoformat(last.at).timestamp() < self.settings.days * DAY:
                return
            self._append("forgotten", {"detail": f"lines to {last.n}: {digest}"})
            path.unlink()


def digest_of(text: bytes) -> str:
    """SHA-256 of a line without its end."""
    return hashlib.sha256(text).hexdigest()


def texts(path: Path) -> Iterator[bytes]:
    """Lines of a file without their ends; the last may have been cut short."""
    with path.open("rb") as file:
        for text in file:
            yield text.removesuffix(b"\n")


def parse(text: bytes) -> Line | None:
    """A line, or None where it is none."""
    try:
        return Line.model_validate_json(text)
    except ValidationError:
        return None


def last_line(files: list[Path]) -> tuple[Line | None, str]:
    """The last line that can be read, and the digest that the next one must hold: of the very last, readable or not.

    A line that a stopped program cut short stays; it counts in the numbering, and the chain goes on from it.
    """
    lost, digest = 0, ""
    for path in reversed(files):
        for text in reversed(_tail(path)):
            digest = digest or digest_of(text)
            found = parse(text)
            if found is not None:
                return found.model_copy(update={"n": found.n + lost}), digest
            lost += 1
    if digest:
        raise ArtifactError(f"{files[-1]} holds no line of an audit; restore it, or move it away to begin a new audit.")
    return None, NOTHING


def head(folder: Path) -> tuple[int, str]:
    """Number and SHA-256 of the last line as `head.json` says; (0, "") where it is missing or damaged."""
    try:
        told = read_json(folder / HEAD)
        return int(told["n"]), str(told["sha256"])
    except (ArtifactError, KeyError, TypeError, ValueError):
        return 0, ""


def _tail(path: Path) -> list[bytes]:
    """The last lines of a file, whole ones and one that was cut short."""
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - TAIL)
        file.seek(start)
        found = [text.removesuffix(b"\n") for text in file]
    return found[1:] if start else found


def _ends(path: Path) -> bool:
    """False where the last line was cut short."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _set_back(last: Line | None, now: datetime) -> float:
    """Seconds by which the clock stands before the line before; 0 where it went on."""
    if last is None:
        return 0.0
    return round(max(0.0, (datetime.fromisoformat(last.at) - now).total_seconds()), 3)
