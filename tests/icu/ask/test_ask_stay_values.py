"""One value a patient and column, against a plain loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.icu.ask.stay_values import STAY_VALUES, stay_values, values_of_stays
from core.icu.view import RunView

PLAIN = {
    "mean": lambda stay: stay.mean(axis=0),
    "first": lambda stay: stay[0],
    "last": lambda stay: stay[-1],
    "lowest": lambda stay: stay.min(axis=0),
    "highest": lambda stay: stay.max(axis=0),
    "change": lambda stay: stay[-1] - stay[0],
}


@pytest.mark.parametrize("what", STAY_VALUES)
def test_every_summary_is_that_of_the_stay_alone(what: str) -> None:
    rng = np.random.default_rng(3)
    lengths = np.array([1, 4, 1, 7, 2])
    starts = np.cumsum(lengths) - lengths
    rows = rng.normal(50, 20, (lengths.sum(), 3)).astype(np.float32)
    wanted = [PLAIN[what](rows[s : s + n].astype(np.float64)) for s, n in zip(starts, lengths, strict=True)]
    found = stay_values(rows, starts, lengths, what)
    assert found.dtype == np.float64
    assert found == pytest.approx(np.array(wanted))


def test_a_run_gives_them_in_physical_units(tiny_run: Path) -> None:
    run = RunView(tiny_run)
    column = run.study.index("Platelets")
    last = run.cohort.frame.groupby("traj", sort=False)["Platelets"].last().to_numpy()
    assert values_of_stays(run, "last")[:, column] == pytest.approx(last)
