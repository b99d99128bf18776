"""Survival under a policy by the mix: the same judges, asked about the outcome alone.

A stay earns 1 at its last step if the patient survived, nothing before and nothing else, undiscounted. A policy's value
is then the share of patients who survive under it, and its difference to the clinicians is read in survival points.
Policies, clinicians' probabilities and folds are those of the reward; only the critics are fitted anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.mix import Judged, MixEstimate


def judge_survival(
    histories: Histories, survived: np.ndarray, folds: Sequence[Fold], settings: JudgeSettings | None = None
) -> list[Judged]:
    """Survival under every policy of the folds, and its difference to the clinicians', as shares in 0..1.

    survived (N,) True for each stay that its patient survived. An estimate of a share may lie outside 0..1 and says
    then that little is known; only its interval's ends are cut there. ValueError as in `judge`.
    """
    found = judge(surviving(histories, survived), folds, settings)
    return [replace(one, value=_within_0_and_1(one.value)) for one in found]


def surviving(histories: Histories, survived: np.ndarray) -> Histories:
    """The same stays with 1 at the last evaluated step of those who survived as their only reward, and gamma 1."""
    alive = np.asarray(survived, dtype=bool)
    if alive.shape != (len(histories.mask),):
        raise ValueError(f"survived must hold one entry a stay {(len(histories.mask),)}, got {alive.shape}")
    rewards, evaluated = np.zeros(histories.mask.shape), histories.evaluated
    rewards[evaluated, histories.last] = alive[evaluated]
    return replace(histories, rewards=rewards, gamma=1.0)


def _within_0_and_1(share: MixEstimate) -> MixEstimate:
    """The estimate with the ends of its interval cut at 0 and 1."""
    return replace(share, low=float(np.clip(share.low, 0, 1)), high=float(np.clip(share.high, 0, 1)))
