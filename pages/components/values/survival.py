"""How patients survived whose recorded steps were worth as much as a policy is said to be."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.figures.survival import survival_by_value
from core.figures.theme import fmt, fmt_count, fmt_interval, fmt_percent, policy_style
from pages.components.shell.estimates import (
    bracketed,
    compared,
    fusion_controls,
    has_truth,
    rows_of,
    support_rule,
    truth_missed,
)
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty
from pages.components.shell.panels import panel

if TYPE_CHECKING:
    from core.icu.view import RunView


@panel
def survival_panel(run: RunView) -> None:
    """Survival against expected return, with every policy's place on the curve."""
    k, lambda_, mode = fusion_controls(run, "survival")
    curve = pd.DataFrame(asdict(run.survival_curve))
    if len(curve) < 2:
        empty("Too few patients for a curve", "Survival against return needs more patients than this run has.")
        return
    rows = compared(run, k, lambda_, mode)
    rows = rows[rows["estimator"] == "phwdr"].set_index("policy")
    chosen = st.pills(
        "Policies on the curve",
        list(rows.index),
        selection_mode="multi",
        key=f"survival-policies-{k}",
        default=[p for p in ("clinician", "fused") if p in rows.index],
        format_func=lambda p: policy_style(p).name,
    )
    marks = {p: (float(rows.loc[p, "value"]), float(rows.loc[p, "expected_survival"])) for p in chosen}
    grades = {policy_style(p).name: rows.loc[p, "support"] for p in chosen}
    weak = [f"{name} ({grade})" for name, grade in grades.items() if grade != "supported"]
    show(
        survival_by_value(curve, marks),
        "survival-by-value",
        "Survival against the value of what was done: rising curve with band, and policies: "
        + ", ".join(f"{policy_style(p).name} {v:.2f} gives {s:.0%}" for p, (v, s) in marks.items()),
        caption=f"Gray: {fmt_count(curve['n'].sum())} recorded steps of training patients in bins of value (by the "
        f"{'FQI' if run.config.evaluation.control_variate == 'fqi' else 'FQE of the clinicians'}). Line: monotone "
        "fit with 95 % band. "
        "A policy's place is read off at its PHWDR; it says how patients with such values fared, not what the "
        "policy would do." + (f" Support: {', '.join(weak)}." if weak else ""),
        data=curve,
    )
    _bias(run, rows)
    _table(run, rows.reset_index())


def _bias(run: RunView, rows: pd.DataFrame) -> None:
    """Say so where the curve misses what is known: the survival of the test patients under their clinicians."""
    if "clinician" not in rows.index or not len(run.split.test):
        return
    observed = float((run.cohort.outcomes[run.split.test] > 0).mean())
    expected = float(rows["expected_survival"].to_dict()["clinician"])
    if abs(observed - expected) > 0.1:
        st.warning(
            f"Under their clinicians {fmt_percent(observed)} of the test patients survived, while this curve expects "
            f"{fmt_percent(expected)}: read it for the order of policies, not for survival rates. Values of the best "
            "policy (FQI, preset published) lie on another scale than the returns that are read off there.",
            icon=":material/warning:",
        )


def _table(run: RunView, listed: pd.DataFrame) -> None:
    """One line a policy: where it stands on the curve, and how far the records support that."""
    lines = [
        {
            "policy": policy_style(r.policy).name,
            "support": r.support,
            "PHWDR": bracketed(f"{fmt(r.value)} {fmt_interval(r.low, r.high)}", r.support),
            "ESS": round(r.ess, 1),
            "expected survival": bracketed(fmt_percent(r.expected_survival), r.support),
        }
        for r in rows_of(listed)
    ]
    shown = pd.DataFrame(lines)
    if has_truth(run):
        shown["true survival"] = [fmt_percent(v) for v in listed["true_survival"]]
    caption = f"In brackets: not supported by the records. {truth_missed(listed)}"
    table(shown, "survival-table", name="survival", caption=caption.strip(), csv=listed, help=support_rule(run))
