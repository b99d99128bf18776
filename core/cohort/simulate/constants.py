"""The calibrated constants of one simulated hospital system, read from data/reference/simulator.json.

`python -m core.cohort.simulate.calibrate` writes the file from the published tables.
"""

from __future__ import annotations

import json
from functools import lru_cache

from core.base.config import Config
from core.base.errors import ConfigError
from core.base.shipped import shipped
from core.cohort.simulate.transforms import Transform

REFERENCE = shipped("reference")
LIKES = ("mimic-iv", "eicu")


class Constants(Config):
    """What is fitted to the published tables; everything else is fixed in `mechanism.py`."""

    female_share: float
    transforms: dict[str, Transform]  # signals, statics and derived columns
    action_intercepts: tuple[float, ...]  # of the clinicians' logits, action 0 first (0)
    discharge_intercept: float  # of the logit of leaving alive, a step
    death_intercept: float  # of the logit of dying in the window, a step
    late_death_intercepts: tuple[float, float, float]  # of the logit of dying after the window, by phenotype
    late_starts: float = 0.0  # share of the records that start late


def check_like(like: str) -> str:
    """`like` itself; `ConfigError` for a data set nobody calibrated."""
    if like not in LIKES:
        raise ConfigError(f"like = '{like}' is unknown; choose one of {', '.join(LIKES)}.")
    return like


@lru_cache(maxsize=2 * len(LIKES))
def load_constants(like: str, memory: bool = False) -> Constants:
    """Constants for "mimic-iv" or "eicu", of the first version or of the one with memory."""
    path = REFERENCE / "simulator.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    group = stored["memory"] if memory else stored
    return Constants.build(group[check_like(like)], f"{path.name}, {like}")
