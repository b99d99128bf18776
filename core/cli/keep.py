"""Verbs of what is kept: list, delete, expire, backup, restore. Whoever can type them may read every file anyway."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from core.access.acts import Acting, acting
from core.access.person import Person, Role
from core.base.errors import ConfigError
from core.keep.backup import restore
from core.keep.holdings import KINDS, MEGABYTE, SHORTEST_OWNER, Holding, holdings, with_rows_of
from core.runs.folders import data_root
from core.teaching.rooms import end_old


def add_keep_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """All of them."""
    verb = verbs.add_parser("kept", help="list runs, data, encoders, verdicts and links with owner, size and data hash")
    verb.set_defaults(function=list_kept)
    verb = verbs.add_parser("delete", help="delete what is kept; says what still holds rows of the same patients")
    verb.add_argument("kind", choices=(*KINDS, "owner"), help="owner: everything of one")
    verb.add_argument("name", help="name, or path as `kept` lists it; data: their hash; owner: 8 characters or more")
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
    root = data_root()
    for one in holdings(root):
        whose = one.owner or "everybody"
        name = one.path.stem if one.kind == "data" else _place(one, root)
        print(f"{one.kind:<9} {name:<34} {one.size / MEGABYTE:>9.2f} MB  {whose:<32}  {one.data_hash}")


def delete_kept(options: argparse.Namespace) -> None:
    """Delete, or say what would be."""
    root, here = data_root(), _operator()
    doomed, others = _named(holdings(root), options.kind, options.name, root)
    hashes = {one.data_hash for one in doomed if one.kind == "data"}
    others += [one for data_hash in sorted(hashes) for one in with_rows_of(root, data_hash) if one not in doomed]
    doomed += [one for one in others if options.runs or one.kind == "verdicts"]
    left = [one for one in others if one not in doomed]
    if not doomed:
        where = ", ".join(map(str, left))
        raise ConfigError(f"there is no data '{options.name}' in {root} but in {where}; add --runs to delete it.")
    for one in doomed:
        if options.yes:
            here.delete(one)
        print(f"{'deleted' if options.yes else 'would delete'}: {one} ({one.path})")
    for one in left:
        print(f"still holds rows of these patients: {one} ({one.path}); add --runs to delete it, too")
    if not options.yes:
        print("nothing was deleted; add --yes to do it.")


def _named(found: list[Holding], kind: str, name: str, root: Path) -> tuple[list[Holding], list[Holding]]:
    """What is to be deleted, and what else holds rows of the data of that hash where nobody keeps the data themselves.

    `ConfigError` where nothing is meant, or where a name means several things.
    """
    if kind == "owner":
        owner = _owner(found, name)
        return [one for one in found if one.owner == owner], []
    meant = [one for one in found if one.kind == kind and name in (one.path.stem, one.path.name, _place(one, root))]
    rows = [one for one in found if kind == "data" and name and one.data_hash == name]
    if not meant and not rows:
        raise ConfigError(f"there is no {kind} '{name}' in {root}; `kept` lists what there is.")
    if len(meant) > 1 and kind != "data":  # of data every copy is meant
        places = ", ".join(_place(one, root) for one in meant)
        raise ConfigError(f"'{name}' names {len(meant)} things of this kind; give the path of one: {places}.")
    return meant, [] if meant else rows


def _owner(found: list[Holding], name: str) -> str:
    """The owner whose first characters are given; `ConfigError` where it is none or more than one."""
    if len(name) < SHORTEST_OWNER:
        raise ConfigError(f"'{name}' is too short for an owner; give at least {SHORTEST_OWNER} of its 32 characters.")
    meant = {one.owner for one in found if one.owner.startswith(name)}
    if len(meant) != 1:
        many = f"{len(meant)} owners begin" if meant else "no owner begins"
        raise ConfigError(f"{many} with '{name}'; `kept` lists them in full.")
    return meant.pop()


def _place(one: Holding, root: Path) -> str:
    """Its path in the data folder, which names one thing alone."""
    return one.path.relative_to(root).as_posix()


def expire(_options: argparse.Namespace) -> None:
    """Delete what is past its days, and conferences that are over."""
    gone = _operator().expire()
    for one in gone:
        print(f"deleted: {one} ({one.path})")
    over = end_old()
    print(f"{len(gone)} things were past their days, {over} conferences were over.")


def save(options: argparse.Namespace) -> None:
    """`core.keep.backup.backup`, entered in the audit."""
    copied = _operator().backup(options.archive)
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
