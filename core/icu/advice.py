"""What a run advises by default, as its folder keeps it: the gate's choice, and every dial that stood before it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from core.base.config import Config
from core.base.rng import derive_seed, stream

MOST_STAYS = 20_000  # that learn, and that are judged: more would narrow no interval that matters, and cost memory


class DialRecord(Config):
    """The pessimistic step with probability `share`, else the clinicians: its difference to them, in reward.

    true_gain: that difference by roll-out over true_n simulated patients, with its standard error; None where the
    patients are real, roll-outs are off, or the run is from before they were done.
    """

    share: float
    value: float
    low: float
    high: float
    se: float
    ess: float
    grade: str
    doubts: str
    true_gain: float | None = None
    true_se: float | None = None
    true_n: int | None = None


class AdviceRecord(Config):
    """recommended: "clinicians", or the policy's name with its dial; share: that dial, 0 for the clinicians.

    claims: the gain may be called one, at claim_z standard errors, which is more than it takes to advise (advise_z).
    """

    schema_version: Literal[1] = 1
    recommended: str
    share: float
    claims: bool
    advise_z: float
    claim_z: float
    n: int
    text: str
    dials: tuple[DialRecord, ...]

    @property
    def shown(self) -> DialRecord:
        """The dial to show: the advised one, or the one that came nearest to being advised.

        Nearest: the largest value minus `advise_z` standard errors among dials that recorded stays follow.
        """
        if self.share > 0:
            return next(dial for dial in self.dials if dial.share == self.share)
        followed = [dial for dial in self.dials if dial.ess > 0] or list(self.dials)
        return max(followed, key=lambda dial: dial.value - self.advise_z * dial.se)


def at_most(patients: np.ndarray, seed: int) -> np.ndarray:
    """Positions in their order: all of them, or `MOST_STAYS` drawn with the seed."""
    if len(patients) <= MOST_STAYS:
        return np.asarray(patients)
    return np.sort(stream(seed, "stays").choice(patients, MOST_STAYS, replace=False))


def stays_advised(n_patients: int, run_seed: int) -> np.ndarray:
    """Positions of the stays of a run's own cohort for which the advice was learned and judged."""
    return at_most(np.arange(n_patients), derive_seed(run_seed, "advice"))
