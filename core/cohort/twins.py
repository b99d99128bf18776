"""Stays that are the same under different keys, and persons that change within a stay.

A row is known by what was recorded in it, never by what was filled in. Two stays are the same where all their rows, the
actions and the outcome are, and enough was measured that chance cannot make them equal. Where different stays share
rows all the time, as those of a discrete model do, equal rows tell nothing and no two stays are called the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.study import StudySpec
from core.tables.keys import Keys
from core.tables.report import Problem
from core.tables.rows import SortedRows
from core.tables.rules import warned
from core.tables.values import Cells

FEWEST_VALUES = 10  # measured, apart from static and 0/1 columns, before equal stays are called the same
FEWEST_IN_ROW = 3  # of the same, before a row can tell stays apart
MOST_SHARED = 0.05  # share of such rows that different stays may have in common
SEED = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """states, all: (rows,) uint64, equal where the recorded states are, and where action and outcome are as well;
    measured: (rows,) how many temporal values that are not 0/1 were recorded."""

    states: np.ndarray
    all: np.ndarray
    measured: np.ndarray


def fingerprints(
    recorded: Iterable[np.ndarray], study: StudySpec, action: np.ndarray, outcome: np.ndarray
) -> Fingerprints:
    """Fingerprints of rows from their recorded states, (rows,) a column with NaN where nothing was recorded."""
    states, measured = np.full(len(action), SEED), np.zeros(len(action), dtype=np.int64)
    for column, values in zip(study.columns, recorded, strict=True):
        states = _mixed(states, values)
        if column.kind == "temporal" and not column.binary:
            measured += ~np.isnan(values)
    return Fingerprints(states, _mixed(_mixed(states, action), outcome), measured)


def same_stays(prints: Fingerprints, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(N,) position of the first stay that is the same as each, its own where there is none.

    starts, lengths: (N,) rows of the stays, one after another.
    """
    own = np.arange(len(starts))
    if not len(starts):
        return own
    step = np.arange(len(prints.all)) - np.repeat(starts, lengths)
    whole = np.add.reduceat(_mixed(prints.all, step), starts)
    _, first, group = np.unique(whole, return_index=True, return_inverse=True)
    enough = np.add.reduceat(prints.measured, starts) >= FEWEST_VALUES
    same = np.where(enough, first[group], own)
    if (same == own).all() or rows_recur(prints, np.repeat(same == own, lengths), np.repeat(own, lengths)):
        return own
    return same


def merged(named: np.ndarray, same: np.ndarray) -> np.ndarray:
    """(N,) number 0..P-1 of each stay's person in order of first stay, given labels (N,) of two kinds that both tie
    stays together: persons as they are named, and `same_stays`."""
    n = len(named)
    _, label = np.unique(named, return_inverse=True)
    ends = np.concatenate([same, n + label])
    ties = coo_array((np.ones(2 * n), (np.tile(np.arange(n), 2), ends)), shape=(2 * n, 2 * n))
    person = connected_components(ties, directed=False)[1][:n]
    _, first, person = np.unique(person, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[person]


def find_twins(
    stays: SortedRows, cells: Mapping[str, Cells], filled: np.ndarray | None, study: StudySpec
) -> np.ndarray:
    """`same_stays` of a checked table; filled: (file rows, D) True where a value was filled in before it was saved."""
    own = np.arange(len(stays.keys))
    if not len(own) or not all(name in cells for name in (*study.names, "action")):
        return own

    def recorded(column: int) -> np.ndarray:
        values = np.where(cells[study.names[column]].usable, cells[study.names[column]].values, np.nan)
        values = values if filled is None else np.where(filled[:, column], np.nan, values)
        return np.asarray(values[stays.order].astype(np.float32))

    action, ending = cells["action"].values[stays.order], np.zeros(len(stays.order))
    if study.outcome != "none":
        outcome = cells["outcome"].values[stays.order]
        ending = np.repeat(outcome[stays.starts + stays.lengths - 1], stays.lengths)
    prints = fingerprints((recorded(j) for j in range(study.n_columns)), study, action, ending)
    return same_stays(prints, stays.starts, stays.lengths)


def twin_warning(stays: SortedRows, same: np.ndarray) -> Iterator[Problem]:
    """Warn of stays that stand twice under other keys; `same` as `find_twins` gives it."""
    again = np.flatnonzero(same != np.arange(len(same)))
    if len(again):
        first = f"(first: patient {stays.name(again[0])} is patient {stays.name(same[again[0]])})"
        message = (
            f"stays that stand again under another key: {len(again):,} of {len(same):,} {first}; each counts as one "
            "person, on one side of the split."
        )
        remedy = "Leave the copies out, or name the person of each stay in column 'subject'."
        yield from warned("same-stay", "traj", stays.order[stays.starts[again]], message, remedy)


def person_warning(stays: SortedRows, persons: Keys) -> Iterator[Problem]:
    """Warn of stays whose person changes on the way."""
    code = persons.code[stays.order]
    if not len(code):
        return
    highest = np.maximum.reduceat(code, stays.starts)
    lowest = np.minimum.reduceat(np.where(code < 0, len(persons.names), code), stays.starts)
    changed = np.flatnonzero(highest > lowest)
    if len(changed):
        first = f"(first: patient {stays.name(changed[0])})"
        message = f"the person changes within stays: {len(changed):,} {first}; the first one named is used."
        yield from warned("person-changes", "subject", stays.order[stays.starts[changed]], message,
                          "A stay is of one person: correct 'subject' or 'traj'.")  # fmt: skip


def rows_recur(prints: Fingerprints, rows: np.ndarray, stay: np.ndarray) -> bool:
    """True where, among the rows (n,) bool, those of different stays (n,) are often equal."""
    enough = min(FEWEST_IN_ROW, max(int(prints.measured.max(initial=0)), 1))  # a study may have fewer such columns
    told = rows & (prints.measured >= enough)
    pairs = np.unique(np.column_stack([prints.states[told], stay[told].astype(np.uint64)]), axis=0)
    if not len(pairs):
        return False
    _, count = np.unique(pairs[:, 0], return_counts=True)
    return bool(count[count > 1].sum() > MOST_SHARED * len(pairs))


def _mixed(state: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The next (rows,) uint64 after taking in values (rows,): splitmix64 over their float32 bits, all NaN alike."""
    numbers = np.asarray(values, dtype=np.float32) + np.float32(0)  # -0 is 0
    bits = np.where(np.isnan(numbers), np.float32(np.nan), numbers).view(np.uint32).astype(np.uint64)
    mixed = (state ^ bits) + SEED
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
