"""What several browsers change at once: one file a thing, changed under its lock, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from core.base.config import Config
from core.base.files import read_json, write_json

T = TypeVar("T", bound=Config)


def read_kept(path: Path, kind: type[T]) -> T:
    """What a file holds; `ArtifactError` where it is missing or broken, `ConfigError` where it holds something else."""
    return kind.build(read_json(path), where=path.name)


def write_kept(path: Path, value: Config) -> None:
    write_json(path, value.model_dump(mode="json"))


def change_kept(path: Path, kind: type[T], move: Callable[[T], T]) -> T:
    """Read, move on and write back while nobody else does; an error of the move leaves the file as it was."""
    with FileLock(path.with_suffix(".lock")):
        before = read_kept(path, kind)
        after = move(before)
        if after is not before:
            write_kept(path, after)
        return after
