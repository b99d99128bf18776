"""The trust frontier as both studies show it, from those who treated to a policy: the difference, then the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.base.statistics import Z95
from core.figures.dials import frontier_axis
from core.fusion.dials import Dial
from pages.components.shell.export import show
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.study.dial_view import (
    dial_distance,
    dial_slider,
    dial_ticks,
    dial_values,
    dial_verdict,
    setting_text,
)
from pages.components.study.differences import difference_card, difference_chart

BEFORE = "This run was made before policies were judged along the way; train it again to see their differences."


@dataclass(frozen=True)
class FrontierWords:
    """A study's words. start: where the dials begin, as "clinicians"; key: of its widgets and figures; dials: their
    names; help: what they are; differing: what the distance counts; over: what it is a mean over; value: what published
    estimators estimate; how: how the difference is judged."""

    start: str
    key: str
    dials: Mapping[str, str]
    help: str
    differing: str
    over: str
    value: str
    how: str


@dataclass(frozen=True, eq=False)
class Way:
    """One policy along one dial: values by the published estimators (see `frontier_axis`), judged (setting and the
    columns of `judged_row`; None in an earlier run), truth (setting, true_value, true_se, true_difference and its _se;
    None where it is not known), the furthest supported setting and the floor of its ESS; hidden, of a row of judged:
    what unrecorded causes could do to it in words, and hidden_short in few."""

    dial: Dial
    policy: str
    values: pd.DataFrame
    judged: pd.DataFrame | None
    truth: pd.DataFrame | None
    furthest: float | None
    floor: float
    hidden: Callable[[Mapping[Any, Any]], str]
    hidden_short: Callable[[Mapping[Any, Any]], str]


Places = tuple[DeltaGenerator, DeltaGenerator]


def places() -> Places:
    """Where the boxes and the slider go and, beside them, what is said of the setting: both are in sight."""
    chosen, said = st.columns([2, 5], gap="medium")
    return chosen, said


def choose_way(
    chosen: DeltaGenerator,
    words: FrontierWords,
    policies: Sequence[str],
    default: str,
    named: Callable[[str], str],
    suffix: str = "",
) -> tuple[str, str]:
    """Boxes for the policy and the dial, by their names."""
    setting = f"{words.key}-setting"  # of another policy or dial, it means nothing
    policy = chosen.selectbox(
        "Policy",
        policies,
        format_func=named,
        **held(f"{words.key}-policy", policies, default, key=f"{words.key}-policy{suffix}", drops=[setting]),
    )
    dial = chosen.segmented_control(
        "Dial",
        list(words.dials),
        format_func=words.dials.__getitem__,
        **held(f"{words.key}-dial", words.dials, "mixture", drops=[setting]),
        required=True,
        help=words.help,
    )
    return policy, dial or "mixture"


def way_view(
    at: Places, words: FrontierWords, way: Way, slider_key: str, caption: str, help: str | None = None
) -> float:
    """Slider, the difference as number, verdict and picture, then the published values; returns the setting on show."""
    dial, start = way.dial, words.start
    chosen, said = at
    with chosen:
        setting = dial_slider(dial, way.furthest, start, slider_key, f"{words.key}-setting")
    now = way.values[way.values["setting"] == setting]
    left, right = said.columns([3, 1])
    with left:
        _difference(words, way, setting)
    with right:
        dial_distance(now, words.differing, words.over)
    dial_verdict(way.values, way.judged, dial, setting, way.furthest, way.floor, start)
    ticks = dial_ticks(dial, start)
    if way.judged is not None:
        difference_chart(
            way.judged,
            {value: float(i) for i, value in enumerate(dial.settings)},
            ticks,
            setting,
            key=f"{words.key}-difference",
            policy=way.policy,
            who=start,
            axis=dial.title,
            truth=way.truth,
            furthest=way.furthest,
            hidden=[f"gain, by Γ of a hidden cause: {way.hidden_short(row)}" for row in way.judged.to_dict("records")],
        )
    st.markdown("**Published estimators**")
    dial_values(now, way.truth, dial, setting, start)
    known = way.truth is not None and len(way.truth) > 0
    show(
        frontier_axis(
            way.values,
            ticks,
            setting,
            way.furthest,
            ess_floor=way.floor,
            axis=dial.title,
            truth=way.truth,
            value=words.value,
        ),
        words.key,
        f"Value and effective sample size of {way.policy} from the {start} to itself; "
        f"{setting_text(dial, setting, start)} is marked.",
        caption=f"{int(now['n'].iloc[0]):,} test patients, {caption} Shaded: within the trust frontier; to the "
        "right of it, these values rest on hardly any patient. Hollow: weak, gray: not supported."
        + (f" Upright bars: true values of simulated patients, ± {Z95:.2f} standard errors." if known else ""),
        data=way.values,
        help=help,
    )
    return setting


def _difference(words: FrontierWords, way: Way, setting: float) -> None:
    """The card of the difference at this setting."""
    if way.judged is None:
        empty("Not judged", BEFORE, icon=":material/balance:")
        return
    true = None
    if way.truth is not None and (way.truth["setting"] == setting).any():
        true = way.truth[way.truth["setting"] == setting].iloc[0]
    judged = way.judged[way.judged["setting"] == setting].iloc[0]
    said = "" if setting == way.dial.settings[0] else way.hidden(judged.to_dict())
    difference_card(judged, words.start, words.how, true, setting_text(way.dial, setting, words.start), said)
