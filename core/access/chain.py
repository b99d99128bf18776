"""Whether an audit is as it was written: every line against the digest that the next one holds, the last against
`head.json`.

It tells what was changed, lost or put in between. Who can write into the folder can also write the whole chain anew:
keep the SHA-256 that `verify` prints elsewhere, and ask later whether the audit still holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.access.trail import HEAD, NOTHING, Line, Trail, digest_of, head, parse, texts

FORGOTTEN = re.compile(r"lines to (\d+): ([0-9a-f]{64})")


@dataclass(frozen=True)
class Checked:
    """What a check found. broken: what is not as it was written; notes: what is, and should be known; last: SHA-256."""

    lines: int
    files: int
    last: str
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """One line where it stands; line: None where it cannot be read."""

    path: Path
    row: int  # in its file, from 1
    n: int  # its number, or the one that it should have
    digest: str
    line: Line | None

    @property
    def place(self) -> str:
        return f"line {self.n} ({self.path.name}, row {self.row})"


def lines(trail: Trail) -> Iterator[Found]:
    """All lines, the oldest first."""
    n = 0
    for path in trail.files():
        for row, text in enumerate(texts(path), start=1):
            line = parse(text)
            n = line.n if line else n + 1
            yield Found(path, row, n, digest_of(text), line)


def check(trail: Trail, holds: str = "") -> Checked:
    """Follow the chain from its first line to its last. holds: the SHA-256 of a line that must still be there."""
    broken: list[str] = []
    notes: list[str] = []
    forgotten: set[str] = set()
    digests: dict[int, str] = {}
    before: Found | None = None
    first: Found | None = None
    for found in lines(trail):
        first = first or found
        if before is not None:
            broken += _step(before, found)
        if before is not None and before.line is None and found.line and found.line.before == before.digest:
            notes += [f"{before.place} was cut short when a program was stopped; the chain goes on from it"]
        if found.line is not None:
            notes += _clock(found)
            forgotten |= {match[2] for match in [FORGOTTEN.fullmatch(found.line.detail)] if match}
        digests[found.n] = found.digest
        before = found
    if before is not None and before.line is None:
        notes += [f"{before.place}, the last, was cut short when a program was stopped"]
    broken = _beginning(first, forgotten) + broken + _end(trail, before, digests)
    if holds and holds not in digests.values():
        broken.append(f"no line has the SHA-256 {holds}: it was changed or taken out, or has been forgotten by its age")
    return Checked(len(digests), len(trail.files()), before.digest if before else NOTHING, tuple(broken), tuple(notes))


def _step(before: Found, found: Found) -> list[str]:
    """What is wrong between two lines that stand behind each other."""
    if found.line is None:
        return []  # told by the line after it, or by the end
    if found.n > before.n + 1:
        return [f"lines {before.n + 1} to {found.n - 1} are missing before {found.place}"]
    if found.n <= before.n:
        return [f"{found.place} stands behind line {before.n}: lines were put in or exchanged"]
    if found.line.before != before.digest:
        return [f"{before.place} is not as it was written"]
    return []


def _clock(found: Found) -> list[str]:
    back = found.line.set_back if found.line else 0.0
    return [f"the clock was set back by {back:g} s before {found.place}"] if back else []


def _beginning(first: Found | None, forgotten: set[str]) -> list[str]:
    """Lines before the first one may be missing only where a later line says that they were forgotten."""
    if first is None or first.line is None or first.line.before in {NOTHING, *forgotten}:
        return []
    return [f"lines before {first.place} are missing, and no line says that they were forgotten by their age"]


def _end(trail: Trail, last: Found | None, digests: dict[int, str]) -> list[str]:
    """What the head says of the last line."""
    n, digest = head(trail.folder)
    if not n:
        return [f"{HEAD} is missing or damaged, so that lines missing at the end cannot be told"] if last else []
    if last is None or n > last.n:
        return [f"lines {(last.n if last else 0) + 1} to {n} are missing at the end"]
    if digests.get(n, digest) != digest:
        return [f"line {n} is not as it was written ({HEAD} tells)"]
    return []
