"""Which columns are keys, steps and times, by what they hold and not by how they are spelled.

A step counts up by one within each stay, from 0 or 1, and with the stay's key names each row once. A time never
repeats a row within a stay either, and can be read as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.tables.times import read_times
from core.tables.values import read_cells

MOST_CANDIDATES = 12


@dataclass(frozen=True)
class Keys:
    """The pair of columns that names each row: stay and step."""

    traj: str
    step: str
    stays: int
    first: int  # number of the first step, 0 or 1


def find_keys(frame: pd.DataFrame, preferred: Sequence[str] = ()) -> Keys | None:
    """The pair of key and step for which steps are consecutive from 0 or 1 in every stay; None where there is none.

    Of several, one with a preferred name (best first) wins, then the one with more stays (a person's stays would not
    each start anew).
    """
    steps = _step_candidates(frame)
    keys = _key_candidates(frame, {name for name, _ in steps})
    found = []
    for key in keys:
        codes = pd.factorize(frame[key])[0]
        for step, values in steps:
            if step == key or (codes < 0).any():
                continue
            first = _consecutive_from(codes, values)
            if first is not None:
                rank = [preferred.index(name) if name in preferred else len(preferred) for name in (key, step)]
                found.append((sum(rank), -int(codes.max() + 1), Keys(key, step, int(codes.max() + 1), first)))
    return min(found, key=lambda item: item[:2])[2] if found else None


def _step_candidates(frame: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Whole numbers from 0 or 1 that take few values: at most 12 columns."""
    found = []
    for name in _single_names(frame):
        series = frame[name]
        if not pd.api.types.is_numeric_dtype(series.dtype) and not _looks_whole(series):
            continue
        values = read_cells(series).values
        whole = len(values) > 0 and np.isfinite(values).all() and bool((values == np.rint(values)).all())
        if whole and values.min() in (0, 1) and values.max() > 1:
            found.append((name, values.astype(np.int64)))
    return found[:MOST_CANDIDATES]


def _looks_whole(series: pd.Series) -> bool:
    """True where the first cells of a text column are whole numbers (keys read as text, say)."""
    return bool(series.head(50).astype(str).str.fullmatch(r"\d{1,6}").all())


def _key_candidates(frame: pd.DataFrame, steps: set[str]) -> list[str]:
    """Columns with fewer values than rows, each on more than one row: text, or whole numbers."""
    found = []
    for name in _single_names(frame):
        series = frame[name]
        if pd.api.types.is_float_dtype(series.dtype):
            values = series.to_numpy(np.float64)
            if not np.isfinite(values).all() or (values != np.rint(values)).any():
                continue
        distinct = series.nunique(dropna=False)
        if 1 < distinct <= len(series) // 2 and not (name in steps and distinct < 20):
            found.append(name)
    return found[:MOST_CANDIDATES]


def _consecutive_from(codes: np.ndarray, step: np.ndarray) -> int | None:
    """0 or 1 where every stay's steps are consecutive from there; else None."""
    order = np.lexsort((step, codes))
    stay, ordered = codes[order], step[order]
    starts = np.append(True, stay[1:] != stay[:-1])
    first = np.unique(ordered[starts])
    if len(first) != 1 or first[0] not in (0, 1):
        return None
    return int(first[0]) if (np.diff(ordered)[~starts[1:]] == 1).all() else None


def _single_names(frame: pd.DataFrame) -> list[str]:
    names = [str(name) for name in frame.columns]
    return [name for name in names if names.count(name) == 1 and name in frame.columns]


def is_time(series: pd.Series) -> bool:
    """True where the cells are dates and times, or text that reads as such."""
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return True
    if pd.api.types.is_numeric_dtype(series.dtype):
        return False
    sample = series.dropna().head(200).astype(str)
    if not len(sample) or not sample.str.contains(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}").all():
        return False
    return bool(read_times(sample).notna().mean() > 0.95)
