"""What a policy gives at the decision points of a registry: sets of drugs with probabilities, sparse and in one order.

A policy from elsewhere may give sets that no learning patient was given. They stand behind those of the catalog, so
that all that is computed over a catalog holds for them too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from core.base.errors import PolicyError
from core.registry.cohort.drugs import Combinations

MOST_BESIDE = 1000  # sets beside the catalog: more are no policy that records could say anything about


@dataclass(frozen=True, eq=False)
class SetChoices:
    """One decision at its n points, in the order of `decision_points`.

    catalog: of the decision, then the sets that the policy gives beside it (count 0); point, action (m,) int64 sorted,
    no pair twice, and probability (m,) float32 above 0, those of a point sum to 1.
    """

    catalog: Combinations
    n: int
    point: np.ndarray
    action: np.ndarray
    probability: np.ndarray

    @classmethod
    def of(cls, known: Combinations, n: int, point: np.ndarray, drugs: np.ndarray, chance: np.ndarray) -> Self:
        """From m choices in any order: at which point (m,), which drugs (m, n_drugs) 0/1, with which probability (m,).

        Equal sets of a point are added up. `PolicyError` where the policy gives more than `MOST_BESIDE` sets beside
        the known ones.
        """
        kept = chance > 0
        point, drugs, chance = point[kept], drugs[kept], chance[kept]
        catalog = _wider(known, drugs)
        place = point.astype(np.int64) * len(catalog) + catalog.encode(drugs)
        places, where = np.unique(place, return_inverse=True)
        summed = np.bincount(where, weights=chance, minlength=len(places)).astype(np.float32)
        return cls(catalog, n, places // len(catalog), places % len(catalog), summed)

    @property
    def n_bytes(self) -> int:
        return self.point.nbytes + self.action.nbytes + self.probability.nbytes

    def probs(self, points: np.ndarray) -> np.ndarray:
        """(len(points), A) float32 over the catalog, at points by position, each once."""
        row = np.full(self.n, -1, dtype=np.int64)
        row[points] = np.arange(len(points))
        asked = row[self.point]
        here = asked >= 0
        probs = np.zeros((len(points), len(self.catalog)), dtype=np.float32)
        probs[asked[here], self.action[here]] = self.probability[here]
        return probs


def digest_of(choices: Mapping[str, SetChoices]) -> str:
    """64 hex digits over decisions, points, drugs and probabilities, whatever catalogs they are told by."""
    digest = hashlib.sha256()
    for decision, one in sorted(choices.items()):
        drugs = one.catalog.matrix[one.action]
        order = np.lexsort((*drugs.T[::-1], one.point))
        digest.update(f"{decision}|{'|'.join(one.catalog.drugs)}|{one.n}|".encode())
        for array in (one.point[order], drugs[order], one.probability[order]):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _wider(known: Combinations, drugs: np.ndarray) -> Combinations:
    """The catalog with the sets that it does not hold behind it, in the order of their drugs."""
    beside = np.unique(drugs[known.encode(drugs) < 0], axis=0)[::-1]
    if len(beside) > MOST_BESIDE:
        raise PolicyError(
            f"the policy gives {len(beside):,} combinations that no learning patient was given; nothing recorded says "
            f"what they do. At most {MOST_BESIDE:,} are read."
        )
    counts = np.concatenate([known.counts, np.zeros(len(beside), dtype=np.int64)])
    return Combinations(known.drugs, np.concatenate([known.matrix, beside.astype(np.uint8)]), counts)
