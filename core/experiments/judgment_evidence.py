"""What the lab of the mix measured on fresh simulated cohorts: the tables that pages and Learn quote.

`data/reference/judgment_evidence.json` is written from report seeds by
`python -m tests.benchmarks.mix_lab --summarize ROWS.csv --publish`; no number in it is written by hand.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pandas as pd

from core.base.config import Config
from core.base.files import read_json
from core.base.shipped import shipped

PATH = shipped("reference", "judgment_evidence.json")


class JudgmentEvidence(Config):
    """seeds: first and last; cohorts: how many of each size; ess_floor: effective stays of the estimates that count;
    clear: true differences above it are told apart; note: what has changed since; tables:
    rows by name, see `tests/benchmarks/mix_summary.py`."""

    schema_version: int
    date: str
    ess_floor: float
    clear: float
    seeds: tuple[int, int]
    cohorts: dict[str, int]
    tables: dict[str, list[dict[str, Any]]]
    note: str = ""

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables."""
        return pd.DataFrame(self.tables[name])

    @property
    def on(self) -> str:
        """Which cohorts were measured, and when."""
        sizes = ", ".join(f"{count} of {int(size):,}" for size, count in self.cohorts.items())
        first, last = self.seeds
        return f"Simulated cohorts by patients: {sizes} (seeds {first} to {last}, measured {self.date}{self.note})."

    def of_the_mix(self) -> pd.DataFrame:
        """One row a size, the smallest first: how far differences by the mix, as runs use it, may be believed."""
        rows = self.table("estimators")
        return rows[rows["estimator"] == "mix"].sort_values("patients").drop(columns="estimator")


COLUMNS = {  # of the tables, in words
    "covers": "interval holds the truth",
    "cover_se": "its standard error",
    "sign": "sign right",
    "rank": "rank correlation",
    "pairs": "pairs in order",
    "ungated": "gain, always advised",
    "gain": "gain of the advice",
    "worst": "worst cohort",
    "lost": "cohorts that lose over 0.1",
    "falls_back": "advises the clinicians",
    "claims": "claims a gain",
}
GOALS = "Goals: interval 92 to 98 %, sign 95 %, pairs 90 %, rank 0.8."


@lru_cache(maxsize=1)
def judgment_evidence() -> JudgmentEvidence | None:
    """The stored tables; None where none were published."""
    return JudgmentEvidence.build(read_json(PATH), where=str(PATH)) if PATH.is_file() else None
