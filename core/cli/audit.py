"""Verbs of the audit: is it as it was written, and what does it say."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import date
from typing import get_args

from core.access.chain import Found, check, lines
from core.access.settings import server_settings
from core.access.trail import Trail, What
from core.keep.holdings import SHORTEST_OWNER
from core.runs.folders import data_root


def add_audit_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`audit verify` and `audit show`."""
    group = verbs.add_parser("audit", help="who did what with which run and patient: verify, show")
    own = group.add_subparsers(dest="audit_verb", required=True, metavar="VERB")
    verb = own.add_parser("verify", help="name every line that is not as it was written, or missing")
    verb.add_argument("--holds", default="", metavar="SHA256", help="a line that an earlier check ended with")
    verb.set_defaults(function=verify_audit)
    verb = own.add_parser("show", help="print lines, the oldest first")
    verb.add_argument("--who", default="", help="name, or an owner's first 8 characters or more")
    verb.add_argument("--run", default="", help="folder name of a run")
    verb.add_argument("--what", choices=get_args(What), help="as in 'patient opened'")
    verb.add_argument("--patient", default="", help="key of a patient; found where keys are hashed, too")
    verb.add_argument("--since", type=_day, metavar="DAY", help="as in 2026-11-28 (UTC)")
    verb.set_defaults(function=show_audit)


def verify_audit(options: argparse.Namespace) -> int:
    """Exit status 2 where a line is broken or missing."""
    trail = _trail()
    checked = check(trail, options.holds)
    for sentence in checked.notes:
        print(f"note: {sentence}")
    for sentence in checked.broken:
        print(f"audit: {sentence}", file=sys.stderr)
    if not checked.lines:
        print(f"{trail.folder}: no line is there; nothing was done yet, or all of it was taken away.")
        return 2 if checked.broken else 0
    said = "are as they were written" if not checked.broken else "were looked at"
    print(f"{trail.folder}: {checked.lines} lines in {checked.files} files {said}; the last is {checked.last}")
    return 2 if checked.broken else 0


def show_audit(options: argparse.Namespace) -> None:
    """One line each: number, time, who, role, what, run, patient, more."""
    trail = _trail()
    patient = trail.named(options.patient)
    for found in lines(trail):
        if found.line is None:
            print(f"{found.n}  (cannot be read)")
        elif _is_asked_for(found, options, patient):
            print("  ".join(_cells(found)))


def _day(text: str) -> str:
    """A day as lines tell it; another way to write one would compare as text, and find nothing or everything."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no day; write it as in 2026-11-28") from None


def _trail() -> Trail:
    return Trail(data_root(), server_settings().audit)


def _is_asked_for(found: Found, options: argparse.Namespace, patient: str) -> bool:
    line = found.line
    assert line is not None
    return (
        (options.who in ("", line.name) or _begins(line.who, options.who))
        and options.run in ("", line.run)
        and options.what in (None, line.what)
        and patient in ("", line.patient)
        and line.at >= (options.since or "")
    )


def _begins(owner: str, text: str) -> bool:
    return len(text) >= SHORTEST_OWNER and owner.startswith(text)


def _cells(found: Found) -> Iterator[str]:
    line = found.line
    assert line is not None
    yield from (
        str(line.n),
        line.at[:19] + "Z",
        line.name or line.who[:SHORTEST_OWNER] or "command line",
        line.role,
        line.what,
    )
    yield from filter(None, (line.run and f"run {line.run}", line.patient and f"patient {line.patient}", line.detail))
    if line.set_back:
        yield f"(the clock was set back by {line.set_back:g} s)"
