"""Keys of patients, stays and persons: text as it was written, equal only when equal, sorted as people count.

A number that the file holds as a number is the text that names it: 12 is "12". One rule bends what was written: where
every key of a column ends in ".0" or is a whole decimal number, as whole numbers do that a tool has widened because of
gaps, ".0" is dropped from all of them, so that nothing can become equal by it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from core.tables.values import MISSING_TEXT

EXACT = {"float16": 2**11, "float32": 2**24}  # from here on whole numbers have neighbors that are the same float
EXACT_DOUBLE = 2**53
WHOLE = re.compile(r"0|-?[1-9][0-9]*")
WIDENED = re.compile(r"(-?[0-9]+)\.0+")
DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, eq=False)
class Keys:
    """Keys of the rows of a table.

    names: (K,) distinct keys as text, in natural order; code: (rows,) index into `names`, -1 where the key is missing;
    rounded: (K,) True for whole numbers that a float cannot hold exactly, so that neighbors may be one already.
    """

    names: np.ndarray
    code: np.ndarray
    rounded: np.ndarray

    @property
    def missing(self) -> np.ndarray:
        """(rows,) True where no key is given."""
        return self.code < 0

    @cached_property
    def array(self) -> pd.api.extensions.ExtensionArray:
        """(K,) `names` as a pandas array of text."""
        return pd.array(self.names, dtype="str")


def read_keys(series: pd.Series) -> Keys:
    """Keys of a column of any dtype; empty cells, "NA" and the like are missing."""
    series = series.reset_index(drop=True)
    if isinstance(series.dtype, pd.SparseDtype):
        series = pd.Series(np.asarray(series))
    floats = pd.api.types.is_float_dtype(series.dtype)
    plain = pd.api.types.is_integer_dtype(series.dtype) or isinstance(series.dtype, pd.StringDtype)
    if floats or plain:
        first, values = pd.factorize(series)
        distinct: list[object] = values.tolist()
    else:  # equal objects need not be written alike: 1, 1.0 and True are one to a hash table
        first, distinct = np.arange(len(series)), series.astype(object).tolist()
    texts = pd.Series([key_text(value) for value in distinct], dtype=object)
    most = EXACT.get(str(series.dtype), EXACT_DOUBLE)
    rounded = np.array([isinstance(value, float) and most <= abs(value) < np.inf for value in distinct], dtype=bool)
    code, found = pd.factorize(texts)
    names = np.asarray(found, dtype=object)
    known = np.array([name.strip().casefold() not in MISSING_TEXT for name in names], dtype=bool)
    inexact = np.zeros(len(names), dtype=bool)
    inexact[code[rounded]] = True
    names, inexact = _without_zeros(names[known]), inexact[known]
    order = natural_order(names)
    place = np.full(len(known) + 1, -1, dtype=np.int64)  # the last one is for cells that pandas calls missing
    place[np.flatnonzero(known)[order]] = np.arange(len(order))
    of_distinct = np.append(place[code], -1)
    return Keys(names[order], of_distinct[first], inexact[order])


def key_text(value: object) -> str:
    """Text that names a key: as written, whole numbers without decimals, bytes as UTF-8; "" for missing values.

    What is no UTF-8 is escaped, not replaced, so that two keys never become one.
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    try:
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() else str(value) if math.isfinite(value) else ""
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    except Exception:  # a foreign object whose own text fails
        return f"<{type(value).__name__}>"


def natural_order(names: np.ndarray) -> np.ndarray:
    """(K,) positions that sort distinct texts as people count: "p2" before "p10", and "7" before "007"."""
    texts: list[str] = names.tolist()
    if all(WHOLE.fullmatch(text) for text in texts):
        order = sorted(range(len(texts)), key=lambda i: _whole(texts[i]))
    else:
        order = sorted(range(len(texts)), key=lambda i: (_parts(texts[i]), len(texts[i]), texts[i]))
    return np.array(order, dtype=np.int64)


def _whole(name: str) -> tuple[int, int, str]:
    """Orders whole numbers of any length without building them: sign, then digits, then text."""
    if name.startswith("-"):
        return 0, -len(name), "".join(str(9 - int(digit)) for digit in name[1:])
    return 1, len(name), name


def _parts(name: str) -> list[tuple[int, str]]:
    """Text and digits in turn, comparable place by place; digits by their number."""
    parts = DIGITS.split(name)
    digits = [part.lstrip("0") for part in parts]
    return [(len(digits[i]), digits[i]) if i % 2 else (0, part) for i, part in enumerate(parts)]


def _without_zeros(names: np.ndarray) -> np.ndarray:
    """The names without ".0" where all of them are whole numbers and every decimal one is whole by its zeros.

    Left as they are where that would make two of them equal.
    """
    matches = [WIDENED.fullmatch(name) for name in names]
    if not len(names) or not all(matches):
        return names
    short = np.array([match[1] for match in matches if match], dtype=object)
    return short if len(set(short)) == len(short) else names
