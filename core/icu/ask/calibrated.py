"""Are the clinicians' probabilities right that every judgment divides by? Predicted beside observed shares.

Of the stack (`core.evaluation.judging.stacked`) at stays that the advice's folds held out, so that nobody is counted by
a model that saw the person: an action told at 10 % should be given in 10 % of such steps. Ten bins of about equal
counts for each action, and for all of them together.
"""

from __future__ import annotations

import pandas as pd

from core.evaluation import reliability
from core.icu.ask.judge import AdvisedStays

TOGETHER = -1  # in the place of an action: each step gives as many pairs as there are actions


def calibration_table(advised: AdvisedStays) -> pd.DataFrame:
    """action (`TOGETHER` first), then a row a bin as in `Reliability.curve`: predicted, observed, low, high, n."""
    seen = advised.histories.mask
    probs, given = advised.probs[seen], advised.histories.actions[seen]
    parts = [
        reliability(probs, given, None if action == TOGETHER else action).curve.assign(action=action)
        for action in range(TOGETHER, probs.shape[1])
    ]
    return pd.concat(parts, ignore_index=True)[["action", "predicted", "observed", "low", "high", "n"]]


def calibration_curve(table: pd.DataFrame, action: int = TOGETHER) -> pd.DataFrame:
    """The bins of one action, or of all together."""
    return table[table["action"] == action].drop(columns="action").reset_index(drop=True)


def calibration_error(curve: pd.DataFrame) -> float:
    """Expected calibration error, sum_b n_b / n |observed - predicted|."""
    apart = (curve["observed"] - curve["predicted"]).abs()
    return float((curve["n"] * apart).sum() / curve["n"].sum())
