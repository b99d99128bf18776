"""One run of any study, start to end; the same call resumes a run that was killed, and ends with the same result."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from core.base.errors import ConfigError, RunError
from core.base.files import remove_parts
from core.base.types import Progress
from core.runs.integrity import damaged, forget
from core.runs.lock import hold
from core.runs.manifest import MANIFEST, Manifest, OriginRecord, now, versions
from core.runs.stages import differences, run_stages
from core.runs.study import DataT, DefinitionT, SettingsT, Study, ViewT


def run(
    study: Study[DataT, SettingsT, DefinitionT, ViewT],
    data: DataT,
    config: SettingsT,
    folder: str | Path,
    name: str = "",
    owner: str = "",
) -> Iterator[Progress]:
    """Work through the study's stages, yielding progress; what is whole in the folder already is not computed again.

    name: what people call the run (default: its folder). owner: see `core.runs.folders.owner_of`. Raises `RunError`
    where the folder holds a run on other data, with other settings or of another study, or another process works there.
    """
    folder = Path(folder)
    study.check(data)
    with hold(folder):
        remove_parts(folder)
        manifest = _whole(_open(study, data, config, folder, name or folder.name, owner), folder)
        yield from run_stages(study, data, folder, manifest, study.threads(config))


def build_demo(study: Study[DataT, SettingsT, DefinitionT, ViewT], n_patients: int) -> Iterator[Progress]:
    """The app's default run of a study, on simulated patients; made anew where settings or patients changed."""
    data, config = study.simulate(n_patients, 0, {}), study.config(study.demo_preset, {})
    folder = study.demo_folder
    if (folder / MANIFEST).exists() and _is_another(study, data, config, folder):
        shutil.rmtree(folder)
    yield from run(study, data, config, folder, study.demo_name)


def _is_another(
    study: Study[DataT, SettingsT, DefinitionT, ViewT], data: DataT, config: SettingsT, folder: Path
) -> bool:
    """True where the folder holds a run that differs, or whose settings this version does not know any more."""
    try:
        return bool(_changes(study, study.manifest(folder), data, config, folder))
    except ConfigError:
        return True


def _open(
    study: Study[DataT, SettingsT, DefinitionT, ViewT],
    data: DataT,
    config: SettingsT,
    folder: Path,
    name: str,
    owner: str,
) -> Manifest[DefinitionT]:
    """The folder's manifest, new where there is none; `RunError` where it is of other data, settings or definition."""
    if not (folder / MANIFEST).exists():
        manifest = _new_manifest(study, data, config, name, owner)
        manifest.write(folder)
        return manifest
    manifest = study.manifest(folder)
    changed = _changes(study, manifest, data, config, folder)
    if changed:
        raise RunError(f"{folder} holds a run {changed}; choose another folder.")
    return manifest


def _whole(manifest: Manifest[DefinitionT], folder: Path) -> Manifest[DefinitionT]:
    """The manifest up to the first stage whose files are damaged; that stage and all after it are made anew."""
    stage = next(iter(damaged(folder, manifest)), None)
    return manifest if stage is None else forget(folder, manifest, stage)


def _new_manifest(
    study: Study[DataT, SettingsT, DefinitionT, ViewT], data: DataT, config: SettingsT, name: str, owner: str
) -> Manifest[DefinitionT]:
    source = data.origin
    return Manifest(
        kind=study.kind,
        name=name,
        owner=owner,
        created=now(),
        data_hash=data.data_hash,
        n_patients=data.n_patients,
        n_rows=len(data.frame),
        origin=OriginRecord(
            kind="simulated" if source.simulated else "recorded",
            like=source.like,
            n_patients=source.n_patients,
            seed=source.seed,
        ),
        config=config.model_dump(mode="json"),
        study=study.definition(data, config),
        mapping=study.mapping(data),
        versions=versions(),
    )


def _changes(
    study: Study[DataT, SettingsT, DefinitionT, ViewT],
    manifest: Manifest[DefinitionT],
    data: DataT,
    config: SettingsT,
    folder: Path,
) -> str:
    """How the stored run differs from the one that is asked for, in words; "" where it is the same."""
    if manifest.data_hash != data.data_hash:
        return f"on other data ({manifest.data_hash})"
    # a run from before a setting existed was made as its default says
    stored = study.stored_config(manifest.config, str(folder)).model_dump(mode="json")
    settings = differences(stored, config.model_dump(mode="json"))
    if settings:
        return f"with other settings ({', '.join(settings[:5])})"
    given = study.definition(data, config).model_dump(mode="json")
    other = differences(manifest.study.model_dump(mode="json"), given)
    if other:
        name = getattr(manifest.study, "name", study.kind)
        return f"under another definition of {study.definition_word} '{name}' ({', '.join(other[:5])})"
    return ""
