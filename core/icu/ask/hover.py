"""What a point of the map says of its patient: age, outcome, and the course of a few columns, in clinical words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.base.remembered import remembered_by
from core.figures.theme import fmt_unit
from core.icu.ask.stay_values import values_of_stays
from core.icu.view import RunView
from core.study import Column, StudySpec

TEMPORAL = 3  # columns whose course is told


@dataclass(frozen=True, eq=False)
class HoverColumn:
    """A column at the first and at the last step of each stay, (N,) physical units; last is None for a static one."""

    label: str
    unit: str
    column: Column
    first: np.ndarray
    last: np.ndarray | None

    def text(self, patient: int) -> str:
        """'platelets 88 → 121 ×10⁹/L'."""
        said = self.column.text(float(self.first[patient]))
        if self.last is not None:
            said += f" → {self.column.text(float(self.last[patient]))}"
        return f"{self.label} {said} {self.unit}".strip()


def hover_names(study: StudySpec) -> tuple[str, ...]:
    """Columns that are told: the first static one that is no code (the age, as a rule), severity, and the next
    highlights."""
    static = [column.name for column in study.columns if column.kind == "static" and not column.binary][:1]
    followed = [study.severity, *(name for name in study.highlights if name != study.severity)]
    temporal = [name for name in followed if study.column(name).kind == "temporal"]
    return tuple(dict.fromkeys([*static, *temporal[:TEMPORAL]]))


@remembered_by(1)
def hover_columns(view: RunView) -> tuple[HoverColumn, ...]:
    """What is told of every patient of the run."""
    first, last = values_of_stays(view, "first"), values_of_stays(view, "last")
    found = []
    for name in hover_names(view.study):
        column, j = view.study.column(name), view.study.index(name)
        short = column.label if column.label and len(column.label) <= 16 else name
        unit = "" if column.unit == "1" else fmt_unit(column.unit)
        ends = last[:, j] if column.kind == "temporal" else None
        found.append(HoverColumn(short, unit, column, first[:, j], ends))
    return tuple(found)


def outcome_texts(study: StudySpec) -> tuple[str, str]:
    """'survived within 90 days' and 'died within 90 days', as far as the study says within what; twice the same where
    the outcome does not tell."""
    if not study.tells_survival:
        return "survival not told", "survival not told"
    within = study.outcome_horizon.split(";")[0].strip()
    return f"{study.survived_label} {within}".strip(), f"{study.died_label} {within}".strip()


def hover_texts(view: RunView, patients: np.ndarray) -> list[str]:
    """'Age 67 years · died within 90 days', then the columns, of each of these patients; lines are broken by <br>."""
    texts = _texts(view)
    return [texts[patient] for patient in patients]


@remembered_by(1)
def _texts(view: RunView) -> list[str]:
    columns, study, texts = hover_columns(view), view.study, []
    survived, died = outcome_texts(study)
    for patient, outcome in enumerate(view.cohort.outcomes):
        told = [column.text(patient) for column in columns]
        head = " · ".join(
            [*told[:1], study.outcome_text(outcome) if not study.tells_survival else died if outcome < 0 else survived]
        )
        texts.append(f"{head}<br>{' · '.join(told[1:])}")
    return texts
