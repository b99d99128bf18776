"""The part of a mapping that speaks of single cells: names, decimal commas, codes, values that mean missing, factors.

Serves any study: it knows columns by their names alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from core.tables.mapping import EVERY, Factor
from core.tables.report import Problem
from core.tables.values import MISSING_TEXT, read_cells, safe_text

WHOLE_AS_FLOAT = re.compile(r"[+-]?\d+\.0")
LISTED = 20  # columns of the file that one message quotes
GERMAN = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?([eE][+-]?\d+)?")  # 1.234,5 or 1234,5


class CellRules(Protocol):
    """What any study's mapping says of single cells; codes: text of the file -> what the study writes."""

    @property
    def columns(self) -> Mapping[str, str]: ...
    @property
    def codes(self) -> Mapping[str, Mapping[str, object]]: ...
    @property
    def missing(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def units(self) -> Mapping[str, str | Factor]: ...
    @property
    def decimal(self) -> str: ...


def renamed(frame: pd.DataFrame, mapping: CellRules, others: Sequence[str] = ()) -> tuple[pd.DataFrame, list[Problem]]:
    """The table under the study's names, and what is wrong with the mapping's.

    A column of the file that bears a mapped name by itself gives way to the mapped one, with a warning. others: further
    columns of the file that the mapping's rules read.
    """
    labels = [safe_text(name) for name in frame.columns]
    problems = [_absent(name, labels) for name in (*mapping.columns.values(), *others) if name not in labels]
    problems += [_doubled(name) for name in set(mapping.columns.values()) if labels.count(name) > 1]
    if problems:
        return frame, problems
    ours = {theirs: name for name, theirs in mapping.columns.items()}
    names = [ours.get(label, label) for label in labels]
    keep = [label in ours or name not in mapping.columns for label, name in zip(labels, names, strict=True)]
    for label, kept in zip(labels, keep, strict=True):
        if not kept:
            message = f"the file's own column of that name was not used: '{mapping.columns[label]}' was mapped to it."
            problems.append(Problem("mapped-over", message, column=label, severity="warning", count=len(frame)))
    table = frame.loc[:, keep].copy()
    table.columns = pd.Index([name for name, kept in zip(names, keep, strict=True) if kept], dtype=object)
    return table, problems


def recoded(frame: pd.DataFrame, mapping: CellRules, numeric: Sequence[str]) -> tuple[pd.DataFrame, list[Problem]]:
    """Cells as the study writes them. numeric: the columns that hold numbers, which "*" and the decimal comma mean.

    Codes win over "missing", and both compare the stripped text as written, or the number that it is.
    """
    table, problems = frame.copy(deep=False), list[Problem]()
    unknown = {*mapping.codes, *mapping.missing, *(n for n, u in mapping.units.items() if isinstance(u, Factor))}
    for name in sorted(unknown - {EVERY, *map(str, frame.columns)}):
        message = "the mapping recodes this column, but neither the file nor [columns] has it."
        problems.append(Problem("column-mapping", message, column=name, remedy="Correct the mapping."))
    for name in numeric:
        if list(frame.columns).count(name) == 1:
            table[name] = _column(frame[name], name, mapping, problems)
    return table, problems


def _column(series: pd.Series, name: str, mapping: CellRules, problems: list[Problem]) -> pd.Series:
    """One column through decimals, codes, missing values and factor."""
    if mapping.decimal == "," and not pd.api.types.is_numeric_dtype(series.dtype):
        series = with_points(series)
    codes = mapping.codes.get(name, {})
    gone = (*mapping.missing.get(EVERY, ()), *mapping.missing.get(name, ()))
    if codes or gone:
        texts = plain_codes(series)
        known = texts.isin(list(codes))
        empty = texts.isin(plain_codes(gone)) & ~known
        series = series.astype(object).mask(known, texts.map(codes)).mask(empty, None)
        if empty.any():
            message = (
                f"{int(empty.sum()):,} values that the mapping calls not measured ({', '.join(gone)}) were emptied."
            )
            first = int(np.flatnonzero(empty.to_numpy())[0]) + 1
            problems.append(Problem("mapped-missing", message, first, name, severity="warning", count=int(empty.sum())))
    unit = mapping.units.get(name)
    if isinstance(unit, Factor):
        cells = read_cells(series)
        scaled = pd.Series(cells.values * unit.factor + unit.offset, dtype=object)
        series = scaled.mask(pd.Series(cells.unreadable), series.reset_index(drop=True)).mask(
            pd.Series(cells.missing), None
        )
    return series.reset_index(drop=True)


def with_points(series: pd.Series) -> pd.Series:
    """Text with decimal commas (and points between thousands) as text with decimal points; other text as it is."""

    def point(value: object) -> object:
        text = safe_text(value).strip()
        return text.replace(".", "").replace(",", ".") if GERMAN.fullmatch(text) else value

    return series.astype(object).map(point)


def plain_codes(values: Iterable[object]) -> pd.Series:
    """Stripped text of each cell, "" where missing, whole numbers without a point: 1, 1.0 and "1" are one code."""
    texts = [safe_text(value).strip() for value in values]
    return pd.Series([_plain(text) for text in texts], dtype=object)


def _plain(text: str) -> str:
    if text.casefold() in MISSING_TEXT:
        return ""
    return text[:-2] if WHOLE_AS_FLOAT.fullmatch(text) else text


def _absent(name: str, labels: list[str]) -> Problem:
    shown = ", ".join(label[:40] for label in labels[:LISTED])
    more = f" and {len(labels) - LISTED:,} more" if len(labels) > LISTED else ""
    message = f"the mapping names '{name[:80]}', which the file does not have."
    remedy = f"Correct the mapping; the file has {shown}{more}."
    return Problem("column-mapping", message, None, name, None, remedy)


def _doubled(name: str) -> Problem:
    message = "the mapping names this column, which the file has more than once."
    return Problem("duplicate-column", message, column=name, remedy="Keep one of them.")
