"""Files: written to a temporary name and renamed, read without ever executing what they hold."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from core.base.errors import ArtifactError

PART = ".part"
_NOTED: ContextVar[set[Path] | None] = ContextVar("noted", default=None)


@contextmanager
def noting(written: set[Path]) -> Iterator[None]:
    """Add the files to the set that this thread writes within the block. Never hold it over a generator's `yield`."""
    before = _NOTED.set(written)
    try:
        yield
    finally:
        _NOTED.reset(before)


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` on a temporary file beside `path`, then rename: readers see the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        if (noted := _NOTED.get()) is not None:
            noted.add(path)
    finally:
        temporary.unlink(missing_ok=True)


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and its folders, links to folders not followed; what goes away meanwhile is left out."""
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)


def remove_parts(folder: Path) -> None:
    """Delete the temporary files that killed writers left behind; call it only while no one else writes there."""
    for path in folder.rglob(f".*{PART}"):
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    write_atomic(path, lambda file: file.write(text.encode()))


def read_json(path: Path) -> Any:
    """Parsed JSON; `ArtifactError` where the file is missing, cannot be read or is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path.name} is missing in {path.parent}; the folder is not a complete run.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactError(f"{path} is not valid JSON ({error}); restore it or train again.") from None
    except RecursionError:
        raise ArtifactError(f"{path} is nested too deeply; restore it or train again.") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror}); restore it or train again.") from None


def write_array(path: Path, array: np.ndarray) -> None:
    write_atomic(path, lambda file: np.save(file, array, allow_pickle=False))


def read_array(path: Path) -> np.ndarray:
    """Array mapped from disk, read only; `ArtifactError` where the file is missing or broken."""
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError:
        raise ArtifactError(f"{path.name} is missing in {path.parent}; the run has not got that far.") from None
    except (ValueError, OSError, EOFError) as error:
        raise ArtifactError(f"{path} is not a stored array ({error}); restore it or train again.") from None


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    write_atomic(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file; `ArtifactError` where it is missing or broken."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise ArtifactError(f"{path.name} is missing in {path.parent}; the run has not got that far.") from None
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise ArtifactError(f"{path} is not a set of stored arrays ({error}); restore it or train again.") from None


def write_table(path: Path, table: pd.DataFrame) -> None:
    write_atomic(path, lambda file: table.to_parquet(file, index=False, write_page_checksum=True))


def read_table(path: Path) -> pd.DataFrame:
    """Parquet table; `ArtifactError` where it is missing or broken."""
    try:
        return pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise ArtifactError(f"{path.name} is missing in {path.parent}; the run has not got that far.") from None
    except (ValueError, OSError) as error:
        raise ArtifactError(f"{path} is not a Parquet table ({error}); restore it or train again.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
