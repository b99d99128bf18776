"""Figures of the class: every arm has its row, with or without a decision."""

from __future__ import annotations

import pandas as pd

from core.figures.teaching import reading_rates
from core.teaching.arms import ARM_TEXT
from core.teaching.measures import AGREEMENT, rates


def test_an_arm_without_a_decision_has_its_row_and_says_so() -> None:
    first = next(iter(ARM_TEXT))
    one = {"planted": False, "after": 1, "advice": 1, "before": 0, "arm": first}
    figure = reading_rates(rates(pd.DataFrame([one])), {AGREEMENT: "Agreement"}, ARM_TEXT)
    row = dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True))
    (points,) = figure.data
    assert list(points.y) == [row[ARM_TEXT[first]]]
    assert list(points.x) == [100]
    told = {note.y: note.text for note in figure.layout.annotations if note.y in row.values()}
    assert told == {row[name]: "1/1" if arm == first else "no decision yet" for arm, name in ARM_TEXT.items()}
    assert row[ARM_TEXT[first]] == max(row.values()), "the first arm stands on top"
