"""Dates and times from a column's cells, the day and the month told apart for the column as a whole."""

from __future__ import annotations

import pandas as pd

NUMBERS_FIRST = r"^\s*(\d{1,2})([./-])(\d{1,2})\2\d{2,4}"  # 13.03.2150, 3/13/2150


def read_times(series: pd.Series) -> pd.Series:
    """UTC times, NaT where a cell cannot be read.

    The day comes first where dates have points (13.03.2150), and where a first number is no month and no second one is
    above 12; else the month does. One rule holds for all rows: read cell by cell, 12/03 and 13/03 would lie nine months
    apart.
    """
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return pd.to_datetime(series, errors="coerce", utc=True)
    return pd.to_datetime(series, errors="coerce", utc=True, format="mixed", dayfirst=day_first(series))


def day_first(series: pd.Series) -> bool:
    """True where the column writes days before months."""
    parts = series.dropna().astype(str).str.extract(NUMBERS_FIRST)
    first, second = pd.to_numeric(parts[0]), pd.to_numeric(parts[2])
    return bool((parts[1] == ".").any() or ((first > 12).any() and not (second > 12).any()))
