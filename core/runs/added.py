"""What was added to a finished run from elsewhere: folders beside it, each with a record of what is in it.

    brought/NAME/            seen by all who see the run
    brought/~OWNER/NAME/     seen by one visitor of the app
        added.json           name, owner, the run it was judged on, SHA-256 of the other files

No stage of the run made them, so the run's own checksums do not name them, and a run that was made anew since, or files
that are not as they were written, leave a policy out. Which files there are is the study's affair.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from core.base.config import Config
from core.base.errors import ArtifactError, ConfigError, PhenoPolicyError
from core.base.files import read_json, write_json
from core.base.text import is_plain, plain_name
from core.runs.integrity import BESIDE, digests
from core.runs.manifest import FilePath, Sha256, read_manifest

RECORD, OWN = "added.json", "~"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
Added = TypeVar("Added")


class Record(Config):
    """What identifies an added policy. owner: see `core.runs.folders.owner_of`, empty for all who see the run."""

    schema_version: Literal[1] = 1
    name: str
    owner: str = ""
    of_run: Sha256
    files: dict[FilePath, Sha256]


def added_to(
    run: Path, owners: Sequence[str], files: Sequence[str], read: Callable[[Path, Record], Added]
) -> tuple[dict[str, Added], dict[str, str]]:
    """What was added to the run in a folder, by name, and what cannot be used with the reason.

    Seen is what is of all, and of these owners; of two of one name the owner's own. files: what a folder holds beside
    its record; read: makes of a folder that is whole what it stands for.
    """
    folders = _folders(run, owners)
    if not folders:
        return {}, {}
    found: dict[str, Added] = {}
    refused: dict[str, str] = {}
    try:
        of_run = run_digest(run)
    except PhenoPolicyError:  # a run that cannot be read shows nothing of its own either
        return found, refused
    for folder in folders:
        try:
            found[folder.name] = read(folder, _whole(folder, of_run, files))
        except PhenoPolicyError as error:
            refused[folder.name] = str(error)
    return found, refused


def owners_in(run: Path, owners: Sequence[str]) -> tuple[str, ...]:
    """Those of the owners who have added policies to the run that they alone see."""
    return tuple(owner for owner in owners if owner and (run / BESIDE / f"{OWN}{owner}").is_dir())


def added_stamp(run: Path, owners: Sequence[str] = ()) -> tuple[tuple[str, int], ...]:
    """Tells whether anything was added or removed since: each policy's folder and the time of its record."""
    records = [folder / RECORD for folder in _folders(run, owners)]
    return tuple((str(path.parent), path.stat().st_mtime_ns) for path in records if path.is_file())


def may_name(name: str) -> bool:
    """Whether a policy may be called so: a word, and none that a page would make a link of."""
    return NAME.fullmatch(name) is not None and is_plain(name)


def policy_folder(run: Path, name: str, owner: str = "") -> Path:
    """Where an added policy lies; `ConfigError` for a name that cannot be one."""
    if not may_name(name):
        raise ConfigError(
            f"'{name}' cannot name a policy: use letters, digits, '.', '-' and '_', 40 at most, no sign first, and no "
            "address."
        )
    return run / BESIDE / f"{OWN}{owner}" / name if owner else run / BESIDE / name


def check_free(
    run: Path, name: str, is_taken: Callable[[str], bool], owners: Sequence[str] = (), replace: str | None = None
) -> None:
    """`ConfigError` for a name that reads as a built-in policy's, or as that of another one that was added.

    is_taken: tells names of the study's own policies. replace: owner whose own policy of exactly that name may be there
    already; None: nobody's.
    """
    policy_folder(run, name)
    if is_taken(name):
        raise ConfigError(f"'{name}' reads as the name of a policy of this program; choose another name.")
    for folder in _folders(run, owners):
        own = folder == policy_folder(run, folder.name, replace) if replace is not None else False
        if plain_name(folder.name) == plain_name(name) and not (own and folder.name == name):
            raise ConfigError(f"the run has a policy '{folder.name}' already; remove it first, or choose another name.")


def write_record(folder: Path, run: Path, name: str, owner: str, files: Sequence[str]) -> None:
    """Write `RECORD` for a folder that holds everything else."""
    found = digests(folder, files)
    record = Record(name=name, owner=owner, of_run=run_digest(run), files=found)
    write_json(folder / RECORD, record.model_dump(mode="json"))


def run_digest(run: Path) -> str:
    """64 hex digits over what the stages of a run have written; the same in a copy, another once it is made anew."""
    manifest = read_manifest(run)
    stages = {name: record.files or record.finished for name, record in manifest.stages.items()}
    text = json.dumps([manifest.data_hash, stages], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def added_note(added: Sequence[str], own: bool, times: str = "steps", others: str = "stays") -> str:
    """What policies from elsewhere are in a document of values; "" where the run has none."""
    if not added:
        return ""
    names = ", ".join(added)
    if own:
        return f"Added from elsewhere, not learned in this run: {names}."
    return f"Not valued here: {names}, added as tables of the run's own {times}, which say nothing of other {others}."


def _folders(run: Path, owners: Sequence[str]) -> list[Path]:
    """Folders of policies in the order of their names, those of all first."""
    places = [run / BESIDE, *(run / BESIDE / f"{OWN}{owner}" for owner in owners if owner)]
    found = [path for place in places if place.is_dir() for path in sorted(place.iterdir()) if path.is_dir()]
    return [path for path in found if may_name(path.name)]


def _whole(folder: Path, of_run: str, files: Sequence[str]) -> Record:
    """The record of a folder that is as it was written; `ArtifactError` says why it cannot be used, and what to do."""
    again = f"add '{folder.name}' again"
    if not (folder / RECORD).is_file():
        raise ArtifactError(f"it was added by an earlier version, or not to its end; {again}.")
    record = Record.build(read_json(folder / RECORD), where=RECORD)
    if record.name != folder.name or set(record.files) != set(files):
        raise ArtifactError(f"its folder does not hold what it should; {again}.")
    if record.of_run != of_run:
        raise ArtifactError(f"the run was made anew since; {again}.")
    damaged = [name for name, digest in digests(folder, files).items() if digest != record.files[name]]
    if damaged:
        raise ArtifactError(f"{damaged[0]} is not as it was written; {again}.")
    return record
