"""The table of values of a run of either study."""

from __future__ import annotations

import pandas as pd

GRADES = ["supported", "weak", "not supported"]
VALUES = ["difference", "low", "high", "grade", "ess", "n", "value", "true_value"]


def ranked(judged: pd.DataFrame, index: list[str]) -> pd.DataFrame:
    """Rows of judgments with true_value, supported ones first, then weak ones, each by the difference: a large
    difference that nothing supports is last."""
    whole = judged.rename(columns={"difference_low": "low", "difference_high": "high", "mix": "value"})
    whole = whole.assign(rank=whole["grade"].map(GRADES.index))
    return whole.sort_values(["rank", "difference"], ascending=[True, False]).set_index(index)[VALUES]
