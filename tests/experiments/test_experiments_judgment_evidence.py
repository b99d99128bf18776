"""The published tables of the mix's lab: read as they are, and made by sums that a hand can follow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.experiments import judgment_evidence as published
from tests.benchmarks import mix_summary


def rows() -> pd.DataFrame:
    """Two cohorts of three policies, one with a hidden cause, and what the gate chose in each."""
    found = []
    for world, seed, truths, values in (
        ("full", 1, (1.0, 0.5, -0.6), (0.9, 0.6, -0.1)),
        ("hidden", 2, (0.0, 0.2, 0.4), (3.0, 3.1, 3.2)),
    ):
        shared = {"world": world, "patients": 500, "seed": seed, "estimator": "mix"}
        for truth, value in zip(truths, values, strict=True):
            one = {"policy": "p", "truth": truth, "value": value, "se": 0.2, "ess": 50.0, "grade": "weak"}
            found.append(shared | one)
        found.append(shared | {"policy": "unseen", "truth": 9.0, "value": 0.0, "se": 0.1, "ess": 3.0, "grade": "weak"})
        gate = {"policy": "gate", "truth": -0.2, "falls_back": False, "claims": True, "ungated": 0.4}
        found.append(shared | gate)
    return pd.DataFrame(found)


def test_tables_count_what_stays_follow_and_tell_hidden_worlds_apart() -> None:
    tables = mix_summary.summaries(rows())
    one = tables["estimators"].iloc[0]
    assert (one["n"], one["cohorts"]) == (3, 1)
    assert one["covers"] == pytest.approx(2 / 3, abs=1e-3), "0.5 away from -0.6 with a standard error of 0.2"
    assert one["rmse"] == pytest.approx(np.sqrt((0.01 + 0.01 + 0.25) / 3), abs=1e-3)
    assert (one["sign"], one["rank"], one["pairs"]) == (1.0, 1.0, 1.0)
    assert tables["worlds"].set_index("world").loc["hidden", "covers"] == 0.0
    advice = tables["advice"].set_index("world").loc["full"]
    assert (advice["gain"], advice["lost"], advice["claims"]) == (-0.2, 1, 1.0)


def test_what_is_published_is_read_back(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "evidence.json"
    monkeypatch.setattr(mix_summary, "PATH", path)
    monkeypatch.setattr(published, "PATH", path)
    published.judgment_evidence.cache_clear()
    assert published.judgment_evidence() is None
    mix_summary.publish(rows())
    published.judgment_evidence.cache_clear()
    found = published.judgment_evidence()
    published.judgment_evidence.cache_clear()
    assert found is not None
    assert (found.seeds, found.cohorts) == ((1, 2), {"500": 2})
    pd.testing.assert_frame_equal(found.table("advice"), mix_summary.summaries(rows())["advice"], check_dtype=False)
