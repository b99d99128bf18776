"""Actions are sets of drugs: a catalog of the combinations that experts gave to training patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from core.base.errors import ArtifactError

NO_DRUG = "no drug"


@dataclass(frozen=True, eq=False)
class Combinations:
    """Combinations of one decision, the most frequent first: action a gives the drugs where `matrix[a]` is 1.

    drugs: names of the columns; matrix: (A, n_drugs) uint8, rows all different; counts: (A,) how often each was given
    to the patients it was fitted on.
    """

    drugs: tuple[str, ...]
    matrix: np.ndarray
    counts: np.ndarray

    @classmethod
    def fit(cls, given: np.ndarray, drugs: Sequence[str]) -> Self:
        """Catalog of the rows of `given` (n, n_drugs) 0/1; equal counts are ordered by the drugs' order."""
        given = _checked(given, len(drugs))
        first, _, counts = distinct_rows(given)
        rows = given[first]
        order = np.lexsort((*(1 - rows.T[::-1].astype(np.int64)), -counts))
        return cls(tuple(drugs), rows[order], counts[order].astype(np.int64))

    @property
    def n_actions(self) -> int:
        return len(self.matrix)

    def __len__(self) -> int:
        return len(self.matrix)

    @cached_property
    def _index(self) -> dict[bytes, int]:
        return {row.tobytes(): action for action, row in enumerate(self.matrix)}

    def encode(self, given: np.ndarray) -> np.ndarray:
        """(n,) int64 action of each row of `given` (n, n_drugs) 0/1; -1 where the combination is not in the catalog."""
        given = _checked(given, len(self.drugs))
        if not len(given):
            return np.zeros(0, dtype=np.int64)
        first, inverse, _ = distinct_rows(given)
        known = np.array([self._index.get(row.tobytes(), -1) for row in given[first]], dtype=np.int64)
        return np.asarray(known[inverse])

    def decode(self, actions: np.ndarray) -> np.ndarray:
        """(n, n_drugs) uint8 drugs of actions (n,), each 0..A-1."""
        actions = np.asarray(actions, dtype=np.int64)
        if len(actions) and (actions.min() < 0 or actions.max() >= self.n_actions):
            raise ValueError(f"actions lie between 0 and {self.n_actions - 1}")
        return np.asarray(self.matrix[actions])

    def drugs_of(self, action: int) -> frozenset[str]:
        """The drugs of one action."""
        return frozenset(np.asarray(self.drugs, dtype=object)[self.matrix[action].astype(bool)].tolist())

    def action(self, drugs: Iterable[str]) -> int:
        """Action of a set of drugs, -1 where it is not in the catalog; `KeyError` for a drug that it does not know."""
        wanted = set(drugs)
        unknown = wanted.difference(self.drugs)
        if unknown:
            raise KeyError(f"unknown drugs: {', '.join(sorted(unknown))}")
        row = np.array([drug in wanted for drug in self.drugs], dtype=np.uint8)
        return self._index.get(row.tobytes(), -1)

    def name(self, action: int) -> str:
        """Reads like a prescription: "tacrolimus + MMF + ATG"."""
        return prescription(self.matrix[action], self.drugs)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.name(action) for action in range(self.n_actions))

    def to_json(self) -> dict[str, Any]:
        """Plain values: drug names, the positions of each action's drugs, counts."""
        actions = [np.flatnonzero(row).tolist() for row in self.matrix]
        return {"drugs": list(self.drugs), "actions": actions, "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what `to_json` wrote; `ArtifactError` where the values are no catalog."""
        try:
            drugs = tuple(str(drug) for drug in values["drugs"])
            counts = np.asarray(values["counts"], dtype=np.int64)
            matrix = np.zeros((len(values["actions"]), len(drugs)), dtype=np.uint8)
            for row, positions in zip(matrix, values["actions"], strict=True):
                if any(not 0 <= position < len(drugs) for position in positions):
                    raise ValueError("a drug's position is out of range")
                row[list(positions)] = 1
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise ArtifactError(f"the stored drug combinations cannot be read ({error}); train again.") from None
        if counts.shape != (len(matrix),) or len(np.unique(matrix, axis=0)) != len(matrix):
            raise ArtifactError("the stored drug combinations contradict themselves; train again.")
        return cls(drugs, matrix, counts)


def prescription(given: np.ndarray, drugs: Sequence[str]) -> str:
    """One row of a 0/1 matrix in words; the empty set is "no drug"."""
    return " + ".join(drug for drug, taken in zip(drugs, given, strict=True) if taken) or NO_DRUG


def distinct_rows(given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows of a 0/1 matrix (n, n_drugs), in their order as texts of 0 and 1: (k,) the row in which each stands
    first, (n,) which of them every row is, (k,) how often each is there.

    Rows are sorted packed, eight drugs a byte, many times as fast as column by column.
    """
    packed = np.packbits(np.ascontiguousarray(given, dtype=np.uint8), axis=1)
    keys = packed.view(f"S{max(packed.shape[1], 1)}").reshape(-1) if packed.size else np.zeros(len(given), dtype="S1")
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return first, inverse.reshape(-1), counts


def _checked(given: np.ndarray, n_drugs: int) -> np.ndarray:
    """(n, n_drugs) uint8 of zeros and ones, or `ValueError`."""
    given = np.asarray(given)
    if given.ndim != 2 or given.shape[1] != n_drugs:
        raise ValueError(f"drugs are a matrix with {n_drugs} columns, not an array of shape {given.shape}")
    if not np.isin(given, (0, 1)).all():
        raise ValueError("a drug is given (1) or not (0)")
    return np.ascontiguousarray(given, dtype=np.uint8)
