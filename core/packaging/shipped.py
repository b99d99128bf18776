"""The wheels of a bundle, read as they lie: what each is, what it needs, under which license.

Formats: wheel files (PEP 427), their metadata (PEP 566 and 639), requirement files with hashes (pip's own).
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from functools import cached_property
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_LICENSE_FILE = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|AUTHORS)([._-].*)?", re.IGNORECASE)
_LOCKED = re.compile(r"^([\w.\-]+)==([^\s;\\]+)([^\\\n]*)((?:\\\n\s+--hash=sha256:[0-9a-f]{64}\s*)+)", re.MULTILINE)
_LONGEST_NAME = 64  # characters; some put a whole license where its name belongs


@dataclass(frozen=True)
class Wheel:
    """One wheel file."""

    path: Path

    @cached_property
    def metadata(self) -> Message:
        with zipfile.ZipFile(self.path) as archive:
            name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            return Parser().parsestr(archive.read(name).decode())

    @cached_property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def name(self) -> str:
        """As indexes spell it: small letters and dashes."""
        return canonicalize_name(self.metadata["Name"])

    @property
    def version(self) -> str:
        return str(self.metadata["Version"])

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        return tuple(Requirement(line) for line in self.metadata.get_all("Requires-Dist") or ())

    @property
    def license(self) -> str:
        """The SPDX expression that the wheel states, or else the name that it gives; "" where it gives none."""
        named = (self.metadata["License"] or "").strip()
        classifiers = [line for line in self.metadata.get_all("Classifier") or () if line.startswith("License ::")]
        stated = (
            self.metadata["License-Expression"],
            named if len(named) <= _LONGEST_NAME else "",
            *(line.split(" :: ")[-1] for line in classifiers),
        )
        return next((text for text in stated if text), "")

    def license_texts(self) -> dict[str, str]:
        """Texts that the wheel carries beside its metadata, by their path there."""
        with zipfile.ZipFile(self.path) as archive:
            inside = {PurePosixPath(name): name for name in archive.namelist()}
            wanted = {
                "/".join(path.parts[1:]): name
                for path, name in sorted(inside.items())
                if path.parts[0].endswith(".dist-info")
                and (_LICENSE_FILE.fullmatch(path.name) or "licenses" in path.parts[1:-1])
            }
            return {path: archive.read(name).decode("utf-8", "replace") for path, name in wanted.items()}


def wheels_of(folder: Path) -> tuple[Wheel, ...]:
    """All wheels of a folder, by name."""
    return tuple(sorted((Wheel(path) for path in folder.glob("*.whl")), key=lambda wheel: wheel.name))


def needed(wheels: Iterable[Wheel], root: str, extras: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What each wheel needs on this machine, by name: all that `root` with its extras leads to.

    `ValueError` names what is needed and not there, or there and not needed: a bundle holds exactly what it installs.
    """
    there = {wheel.name: wheel for wheel in wheels}
    wanted: dict[str, set[str]] = {}
    edges: dict[str, set[str]] = {}
    open_: list[tuple[str, frozenset[str]]] = [(root, frozenset(extras))]
    while open_:
        name, asked = open_.pop()
        new = ({""} | asked) - wanted.setdefault(name, set())
        wanted[name] |= new
        edges.setdefault(name, set())
        for requirement in there[name].requirements:
            if not any(requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in new):
                continue
            other = canonicalize_name(requirement.name)
            if other not in there or not requirement.specifier.contains(there[other].version, prereleases=True):
                raise ValueError(f"{name} needs {requirement}, and no such wheel is in the bundle; make it anew.")
            edges[name].add(other)
            open_.append((other, frozenset(requirement.extras)))
    if superfluous := sorted(there.keys() - edges.keys()):
        raise ValueError(f"{', '.join(superfluous)}: nothing in the bundle needs this; make it in an empty folder.")
    return {name: tuple(sorted(others)) for name, others in sorted(edges.items())}


def read_lock(text: str) -> dict[str, frozenset[str]]:
    """SHA-256 of all files that a lock allows, by name."""
    allowed: dict[str, frozenset[str]] = {}
    for name, _, _, hashes in _LOCKED.findall(text):
        key = canonicalize_name(name)
        allowed[key] = allowed.get(key, frozenset()) | frozenset(re.findall(r"[0-9a-f]{64}", hashes))
    return allowed


def pins(text: str) -> str:
    """A lock without its hashes, as constraints."""
    return "".join(f"{name}=={version}{marker.rstrip()}\n" for name, version, marker, _ in _LOCKED.findall(text))


def write_lock(wheels: Iterable[Wheel], extras: Mapping[str, str]) -> str:
    """A requirements file of exactly these files; extras: what is asked of a wheel beside itself, by its name."""
    return "".join(
        f"{wheel.name}{extras.get(wheel.name, '')}=={wheel.version} \\\n    --hash=sha256:{wheel.sha256}\n"
        for wheel in wheels
    )


def foreign(wheels: Iterable[Wheel], allowed: Mapping[str, frozenset[str]]) -> tuple[Wheel, ...]:
    """Wheels that are not the locked files: builds of somebody's own, known by a local version ("2.13.0+cpu").

    `ValueError` where a wheel bears a version of the public index and is another file than the lock allows.
    """
    others = [wheel for wheel in wheels if wheel.sha256 not in allowed.get(wheel.name, ())]
    for wheel in others:
        if Version(wheel.version).local is None:
            raise ValueError(
                f"{wheel.path.name} is none of the files that requirements.lock allows for {wheel.name}; find out "
                "where pip had it from, or write the lock anew with `make lock`."
            )
    return tuple(others)
