"""A proposed study as the TOML file that a person corrects: every line with its evidence as a comment."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import tomli_w

from core.cohort.define.propose import ProposedStudy
from core.study import StudySpec

WIDTH = 118
HEADER = re.compile(r"^\[{1,2}([^\[\]]+)\]{1,2}$")
SHORT_LIST = re.compile(r"= \[\n((?:    [^\n\[{]+,\n)+)\]")  # of single values, a line each
KEY = re.compile(r"^([A-Za-z_]+) = ")
HEAD = (
    "A study proposed from a file. Every line is a proposal with its evidence: look at each and correct it.\n"
    "The values of the reward are a first choice, not knowledge about this drug."
)

RULES = ("hazards", "warnings")
EXAMPLE = (
    "What makes a dose hazardous no file tells: it is yours to say. An example on a column of this study, with numbers "
    "to be replaced; take the single # away from the lines that are meant."
)


def study_text(proposed: ProposedStudy) -> str:
    """The file; `StudySpec.from_toml` reads it back as the same study."""
    lines = list(_comment(HEAD))
    lines += [line for doubt in proposed.doubts for line in _comment(f"doubt: {doubt}")]
    lines += [line for name, why in proposed.left_out for line in _comment(f"no state: '{name}', {why}")]
    values = _values(proposed.study)
    rules = [
        (table, rule) for table in RULES for rule in values.pop(table, [])
    ]  # one table each, so that more can follow
    document = SHORT_LIST.sub(_on_one_line, tomli_w.dumps(values)).splitlines()
    document += [line for table, rule in rules for line in ("", *_table(table, rule))]
    lines += _with_evidence(document, proposed.evidence)
    lines += ["", *_comment(EXAMPLE), *_example(proposed.study)]
    return "\n".join(lines) + "\n"


def _example(study: StudySpec) -> Iterator[str]:
    """A rule and a warning as TOML behind comment marks, on the column that matters most of those that change."""
    names = [column.name for column in study.columns if column.kind == "temporal" and not column.binary]
    name = next((name for name in study.highlights if name in names), names[0] if names else "")
    if not name:
        return
    column = study.column(name)
    rule = {"column": name, "operator": "<", "threshold": float((column.target or column.plausible)[0])}
    fall = {"kind": "fall", "name": f"falling {name}"[:60], "column": name, "percent": 30.0, "hours": 48.0}
    what_it_does = "a rule: doses are marked and counted", "a warning: said at the patient and counted"
    for table, what, values in zip(RULES, what_it_does, (rule, fall), strict=True):
        yield from _comment(f"# {what}")
        yield from (f"#{line}" for line in _table(table, values))


def _table(name: str, values: dict[str, Any]) -> list[str]:
    """The lines of one table of an array of them."""
    return [f"[[{name}]]", *tomli_w.dumps(values).splitlines()]


def _values(study: StudySpec) -> dict[str, Any]:
    """What the study says beyond its defaults, single values before tables, columns last."""
    stored = study.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    single = {key: value for key, value in stored.items() if not _is_table(value)}
    tables = {key: value for key, value in stored.items() if key not in single and key != "columns"}
    return {"schema_version": study.schema_version, **single, **tables, "columns": stored["columns"]}


def _on_one_line(found: re.Match[str]) -> str:
    joined = ", ".join(line.strip().removesuffix(",") for line in found[1].splitlines())
    return f"= [{joined}]" if len(joined) < WIDTH - 20 else found[0]


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(part, dict) for part in value))


def _with_evidence(lines: list[str], evidence: dict[str, str]) -> Iterator[str]:
    """The document with a comment before each place that there is evidence for."""
    place, seen = "", dict[str, int]()
    for line in lines:
        header, key = HEADER.match(line), KEY.match(line)
        if header:
            place = header[1]
            if line.startswith("[["):
                number = seen.get(place, -1) + 1
                seen[place], place = number, f"{place}.{number}"
            yield from _comment(evidence.get(place, ""))
        elif key:
            yield from _comment(evidence.get(f"{place}.{key[1]}" if place else key[1], ""))
        yield line


def _comment(text: str) -> Iterator[str]:
    """Comment lines; what a file's names hold beyond printable characters is left out, so that it cannot end one."""
    for line in text.splitlines() if text == HEAD else [" ".join(text.split())]:
        plain = "".join(char for char in line if char.isprintable())
        yield from (f"# {part}" for part in textwrap.wrap(plain, WIDTH))
