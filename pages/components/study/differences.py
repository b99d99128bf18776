"""A policy's difference to those who treated, as both studies show it: a card, and its course along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.base.statistics import Z95
from core.figures.differences import difference_axis
from core.figures.theme import fmt
from pages.components.shell.estimates import bracketed, rows_of
from pages.components.shell.export import metric, show


def difference_card(
    judged: pd.Series, who: str, help: str, true: pd.Series | None = None, unit: str = "", hidden: str = ""
) -> None:
    """One judgment: difference with interval, ESS and grade, what speaks against it, and the truth where it is known.

    true: true_difference and true_difference_se; unit: what the difference is in; hidden: what unrecorded causes could
    do to it, in words.
    """
    low, high, grade = float(judged["difference_low"]), float(judged["difference_high"]), str(judged["grade"])
    known = ""
    if true is not None and np.isfinite(true["true_difference"]):
        value, error = float(true["true_difference"]), float(true["true_difference_se"])
        held = "inside" if low <= value <= high else "outside"
        known = f"In truth **{value:+.2f}** ± {error:.2f} (simulated), {held} the interval."
    metric(
        f"Policy, minus {who}",
        float(judged["difference"]),
        text=bracketed(f"{judged['difference']:+.2f}", grade),
        low=low,
        high=high,
        ess=float(judged["ess"]),
        n=int(judged["n"]),
        estimator="mix",
        mode=unit,
        help=help,
        note=f"Grade: **{grade}**. {judged['doubts']} {known}".replace("  ", " "),
    )
    if hidden:
        st.caption(f":material/visibility_off: **If a cause of the choice is not recorded.** {hidden}")


def difference_chart(
    judged: pd.DataFrame,
    place: Mapping[float, float],
    ticks: Mapping[float, str],
    current: float,
    *,
    key: str,
    policy: str,
    who: str,
    axis: str,
    truth: pd.DataFrame | None,
    furthest: float | None = None,
    hidden: Sequence[str] | None = None,
) -> None:
    """The difference along the axis, `current` marked; figure and data can be taken along.

    judged: setting, then the columns of `judged_row`; truth: setting, true_difference, true_difference_se; furthest:
    the trust frontier, where the axis has one; hidden: of each row, the strength of an unrecorded cause that would kill
    its gain, in few words.
    """
    known = truth is not None and len(truth) > 0
    st.markdown(f"**Difference to the {who}** (mix, 95 % intervals)")
    show(
        difference_axis(
            judged, place, ticks, current, axis=axis, who=who, truth=truth, furthest=furthest, notes=hidden
        ),
        key,
        f"Difference of {policy} to the {who} with 95 % intervals: "
        + "; ".join(f"{fmt(r.setting, 2)}: {r.difference:+.2f}, {r.grade}" for r in rows_of(judged)),
        caption=f"{int(judged['n'].iloc[0]):,} test patients. Above the dotted line: better than the {who}. Hollow: "
        "weak; hollow and gray: not supported, whose intervals may leave the picture."
        + (" Shaded: within the trust frontier." if furthest is not None else "")
        + (f" Upright bars: true differences of simulated patients, ± {Z95:.2f} standard errors." if known else ""),
        data=judged if truth is None else judged.merge(truth, on="setting", how="left"),
    )
