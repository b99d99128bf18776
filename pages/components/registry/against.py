"""The policies of a registry run against the experts: what is advised, every difference, and what speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.differences import difference_forest
from core.figures.theme import fmt_interval
from core.registry.advice import EXPERTS
from core.registry.ask.against import against_experts
from core.registry.ask.compared import DIALS, TITLES, dial_text
from core.registry.ask.hidden import TOLD, hidden_in_words
from pages.components.registry.choices import WORDS
from pages.components.registry.frontier import HOW
from pages.components.shell.estimates import bracketed, rows_of
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty
from pages.components.study.choices import choices_badge
from pages.components.study.differences import difference_card
from pages.components.study.frontier import BEFORE
from pages.components.study.left_out import left_out_table

if TYPE_CHECKING:
    from core.registry.view import RegistryView

GAMMA = f"Γ = {TOLD:g}"
IN_REWARD = "value minus the experts' (sum of rewards)"
HIDDEN_HELP = (
    "Marginal sensitivity model: at each stage the odds of what was given may differ, by all that physicians knew, by "
    "the factor Γ from those by the record. The interval then holds every truth that such a cause could make, one that "
    "lasts through the course or another one at every stage. Loss to follow-up is taken as the record explains it."
)


def against_view(run: RegistryView) -> None:
    """The advice in a sentence with its difference, then all differences as a picture and a table."""
    rows, advice = against_experts(run), run.advice
    if rows is None or advice is None:
        empty("Not judged against the experts", BEFORE, icon=":material/balance:")
        return
    what = f"{TITLES[advice.policy]}, {dial_text(DIALS[advice.dial], advice.setting)}"
    nearest = "" if advice.advised else f" What came nearest to being advised: {what}."
    st.markdown(f"**{advice.text}**{nearest}")
    shown = rows[rows["policy"] == what].iloc[0]
    difference_card(shown, EXPERTS, HOW, shown, what)
    st.caption(
        f":material/visibility_off: **If something that moved the treatment is not recorded.** "
        f"{hidden_in_words(shown.to_dict(), run.columns)}",
        help=HIDDEN_HELP,
    )
    if run.columns:
        left_out_table(run.columns, "registry-left-out", "what was given", "decisions")
    if advice.atlas is not None:
        choices_badge(advice.atlas, WORDS)
    known = bool(rows["true_difference"].notna().any())
    show(
        difference_forest(rows, {name: name for name in rows["policy"]}, x=IN_REWARD),
        "registry-differences",
        "Difference of each policy to the experts with 95 % interval: "
        + "; ".join(
            f"{r.policy} {r.difference:+.2f} {fmt_interval(r.difference_low, r.difference_high)}, {r.grade}"
            for r in rows_of(rows)
        ),
        caption=f"{advice.n:,} test patients, from the first treatment stage on. Right of the dotted line: better than "
        "the experts. Hollow: weak; hollow and gray: not supported. Mixture and floor: dials from the experts to the "
        "policy (Trust frontier), among which the advice was chosen; the others are the policies as they are."
        + (f" Brought in, not learned here: {', '.join(run.added)}." if run.added else "")
        + (" Upright bar: true difference by simulation, over the same patients." if known else ""),
        help=HOW,
        data=rows,
    )
    table(
        _lines(rows, known),
        "registry-difference-table",
        name="against-experts",
        caption=f"In brackets: not supported by the records. {GAMMA}: where the difference may lie if a hidden cause "
        f"multiplies the odds of what was given by {TOLD:g}. Mix: the value that belongs to the difference. Matched "
        "means, PHWIS and PHWDR, the published estimators, stand in the other views."
        + (" ±: standard error of the simulation." if known else ""),
        csv=rows,
        reasons="why not more",
    )


def _told(low: float, high: float) -> str:
    return fmt_interval(low, high) if np.isfinite(low) else "–"


def _lines(rows: pd.DataFrame, known: bool) -> pd.DataFrame:
    """One line a policy, as text."""
    lines = []
    for row in rows_of(rows):
        interval = fmt_interval(row.difference_low, row.difference_high)
        line = {
            "policy": row.policy,
            "difference": bracketed(f"{row.difference:+.2f} {interval}", row.grade),
            "ESS": round(row.ess, 1),
            "patients": row.n,
            "grade": row.grade,
        }
        if known:
            true = f"{row.true_difference:+.2f} ± {row.true_difference_se:.2f}"
            line["in truth"] = true if np.isfinite(row.true_difference) else "–"
        if "hidden_low" in rows:
            line[GAMMA] = _told(row.hidden_low, row.hidden_high)
        mix = f"{row.mix:.2f} {fmt_interval(row.mix_low, row.mix_high)}"
        line["under other choices"] = row.choices or "–"
        lines.append(line | {"mix": bracketed(mix, row.grade), "why not more": row.doubts or "–"})
    return pd.DataFrame(lines)
