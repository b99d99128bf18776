"""How the values of a file's column fit a column of a study: as they stand, in another unit, or by codes.

Values that the column cannot hold and that repeat exactly, as -1 and 9999, stand for not measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.study import Column
from core.tables.causes import FEWEST_CODES, NOT_MEASURED, number_for
from core.tables.known_names import known_names
from core.tables.recode import plain_codes
from core.tables.values import read_cells, safe_text

FITS = 0.98  # share of a column's values that must be plausible
UNUSUAL = 2.0  # a median beyond twice the healthy range's end, or below half its start
MOST_CODES = 6  # texts of a coded column
AGE_UNITS = {"days": 1 / 365.2425, "months": 1 / 12}


@dataclass(frozen=True)
class Fit:
    """How a column's values fit: in which unit (a known one, or a factor), with which codes."""

    evidence: str
    unit: object = None
    codes: dict[str, float] = field(default_factory=dict)


def codes_not_measured(series: pd.Series, column: Column) -> list[str]:
    """Codes such as -1 and 9999 that the column cannot hold, and that repeat exactly."""
    cells = read_cells(series)
    codes, counts = np.unique(cells.values[cells.usable], return_counts=True)
    impossible = (codes < column.plausible[0]) | (codes > column.plausible[1])
    found = codes[np.isin(codes, NOT_MEASURED) & impossible & (counts >= FEWEST_CODES)]
    return [f"{code:.0f}" for code in found] if len(found) < len(codes) else []


def fit_of(series: pd.Series, column: Column) -> Fit | None:
    """How the values fit the column, None where they do not."""
    codes = _codes(series, column)
    cells = read_cells(
        series.astype(object).where(~plain_codes(series).isin(list(codes)).to_numpy()) if codes else series
    )
    values = np.concatenate([cells.values[cells.usable], list(codes.values())]).astype(np.float64)
    if not len(values) or cells.unreadable.mean() > 1 - FITS:
        return None
    low, high = np.quantile(values, [0.05, 0.95])
    said = f"middle 90 % is {low:.4g} to {high:.4g}, plausible are {column.plausible[0]:g} to {column.plausible[1]:g}"
    if codes:
        said = f"coded as {', '.join(f'{text} = {number:g}' for text, number in codes.items())}; {said}"
    if _plausible(values, column) >= FITS and not (_unusual(values, column) and _better_unit(values, column)):
        return Fit(said, None, codes)
    for name, unit, factor, offset in _units(column):
        after = values * factor + offset
        if _plausible(after, column) >= FITS and not _unusual(after, column):
            return Fit(f"{said}; read as {name} the median is {np.median(after):.4g} {column.unit}", unit, codes)
    return Fit(said, None, codes) if _plausible(values, column) >= FITS else None


def _units(column: Column) -> list[tuple[str, object, float, float]]:
    """(name, what the mapping says, factor, offset) of each other unit."""
    found: list[tuple[str, object, float, float]] = [(u.unit, u.unit, u.factor, u.offset) for u in column.other_units]
    if column.unit == "years":
        found += [(name, {"factor": f, "unit": name}, f, 0.0) for name, f in AGE_UNITS.items()]
    return found


def _better_unit(values: np.ndarray, column: Column) -> bool:
    return any(
        _plausible(values * factor + offset, column) >= FITS and not _unusual(values * factor + offset, column)
        for _, _, factor, offset in _units(column)
    )


def _plausible(values: np.ndarray, column: Column) -> float:
    low, high = column.plausible
    return float(np.mean((values >= low) & (values <= high)))


def _unusual(values: np.ndarray, column: Column) -> bool:
    """True where the median lies far outside the healthy range."""
    if column.reference is None:
        return False
    low, high = column.reference
    median = float(np.median(values))
    return not low / UNUSUAL <= median <= high * UNUSUAL


def _codes(series: pd.Series, column: Column) -> dict[str, float]:
    """Numbers for the texts of a coded column: sexes and yes/no by the study's own coding, "> 89" as 90."""
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        return {}
    distinct = pd.Series(series.dropna().unique())
    texts = [text for text in plain_codes(distinct[read_cells(distinct).unreadable]).unique() if text]
    if not 0 < len(texts) <= MOST_CODES:
        return {}
    words = known_names()["words"]
    if column.binary:
        meanings = {**_meanings(column, words), **dict.fromkeys(words["yes"], 1.0), **dict.fromkeys(words["no"], 0.0)}
        meanings |= _meanings(column, words)
        coded = {text: meanings[text.casefold()] for text in texts if text.casefold() in meanings}
        return coded if len(coded) == len(texts) else {}
    over = {text: float(number) for text in texts if (number := number_for(text)) is not None}
    return over if len(over) == len(texts) else {}


def _meanings(column: Column, words: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """What the study's coding says in words, "0 = male, 1 = female", for every spelling of these words."""
    stated = dict(re.findall(r"(\d+)\s*=\s*(\w+)", column.unit))
    return {
        spelling: float(number)
        for number, word in stated.items()
        for spelling in (word.casefold(), *words.get(word.casefold(), ()))
    }


def doubt_of(series: pd.Series, source: str, column: Column) -> str:
    """Why a column of a known name is not taken, in a sentence."""
    cells = read_cells(series)
    values = cells.values[cells.usable]
    if not len(values) or cells.unreadable.mean() > 1 - FITS:
        example = safe_text(series.dropna().iloc[0])[:40] if series.notna().any() else ""
        return f"'{source}' is named like {column.name}, but holds no numbers (for example '{example}')."
    share = 100 * (1 - _plausible(values.astype(np.float64), column))
    return (
        f"'{source}' is named like {column.name}, but {share:.0f} % of its values lie outside "
        f"{column.plausible[0]:g} to {column.plausible[1]:g} {column.unit}, in every unit known here."
    )
