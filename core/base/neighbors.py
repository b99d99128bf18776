"""Nearest neighbors by Euclidean distance, exact or nearly so, in blocks that bound memory."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import faiss

QUERY_BLOCK = 8_192
LISTS = 256  # cells of the inverted lists of an approximate search
PROBES = 16  # cells that are searched for each query
FEWEST_APPROXIMATE = 20_000  # rows below which an exact search is as fast


class Neighbors:
    """Rows (n, D) to search among, as float32.

    `approximate`: only the 16 of 256 KMeans cells nearest to a query are searched, which finds about 98 of 100 true
    neighbors of a state among 125,000 in a quarter of the time; for averages over many neighbors that no single one
    decides. Few rows are searched exactly in any case.
    """

    def __init__(self, rows: np.ndarray, approximate: bool = False) -> None:
        library = _faiss()
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        self.n, width = rows.shape
        self._index: faiss.Index = library.IndexFlatL2(width)
        if approximate and self.n >= FEWEST_APPROXIMATE:
            self._centers = self._index  # the lists keep no reference of their own to it
            lists = library.IndexIVFFlat(self._index, width, LISTS)
            lists.nprobe = PROBES
            lists.train(rows)
            self._index = lists
        self._index.add(rows)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and positions of the k nearest rows of each query, nearest first: (m, D) -> (m, k) float32, int64.

        k is at most n.
        """
        distances = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        for start in range(0, len(queries), QUERY_BLOCK):
            part = slice(start, start + QUERY_BLOCK)
            block = np.ascontiguousarray(queries[part], dtype=np.float32)
            self._index.search(block, k, D=distances[part], I=rows[part])
            short = np.flatnonzero(rows[part, -1] < 0)
            if len(short):  # their cells hold fewer than k rows: search all cells
                everywhere = _faiss().SearchParametersIVF(nprobe=LISTS)
                found = self._index.search(block[short], k, params=everywhere)
                distances[start + short], rows[start + short] = found
        # squares of distances come from |x|^2 - 2 x.y + |y|^2, which rounding can push below 0
        return np.sqrt(np.maximum(distances, 0), out=distances), rows


@cache
def _faiss() -> Any:
    """faiss, told what processor this is and to work in blocks that stay in its cache.

    Its own OpenBLAS takes processors younger than itself for the oldest that there are, and then needs twice the time.
    The variable is read when the library loads, and left alone where the user has set it.
    """
    import torch

    kernels = {"AVX512": "SkylakeX", "AVX2": "Haswell"}.get(torch.backends.cpu.get_cpu_capability())
    if kernels is not None:
        os.environ.setdefault("OPENBLAS_CORETYPE", kernels)
    import faiss

    faiss.cvar.distance_compute_blas_query_bs = 256
    faiss.cvar.distance_compute_blas_database_bs = 16_384
    return faiss
