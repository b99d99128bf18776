"""The rows of the selected stays, some stays at a time: arrays on steps take several times the memory of their rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.cohort.extract.grid import Steps, gather, read_values
from core.cohort.extract.select import died, exclusion
from core.cohort.extract.steps import Assembled, Grid, assemble
from core.cohort.extract.work import Work
from core.tables.report import Exclusion

TOGETHER = 10_000  # stays whose readings are gathered at a time
UNKNOWN = "heparin given that cannot be resolved into units"


Columns = dict[str, np.ndarray]


@dataclass
class _Whole:
    """What the portions add up to: rows, ages, values refused by column, and by rule the stays and steps left."""

    frames: list[Columns] = field(default_factory=list)
    ages: list[Columns] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    left: dict[str, np.ndarray] = field(default_factory=dict)
    unknown: bool = False  # whether some heparin could not be resolved

    def add(self, work: Work, grid: Grid) -> None:
        """The stays of `grid` that fulfill every rule."""
        keep = np.ones(len(grid.stays), dtype=bool)
        for reason, rule in _rules(work, grid):
            keep = keep & rule
            counted = np.array([keep.sum(), grid.inside[keep].sum()])
            self.left[reason] = self.left.get(reason, np.zeros(2, dtype=int)) + counted
        self.unknown |= bool(_unknown(work, grid).any())
        if keep.any():
            made = assemble(grid.select(keep), work.study, work.window, work.options)
            self.frames.append(_columns(made.frame))
            self.ages.append(_columns(made.ages))
            self.refused.update(made.refused)

    def attrition(self, before: list[Exclusion]) -> list[Exclusion]:
        """The chart with a line for each rule; unresolved heparin is named only where there is some."""
        chart = list(before)
        for reason, (stays, steps) in self.left.items():
            if reason != UNKNOWN or self.unknown:
                chart.append(exclusion(chart[-1], reason, int(stays), int(steps)))
        return chart

    def assembled(self) -> Assembled | None:
        """All rows, ordered by stay; None where there are none. What is put together is let go of, so ask once."""
        if not self.frames:
            return None
        order = np.argsort(np.concatenate([frame["traj"] for frame in self.frames]), kind="stable")
        return Assembled(_ordered(self.frames, order), _ordered(self.ages, order), dict(self.refused))


def assemble_selected(work: Work, attrition: list[Exclusion]) -> tuple[Assembled | None, list[Exclusion]]:
    """The cohort from the stays of table `selected`, None where no stay is left, and the attrition down to it."""
    window, whole = work.window, _Whole()
    stays = work.db.execute(f"""
        SELECT stay_id, subject_id, age, gender, body.weight, body.height, {died(work)} AS died, -origin AS entry,
            leave - origin AS leave
        FROM selected JOIN body USING (stay_id) ORDER BY subject_id, stay_id""").df()
    middle = window.start + window.step * (np.arange(window.n_steps) + 0.5)
    work.db.execute("ALTER TABLE selected RENAME TO chosen")
    for at in range(0, max(len(stays), 1), TOGETHER):
        near = stays[at : at + TOGETHER].reset_index(drop=True)
        entry, leave = near["entry"].to_numpy()[:, None], near["leave"].to_numpy()[:, None]
        whole.add(work, _grid(work, near, (middle >= entry) & (middle < leave)))
    return whole.assembled(), whole.attrition(attrition)


def _grid(work: Work, stays: pd.DataFrame, inside: np.ndarray) -> Grid:
    """Of some stays of table `chosen`."""
    window = work.window
    work.db.register("near", stays[["stay_id"]])
    work.db.execute(
        "CREATE OR REPLACE TABLE selected AS SELECT * FROM chosen WHERE stay_id IN (SELECT stay_id FROM near)"
    )
    work.db.unregister("near")
    gather(work)
    steps = Steps(window.start, window.step, -window.lead, window.n_steps)
    return Grid(stays, read_values(work, steps, pd.Index(stays["stay_id"])), inside)


def _rules(work: Work, grid: Grid) -> list[tuple[str, np.ndarray]]:
    """What a stay's steps must fulfill, in order: reason and (S,) bool."""
    window, least = work.window, work.options.min_steps
    n_steps = grid.inside.sum(axis=1)
    return [
        (f"steps outside the unit or outside {window.start:+g} h to {window.end:+g} h around onset", n_steps >= 1),
        (f"fewer than {least} steps", n_steps >= least),
        (UNKNOWN, ~(_unknown(work, grid) & grid.inside).any(axis=1)),
    ]


def _unknown(work: Work, grid: Grid) -> np.ndarray:
    """(S, n_steps) bool: heparin that counts was given, but it is not known how much."""
    return np.asarray(np.nan_to_num(grid.values["unresolved heparin"])[:, work.window.lead :] > 0)


def _columns(frame: pd.DataFrame) -> Columns:
    """Each column as an array of its own, which can be let go of alone."""
    return {str(name): frame[name].to_numpy(copy=True) for name in frame}


def _ordered(portions: list[Columns], order: np.ndarray) -> pd.DataFrame:
    """The rows of all portions in this order, put together column by column, so that one more column is enough."""
    names = list(portions[0])
    return pd.DataFrame(
        {name: np.concatenate([portion.pop(name) for portion in portions])[order] for name in names}, copy=False
    )
