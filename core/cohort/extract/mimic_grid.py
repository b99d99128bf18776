"""Bring the step tables of a MIMIC-IV extraction together as arrays over stays and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.cohort.extract.options import Window
from core.cohort.extract.steps import Grid

if TYPE_CHECKING:
    import duckdb

STEP_TABLES = " FULL JOIN ".join(
    ("measured", *(f"{name} USING (stay_id, k)" for name in ("given", "drained", "support", "oxygenation", "coma")))
)


def read_grid(db: duckdb.DuckDBPyConnection, window: Window) -> Grid:
    """All values of the selected stays as (stays, lead + n_steps) arrays."""
    stays = db.execute("""
        SELECT stay_id, selected.subject_id, age, gender, weight, height, died,
               (epoch(intime) - epoch(onset)) / 3600 AS entry,
               (epoch(end_of_stay) - epoch(onset)) / 3600 AS leave
        FROM selected JOIN body USING (stay_id) ORDER BY stay_id
    """).df()
    table = db.execute(f"SELECT * FROM {STEP_TABLES}").fetchnumpy()
    shape = (len(stays), window.lead + window.n_steps)
    row = pd.Index(stays["stay_id"]).get_indexer(np.asarray(table.pop("stay_id")))
    column = np.asarray(table.pop("k")) + window.lead
    values = {}
    for name, cells in table.items():
        array = np.full(shape, np.nan, dtype=np.float32)
        array[row, column] = np.ma.filled(np.ma.asarray(cells, dtype=np.float32), np.nan)
        values[name] = array
    middle = window.start + window.step * (np.arange(window.n_steps) + 0.5)
    entry, leave = stays["entry"].to_numpy()[:, None], stays["leave"].to_numpy()[:, None]
    return Grid(stays, values, (middle >= entry) & (middle < leave))
