"""The fused policy along the whole lambda axis: first its difference to the clinicians, then values by the published
estimators, support, disagreement, doses, and the check of both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.base.remembered import remembered_by
from core.figures.dials import lambda_axis
from core.figures.policies import fused_share_area
from core.figures.theme import fmt, fmt_lambda, fmt_percent
from core.icu.ask.against import hidden_text
from core.icu.ask.along_lambda import LambdaCourse, along_lambda
from core.icu.ask.differences import differences_along_lambda, hidden_in_words, true_differences_along_lambda
from core.icu.ask.tables import lambda_curve, policy_table
from core.policies.key import CLINICIAN
from pages.components.policies.advice import HOW
from pages.components.shell.estimates import (
    ESTIMATORS,
    ONE_EXPERT,
    bracketed,
    fusion_controls,
    has_truth,
    support_rule,
)
from pages.components.shell.export import metric, show
from pages.components.shell.frame import empty
from pages.components.shell.panels import panel
from pages.components.study.differences import difference_card, difference_chart

if TYPE_CHECKING:
    from core.icu.view import RunView


@panel
def lambda_panel(run: RunView) -> None:
    """The fused policy along the whole lambda axis."""
    k, lambda_, mode = fusion_controls(run, "fusion")
    patients = run.split.test
    position = {value: i / max(len(run.lambdas) - 1, 1) for i, value in enumerate(run.lambdas)}
    fused, missed = _published_along(run, k, mode)
    if fused.empty:
        empty("Not evaluated", f"This run holds no fused policy at K = {k}, {mode}.")
        return
    along = along_lambda(run, k, mode)
    course = along.table
    ticks = _ticks(position)
    _against(run, k, mode, lambda_, along, position)
    st.markdown("**Published estimators**")
    _lambda_numbers(fused, lambda_)
    stored = policy_table(run, k, lambda_, mode)
    clinician = stored.loc[(stored["policy"] == CLINICIAN) & (stored["estimator"] == "phwis"), "value"]
    truth = None
    if has_truth(run):
        truth = fused.drop_duplicates("lambda_").set_index("lambda_")["true_value"].dropna().sort_index()
    show(
        lambda_axis(
            fused,
            position,
            ticks,
            lambda_,
            ess_floor=run.config.evaluation.ess_floor,
            clinician=float(clinician.iloc[0]) if len(clinician) else None,
            truth=truth,
        ),
        "lambda-axis",
        "Three panels along λ: value of the fused policy by PHWIS and PHWDR with intervals, effective sample size, "
        "and "
        f"disagreement; λ = {fmt_lambda(lambda_)} is marked.",
        caption=f"{len(patients):,} test patients, K = {k}, {mode}; hollow: weak, gray: not supported, where an "
        "interval is too narrow to be believed. Sizes part where stays of a rare length keep their weight in a small "
        "group. Disagreement is the share of "
        f"{run.study.actions.words} in which two policies differ "
        "(total variation).",
        help=support_rule(run),
        data=fused,
    )
    if missed:
        st.caption(missed)
    _doses_along(run, course, position, lambda_, _ends(along, k))


@remembered_by(8)
def _published_along(run: RunView, k: int, mode: str) -> tuple[pd.DataFrame, str]:
    """The published estimators along the axis, beside what else is known of each lambda, and where they miss the
    truth: the same wherever the slider stands."""
    fused = lambda_curve(run, k, mode)
    fused = fused[fused["estimator"].isin(["phwis", "phwdr"])]
    if fused.empty:
        return fused, ""
    return fused.merge(along_lambda(run, k, mode).table, on="lambda_", how="left"), _missed_along(fused)


def _doses_along(
    run: RunView, course: pd.DataFrame, position: dict[float, float], lambda_: float, caption: str
) -> None:
    """Mean probability of each dose under the fused policy at every lambda."""
    ticks = _ticks(position)
    labels = run.study.actions.labels
    shares = np.stack(course["shares"].to_list())
    x = np.array([position[value] for value in course["lambda_"]])
    st.markdown(run.study.actions.said("**Doses of the fused policy along λ** (mean probability)"))
    show(
        fused_share_area(
            *(x, shares, labels, {position[v]: t for v, t in ticks.items()}, position[lambda_]),
            ordered=run.study.actions.ordered,
        ),
        "lambda-doses",
        run.study.actions.said("Stacked areas: mean probability of each dose under the fused policy along λ."),
        caption=caption,
        data=pd.DataFrame(shares, columns=labels).assign(lambda_=course["lambda_"].to_numpy()),
    )


def _ticks(position: dict[float, float]) -> dict[float, str]:
    """Tick labels that do not run into each other; both ends always have one."""
    ordered = sorted(position)
    ticks = {ordered[0]: "0<br>average", ordered[-1]: "∞<br>single expert"}
    taken = [position[v] for v in ticks]
    for value in ordered[1:-1]:
        if min(abs(position[value] - other) for other in taken) >= 0.05:
            ticks[value] = f"{value:g}"
            taken.append(position[value])
    return ticks


def _missed_along(fused: pd.DataFrame) -> str:
    """One line on the lambdas at which an interval does not hold the true value; empty where no truth is known."""
    if "true_value" not in fused or fused["true_value"].isna().all():
        return ""
    known = fused.dropna(subset=["true_value", "low", "high"])
    parts = []
    for name, rows in known.groupby("estimator", sort=False):
        outside = rows[(rows["true_value"] < rows["low"]) | (rows["true_value"] > rows["high"])].sort_values("lambda_")
        if len(outside):
            parts.append(f"{ESTIMATORS[str(name)]} at λ = {', '.join(f'{v:g}' for v in outside['lambda_'])}")
    if not parts:
        n = known["lambda_"].nunique()
        return f"At the {'one' if n == 1 else n} λ with a known true value, every interval holds it."
    return f"The 95 % interval does not hold the true value: {'; '.join(parts)}."


def _against(
    run: RunView, k: int, mode: str, lambda_: float, along: LambdaCourse, position: dict[float, float]
) -> None:
    """The difference to the clinicians at this lambda, the largest weight there, and the difference along the axis."""
    with st.spinner("Judging against the clinicians ..."):
        judged = differences_along_lambda(run, k, mode)
    truth = true_differences_along_lambda(run, k, mode)
    true = None if truth is None else truth[truth["setting"] == lambda_]
    left, right = st.columns([3, 1])
    with left:
        now = judged[judged["setting"] == lambda_].iloc[0]
        here = None if true is None or true.empty else true.iloc[0]
        said = hidden_in_words(run, now.to_dict())
        difference_card(now, "clinicians", f"{HOW} Here on test patients.", here, f"λ = {fmt_lambda(lambda_)}", said)
    with right:
        _largest_weight(along, lambda_)
    difference_chart(
        judged,
        position,
        _ticks(position),
        lambda_,
        key="lambda-difference",
        policy="the fused policy",
        who="clinicians",
        axis="λ (stored values, evenly spaced)",
        truth=truth,
        hidden=[f"gain, by Γ of a hidden cause: {hidden_text(row)}" for row in judged.to_dict("records")],
    )


def _lambda_numbers(fused: pd.DataFrame, lambda_: float) -> None:
    now = fused[fused["lambda_"] == lambda_]
    cards = st.columns(2)
    for card, name in zip(cards, ("phwis", "phwdr"), strict=True):
        rows = now[now["estimator"] == name]
        with card:
            if len(rows):
                _value_card(ESTIMATORS[name], rows.iloc[0])


def _largest_weight(along: LambdaCourse, lambda_: float) -> None:
    """How far one expert decides at this lambda, and what it means in distances."""
    weight = float(along.table.loc[along.table["lambda_"] == lambda_, "largest_weight"].iloc[0])
    parts = []
    if np.isfinite(lambda_):
        unit = along.typical_distance
        parts.append(
            f"λ = {fmt_lambda(lambda_)} is {fmt(lambda_ * unit, 1)} in typical distances (λ × {unit:.3g}, the median "
            "distance to a center)."
        )
    if weight > ONE_EXPERT:
        parts.append("λ this high means one expert decides.")
    metric(
        "Largest fusion weight",
        weight,
        text=fmt_percent(weight),
        estimator="mean over the steps; 100 % is one expert alone",
        note=" ".join(parts),
    )


def _value_card(name: str, row: pd.Series) -> None:
    metric(
        name,
        row["value"],
        text=bracketed(fmt(row["value"]), row["support"]),
        low=row["low"],
        high=row["high"],
        ess=row["ess"],
        n=row["n"],
        estimator=f"{row['support']}: {row['reasons']}" if row.get("reasons") else row["support"],
    )


def _ends(along: LambdaCourse, k: int) -> str:
    """The two ends checked against the pure policies."""
    return (
        f"The ends are the pure policies: at λ = 0 the plain average of the {k} experts (largest difference "
        f"{_tiny(along.average_gap)}), at ∞ the nearest phenotype's own policy (largest difference "
        f"{_tiny(along.single_gap)})."
    )


def _tiny(value: float) -> str:
    """A rounding error for people: '0', '7.9e-08'."""
    return f"{value:.1e}" if value else "0"
