"""Progress of a run: one small atomic file that pages poll."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
from pydantic import Field, ValidationError, field_validator

from core.base.config import Config
from core.base.errors import PhenoPolicyError
from core.base.files import read_json, write_json
from core.base.types import Progress

PROGRESS = "progress.json"
MIN_SECONDS_BETWEEN_WRITES = 0.25


class ProgressRecord(Config):
    """What the progress file holds. `state` is what the process said last; `status.read_job` tells what is true."""

    state: str  # waiting, running, done, failed, cancelled
    stage: str = ""
    stage_fraction: float = 0.0
    overall_fraction: float = 0.0
    seconds_left: float | None = None
    message: str = ""
    beside: tuple[str, ...] = ()  # further stages at work
    error: str = ""
    updated: float = 0.0
    history: list[dict[str, float]] = Field(default_factory=list)  # encoder epochs

    @field_validator("history")
    @classmethod
    def _epochs_are_named(cls, rows: list[dict[str, float]]) -> list[dict[str, float]]:
        if not all("epoch" in row for row in rows):
            raise ValueError("each row of the history names its epoch")
        return rows


class ProgressFile:
    """Writes the progress of one run. Shares are those of a run's time that each stage usually takes, in flow order."""

    def __init__(self, folder: Path, shares: Mapping[str, float], done: Iterable[str] = ()) -> None:
        self.path, self.shares = folder / PROGRESS, dict(shares)
        before = read_progress(folder)
        self.history: list[dict[str, float]] = list(before.history) if before else []  # epochs before an interruption
        self._fractions = dict.fromkeys(done, 1.0)
        self._at_work: dict[str, Progress] = {}
        self._last_write = -math.inf  # by a clock that nobody sets
        self._last_stage = ""

    def update(self, progress: Progress) -> None:
        """Write unless a write was just made and the stage was known to be at work; epochs are always kept."""
        if progress.metrics and progress.stage == "encoder":
            finite = {name: float(v) for name, v in progress.metrics.items() if math.isfinite(v)}
            if not self.history or self.history[-1]["epoch"] < progress.done:  # a resumed training tells all again
                self.history.append({"epoch": float(progress.done), **finite})
        known = progress.stage in self._at_work
        self._at_work[progress.stage] = progress
        recent = time.monotonic() - self._last_write < MIN_SECONDS_BETWEEN_WRITES
        if recent and known and progress.done < progress.total:
            return
        # one tells until it ends: whoever follows the run would see stages jump back and forth
        shown = self._last_stage if self._last_stage in self._at_work else min(self._at_work, key=self._place)
        self.write("running", self._at_work[shown])

    def done(self, stage: str) -> None:
        """A stage has ended; the next one that tells of itself takes its place."""
        self._at_work.pop(stage, None)
        self._fractions[stage] = 1.0

    def write(self, state: str, progress: Progress | None = None, error: str = "") -> None:
        """Write a state now."""
        stage = progress.stage if progress else self._last_stage
        fraction = progress.fraction if progress else float(state == "done")
        record = ProgressRecord(
            state=state,
            stage=stage,
            stage_fraction=min(fraction, 1.0),
            overall_fraction=1.0 if state == "done" else self._overall(),
            seconds_left=progress.seconds_left if progress else None,
            message=progress.message if progress else "",
            beside=tuple(sorted(self._at_work.keys() - {stage}, key=self._place)) if state == "running" else (),
            error=error,
            updated=time.time(),
            history=self.history,
        )
        write_json(self.path, record.model_dump())
        self._last_write, self._last_stage = time.monotonic(), stage

    def _place(self, stage: str) -> int:
        names = list(self.shares)
        return names.index(stage) if stage in names else len(names)

    def _overall(self) -> float:
        fractions = self._fractions | {stage: min(told.fraction, 1.0) for stage, told in self._at_work.items()}
        total = sum(self.shares.values())
        return sum(share * fractions.get(stage, 0.0) for stage, share in self.shares.items()) / total if total else 0.0


def read_progress(folder: Path) -> ProgressRecord | None:
    """The last progress, or None where there is none or it cannot be read."""
    if not (folder / PROGRESS).is_file():
        return None
    try:
        return ProgressRecord.model_validate(read_json(folder / PROGRESS))
    except (ValidationError, PhenoPolicyError):
        return None


def history_table(record: ProgressRecord | None) -> pd.DataFrame:
    """Encoder epochs seen so far: epoch, train_loss, valid_loss (empty before the first)."""
    columns = ["epoch", "train_loss", "valid_loss"]
    table = pd.DataFrame(record.history if record else [], columns=columns)
    return table.drop_duplicates("epoch", keep="last").sort_values("epoch", ignore_index=True)
