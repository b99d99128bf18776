"""One patient of the registry: find one, the course through the stages, and the way to the options at a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.base.remembered import remembered_by
from core.base.text import markdown
from core.figures.registry_looks import Looks
from core.figures.registry_patient import patient_course as course_figure
from core.figures.theme import fmt
from core.registry.cohort.describe import patient_course, patient_given, patient_table
from pages.components.registry.options import options_panel
from pages.components.registry.session import in_text, looks_of, mark, number_mark, set_mark
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty
from pages.components.shell.stepper import step_through
from pages.components.shell.visitor import opened

if TYPE_CHECKING:
    from core.registry.view import RegistryView

MOST_ROWS = 2000
STEPPER = (44, 270, 44)  # pixels: previous, the patient, next
AGE, MATCHING = "age", "hla_match"
FEATURES = (AGE, MATCHING, "donor_relation")  # shown in the list where the registry has them


@dataclass(frozen=True)
class Filters:
    """Which patients the list shows; empty means no restriction."""

    outcomes: tuple[str, ...] = ()
    had: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    category: tuple[str, tuple[str, ...]] = ("", ())
    age: tuple[float, float] | None = None


@remembered_by(1)
def _patients(run: RegistryView) -> pd.DataFrame:
    """One row a patient with its part of the split."""
    return patient_table(run.cohort).assign(split=run.split.names(run.cohort.n_patients))


def draw(run: RegistryView) -> None:
    """Filters and list, the course, the options at one stage."""
    everyone = _patients(run)
    listed = _find(run, everyone)
    if not mark("patient") and len(listed):
        set_mark("patient", _first(everyone, listed, run.spec.passing))
    if not mark("patient"):
        empty("No patient matches", "Widen the filters above to see patients.")
        return
    patient = number_mark("patient", 0, 0, len(everyone) - 1)
    opened(run.path.name, str(everyone["patient"].iloc[patient]))
    row = st.container(horizontal=True, vertical_alignment="center", gap="xsmall")
    if len(listed):
        slots = [row.container(width=width) for width in STEPPER]
        step_through(slots, listed, patient, everyone["patient"].to_numpy(), _open, prefix="registry-")
    row.container(key="patient-line").markdown(_who(run, everyone.iloc[patient]))
    _course(run, patient)
    options_panel(run, patient)


def _first(everyone: pd.DataFrame, listed: np.ndarray, indicators: Sequence[str]) -> int:
    """The patient shown before any is chosen: new to the policies, with all that may pass and a long record if
    possible."""
    part = everyone.iloc[listed]
    order = np.lexsort((-part["stages"], *(~part[name] for name in reversed(indicators)), part["split"] != "test"))
    return int(listed[order[0]])


def _open(patient: int) -> None:
    set_mark("patient", patient)
    set_mark("stage")
    set_mark("decision")


def _find(run: RegistryView, everyone: pd.DataFrame) -> np.ndarray:
    """Filters and the list; returns the positions that match."""
    with st.expander("Find a patient", icon=":material/filter_alt:"):
        filters = _filters(run, everyone)
        listed = matching(everyone, filters)
        key = f"registry-patients-{hash(filters)}"
        features = [name for name in FEATURES if name in everyone]
        shown = ["patient", *features, "outcome", "last_stage", *run.spec.passing, "reward", "split"]
        rows = everyone.iloc[listed]
        states = looks_of(run.spec).states
        rows = rows.assign(outcome=[states[state].name for state in rows["outcome"]])
        table(
            rows[shown].head(MOST_ROWS),
            key,
            name="registry-patients",
            caption=f"{len(listed):,} of {len(everyone):,} patients"
            + (f", the first {MOST_ROWS:,} shown" if len(listed) > MOST_ROWS else "")
            + ". Click a cell to open that patient.",
            height=260,
            on_select=lambda: _take_cell(key, listed),
            selection_mode="single-cell",
            csv=rows,
            column_config={
                "last_stage": "last stage",
                **{name: st.column_config.CheckboxColumn(in_text(states[name].name)) for name in run.spec.passing},
                **{name: run.spec.feature(name).label or name for name in features if name != AGE},
                "reward": st.column_config.NumberColumn("reward", format="%.1f", help="Sum of recorded rewards"),
            },
        )
    return listed


def _take_cell(key: str, listed: np.ndarray) -> None:
    cells = st.session_state[key]["selection"]["cells"]
    if cells:
        _open(int(listed[cells[0][0]]))


def _filters(run: RegistryView, everyone: pd.DataFrame) -> Filters:
    columns = st.columns([2, 2, 2, 2])
    states = looks_of(run.spec).states
    present = [state for state in states if state in set(everyone["outcome"])]
    outcomes = columns[0].multiselect(
        "Last recorded",
        present,
        format_func=lambda state: states[state].name,
        key="registry-filter-outcome",
        placeholder="all",
        persist_state="session",
    )
    had = columns[1].multiselect(
        "Ever had",
        list(run.spec.passing),
        format_func=lambda name: in_text(states[name].name),
        key="registry-filter-had",
        placeholder="any",
        persist_state="session",
    )
    splits = columns[2].multiselect(
        "Split",
        list(dict.fromkeys(sorted(everyone["split"].unique()))),
        key="registry-filter-split",
        placeholder="all",
        help="The policies have not seen test patients.",
        persist_state="session",
    )
    category: tuple[str, tuple[str, ...]] = ("", ())
    if MATCHING in everyone and run.spec.feature(MATCHING).categories:
        feature = run.spec.feature(MATCHING)
        values = columns[3].multiselect(
            feature.label or feature.name,
            list(feature.categories),
            key="registry-filter-hla",
            placeholder="all",
            persist_state="session",
        )
        category = (feature.name, tuple(values))
    age = None
    if "age" in everyone and (known := everyone["age"].dropna()).nunique() > 1:
        low, high = float(np.floor(known.min())), float(np.ceil(known.max()))
        chosen = st.slider(
            "Age (years)", low, high, (low, high), step=1.0, key="registry-filter-age", persist_state="session"
        )
        age = None if chosen == (low, high) else chosen
    return Filters(tuple(outcomes), tuple(had), tuple(splits), category, age)


def matching(everyone: pd.DataFrame, filters: Filters) -> np.ndarray:
    """Positions of the patients that pass the filters, sorted."""
    keep = np.ones(len(everyone), dtype=bool)
    if filters.outcomes:
        keep &= everyone["outcome"].isin(filters.outcomes).to_numpy()
    for name in filters.had:
        keep &= everyone[name].to_numpy(dtype=bool)
    if filters.splits:
        keep &= everyone["split"].isin(filters.splits).to_numpy()
    name, values = filters.category
    if values:
        keep &= everyone[name].isin(values).to_numpy()
    if filters.age is not None:
        keep &= everyone["age"].between(*filters.age).to_numpy()
    return np.flatnonzero(keep)


def _who(run: RegistryView, row: pd.Series) -> str:
    """Key, features in words, outcome, and whether the policies know the patient."""
    facts = []
    for feature in run.spec.features:
        value, label = row[feature.name], feature.label or feature.name
        if pd.isna(value):
            facts.append(f"{in_text(label)} not recorded")
        elif feature.kind == "number":
            facts.append(f"{in_text(label)} {value:.0f} {feature.unit}".strip())
        elif set(feature.categories) == {"no", "yes"}:
            facts += [in_text(label)] if value == "yes" else []
        else:
            facts.append(f"{in_text(label)} {value}")
    seen = "new to the policies" if row["split"] == "test" else "the policies learned from this patient"
    outcome = in_text(looks_of(run.spec).states[str(row["outcome"])].name)
    return (
        f"**Patient {markdown(str(row['patient']))}** · {', '.join(facts)} · **{outcome}**, last recorded at "
        f"{row['last_stage']} · {row['split']} ({seen})"
    )


def _course(run: RegistryView, patient: int) -> None:
    """What was given at each stage, and how it went."""
    looks = looks_of(run.spec)
    course, given = patient_course(run.cohort, patient), patient_given(run.cohort, patient)
    chosen = number_mark("stage", -1, 0, len(run.spec.stages) - 1)
    days = [stage.day for stage in run.spec.stages]
    show(
        course_figure(
            list(course["day"]),
            list(course["state"]),
            given,
            float(days[-1]),
            looks,
            chosen=days[chosen] if chosen >= 0 else None,
        ),
        "registry-course",
        "Course through the stages: " + "; ".join(f"{r.name}: {looks.states[r.state].name}" for r in rows_of(course)),
        caption="Top: state at each recorded stage; below: filled where drugs were given, hollow where none were."
        + (" Purple: the stage chosen below." if chosen >= 0 else ""),
        data=given,
    )
    table(
        _story(course, given, looks),
        "registry-story",
        name=f"registry-patient-{patient}",
        caption="What was given at each stage, and how it went. Reward: earned on arriving at the next stage.",
        column_config={
            "stage": st.column_config.TextColumn(width="small"),
            "given": st.column_config.TextColumn(width=300),
            "reward": st.column_config.TextColumn(width="small"),
        },
    )


def _story(course: pd.DataFrame, given: pd.DataFrame, looks: Looks) -> pd.DataFrame:
    """One line a stage and decision: stage, state, decision, given, then (state at the next stage), reward."""
    lines, rows = [], list(rows_of(course))
    for i, here in enumerate(rows):
        after = rows[i + 1] if i + 1 < len(rows) else None
        then, reward = "not recorded", "–"
        if after is not None and after.stage == here.stage + 1:
            then, reward = looks.states[after.state].name, fmt(after.reward, 1)
        decided = given[given["stage"] == here.stage]
        base = {"stage": here.name, "state": looks.states[here.state].name}
        for row in rows_of(decided):
            name = looks.decision(row.decision).name.removesuffix(" treatment")
            lines.append(base | {"decision": name, "given": row.combination, "then": then, "reward": reward})
        if decided.empty:
            lines.append(base | {"decision": "", "given": "", "then": "", "reward": ""})
    return pd.DataFrame(lines)
