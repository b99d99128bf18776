"""How the manifest of a run of the registry study is read."""

from __future__ import annotations

from pathlib import Path

from core.base.errors import ArtifactError
from core.registry.spec import RegistrySpec
from core.runs.manifest import Manifest, typed_manifest

KIND, TITLE = "registry", "the registry study"


def registry_manifest(folder: Path) -> Manifest[RegistrySpec]:
    """As of any study. Earlier versions had a discount of the networks beside the registry's: they must agree."""
    manifest = typed_manifest(folder, KIND, TITLE, RegistrySpec.model_validate)
    used, known = manifest.config.get("dqn", {}).get("gamma", manifest.study.gamma), manifest.study.gamma
    if used != known:
        raise ArtifactError(
            f"the run in {folder} was learned under a discount of {used} and judged under the registry's, {known}; "
            "there is one discount now, the registry's: train it again."
        )
    return manifest
