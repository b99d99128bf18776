"""Tables of the combinations at one stage: those that are ranked, those that experts likely choose, and the others."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.figures.theme import fmt, fmt_interval
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import table


def options_table(founded: pd.DataFrame) -> None:
    lines = pd.DataFrame(
        {
            "group": founded["group"],
            "combination": founded["name"],
            "Q": founded["q"].astype(float),
            "experts": founded["probability"].astype(float),
            "supported": founded["chance"].astype(float),
            "place": founded["place"],
            "count": founded["count"],
            "recorded reward": [f"{fmt(r.reward)} {fmt_interval(r.low, r.high)}" for r in rows_of(founded)],
            "given": founded["given"],
        }
    )
    table(
        lines,
        "registry-options-table",
        name="registry-options",
        caption="experts: calibrated probability of the screening network, place by it; supported: that of the "
        "policy where recorded courses can still judge it; count: training decisions.",
        csv=founded,
        column_config=_columns() | {"group": st.column_config.NumberColumn(width="small")},
    )


def likely_table(options: pd.DataFrame, given: int) -> None:
    """Decisions without a Q-network: only what experts would likely choose."""
    st.info(
        "No policy is learned for this decision; these are the combinations that experts most likely choose.",
        icon=":material/info:",
    )
    part = options[options["screened"]].sort_values("place")
    table(
        _readable(part.assign(given=part["action"] == given))[["combination", "experts", "place", "count", "given"]],
        "registry-likely",
        caption=f"{len(part)} of {len(options)} combinations pass the screen.",
        csv=part,
        column_config=_columns(),
    )


def screened_out_table(options: pd.DataFrame, ranked: bool) -> None:
    """What the screen kept out, with the reason, and how Q would have misled."""
    out = options[~options["screened"]]
    with st.expander(f"Screened out: {len(out):,} of {len(options):,} combinations, and why", icon=":material/block:"):
        if out.empty:
            st.caption("Nothing: every combination passes the screen.")
            return
        note = ""
        if ranked:
            best = options.loc[options["screened"], "q"].max()
            higher = out[out["q"] > best]
            if len(higher):
                note = (
                    f"{len(higher):,} of them have a higher Q than the best option above, although they were given "
                    f"only {fmt(higher['count'].median(), 0)} times in training (median): Q of a rare combination is a "
                    "guess, which is why experts' habits screen it."
                )
        if note:
            st.markdown(f":material/info: {note}")
        names = ["combination", *(["Q"] if ranked else []), "experts", "place", "count", "reason"]
        table(
            _readable(out)[names],
            "registry-screened-out",
            height=300,
            caption="experts: calibrated probability of the screening network; count: training decisions with it.",
            csv=out,
            column_config=_columns(),
        )


def _readable(part: pd.DataFrame) -> pd.DataFrame:
    return part.rename(columns={"name": "combination", "q": "Q", "probability": "experts"})


def _columns() -> dict[str, object]:
    return {
        "combination": st.column_config.TextColumn(width=290),
        "Q": st.column_config.NumberColumn(format="%.2f", width="small"),
        "experts": st.column_config.NumberColumn(format="percent", width="small"),
        "supported": st.column_config.NumberColumn(format="percent", width="small"),
        "place": st.column_config.NumberColumn(width="small"),
        "count": st.column_config.NumberColumn(width="small"),
        "given": st.column_config.CheckboxColumn(width="small"),
        "reason": st.column_config.TextColumn(width="large"),
    }
