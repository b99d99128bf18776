"""Randomness by explicit generators: one seed, one independent stream per purpose.

No code in this project seeds a global generator. A stream is named by its purpose, so adding a new consumer never
shifts the numbers that another one draws, and a resumed epoch draws what an undisturbed run would have drawn.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def _sequence(seed: int, path: tuple[str | int, ...]) -> np.random.SeedSequence:
    key = [zlib.crc32(part.encode()) if isinstance(part, str) else int(part) for part in path]
    return np.random.SeedSequence(int(seed), spawn_key=tuple(key))


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """NumPy generator for one purpose: `stream(0, "encoder", "epoch", 3)`."""
    return np.random.default_rng(_sequence(seed, path))


def derive_seed(seed: int, *path: str | int) -> int:
    """A 31-bit seed for libraries that only take integers (scikit-learn, umap)."""
    return int(_sequence(seed, path).generate_state(1)[0] >> 1)


def torch_stream(seed: int, *path: str | int) -> torch.Generator:
    """CPU torch generator for one purpose; the same path gives the same numbers."""
    import torch

    generator = torch.Generator()
    generator.manual_seed(derive_seed(seed, *path))
    return generator
