"""The course of one stay: as small multiples on one time axis, or as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.patient import Measurement, timeline
from core.figures.theme import axis_label
from core.icu.ask.hazards import fallen_steps
from pages.components.patient.decision import known_weight, stay_window
from pages.components.shell.export import show, table
from pages.components.shell.held import held, held_many

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import Column, StudySpec

FORMS = ("Graph", "Table")
FIRST_SHOWN = 4
PANEL_HEIGHT = 88  # pixels; four panels and the doses stand on one screen
HERE = "▸"  # before the step on show


@dataclass(frozen=True, eq=False)
class Stay:
    """One stay in physical units: hours (t,), states (t, D), imputed (t, D), actions (t,), recorded amounts of the drug
    (t, kinds), see `Cohort.amounts`; fallen: column -> (t,), see `fallen_steps`."""

    key: object
    study: StudySpec
    hours: np.ndarray
    states: np.ndarray
    imputed: np.ndarray
    actions: np.ndarray
    amounts: pd.DataFrame
    weight: np.ndarray  # (t,) kg, NaN where it is not known
    fallen: Mapping[str, np.ndarray]

    @property
    def doses(self) -> list[str]:
        """The dose of each step in words; empty where it is not told."""
        told = [self.study.actions.label(int(action)) for action in self.actions]
        return told + [""] * (len(self.hours) - len(told))

    def measurement(self, name: str) -> Measurement:
        """One column as the timeline draws it."""
        column, j = self.study.column(name), self.study.index(name)
        values, imputed = self.states[:, j], self.imputed[:, j]
        label, fallen = column.label or name, self.fallen.get(name)
        return Measurement(label, column.unit, values, imputed, column.reference, column.target, fallen)

    @property
    def per_kg(self) -> list[str]:
        """Each recorded amount per kg and hour; empty where it or the weight is not known, or nothing was given."""
        if "dose" not in self.amounts:
            return [""] * len(self.hours)
        told = zip(self.amounts["dose"], self.weight, strict=True)
        return [self.study.per_kg_hour(dose, kg) if dose > 0 else "" for dose, kg in told]

    def until(self, step: int) -> Stay:
        """The stay as known before the dose of this step is chosen: measurements up to it, doses before it."""
        known = step + 1
        return replace(
            self,
            hours=self.hours[:known],
            states=self.states[:known],
            imputed=self.imputed[:known],
            weight=self.weight[:known],
            fallen={name: steps[:known] for name, steps in self.fallen.items()},
            actions=self.actions[:step],
            amounts=self.amounts.iloc[:known].where(pd.Series(np.arange(known) < step), np.nan),
        )

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

    def readable(self, names: list[str], step: int) -> pd.DataFrame:
        """The stay as a table to read, imputed values in brackets; the step on show is marked."""
        steps = [f"{HERE} {t + 1}" if t == step else str(t + 1) for t in range(len(self.hours))]
        columns: dict[str, object] = {"step": steps, "hours": self.hours, self.study.actions.drug: self.doses}
        if "dose" in self.amounts:
            columns[f"dose ({self.study.actions.unit})"] = self.amounts["dose"]
            if any(self.per_kg):
                columns[f"dose ({self.study.actions.amount}/kg/h)"] = [text.partition(" ")[0] for text in self.per_kg]
        for name in names:
            j = self.study.index(name)
            column = self.study.columns[j]
            columns[axis_label(name, column.unit)] = [
                _cell(column, value, missing)
                for value, missing in zip(self.states[:, j], self.imputed[:, j], strict=True)
            ]
        return pd.DataFrame(columns)


def _cell(column: Column, value: float, imputed: bool) -> str:
    """A value with its decimals and, where it lies outside the healthy range, H or L; in brackets if imputed."""
    text = f"{column.text(value)} {column.flag(value)}".strip()
    return f"({text})" if imputed else text


def stay_of(run: RunView, patient: int) -> Stay:
    """The stay of the patient at this position."""
    cohort, rows = run.cohort, run.cohort.rows(patient)
    states = cohort.states[rows]
    imputed = cohort.imputed[rows] if cohort.imputed is not None else np.zeros(states.shape, dtype=bool)
    hours, given = cohort.hours[rows], cohort.amounts(patient)
    steps = range(int(cohort.lengths[patient]))
    weight = np.array([known_weight(run, patient, step) for step in steps])
    fallen = fallen_steps(run, patient)
    return Stay(
        cohort.patients[patient], run.study, hours, states, imputed, cohort.actions[rows], given, weight, fallen
    )


def course_panel(run: RunView, patient: int, step: int, hidden: bool = False) -> None:
    """What was measured and given; graph or table, any measurements. hidden: only what was known at the step."""
    study, stay = run.study, stay_of(run, patient)
    stay = stay.until(step) if hidden else stay
    temporal = [column.name for column in study.columns if column.kind == "temporal"]
    default = [name for name in study.highlights if name in temporal] or temporal
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    form = row.segmented_control(
        "Show as",
        FORMS,
        required=True,
        **held("patient-form", FORMS),
        label_visibility="collapsed",
        width="content",
    )
    names = row.multiselect(
        "Measurements",
        temporal,
        **held_many("patient-columns", temporal, default[:FIRST_SHOWN]),
        placeholder="choose measurements",
        label_visibility="collapsed",
    )
    if form == "Table":
        name = f"patient-{stay.key}"
        shown = names or temporal
        read = stay.readable(shown, step)
        right = [label for label in read.columns if label != study.actions.drug]
        table(
            read,
            "course-table",
            name=name,
            caption=f"{HERE}: the chosen step. Imputed values in brackets. H, L: above or below the reference range.",
            column_config={label: st.column_config.Column(alignment="right") for label in right},
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
        study.actions.labels,
        drug=study.actions.drug,
        unit=study.actions.unit,
        step=step,
        amounts=stay.amounts["dose"].to_numpy() if "dose" in stay.amounts else None,
        per_kg=stay.per_kg,
        step_hours=study.step_hours,
        window=stay_window(study, stay.hours),
        height_each=PANEL_HEIGHT,
        ordered=study.actions.ordered,
    )
    imputed = float(stay.imputed[:, [study.index(name) for name in names]].mean()) if names else 0.0
    show(
        figure,
        "timeline",
        f"Course of {', '.join(names)} and {study.actions.drug} over {len(stay.hours)} steps; step {step + 1} is "
        "marked.",
        caption=f"Filled: recorded; hollow: imputed ({100 * imputed:.0f} % of the values shown). Green band: reference "
        f"range; {_targets(study, names)}{_falling(stay, names)}Dotted: hour 0{hour_0(study.onset)}. Purple: the "
        "chosen step.",
        data=stay.frame(temporal),
    )


def _targets(study: StudySpec, names: list[str]) -> str:
    """What the orange ranges of the shown columns are: what the reward pays for, or a usual goal of care."""
    of = [name for name in names if study.column(name).target is not None]
    rewarded = [name for name in of if study.rewarded(name)]
    kinds = ((rewarded, "the reward's range"), ([name for name in of if name not in rewarded], "a usual goal of care"))
    said = " and ".join(f"{what} ({', '.join(which)})" for which, what in kinds if which)
    return f"orange bar and dashed lines: {said}, where inside the view. " if said else ""


def _falling(stay: Stay, names: list[str]) -> str:
    """What triangles mean, where there are any."""
    some = any(stay.fallen[name].any() for name in names if name in stay.fallen)
    return f"Triangle: falling under {stay.study.actions.drug}, as the study's warnings count it. " if some else ""


def hour_0(onset: str) -> str:
    """What hour 0 is, to follow its name."""
    return f", {onset}" if onset else ""
