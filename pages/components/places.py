"""Where the app keeps runs and uploads, and the one rule of who may see what."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from core.study import StudySpec, load_study

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


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
