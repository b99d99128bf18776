"""The course of one stay: as small multiples on one time axis, or as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.patient import Measurement, timeline
from core.figures.theme import axis_label
from pages.components.patient.decision import stay_window
from pages.components.shell.export import show, table

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import StudySpec

FIRST_SHOWN = 4
PANEL_HEIGHT = 88  # pixels; four panels and the doses stand on one screen


@dataclass(frozen=True, eq=False)
class Stay:
    """One stay in physical units: hours (t,), states (t, D), imputed (t, D), actions (t,), recorded amounts of the drug
    (t, kinds), see `Cohort.amounts`."""

    key: object
    study: StudySpec
    hours: np.ndarray
    states: np.ndarray
    imputed: np.ndarray
    actions: np.ndarray
    amounts: pd.DataFrame

    @property
    def doses(self) -> list[str]:
        return [self.study.actions.label(int(action)) for action in self.actions]

    def measurement(self, name: str) -> Measurement:
        """One column as the timeline draws it."""
        column, j = self.study.column(name), self.study.index(name)
        values, imputed = self.states[:, j], self.imputed[:, j]
        return Measurement(column.label or name, column.unit, values, imputed, column.reference, column.target)

    def frame(self, names: list[str]) -> pd.DataFrame:
        """The stay as a table to export: key, step, hours, dose, recorded amounts, and each column with its flag."""
        steps = np.arange(1, len(self.hours) + 1)
        columns: dict[str, object] = {"patient": self.key, "step": steps, "hours": self.hours}
        columns[self.study.actions.drug] = self.doses
        columns |= {f"{name} ({self.study.actions.unit})": self.amounts[name] for name in self.amounts}
        for name in names:
            j = self.study.index(name)
            columns[f"{name} ({self.study.columns[j].unit})"] = self.states[:, j].round(3)
            columns[f"{name} imputed"] = self.imputed[:, j]
        return pd.DataFrame(columns)

    def readable(self, names: list[str]) -> pd.DataFrame:
        """The stay as a table to read, imputed values in brackets."""
        columns: dict[str, object] = {"hours": self.hours, self.study.actions.drug: self.doses}
        if "dose" in self.amounts:
            columns[f"dose ({self.study.actions.unit})"] = self.amounts["dose"]
        for name in names:
            j = self.study.index(name)
            texts = [f"{value:.4g}" for value in self.states[:, j]]
            columns[axis_label(name, self.study.columns[j].unit)] = [
                f"({text})" if missing else text for text, missing in zip(texts, self.imputed[:, j], strict=True)
            ]
        return pd.DataFrame(columns)


def stay_of(run: RunView, patient: int) -> Stay:
    """The stay of the patient at this position."""
    cohort, rows = run.cohort, run.cohort.rows(patient)
    states = cohort.states[rows]
    imputed = cohort.imputed[rows] if cohort.imputed is not None else np.zeros(states.shape, dtype=bool)
    hours, given = cohort.hours[rows], cohort.amounts(patient)
    return Stay(cohort.patients[patient], run.study, hours, states, imputed, cohort.actions[rows], given)


def course_panel(run: RunView, patient: int, step: int) -> None:
    """What was measured and given; graph or table, any measurements."""
    study, stay = run.study, stay_of(run, patient)
    temporal = [column.name for column in study.columns if column.kind == "temporal"]
    default = [name for name in study.highlights if name in temporal] or temporal
    what, which = st.columns([1, 2.6])
    form = what.segmented_control(
        "Show as",
        ("Graph", "Table"),
        default="Graph",
        required=True,
        key="patient-form",
        label_visibility="collapsed",
        persist_state="session",
    )
    names = which.multiselect(
        "Measurements",
        temporal,
        default=default[:FIRST_SHOWN],
        key="patient-columns",
        placeholder="choose measurements",
        label_visibility="collapsed",
        persist_state="session",
    )
    if form == "Table":
        name = f"patient-{stay.key}"
        shown = names or temporal
        table(
            stay.readable(shown),
            "course-table",
            name=name,
            caption="Imputed values in brackets.",
            csv=stay.frame(shown),
        )
        return
    _draw(stay, names, temporal, step)


def _draw(stay: Stay, names: list[str], temporal: list[str], step: int) -> None:
    study = stay.study
    figure = timeline(
        stay.hours,
        [stay.measurement(name) for name in names],
        stay.actions,
        [study.actions.label(action) for action in range(study.n_actions)],
        drug=study.actions.drug,
        unit=study.actions.unit,
        step=step,
        amounts=stay.amounts["dose"].to_numpy() if "dose" in stay.amounts else None,
        step_hours=study.step_hours,
        window=stay_window(study, stay.hours),
        height_each=PANEL_HEIGHT,
    )
    imputed = float(stay.imputed[:, [study.index(name) for name in names]].mean()) if names else 0.0
    show(
        figure,
        "timeline",
        f"Course of {', '.join(names)} and {study.actions.drug} over {len(stay.hours)} steps; step {step + 1} is "
        "marked.",
        caption=f"Filled: recorded; hollow: imputed ({imputed:.0%} of the values shown). Green band: reference range; "
        "orange bar and dashed lines: therapeutic target (where one lies inside the view). Dotted: onset. Purple: the "
        "chosen step.",
        data=stay.frame(temporal),
    )
