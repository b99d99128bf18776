"""The recorded states most like a state: near in every column alike, and in the same hazards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.base.neighbors import Neighbors
from core.base.rng import stream

N_SIMILAR = 30
REFERENCE_SAMPLE = 2_000  # training states whose own distances support is read from


@dataclass(frozen=True, eq=False)
class SimilarStates:
    """The training states most similar to each of m states.

    rows (m, k) int32 of the training states, nearest first, -1 where the band holds no more of other groups; distance
    (m,) mean over them in standard deviations, inf where there is none; support (m,) float32 in 0..1, the share of
    training states that lie as far from theirs or farther (0: farther than any); reference (r,) sorted distances of a
    sample of training states, which support is read from.
    """

    rows: np.ndarray
    distance: np.ndarray
    support: np.ndarray
    reference: np.ndarray


def find_similar(
    train_states: np.ndarray,
    train_bands: np.ndarray,
    train_groups: np.ndarray,
    states: np.ndarray,
    bands: np.ndarray,
    groups: np.ndarray,
    k: int = N_SIMILAR,
    seed: int = 0,
    reference: np.ndarray | None = None,
) -> SimilarStates:
    """The k nearest training states of the same band and of other groups.

        d(s, s')^2 = sum_j ((s_j - s'_j) / sd_j)^2,  sd over the training states

    so that each column counts alike, however it is spread; a column that never varied counts as it is. train_states
    (n, D) and states (m, D) in any units; train_bands (n,) and bands (m,) int, which hazards are met; train_groups (n,)
    and groups (m,): whose states they are, nobody is similar to himself. seed picks the sample of `reference`, which
    may be that of an earlier call on the same training states. `ValueError` where shapes disagree.
    """
    bank, queries = np.asarray(train_states, np.float64), np.asarray(states, np.float64)
    if bank.shape[1:] != queries.shape[1:] or not len(bank) == len(train_bands) == len(train_groups):
        raise ValueError(f"train_states {bank.shape} and states {queries.shape} do not fit together")
    if not len(queries) == len(bands) == len(groups):
        raise ValueError(f"states {queries.shape}, bands {np.shape(bands)} and groups {np.shape(groups)} do not fit")
    center, spread = bank.mean(axis=0), bank.std(axis=0)
    spread[spread == 0] = 1.0
    places = [((part - center) / spread).astype(np.float32) for part in (bank, queries)]
    train = _Places(places[0], np.asarray(train_bands), np.asarray(train_groups))
    rows, distance = _search(train, _Places(places[1], np.asarray(bands), np.asarray(groups)), k)
    if reference is None:
        size = min(len(bank), REFERENCE_SAMPLE)
        sample = stream(seed, "similar", "support").choice(len(bank), size=size, replace=False)
        drawn = _Places(train.states[sample], train.bands[sample], train.groups[sample])
        far = _search(train, drawn, k)[1]
        known = far[np.isfinite(far)]  # who is alone in a band has no distance to compare with
        reference = np.sort(known) if len(known) else np.zeros(1)
    support = 1 - np.searchsorted(reference, distance, side="left") / len(reference)
    support[~np.isfinite(distance)] = 0.0
    return SimilarStates(rows, distance, support.astype(np.float32), reference)


def similar_but_for_one(
    train_states: np.ndarray,
    train_hazards: np.ndarray,
    train_groups: np.ndarray,
    state: np.ndarray,
    hazards: np.ndarray,
    group: object,
    k: int = N_SIMILAR,
    nominal: np.ndarray | None = None,
) -> np.ndarray:
    """For each column, the k training states nearest in all other columns: rows (D, k) int, nearest first, -1 where
    there are no more.

    As `find_similar` with the column left out, its hazards too: what such states have in the column is what it might
    have been here. train_states (n, D), state (D,) in any units; train_hazards (n, D), hazards (D,): which hazards of
    each column are met; train_groups (n,), group: whose states they are, nobody is similar to himself. nominal (D,)
    bool: columns whose values are codes: other codes are apart by 2 / (share of pairs that differ), so that two states
    drawn at random are as far apart in it as in any other column.
    """
    bank = np.asarray(train_states, np.float64)
    spread = bank.std(axis=0)
    spread[spread == 0] = 1.0
    apart = (((bank - state) / spread) ** 2).astype(np.float32)  # (n, D)
    for column in () if nominal is None else np.flatnonzero(nominal):
        codes = bank[:, column]
        differ = 1 - ((np.unique(codes, return_counts=True)[1] / len(bank)) ** 2).sum()
        apart[:, column] = np.where(codes == state[column], 0.0, 2 / max(differ, 1e-12))
    unlike = train_hazards != hazards
    wrong, far, others = unlike.sum(axis=1), apart.sum(axis=1), train_groups != group
    rows = np.full((bank.shape[1], k), -1, dtype=np.int64)
    for j in range(len(rows)):
        there = np.flatnonzero(others & (wrong == unlike[:, j]))
        distance = (far - apart[:, j])[there]
        near = np.argpartition(distance, k - 1)[:k] if len(there) > k else np.arange(len(there))
        rows[j, : len(near)] = there[near[np.argsort(distance[near], kind="stable")]]
    return rows


@dataclass(frozen=True, eq=False)
class _Places:
    """Standardized states (n, D) with their bands (n,) and groups (n,)."""

    states: np.ndarray
    bands: np.ndarray
    groups: np.ndarray


def _search(train: _Places, asked: _Places, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (m, k), -1 where there are too few, and mean distance (m,), band by band."""
    rows = np.full((len(asked.states), k), -1, dtype=np.int32)
    distance = np.full(len(asked.states), np.inf, dtype=np.float32)
    for band in np.unique(asked.bands):
        mine, theirs = np.flatnonzero(asked.bands == band), np.flatnonzero(train.bands == band)
        if not len(theirs):
            continue
        groups = train.groups[theirs]
        spare = int(np.unique(groups, return_counts=True)[1].max())
        index = Neighbors(train.states[theirs], approximate=True)
        near, found = index.search(asked.states[mine], min(k + spare, len(theirs)))
        same = groups[found] == asked.groups[mine][:, None]
        order = np.argsort(same, axis=1, kind="stable")[:, :k]  # others first, still nearest first
        near, found, same = (np.take_along_axis(part, order, axis=1) for part in (near, found, same))
        n = (~same).sum(axis=1)
        rows[mine, : order.shape[1]] = np.where(same, -1, theirs[found])
        total = np.where(same, 0.0, near).sum(axis=1)
        distance[mine] = np.divide(total, n, out=np.full(len(mine), np.inf), where=n > 0)
    return rows, distance
