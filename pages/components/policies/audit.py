"""How far the advice may be believed: what the same steps say where nothing can be gained, and for whom it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.differences import difference_forest
from core.figures.theme import fmt_interval, fmt_percent
from core.icu.ask.names import phenotype_texts
from pages.components.policies.advice import HIDDEN
from pages.components.shell.estimates import bracketed, rows_of
from pages.components.shell.export import show, table
from pages.components.study.left_out import left_out_table

if TYPE_CHECKING:
    from core.icu.advice import AdviceRecord
    from core.icu.view import RunView
    from core.study import StudySpec

FEW = "fewer stays than are judged apart"


def audit_view(run: RunView) -> None:
    """The audits in sentences, and the difference by subgroup; nothing for a run from before they were made."""
    if run.advice is None or run.advice.audit is None:
        return
    audit = run.advice.audit
    st.markdown("**Would it see a gain where there is none?**")
    st.markdown("\n".join(f"- {sentence}" for sentence in audit.sentences()))
    if audit.null_repeats and audit.null_claimed:
        share = fmt_percent(audit.null_claimed / audit.null_repeats, 0)
        st.warning(
            f"A gain that is none was claimed in {share} of the copies: do not believe a claim on these records."
        )
    _hidden(run.advice, run.study)
    if run.subgroups is not None:
        _subgroups(run, run.subgroups)


def _hidden(advice: AdviceRecord, study: StudySpec) -> None:
    """What unrecorded causes could do to the advice, beside the recorded columns that move a dose most."""
    told = study.actions.said
    st.markdown(told("**What if something that moved the dose is not recorded?**"))
    st.markdown(told(advice.hidden_in_words), help=told(HIDDEN))
    if advice.left_out:
        left_out_table(advice.left_out, "left-out-table", told("the dose given"), "steps")


def _subgroups(run: RunView, found: pd.DataFrame) -> None:
    """Forest and table of the advice's difference in groups of patients."""
    st.markdown("**For whom? The advice in groups of patients**")
    names = {f"{row.by}: {row.group}": _named(run, row.by, row.group) for row in rows_of(found)}
    judged = found.dropna(subset=["difference"])
    drawn = judged.assign(
        policy=judged["by"] + ": " + judged["group"],
        difference_low=judged["low"],
        difference_high=judged["high"],
        true_difference=np.nan,
    )
    show(
        difference_forest(drawn, names, height_each=26),
        "advice-subgroups",
        "Difference of the advice to the clinicians by group: "
        + "; ".join(f"{names[r.policy]} {r.difference:+.2f} {fmt_interval(r.low, r.high)}" for r in rows_of(drawn)),
        caption=f"Intervals are corrected for looking at {len(judged)} groups: all of them hold their truths together "
        "in 95 % of such pictures. A group whose interval holds 0 shows nothing by itself, and the difference of two "
        "groups is less sure than either.",
        data=found,
    )
    lines = [
        {
            "group": names[f"{row.by}: {row.group}"],
            "stays": row.n,
            "difference": bracketed(f"{row.difference:+.2f} {fmt_interval(row.low, row.high)}", row.grade)
            if np.isfinite(row.difference)
            else FEW,
            "ESS": round(row.ess, 1) if np.isfinite(row.ess) else None,
            "grade": row.grade if isinstance(row.grade, str) else "",
        }
        for row in rows_of(found)
    ]
    table(pd.DataFrame(lines), "subgroup-table", name="advice-by-group", csv=found)


def _named(run: RunView, by: str, group: str) -> str:
    """A group as the page calls it."""
    if by == "phenotype":
        return phenotype_texts(run, run.n_clusters)[int(group)]
    column = run.study.columns[run.study.index(by)]
    title = column.label or column.name
    if column.binary:
        return f"{title}: {column.word(float(group)) or ('yes' if group == '1' else 'no')}"
    return f"{title}, {group}"
