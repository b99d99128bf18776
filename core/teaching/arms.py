"""Who sees which case with what: a Latin square, shuffled by an explicit seed.

Every reader meets all cases, each in one of three arms and in an order of his own. Of any one reader's cases the arms
hold equally many, planted and others alike, to within one; of three readers in a row (1-3, 4-6, ...) each case is seen
by one in each arm. Reader and seed alone decide, so that readers at several machines fit together.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from core.base.rng import stream

Arm = Literal["alone", "advice", "support"]
ARMS: tuple[Arm, ...] = get_args(Arm)
ARM_TEXT: dict[Arm, str] = {
    "alone": "no advice",
    "advice": "advice",
    "support": "advice with its support",
}


def arms_of(planted: np.ndarray, reader: int, seed: int) -> list[Arm]:
    """Arm of each case for one reader (from 1); planted (C,) bool."""
    offsets = _offsets(np.asarray(planted, dtype=bool), seed)
    block, place = divmod(reader - 1, len(ARMS))
    shift = stream(seed, "reading", "block", block).permutation(len(ARMS))[place]
    return [ARMS[i] for i in (offsets + shift) % len(ARMS)]


def order_of(n_cases: int, reader: int, seed: int) -> np.ndarray:
    """(C,) the cases in the order in which a reader meets them."""
    return stream(seed, "reading", "order", reader).permutation(n_cases)


def _offsets(planted: np.ndarray, seed: int) -> np.ndarray:
    """(C,) 0..2, balanced among planted cases, among the others, and over all."""
    rng = stream(seed, "reading", "arms")
    order = np.concatenate([rng.permutation(np.flatnonzero(planted)), rng.permutation(np.flatnonzero(~planted))])
    offsets = np.empty(len(planted), dtype=np.int64)
    offsets[order] = np.arange(len(planted)) % len(ARMS)
    return offsets
