"""What moves an option's value at a state: each column in turn replaced by what similar states have.

    moved_j = A(s) - mean_i A(s with s_j := s_j of i)

A is any function of a state, such as the advantage of each option; the states i are those of `similar_but_for_one`, so
that a value set in belongs to somebody who is else like this one. Positive: what was recorded speaks for the option. It
is what a model leans on, not what the option would do; columns are moved one at a time: the parts do not add up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

MIDDLE = (0.1, 0.9)  # quantiles over similar states between which the middle 80 % of the changes lie
Values = Callable[[np.ndarray], np.ndarray]  # states (n, D) -> of each option (n, A)


@dataclass(frozen=True, eq=False)
class Moves:
    """Of D columns and A options: moved, low and high (D, A), the mean change and its `MIDDLE` over those set in; NaN
    where nobody is similar."""

    moved: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Why:
    """What moves each option's value at a state.

    names of the D columns; advantage (A,) over what is usual here; state (D,) as recorded, similar (D,) mean of what is
    set in, of a nominal column the share that has the same; patients (D,) how many different ones; moves of every
    column and option.
    """

    names: tuple[str, ...]
    advantage: np.ndarray
    state: np.ndarray
    similar: np.ndarray
    patients: np.ndarray
    moves: Moves

    def table(self, option: int) -> pd.DataFrame:
        """Columns by how far they move an option's value, the farthest first: column, value, similar, patients, moved,
        low, high."""
        found = pd.DataFrame(
            {
                "column": self.names,
                "value": self.state,
                "similar": self.similar,
                "patients": self.patients,
                "moved": self.moves.moved[:, option],
                "low": self.moves.low[:, option],
                "high": self.moves.high[:, option],
            }
        )
        return found.sort_values("moved", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def over_usual(value: Values, usual: np.ndarray) -> Values:
    """Advantage of each option, A(s, a) = Q(s, a) - sum_b mu(b) Q(s, b), over the usual shares mu (A,), which are
    held."""

    def advantage(states: np.ndarray) -> np.ndarray:
        q = value(states).astype(np.float64)
        return np.asarray(q - (q @ usual)[:, None])

    return advantage


def explain(
    names: tuple[str, ...],
    value: Values,
    state: np.ndarray,
    bank: np.ndarray,
    rows: np.ndarray,
    whose: np.ndarray,
    nominal: np.ndarray | None = None,
) -> Why:
    """What moves the value at a state (D,), of states (n, D) of patients whose (n,), rows (D, k) of them for each
    column, -1 for none; nominal (D,) bool: columns whose values are codes."""
    others = np.where(rows >= 0, np.take_along_axis(bank, np.maximum(rows, 0).T, axis=0).T, np.nan)  # (D, k)
    codes = np.zeros(others.shape, dtype=bool) if nominal is None else nominal[:, None] & np.isfinite(others)
    told = np.where(codes, others == state[:, None], others)
    n = (rows >= 0).sum(axis=1)
    similar = np.where(n, np.nansum(told, axis=1) / np.maximum(n, 1), np.nan)
    patients = np.array([len(np.unique(whose[row[row >= 0]])) for row in rows])
    return Why(names, value(state[None])[0], state, similar, patients, moves(value, state, others))


def moves(value: Values, state: np.ndarray, others: np.ndarray) -> Moves:
    """How far each column's own value moves what a function says of a state, against those of others.

    value: states (n, D) -> (n, A); state (D,); others (D, k) values to set into each column, NaN for none. Of a linear
    function w it is w_j (s_j - mean of the others in column j), exactly.
    """
    column, draw = np.nonzero(np.isfinite(others))
    changed = np.repeat(state[None], len(column), axis=0)
    changed[np.arange(len(column)), column] = others[column, draw]
    told = value(np.concatenate([state[None], changed]))
    change = np.full((*others.shape, told.shape[1]), np.nan)
    change[column, draw] = told[0] - told[1:]
    found = np.full((3, len(state), told.shape[1]), np.nan)
    some = np.isfinite(others).any(axis=1)
    found[0, some] = np.nanmean(change[some], axis=1)
    found[1:, some] = np.nanquantile(change[some], MIDDLE, axis=1)
    return Moves(*found)
