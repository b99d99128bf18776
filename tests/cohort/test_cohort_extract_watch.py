"""Who waits for an extraction sees how far it is, and can end it."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from core.base.errors import ExtractError
from core.cohort.extract import ExtractOptions, extract, extracting, watch
from core.cohort.extract.watch import Watch, Watched
from tests.cohort.hospital import hospital, write

duckdb = pytest.importorskip("duckdb")


def test_parts_follow_each_other_up_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []

    class Noted(Watch):
        def at(self, part: str, values: int = 0) -> None:
            super().at(part, values)
            told.append((self.progress().fraction, self.progress().message))

    extract("mimic-iv", write(hospital(), tmp_path), watch=Noted())
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] < 1
    said = " ".join(message for _, message in told)
    assert re.search(r"reading labevents; 0 values kept.* reading chartevents; [1-9]\d* values kept", said)


def test_the_work_yields_progress_and_then_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "POLL", 0.001)
    folder = write(hospital(), tmp_path)
    at_work = extracting("mimic-iv", folder, ExtractOptions())
    assert {progress.stage for progress in at_work} == {"extract"}
    pd.testing.assert_frame_equal(at_work.result.frame, extract("mimic-iv", folder).frame)


def test_an_error_of_the_work_is_raised_where_it_is_watched(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="is not a folder"):
        list(extracting("mimic-iv", tmp_path / "none", ExtractOptions()))


def test_who_stops_watching_ends_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "POLL", 0.01)
    begun, ended = Event(), Event()

    def endless(told: Watch) -> None:
        with duckdb.connect() as db:
            told.begin(db, 1)
            begun.set()
            with pytest.raises(duckdb.InterruptException):
                db.execute("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b").fetchall()
            ended.set()

    steps = iter(Watched(endless))
    next(steps)
    assert begun.wait(10)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert ended.is_set()
