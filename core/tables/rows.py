"""Rows of a table sorted by their key and place: stays by step, patients by stage; and the rules on such rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from core.tables.keys import Keys
from core.tables.report import Problem
from core.tables.rules import listed, warned
from core.tables.values import Cells


@dataclass(frozen=True, eq=False)
class SortedRows:
    """Rows sorted by patient and step, of patients whose keys and steps are all readable.

    order: (n,) position in the file of each sorted row; patient: (n,) 0-based, ascending; step: (n,) from 0;
    keys: (P,) patient keys, text in natural order; starts, lengths: (P,) rows of each patient; shifted: the file counts
    its steps from 1.
    """

    order: np.ndarray
    patient: np.ndarray
    step: np.ndarray
    keys: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    shifted: bool

    @property
    def last(self) -> np.ndarray:
        """(n,) True on the last row of each patient."""
        flags = np.zeros(len(self.order), dtype=bool)
        flags[self.starts + self.lengths - 1] = True
        return flags

    @cached_property
    def _inverse(self) -> np.ndarray:
        inverse = np.full(int(self.order.max(initial=-1)) + 1, -1, dtype=np.int64)
        inverse[self.order] = np.arange(len(self.order))
        return inverse

    def sorted_row(self, file_row: int) -> int:
        """Where a row of the file went."""
        return int(self._inverse[file_row])

    def name(self, patient: int) -> str:
        """Key of the patient at a position, for messages."""
        return str(self.keys[patient])[:60]

    def key(self, sorted_row: int) -> str:
        """Key of the patient of a sorted row, for messages."""
        return self.name(self.patient[sorted_row])


def sort_rows(keys: Keys, usable: np.ndarray, places: np.ndarray) -> SortedRows:
    """Sort the `usable` (rows,) rows by key, in natural order, and by place (rows,), a whole number from 0."""
    rows = np.flatnonzero(usable & ~keys.missing)
    present, codes = np.unique(keys.code[rows], return_inverse=True)
    step = places[rows].astype(np.int64)
    sort = np.lexsort((rows, step, codes))
    order, step, patient = rows[sort], step[sort], codes[sort]
    starts = np.flatnonzero(np.append(True, patient[1:] != patient[:-1])) if len(patient) else np.zeros(0, np.int64)
    lengths = np.diff(np.append(starts, len(patient)))
    shifted = bool(len(starts)) and bool((step[starts] == 1).all())
    return SortedRows(order, patient, step - int(shifted), keys.names[present], starts, lengths, shifted)


def rows_of_keys(keys: Keys, rows: np.ndarray) -> np.ndarray:
    """(rows,) True in every row whose key stands in any of the rows (rows,) bool."""
    marked = np.zeros(len(keys.names) + 1, dtype=bool)
    marked[keys.code[rows]] = True
    marked[-1] = False  # rows without a key are nobody's
    return np.asarray(marked[keys.code])


def key_problems(column: str, keys: Keys) -> Iterator[Problem]:
    """Rows without a key (errors); keys that may have been merged before, or that differ in blanks alone (warnings)."""
    remedy = "Every row needs the key of its patient."
    yield from listed("missing-value", column, np.flatnonzero(keys.missing), lambda r: "the value is missing.", remedy)
    yield from key_warnings(column, keys)


def key_warnings(column: str, keys: Keys) -> Iterator[Problem]:
    """Keys that are known to be doubtful; they are kept apart as written."""
    rounded = np.flatnonzero(np.append(keys.rounded, False)[keys.code])
    if len(rounded):
        message = "keys above 2^53 are stored as decimals, where neighbors become equal before anybody reads them."
        remedy = "Save them as text or as whole numbers."
        yield from warned("rounded-keys", column, rounded, message, remedy, str(keys.names[keys.code[rounded[0]]]))
    plain = pd.Series(keys.names, dtype=object).str.strip()
    alike = np.flatnonzero(plain.duplicated(keep=False).to_numpy(bool))
    if len(alike):
        rows = np.flatnonzero(np.isin(keys.code, alike))
        first, second = keys.names[np.flatnonzero(plain == plain[alike[0]])[:2]]
        message = (
            f"keys that differ in blanks alone: {len(alike):,} (first: {first!r} and {second!r}); they are kept apart."
        )
        yield from warned("blanks-in-keys", column, rows, message, "Write each key in one way.")


def order_warning(rows: SortedRows, column: str, places: str) -> Iterator[Problem]:
    """Warn where, in the file's order, a place goes back or a patient returns after another one."""
    if not len(rows.order):
        return
    by_file = np.argsort(rows.order)
    patient, step = rows.patient[by_file], rows.step[by_file]
    same = np.append(False, patient[1:] == patient[:-1])
    back = same & np.append(False, step[1:] < step[:-1])
    returns = ~same
    returns[np.unique(patient, return_index=True)[1]] = False
    broken = rows.order[by_file[back | returns]]
    message = f"rows are not in order of patient and {places} ({len(broken):,} breaks); they were sorted."
    yield from warned("row-order", column, broken, message)


def static_changes(name: str, rows: SortedRows, cells: Cells) -> Iterator[Problem]:
    """Warn where a static column changes within a stay; its first recorded value is used in all steps."""
    values = cells.values[rows.order]
    if not len(values):
        return
    highest, lowest = np.fmax.reduceat(values, rows.starts), np.fmin.reduceat(values, rows.starts)
    changed = np.flatnonzero(highest > lowest)
    if len(changed):
        first = f"(first: patient {rows.name(changed[0])})"
        message = f"changes within stays: {len(changed):,} {first}; the first value is used."
        yield from warned("static-changes", name, rows.order[rows.starts[changed]], message)
