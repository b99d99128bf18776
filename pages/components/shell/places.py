"""Where the app keeps runs and uploads, and the one rule of who may see what."""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import lru_cache
from pathlib import Path

from core.base.files import write_atomic
from core.icu.study import ICU
from core.keep.holdings import OWNER, UPLOADS
from core.registry.study import REGISTRY
from core.runs.folders import data_root, owner_of
from core.runs.study import AnyStudy
from core.study import StudySpec, load_study

STUDIES: tuple[AnyStudy, ...] = (ICU, REGISTRY)  # both have joined, so that what is kept is listed whole
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
STORED = re.compile(r"~[0-9a-f]{32}")  # in a URL: a text too long for it, by its hash


def uploads_root(owner: str) -> Path:
    """Folder of one visitor's cohorts and encoders."""
    if not OWNER.fullmatch(owner):
        raise ValueError("an owner has 32 digits and letters from a to f")
    return data_root() / UPLOADS / owner


def rename_old(key: str) -> None:
    """Earlier versions named the folder of uploads by its visitor's key: give it the name of its owner."""
    folder, before = uploads_root(owner_of(key)), data_root() / UPLOADS / key
    if before.is_dir() and not folder.exists():
        before.rename(folder)


def run_path(name: str, study: AnyStudy = ICU) -> Path | None:
    """Folder of a run by its name; None for anything that is not a plain name (no way out of the runs' folder)."""
    return study.folder / name if NAME.fullmatch(name) else None


def new_token() -> str:
    """An unguessable owner token."""
    return secrets.token_urlsafe(18)


def study() -> StudySpec:
    """The study that the app checks new cohorts against."""
    return load_study()


def put_text(text: str) -> str:
    """Store a text that is too long for a URL, and return the short name under which `fetch_text` finds it."""
    return _put(links_root(), text)


def links_root() -> Path:
    """Texts of links that are too long to stand in them, each in a file named by its hash."""
    return data_root() / "links"


@lru_cache(maxsize=64)
def _put(folder: Path, text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    if not (folder / digest).is_file():
        write_atomic(folder / digest, lambda file: file.write(text.encode()))
    return f"~{digest}"


def fetch_text(text: str) -> str | None:
    """The text that a name of `put_text` stands for, None where it is not stored here; any other text as it is."""
    if not STORED.fullmatch(text):
        return text
    path = links_root() / text[1:]
    return path.read_text(encoding="utf-8") if path.is_file() else None
