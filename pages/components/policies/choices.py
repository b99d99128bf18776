"""The reward atlas: whether other weights of the reward, another discount or other dose bins say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.base.text import markdown, markup
from core.figures.differences import IN_SPREADS, difference_forest
from core.figures.theme import fmt_percent, two_lines
from core.icu.ask.atlas import step_choices
from core.icu.atlas import BEFORE, DISCOUNT, DOSES, SEVERAL
from pages.components.shell.estimates import bracketed
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty
from pages.components.shell.panels import panel

if TYPE_CHECKING:
    from core.icu.atlas import AtlasRecord, ChoiceRecord
    from core.icu.view import RunView

GROUPS = ("Weights", "Discount and doses", "Several at once")
MOST_NAMED = 4  # choices at one step that are told one by one
HOW = (
    "Tried: each weight of the reward off, halved and doubled, the weight of the outcome halved and doubled, other "
    "discounts, neighboring doses taken as one, and draws of all weights at once between half and double. Folds and "
    "the clinicians' probabilities stay. The run's own policy is judged anew under each choice: whether to depart from "
    "clinicians, whether a gain is claimed, and the sign of the difference. The step is also learned anew, to see "
    "whether its doses stay. Robust: these choices do not matter. It does not say that the advice is right."
)


@panel
def choices_panel(run: RunView) -> None:
    """Badge, sentences, forest and table of all choices."""
    st.markdown("**Would other reasonable choices say the same?**", help=HOW)
    if run.advice is None or run.advice.atlas is None:
        empty("No other choices tried", BEFORE, icon=":material/tune:", page="pages/encoder.py", action="Set up a run")
        return
    atlas = run.advice.atlas
    choices_badge(atlas)
    if not atlas.others:
        return
    st.markdown("\n".join(f"- {markdown(sentence)}" for sentence in atlas.sentences()))
    group = st.segmented_control(
        "Choices",
        GROUPS,
        default=GROUPS[0],
        key="choices-group",
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    shown = [one for one in atlas.choices if not one.cause or _group(one) == group]
    _forest(shown, run.advice.n)
    _table(atlas, run.advice.n)


def choices_badge(atlas: AtlasRecord) -> None:
    """Whether what the run says is robust, with the numbers."""
    robust = bool(atlas.others) and atlas.overall.robust
    color, icon = ("green", ":material/verified:") if robust else ("orange", ":material/tune:")
    said = markdown(atlas.badge[:1].upper() + atlas.badge[1:])
    what = "of reward weights, discount and dose bins: the advice, what is claimed of it, and the sign of its estimate."
    st.markdown(f":{color}-badge[{icon} {said}] {what}", help=HOW)


def choices_here(run: RunView, patient: int, step: int) -> None:
    """Whether the advice at one step of a stay survives the choices, in a caption; nothing for a run without them."""
    found = step_choices(run, patient, step)
    if found is None or not found.of:
        return
    causes = ", ".join(dict.fromkeys(one.cause for one, _ in found.others))
    said = (
        f"robust: the same in all {found.of} choices"
        if not found.others
        else f"depends on: {causes}; the same in {found.held} of {found.of} choices"
    )
    told = [f"{one.text} → {_dose(run, one, action)}" for one, action in found.others[:MOST_NAMED]]
    more = len(found.others) - len(told)
    rest = f" Elsewhere: {'; '.join(told)}{f'; and {more} more' if more else ''}." if told else ""
    st.caption(f":material/tune: Under other choices of the study: {markdown(said + '.' + rest)}", help=HOW)


def _dose(run: RunView, choice: ChoiceRecord, action: int) -> str:
    """An action of a choice's own doses, in words."""
    if action < 0:
        return "as clinicians do"
    label, joined = run.study.actions.label, choice.joined
    if joined is None or action < joined:
        return label(action)
    return f"{label(joined)} or {label(joined + 1)}" if action == joined else label(action + 1)


def _group(one: ChoiceRecord) -> str:
    return GROUPS[2] if one.cause == SEVERAL else GROUPS[1] if one.cause in (DISCOUNT, DOSES) else GROUPS[0]


def _forest(shown: Sequence[ChoiceRecord], n: int) -> None:
    frame = pd.DataFrame([one.scaled for one in shown], columns=["difference", "difference_low", "difference_high"])
    frame = frame.assign(
        policy=[str(place) for place in range(len(shown))],
        ess=[one.ess for one in shown],
        n=n,
        grade=[one.grade for one in shown],
        true_difference=np.nan,
    )
    names = {str(place): two_lines(markup(one.text)) for place, one in enumerate(shown)}
    show(
        difference_forest(frame, names, height_each=30, x=IN_SPREADS),
        "choices-forest",
        "Difference to the clinicians under each choice: " + "; ".join(f"{o.text} {o.scaled_text}" for o in shown),
        caption="The dial that the run shows, judged in the reward of each choice, and divided by the SD of what stays "
        "return in it, since weights change the unit. Intervals are of each choice by itself.",
        data=frame.assign(choice=[one.text for one in shown]),
    )


def _table(atlas: AtlasRecord, n: int) -> None:
    lines = []
    for one in atlas.choices:
        value, low, high = one.scaled
        advised = f"depart, a = {one.recommended:g}" if one.recommended else "as clinicians do"
        same = f"{fmt_percent(one.same / one.departs)} of {one.departs:,}" if one.departs else "–"
        lines.append(
            {
                "choice": one.text,
                "difference, SDs": bracketed(f"{value:+.2f} [{low:+.2f}, {high:+.2f}]", one.grade),
                "in its reward": bracketed(f"{one.value:+.2f} [{one.low:+.2f}, {one.high:+.2f}]", one.grade),
                "ESS": round(one.ess, 1),
                "stays": n,
                "advised": advised,
                "a gain is claimed": "yes" if one.claims else "no",
                "same dose, where either departs": same,
            }
        )
    table(
        pd.DataFrame(lines),
        "choices-table",
        name="choices",
        caption="In brackets: not supported by the records. Same dose: steps at which the step learned anew and the "
        "run's own agree, of those where either departs from clinicians; joined doses count as one.",
        csv=pd.DataFrame([one.model_dump() for one in atlas.choices]),
    )
