"""From cells of any type to numbers; what cannot be read is flagged, never raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MISSING_TEXT = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat"})
TRUTH = {"true": "1", "false": "0"}


@dataclass(frozen=True, eq=False)
class Cells:
    """One column as numbers: `values` is NaN where the cell is `missing` or `unreadable`; infinities are kept."""

    raw: pd.Series
    values: np.ndarray  # (rows,) float64, float32 where the file holds that
    missing: np.ndarray  # (rows,) bool
    unreadable: np.ndarray  # (rows,) bool

    @property
    def usable(self) -> np.ndarray:
        """(rows,) True where the cell is a finite number."""
        return np.asarray(np.isfinite(self.values))

    def at(self, row: int) -> Any:
        """The cell as a plain Python value for a message."""
        return plain_value(self.raw.iloc[row])


def plain_value(value: Any) -> Any:
    """A number, or text of at most 60 characters, for use in messages and tables."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)) and abs(int(value)) < 2**63:
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    return safe_text(value).strip()[:60]


def read_cells(series: pd.Series) -> Cells:
    """Numbers of a column of any dtype: numeric and boolean directly, everything else through its text."""
    series = series.reset_index(drop=True)
    if isinstance(series.dtype, pd.SparseDtype):
        series = pd.Series(np.asarray(series))
    dtype = series.dtype
    numeric = pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    if numeric and not pd.api.types.is_complex_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype):
        kept = np.float32 if dtype == np.float32 else np.float64  # as exact as the file, in half the memory
        values = series.to_numpy(dtype=kept, na_value=np.nan)
        return Cells(series, values, np.isnan(values), np.broadcast_to(False, len(series)))
    if isinstance(dtype, pd.StringDtype) and (plain := _plain_numbers(series)) is not None:
        return Cells(series, plain, np.isnan(plain), np.broadcast_to(False, len(series)))
    lowered = texts_of(series).str.casefold()
    missing = lowered.isin(MISSING_TEXT).to_numpy(bool)
    numbers = pd.to_numeric(lowered.replace(TRUTH), errors="coerce")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.where(missing, np.nan, values)
    return Cells(series, values, missing, np.isnan(values) & ~missing)


def _plain_numbers(series: pd.Series) -> np.ndarray | None:
    """(rows,) a column of text as numbers, NaN where it is empty, all at once; None where any cell is no number."""
    try:
        return np.asarray(pc.cast(pa.array(series), pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:
        return None


def texts_of(series: pd.Series) -> pd.Series:
    """Stripped text of every cell; missing ones are empty."""
    if isinstance(series.dtype, pd.StringDtype):
        return series.fillna("").str.strip()
    return pd.Series([safe_text(value).strip() for value in series.astype(object)], dtype="str")


def safe_text(value: Any) -> str:
    """Text of any object that can be printed and stored as UTF-8; "" for missing values."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    try:
        return str(value).encode("utf-8", "replace").decode("utf-8")
    except Exception:  # a foreign object whose own text fails
        return f"<{type(value).__name__}>"
