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
    clear: true differences above it are told apart; tables: rows by name, see `tests/benchmarks/mix_summary.py`."""

    schema_version: int
    date: str
    ess_floor: float
    clear: float
    seeds: tuple[int, int]
    cohorts: dict[str, int]
    tables: dict[str, list[dict[str, Any]]]

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables."""
        return pd.DataFrame(self.tables[name])


@lru_cache(maxsize=1)
def judgment_evidence() -> JudgmentEvidence | None:
    """The stored tables; None where none were published."""
    return JudgmentEvidence.build(read_json(PATH), where=str(PATH)) if PATH.is_file() else None
