"""Where the app keeps runs and uploads, and the one rule of who may see what."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from functools import lru_cache
from pathlib import Path

from core.base.files import write_atomic
from core.study import StudySpec, load_study

ROOT = Path(__file__).resolve().parents[3]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
STORED = re.compile(r"~[0-9a-f]{32}")  # in a URL: a text too long for it, by its hash


def data_root() -> Path:
    """`data/` of the project, or the folder that PHENOPOLICY_DATA names."""
    return Path(os.environ.get("PHENOPOLICY_DATA") or ROOT / "data")


def runs_root() -> Path:
    return data_root() / "runs"


def registry_root() -> Path:
    """Runs of the registry study lie apart from those of the ICU study."""
    return data_root() / "registry"


def registry_path(name: str) -> Path | None:
    """Folder of a run of the registry study by its name; None for anything that is not a plain name."""
    return registry_root() / name if NAME.fullmatch(name) else None


def uploads_root(owner: str) -> Path:
    """Folder of one owner's cohorts and encoders; the token is checked before it becomes part of a path."""
    if not TOKEN.fullmatch(owner):
        raise ValueError("an owner token has 16 to 64 letters, digits, '-' and '_'")
    return data_root() / "uploads" / owner


def run_path(name: str) -> Path | None:
    """Folder of a run by its name; None for anything that is not a plain name (no way out of the runs' folder)."""
    return runs_root() / name if NAME.fullmatch(name) else None


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
