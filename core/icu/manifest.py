"""How the manifest of a run of the ICU study is read."""

from __future__ import annotations

from pathlib import Path

from core.runs.manifest import Manifest, typed_manifest
from core.study import StudySpec

KIND, TITLE = "icu", "the ICU study"


def icu_manifest(folder: Path) -> Manifest[StudySpec]:
    """`ArtifactError` names what is wrong with it."""
    return typed_manifest(folder, KIND, TITLE, StudySpec.from_stored)
