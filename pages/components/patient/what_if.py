"""What if a measurement had been another: how the recommendation moves, refused outside the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.labels import in_lines
from core.figures.patient import probability_table
from core.figures.theme import axis_label, fmt, fmt_percent, fmt_unit
from core.icu.ask.decision import Decision
from core.icu.ask.options import too_far, too_few
from core.icu.ask.what_if import WhatIf, recorded_values, unrecorded, what_if
from pages.components.shell.export import show
from pages.components.shell.held import held_many

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import Column

MOST_CHANGED = 4
TICKS = 200  # positions of a slider, at least
FIRST = ("Platelets", "PTT", "Lactate")  # offered at first, where the study has them


def what_if_view(run: RunView, decision: Decision, hidden: bool = False) -> None:
    """Sliders for some measurements of this step, and the policies with them; refused outside the records."""
    patient, step = decision.patient, decision.step
    columns = [column for column in run.study.columns[run.study.n_static :] if not column.binary]
    names = [column.name for column in columns]
    chosen = st.multiselect(
        "Measurements to change",
        names,
        format_func=lambda name: _label(run.study.column(name)),
        max_selections=MOST_CHANGED,
        **held_many("what-if-columns", names, [name for name in FIRST if name in names] or names[:2]),
    )
    state = run.cohort.states[run.cohort.starts[patient] + step]
    changes, unmoved = {}, {}
    rows = [st.columns(2, vertical_alignment="bottom") for _ in range(-(-len(chosen) // 2))]
    for slot, name in zip([slot for row in rows for slot in row], chosen, strict=False):
        column, key = run.study.column(name), f"what-if-value-{name}-{patient}-{step}"
        unmoved[key] = float(np.clip(state[run.study.index(name)], *column.plausible))
        with slot:
            value = _slider(column, float(state[run.study.index(name)]), unmoved[key], recorded_values(run, name), key)
        if value is not None:
            changes[name] = value
    if changes:
        st.button(
            "Back to what was recorded",
            key="what-if-back",
            icon=":material/undo:",
            type="tertiary",
            on_click=st.session_state.update,
            args=(unmoved,),
        )
    why = unrecorded(run, changes)
    after = None if why else what_if(run, patient, step, changes, decision.settings.key)
    if after is None or (why := too_few(int(after.similar.sum())) or too_far(after.support)):
        st.warning(f"**No recommendation here.** {why}", icon=":material/block:")
        return
    _compare(run, decision, after, changes, hidden)


def _label(column: Column) -> str:
    return axis_label(column.label or column.name, column.unit)


def _slider(column: Column, recorded: float, inside: float, known: np.ndarray, key: str) -> float | None:
    """The chosen value; None where it is the recorded one, `inside` the plausible range.

    The slider spans the values of the training steps; what hardly any of them goes beyond is refused with a reason.
    """
    low, high = min(inside, float(known.min())), max(inside, float(known.max()))
    if low == high:
        st.caption(f"{_label(column)}: {fmt(recorded)} in every record, so nothing can be asked.")
        return None
    digits = -int(np.floor(np.log10(max((high - low) / TICKS, 1e-6))))
    grain = 10.0**-digits
    value = st.slider(
        _label(column),
        # rounded as the browser rounds them: an end that is a hair off would come back as out of range
        max(round((np.ceil(low / grain) - 1) * grain, digits), column.plausible[0]),
        min(round((np.floor(high / grain) + 1) * grain, digits), column.plausible[1]),
        inside,
        step=grain,
        key=key,
        help=f"Recorded: {fmt(recorded)} {fmt_unit(column.unit)}",
    )
    return None if value == inside else float(value)


def _compare(run: RunView, decision: Decision, after: WhatIf, changes: dict[str, float], hidden: bool) -> None:
    """The policies as recorded and with the changes."""
    before = decision.weighed
    rows = {
        "Clinicians, as recorded": before.clinicians,
        "Clinicians, what if": after.clinicians,
        "Fused, as recorded": before.fused,
        "Fused, what if": after.fused,
        "Fused as far as supported, what if": after.supported,
    }
    labels = run.study.actions.labels
    short = [in_lines(label) for label in labels]
    probs = np.stack(list(rows.values()))
    moved = 0.5 * float(np.abs(after.fused - before.fused).sum())
    data = pd.DataFrame(probs, columns=labels)
    data.insert(0, "policy", list(rows))
    changed = ", ".join(f"{name} {fmt(value)}" for name, value in changes.items()) or "nothing changed yet"
    show(
        probability_table(list(rows), probs, short, None if hidden else decision.given),
        "what-if",
        run.study.actions.said(f"Probability of each dose, as recorded and with {changed}: ")
        + "; ".join(f"{n}: " + ", ".join(f"{100 * p:.0f} %" for p in row) for n, row in rows.items()),
        caption=f"Model output, not an effect: {changed}. The fused policy moves {fmt_percent(moved)} of its "
        f"probability. Support {fmt_percent(after.support, 0)}, by the {int(after.similar.sum())} nearest training "
        "states (100 %: in the midst of the records; 0 %: beyond them). A score made from a changed value keeps its "
        "recorded value unless it is changed too.",
        data=data,
    )
