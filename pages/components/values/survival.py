"""Survival under each policy, judged as survival; beside it the published figure, read off a curve of values."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.differences import survival_forest
from core.figures.survival import survival_by_value
from core.figures.theme import fmt, fmt_count, fmt_interval, fmt_lambda, fmt_percent
from core.icu.ask.against import against_clinicians, points_text, true_points_text
from pages.components.policies.advice import BEFORE, HOW
from pages.components.policies.differences import two_line_names
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
from pages.components.shell.frame import empty, no_survival
from pages.components.shell.held import held_many
from pages.components.shell.names import phenotype_texts_here, policy_name
from pages.components.shell.panels import panel

if TYPE_CHECKING:
    from core.icu.view import RunView


@panel
def survival_panel(run: RunView) -> None:
    """Survival by the mix against the clinicians', then the published figure with its error."""
    if not run.study.tells_survival:
        no_survival()
        return
    k, lambda_, mode = fusion_controls(run, "survival")
    _judged(run, mode)
    st.markdown("**Published figure: survival read off a curve of values**")
    _published(run, k, lambda_, mode)


def _judged(run: RunView, mode: str) -> None:
    """How many more of a hundred patients survive under each policy than under the clinicians."""
    st.markdown("**Survival against the clinicians, by the mix on the outcome alone**")
    rows = against_clinicians(run, mode)
    if rows is None or not rows["survival"].notna().any():
        empty("Survival was not judged", BEFORE, icon=":material/balance:")
        return
    said = {
        policy_name(run, r["policy"], run.n_clusters): points_text(r, "survival_difference")
        for r in rows.to_dict("records")
    }
    true = rows["true_survival_difference"].notna().any()
    show(
        survival_forest(rows, two_line_names(run, rows)),
        "survival-differences",
        "Survival of each policy minus the clinicians', in points of a hundred: "
        + "; ".join(f"{name} {text}" for name, text in said.items()),
        caption=f"At the run's own K = {run.n_clusters} and λ = {fmt_lambda(run.config.fusion.lambda_)}, {mode}. A "
        "stay earns 1 at its last step if the patient survived, and nothing else. Hollow: weak; hollow and gray: not "
        "supported. Advice on all stays; other policies on test patients."
        + (" Upright bar: true difference by simulation." if true else ""),
        help=HOW,
        data=rows,
    )
    lines = []
    for row in rows.to_dict("records"):
        share = f"{fmt_percent(row['survival'])} [{fmt_percent(row['survival_low'])}, "
        name = policy_name(run, row["policy"], run.n_clusters)
        line = {
            "policy": name,
            "survival": bracketed(f"{share}{fmt_percent(row['survival_high'])}]", row["grade"]),
            "minus clinicians, points": bracketed(said[name], row["grade"]),
            "grade": row["grade"],
            "ESS": round(row["ess"], 1),
            "stays": row["n"],
        }
        if true:
            line |= {"true survival": fmt_percent(row["true_survival"]), "true, points": true_points_text(row)}
        lines.append(line)
    missed = (rows["survival"] - rows["true_survival"]).abs().mean()
    table(
        pd.DataFrame(lines),
        "survival-judged-table",
        name="survival-by-the-mix",
        caption="In brackets: not supported by the records."
        + (f" Mean distance from the truth {100 * missed:.1f} points." if np.isfinite(missed) else ""),
        csv=rows,
    )


def _published(run: RunView, k: int, lambda_: float, mode: str) -> None:
    """Survival against expected return, with every policy's place on the curve."""
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
        **held_many(
            "survival-policies",
            rows.index,
            [p for p in ("clinician", "fused") if p in rows.index],
            key=f"survival-policies-{k}",
        ),
        format_func=lambda p: policy_name(run, p),
    )
    marks = {p: (float(rows.loc[p, "value"]), float(rows.loc[p, "expected_survival"])) for p in chosen}
    grades = {policy_name(run, p): rows.loc[p, "support"] for p in chosen}
    weak = [f"{name} ({grade})" for name, grade in grades.items() if grade != "supported"]
    show(
        survival_by_value(curve, marks, phenotype_texts_here(run)),
        "survival-by-value",
        "Survival against the value of what was done: rising curve with band, and policies: "
        + ", ".join(f"{policy_name(run, p)} {v:.2f} gives {100 * s:.0f} %" for p, (v, s) in marks.items()),
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
    observed = 1 - run.cohort.mortality(run.split.test)
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
            "policy": policy_name(run, r.policy),
            "support": r.support,
            "PHWDR": bracketed(f"{fmt(r.value)} {fmt_interval(r.low, r.high)}", r.support),
            "ESS": round(r.ess, 1),
            "published figure": bracketed(fmt_percent(r.expected_survival), r.support),
        }
        for r in rows_of(listed)
    ]
    shown = pd.DataFrame(lines)
    if has_truth(run):
        shown["true survival"] = [fmt_percent(v) for v in listed["true_survival"]]
        errors = 100 * (listed["expected_survival"] - listed["true_survival"])
        shown["error, points"] = [f"{error:+.1f}" if np.isfinite(error) else "–" for error in errors]
    caption = f"In brackets: not supported by the records. {truth_missed(run, listed)}"
    if has_truth(run):
        caption += f" The published figure is off by {errors.abs().mean():.1f} points on average."
    table(shown, "survival-table", name="survival", caption=caption.strip(), csv=listed, help=support_rule(run))
