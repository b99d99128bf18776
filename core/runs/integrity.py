"""Whether a run's files are as its stages left them: SHA-256 by file, written with each stage, compared at opening.

It tells damage (a flipped bit, a file cut short, exchanged or lost) from what was computed; it is no signature, since
whoever may write into the folder may write its manifest too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from core.base.errors import ArtifactError
from core.runs.manifest import Manifest, read_manifest
from core.runs.study import DataT, DefinitionT, SettingsT, Study, ViewT

BESIDE = "brought"  # folder of what was added to a finished run: no stage made it, and it has digests of its own
UNCHECKED = "made before checksums were kept: damage to its files cannot be told. Train it again to keep them."


def open_run(study: Study[DataT, SettingsT, DefinitionT, ViewT], folder: Path) -> ViewT:
    """Read a run folder whose files are as they were written; `ArtifactError` names the first that is not."""
    verify(folder)
    return study.open(folder)


def verify(folder: Path) -> Manifest[dict[str, Any]]:
    """Compare every file of the finished stages with its checksum; the manifest, which says if there are any.

    Raises `ArtifactError` that names what is damaged and how it is made anew.
    """
    manifest = read_manifest(folder)
    damage = damaged(folder, manifest)
    if damage:
        stage = next(iter(damage))
        names = [name for files in damage.values() for name in files]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        earlier = list(manifest.stages)[: list(manifest.stages).index(stage)]
        kept = f"keeps what came before ('{earlier[-1]}' and earlier)" if earlier else "keeps nothing"
        raise ArtifactError(
            f"run '{manifest.name}' is damaged: {names[0]}{more} of stage '{stage}' "
            f"{'are not' if more else 'is not'} as written. Resume it, or train into the same folder again on the same "
            f"data: that {kept} and makes '{stage}' and all after it anew."
        )
    return manifest


def damaged(folder: Path, manifest: Manifest[Any]) -> dict[str, list[str]]:
    """Files that are missing or not as written, by stage, in flow order; stages that are whole are left out."""
    found = digests(folder, manifest.files)
    wrong = {
        stage: [path for path, digest in (record.files or {}).items() if found[path] != digest]
        for stage, record in manifest.stages.items()
    }
    return {stage: paths for stage, paths in wrong.items() if paths}


def digests_of(folder: Path, manifest: Manifest[Any], written: Iterable[Path]) -> dict[str, str] | None:
    """SHA-256 of the files that a stage wrote and left, by path in the folder.

    None in a run whose earlier stages were finished before there were checksums: what is theirs cannot be told.
    """
    if not manifest.has_checksums:
        return None
    paths = sorted(path.relative_to(folder).as_posix() for path in written)
    return {path: digest for path, digest in digests(folder, paths).items() if digest}


def forget(folder: Path, manifest: Manifest[Any], stage: str) -> Manifest[Any]:
    """Delete what a stage and those after it wrote; the manifest, written, in which they are not done."""
    kept = manifest.before(stage)
    kept.write(folder)
    for path in manifest.files.keys() - kept.files.keys():
        (folder / path).unlink(missing_ok=True)
    return kept


def digests(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files by their path in a folder, read in pieces; "" for one that is missing or cannot be read."""
    names = list(paths)
    with ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1))) as pool:  # hashing lets other threads run
        return dict(zip(names, pool.map(lambda name: _digest(folder / name), names), strict=True))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
