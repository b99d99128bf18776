"""The reward atlas in both studies: badge, forest, sentences and table of all other choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.base.text import markdown, markup
from core.evaluation.judging.choices import BEFORE, DISCOUNT, DOSES, SEVERAL
from core.figures.differences import difference_forest
from core.figures.theme import fmt_percent, two_lines
from pages.components.shell.estimates import bracketed
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty

if TYPE_CHECKING:
    from core.evaluation.judging.choices import AtlasRecord, ChoiceLine, ChoiceRecord

MOST_NAMED = 4  # choices at one step that are told one by one


@dataclass(frozen=True)
class ChoiceWords:
    """key: of widgets and figures; how: what was tried, in a tooltip; of: what the badge is on; groups: of choices, by
    weights, by all else that is chosen alone, and by several at once; who: those who treated; records: what judges;
    same: of what is learned anew, for the column and for its caption; axis: of the forest; page: where a run is set up;
    told: a sentence that speaks of doses, in the study's words.
    """

    key: str
    how: str
    of: str
    groups: tuple[str, str, str]
    who: str
    records: str
    same: tuple[str, str]
    axis: str
    page: str
    told: Callable[[str], str] = str


def choices_view(atlas: AtlasRecord | None, n: int, words: ChoiceWords) -> None:
    """Badge, forest, sentences and table of all choices; n: of the records that judge."""
    st.markdown("**Would other reasonable choices say the same?**", help=words.how)
    if atlas is None:
        empty("No other choices tried", BEFORE, icon=":material/tune:", page=words.page, action="Set up a run")
        return
    choices_badge(atlas, words)
    if not atlas.others:
        return
    group = st.segmented_control(
        "Choices",
        words.groups,
        default=words.groups[0],
        key=f"{words.key}-group",
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    shown = [one for one in atlas.choices if not one.cause or _group(one, words.groups) == group]
    _forest(shown, n, words)
    st.markdown("\n".join(f"- {markdown(words.told(sentence))}" for sentence in atlas.sentences()))
    _table(atlas, n, words)


def choices_badge(atlas: AtlasRecord, words: ChoiceWords) -> None:
    """Whether what the run says is robust, with the numbers."""
    robust = bool(atlas.others) and atlas.overall.robust
    color, icon = ("green", ":material/verified:") if robust else ("orange", ":material/tune:")
    said = markdown(atlas.badge[:1].upper() + atlas.badge[1:])
    st.markdown(f":{color}-badge[{icon} {said}] {words.of}", help=words.how)


def choices_caption(of: int, others: Sequence[tuple[ChoiceLine, str]], how: str, who: str = "") -> None:
    """Whether advice at one place survives the choices; others: those where it does not, each with what is advised;
    who: what is learned anew, where that is not the advice itself."""
    causes = ", ".join(dict.fromkeys(one.cause for one, _ in others))
    said = (
        f"robust: the same in all {of} choices"
        if not others
        else f"depends on: {causes}; the same in {of - len(others)} of {of} choices"
    )
    told = [f"{one.text} → {words}" for one, words in others[:MOST_NAMED]]
    more = len(others) - len(told)
    rest = f" Elsewhere: {'; '.join(told)}{f'; and {more} more' if more else ''}." if told else ""
    st.caption(f":material/tune: Under other choices of the study{who}: {markdown(said + '.' + rest)}", help=how)


def _group(one: ChoiceRecord, groups: tuple[str, str, str]) -> str:
    return groups[2] if one.cause == SEVERAL else groups[1] if one.cause in (DISCOUNT, DOSES) else groups[0]


def _forest(shown: Sequence[ChoiceRecord], n: int, words: ChoiceWords) -> None:
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
        difference_forest(frame, names, height_each=30, x=words.axis),
        f"{words.key}-forest",
        f"Difference to the {words.who} under each choice: " + "; ".join(f"{o.text} {o.scaled_text}" for o in shown),
        caption="The dial that the run shows, judged in the reward of each choice, and divided by the SD of "
        f"what {words.records} return in it, since weights change the unit. Intervals are of each choice by itself.",
        data=frame.assign(choice=[one.text for one in shown]),
    )


def _table(atlas: AtlasRecord, n: int, words: ChoiceWords) -> None:
    lines = []
    for one in atlas.choices:
        value, low, high = one.scaled
        advised = one.advised or (f"depart, a = {one.recommended:g}" if one.recommended else f"as {words.who} do")
        same = f"{fmt_percent(one.same / one.departs)} of {one.departs:,}" if one.departs else "–"
        lines.append(
            {
                "choice": one.text,
                "difference, SDs": bracketed(f"{value:+.2f} [{low:+.2f}, {high:+.2f}]", one.grade),
                "in its reward": bracketed(f"{one.value:+.2f} [{one.low:+.2f}, {one.high:+.2f}]", one.grade),
                "ESS": round(one.ess, 1),
                words.records: n,
                "advised": advised,
                "a gain is claimed": "yes" if one.claims else "no",
                words.same[0]: same,
            }
        )
    table(
        pd.DataFrame(lines),
        f"{words.key}-table",
        name="choices",
        caption=f"In brackets: not supported by the records. {words.same[1]}",
        csv=pd.DataFrame([one.model_dump() for one in atlas.choices]),
    )
