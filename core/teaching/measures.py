"""What a reader study shows: agreement with the advice, over-reliance on wrong advice, changes of mind, by arm.

Counts are of decisions. Several decisions of one reader, and of one case, are not independent, so that the Wilson
intervals are narrower than what another set of readers and cases would show.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.base.statistics import wilson
from core.teaching.arms import ARMS

AGREEMENT, OVER_RELIANCE, CHANGE = "agreement", "over-reliance", "change of mind"
MEASURES = {
    AGREEMENT: "Final choice is the advice (advice that was not planted)",
    OVER_RELIANCE: "Final choice is the planted wrong advice",
    CHANGE: "Final choice is not the first",
}


def rates(decisions: pd.DataFrame) -> pd.DataFrame:
    """Each measure in each arm: measure, arm, count, n, rate, low, high (95 % Wilson); rate is NaN where n is 0.

    decisions: of `ReaderStudy.table`. In the arm without advice, agreement and over-reliance are with the advice that
    would have been shown: what chance and own judgment make of it, to compare the other arms with.
    """
    planted = decisions["planted"].to_numpy(dtype=bool)
    as_advised = (decisions["after"] == decisions["advice"]).to_numpy()
    changed = (decisions["after"] != decisions["before"]).to_numpy()
    among = {
        AGREEMENT: (as_advised, ~planted),
        OVER_RELIANCE: (as_advised, planted),
        CHANGE: (changed, np.ones(len(planted), dtype=bool)),
    }
    rows = []
    for measure, (met, counted) in among.items():
        for arm in ARMS:
            here = counted & (decisions["arm"] == arm).to_numpy()
            count, n = int(met[here].sum()), int(here.sum())
            low, high = wilson(count, n)
            rate = count / n if n else float("nan")
            rows.append((measure, arm, count, n, rate, float(low), float(high)))
    return pd.DataFrame(rows, columns=["measure", "arm", "count", "n", "rate", "low", "high"])


def effort(decisions: pd.DataFrame) -> pd.DataFrame:
    """By arm: arm, n, seconds (median a case), confidence_before, confidence_after (means)."""
    rows = []
    for arm in ARMS:
        here = decisions[decisions["arm"] == arm]
        means = [float(here[name].astype(float).mean()) for name in ("confidence_before", "confidence_after")]
        rows.append((arm, len(here), float(here["seconds"].astype(float).median()), *means))
    return pd.DataFrame(rows, columns=["arm", "n", "seconds", "confidence_before", "confidence_after"])
