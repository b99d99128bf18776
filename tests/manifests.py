"""Manifests as tests change them: written anew with their checksum, or as versions before checksums wrote them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.base.files import read_json, write_json
from core.runs.manifest import MANIFEST, SEAL, sealed


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object] | None = None, **values: object) -> Path:
    """Change the manifest of a run as a program that wrote it would have; returns the folder."""
    manifest = read_json(folder / MANIFEST) | values
    if change is not None:
        change(manifest)
    write_json(folder / MANIFEST, sealed(manifest))
    return folder


def without_checksums(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest as version 2 wrote it."""
    stages = {
        stage: {name: value for name, value in record.items() if name != "files"}
        for stage, record in manifest["stages"].items()
    }
    rest = {name: value for name, value in manifest.items() if name != SEAL}
    return rest | {"schema_version": 2, "stages": stages}


def before_checksums(folder: Path) -> Path:
    """Make a run one from before there were checksums; returns the folder."""
    write_json(folder / MANIFEST, without_checksums(read_json(folder / MANIFEST)))
    return folder
