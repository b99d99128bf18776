"""Verbs of what is kept: list, delete, expire, backup, restore. Whoever can type them may read every file anyway."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from core.access.acts import Acting, acting
from core.access.person import Person, Role
from core.base.errors import ConfigError
from core.keep.backup import backup, restore
from core.keep.holdings import KINDS, MEGABYTE, Holding, holdings, with_rows_of
from core.runs.folders import data_root


def add_keep_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """All of them."""
    verb = verbs.add_parser("kept", help="list runs, data, encoders, verdicts and links with owner, size and data hash")
    verb.set_defaults(function=list_kept)
    verb = verbs.add_parser("delete", help="delete what is kept; says what still holds rows of the same patients")
    verb.add_argument("kind", choices=(*KINDS, "owner"), help="owner: everything of one")
    verb.add_argument("name", help="folder or file name (data: their hash), or an owner, as `kept` lists them")
    verb.add_argument("--runs", action="store_true", help="delete runs that hold rows of these data, too")
    verb.add_argument("--yes", action="store_true", help="do it; else it is only said")
    verb.set_defaults(function=delete_kept)
    verb = verbs.add_parser("expire", help="delete what is older than the settings keep it; see docs/deploy.md")
    verb.set_defaults(function=expire)
    verb = verbs.add_parser("backup", help="save all that is kept into one file, with checksums")
    verb.add_argument("archive", type=Path, help="a new file, as kept.tar")
    verb.set_defaults(function=save)
    verb = verbs.add_parser("restore", help="write a backup into a data folder that keeps nothing yet")
    verb.add_argument("archive", type=Path)
    verb.set_defaults(function=bring_back)


def list_kept(_options: argparse.Namespace) -> None:
    """One line each."""
    for one in holdings(data_root()):
        whose = one.owner or "everybody"
        print(f"{one.kind:<9} {one.path.stem:<34} {one.size / MEGABYTE:>9.2f} MB  {whose:<32}  {one.data_hash}")


def delete_kept(options: argparse.Namespace) -> None:
    """Delete, or say what would be."""
    root, here = data_root(), _operator()
    doomed = _named(holdings(root), options.kind, options.name)
    if not doomed:
        raise ConfigError(f"there is no {options.kind} '{options.name}' in {root}; `kept` lists what there is.")
    hashes = {one.data_hash for one in doomed if one.kind == "data"}
    others = [one for data_hash in sorted(hashes) for one in with_rows_of(root, data_hash) if one not in doomed]
    doomed += [one for one in others if options.runs or one.kind == "verdicts"]
    left = [one for one in others if one not in doomed]
    for one in doomed:
        if options.yes:
            here.delete(one)
        print(f"{'deleted' if options.yes else 'would delete'}: {one} ({one.path})")
    for one in left:
        print(f"still holds rows of these patients: {one} ({one.path}); add --runs to delete it, too")
    if not options.yes:
        print("nothing was deleted; add --yes to do it.")


def _named(found: list[Holding], kind: str, name: str) -> list[Holding]:
    if kind == "owner":
        return [one for one in found if name and one.owner == name]
    return [one for one in found if one.kind == kind and name in (one.path.stem, one.path.name)]


def expire(_options: argparse.Namespace) -> None:
    """Delete what is past its days."""
    gone = _operator().expire()
    for one in gone:
        print(f"deleted: {one} ({one.path})")
    print(f"{len(gone)} things were past their days.")


def save(options: argparse.Namespace) -> None:
    """`core.keep.backup.backup`, entered in the audit first, so that the copy says so itself."""
    _operator().note("backup", detail=options.archive.name)
    copied = backup(data_root(), options.archive)
    for sentence in copied.left_out:
        print(f"left out: {sentence}")
    print(f"{options.archive}: {copied.files} files, {copied.size / MEGABYTE:,.1f} MB")


def bring_back(options: argparse.Namespace) -> None:
    """`core.keep.backup.restore`, entered in the audit that it brought."""
    copied = restore(options.archive, data_root())
    _operator().note("restore", detail=options.archive.name)
    print(f"{data_root()}: {copied.files} files, {copied.size / MEGABYTE:,.1f} MB as they were saved")


def _operator() -> Acting:
    """Whoever types: the user of the system that the process runs as."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # in a container a number may have no name
        name = ""
    return acting(Person("", Role.ADMIN, name))
