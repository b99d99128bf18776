"""Dials of the trust frontier, for any study: ways from those who treated to a learned policy, and how far is too far.

Along a dial stand values with their effective sample sizes (ESS). The furthest setting at which these still meet the
floor is the one to start from: further out, values rest on hardly any patient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.fusion.frontier import between, within_support

Mix = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
TRUTH_COLUMNS = ("dial", "setting", "true_value", "true_se", "n")
ESS_COLUMNS = ("ess", "pooled_ess")


@dataclass(frozen=True)
class Dial:
    """A way from the clinicians' policy (first setting) to the learned one (last setting).

    `mix(behavior, policy, setting)` gives the policy there; `known` are the settings in between that are rolled
    out on simulated patients.
    """

    name: str
    title: str
    settings: tuple[float, ...]
    known: tuple[float, ...]
    mix: Mix


MIXTURE = Dial(
    "mixture",
    "Share of the policy, a: π ∝ clinicians^(1-a) · policy^a",
    tuple(round(0.05 * i, 2) for i in range(21)),
    (0.25, 0.5, 0.75),
    between,
)
FLOOR = Dial(
    "floor",
    "Only doses that clinicians give with at least this probability",
    (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01, 0.005, 0.0),
    (0.2, 0.05),
    within_support,
)
DIALS = {dial.name: dial for dial in (MIXTURE, FLOOR)}


def furthest_supported(table: pd.DataFrame, ess_floor: float) -> float | None:
    """The last setting of a frontier's table up to which its effective sample sizes meet the floor; None if none does.

    table: rows in the order of the dial; setting, ess and, where estimates are made by length of stay, pooled_ess.
    Both count, because stays of a rare length keep their weight in a small group, which hides how extreme their ratios
    are. An effective sample size that recovers further out does not: it does so where a few stays carry all weight.
    """
    once = table.drop_duplicates("setting")
    sizes = once[[name for name in ESS_COLUMNS if name in once]]
    met = np.cumprod((sizes >= ess_floor).all(axis=1).to_numpy()).astype(bool)
    return float(once["setting"].to_numpy()[met][-1]) if met.any() else None


def furthest_graded(judged: pd.DataFrame) -> float | None:
    """The last setting up to which every judged difference is graded supported; None where the first is not.

    judged: rows in the order of the dial; setting, grade.
    """
    met = np.cumprod((judged["grade"] == "supported").to_numpy()).astype(bool)
    return float(judged["setting"].to_numpy()[met][-1]) if met.any() else None
