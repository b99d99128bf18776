"""What every policy is worth, with interval, support and truth; and how far the records support what each says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import reliability, unsupported_share
from core.experiments.estimator_evidence import evidence_note
from core.experiments.published import published as published_row
from core.figures.policy_values import calibration_plot, policy_forest, support_curves
from core.figures.theme import fmt, fmt_interval, fmt_percent
from core.icu.ask.calibrated import calibration_curve, calibration_error
from core.policies.doses import unsupported_shares
from core.policies.key import PolicyKey
from pages.components.policies.audit import audit_view
from pages.components.policies.differences import difference_view
from pages.components.shell.estimates import (
    ESTIMATORS,
    FQE_REMARK,
    NEAR_UNIFORM,
    bracketed,
    compared,
    fqe_tells_little,
    fusion_controls,
    has_truth,
    policy_names,
    rows_of,
    support_rule,
    truth_elsewhere,
    truth_missed,
)
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty
from pages.components.shell.held import held, held_many, held_switch
from pages.components.shell.names import phenotype_texts_here, policy_name
from pages.components.shell.panels import panel
from pages.components.shell.provenance import state_knows, where_from

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import StudySpec

COUNTS = ("likeliest dose", "all probability")
MODELS = ("Judge's models", "Neighbors")
PUBLISHED_COHORT = "mimic-iv"


@panel
def value_panel(run: RunView) -> None:
    """Every policy against the clinicians, then its value by the published estimators, with truth where it is known."""
    k, lambda_, mode = fusion_controls(run, "value")
    difference_view(run, mode)
    if run.judgments is not None:
        audit_view(run)
    st.markdown("**Published estimators: the value of each policy**")
    rows = compared(run, k, lambda_, mode)
    if rows.empty:
        empty("Nothing evaluated", "The comparison of this run is empty; the run may be incomplete.")
        return
    chosen = st.pills(
        "Estimators",
        list(dict.fromkeys(rows["estimator"])),
        selection_mode="multi",
        **held_many(
            "value-estimators",
            dict.fromkeys(rows["estimator"]),
            [e for e in ("phwis", "phwdr") if e in set(rows["estimator"])],
        ),
        format_func=lambda e: ESTIMATORS.get(e, e.upper()),
    )
    with st.container(horizontal=True):
        published = _published(rows, run.study)
        if len(published) and not st.toggle("Published values (MIMIC-IV)", **held_switch("value-published")):
            published = published.head(0)
        everything = not run.baselines or st.toggle("Policies to compare with", **held_switch("value-baselines", True))
    drawn = rows[rows["estimator"].isin(chosen) & (everything | ~rows["policy"].isin(run.baselines))]
    if drawn.empty:
        empty("No estimator chosen", "Choose at least one estimator above.")
    else:
        published = published[published["estimator"].isin(chosen)]
        show(
            policy_forest(drawn, truth=has_truth(run), published=published, names=phenotype_texts_here(run)),
            "policy-values",
            "Value of each policy with 95 % interval: "
            + "; ".join(
                f"{policy_name(run, r.policy)} {ESTIMATORS.get(r.estimator, r.estimator)} {r.value:.2f} "
                f"{fmt_interval(r.low, r.high)}" + (f", {r.support}" if r.support else "")
                for r in rows_of(drawn)
            ),
            caption="Test patients, 95 % bootstrap intervals over patients. Hollow: weak; hollow and gray: not "
            "supported by the records, where the interval understates the doubt."
            + (" Upright bar: true value by simulation." if has_truth(run) else ""),
            help=support_rule(run),
            data=drawn,
        )
    for note in (truth_missed(run, drawn), truth_elsewhere(run, k, lambda_, mode), fqe_tells_little(rows)):
        if note:
            st.markdown(f":material/info: {note}")
    _value_table(run, rows)
    _rests_on(run, chosen)


def _rests_on(run: RunView, estimators: list[str]) -> None:
    """What the values rest on: what states know, how the estimators fared in simulation, where the stays come from."""
    state_knows(run.report, run.cohort.origin, run.study)
    for note in map(evidence_note, estimators):
        if note:
            st.caption(f":material/science: {note}")
    if run.report.notes:
        with st.expander("Provenance of the stays", icon=":material/database:"):
            where_from(run.report, "value-provenance")


def _published(rows: pd.DataFrame, study: StudySpec) -> pd.DataFrame:
    """Published means of the policies on show, as policy, estimator, value; empty for a study without any."""
    found = [
        (policy, estimator, published_row(PUBLISHED_COHORT, policy, study)[f"{estimator}_mean"])
        for policy in dict.fromkeys(rows["policy"])
        for estimator in ("phwis", "phwdr")
    ]
    return pd.DataFrame(found, columns=["policy", "estimator", "value"]).dropna()


def _value_table(run: RunView, rows: pd.DataFrame) -> None:
    """One line a policy; unsupported values in brackets."""
    lines, estimators = [], list(dict.fromkeys(rows["estimator"]))
    for policy, part in rows.groupby("policy", sort=False):
        first = part.iloc[0]
        grade = str(first["support"])
        line: dict[str, object] = {"policy": policy_name(run, str(policy)), "support": grade}
        line |= dict.fromkeys((ESTIMATORS.get(e, str(e)) for e in estimators), "–")
        for row in rows_of(part):
            interval = f" {fmt_interval(row.low, row.high)}" if np.isfinite(row.low) else ""
            line[ESTIMATORS.get(row.estimator, row.estimator)] = bracketed(f"{fmt(row.value)}{interval}", row.support)
        if has_truth(run):
            line["true value"] = fmt(first["true_value"])
        line |= {
            "ESS": round(float(first["ess"]), 1),
            "concordance": fmt_percent(first["concordance_rate"]),
            "survival, weighted": bracketed(
                f"{fmt_percent(first['survival'])} "
                f"[{fmt_percent(first['survival_low'])}, {fmt_percent(first['survival_high'])}]",
                grade,
            ),
            "published figure of survival": bracketed(fmt_percent(first["expected_survival"]), grade),
        }
        if has_truth(run):
            line["true survival"] = fmt_percent(first["true_survival"])
        lines.append(line | {"entropy": fmt(first["entropy"])})
    table(
        pd.DataFrame(lines),
        "policy-table",
        name="policies",
        caption=f"{int(rows['n'].max()):,} test patients. In brackets: not supported by the records. Entropy: 1 is a "
        f"uniform choice, {NEAR_UNIFORM:g} or more hardly prefers any {run.study.actions.word}. FQE: {FQE_REMARK}, "
        "and it uses no weights. Survival, weighted: as PHWIS; published figure: read off the survival curve at "
        "PHWDR, no estimate of survival. Survival by the mix stands above, against the clinicians.",
        csv=_one_number_a_cell(run, rows),
    )


def _one_number_a_cell(run: RunView, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows for a file: policies by their names on the page, the shares of the doses in columns of their own."""
    shares = np.array(rows["action_shares"].to_list(), dtype=float).reshape(len(rows), -1)
    columns = [f"share {run.study.actions.label(a)}" for a in range(shares.shape[1])]
    names = [policy_name(run, str(policy)) for policy in rows["policy"]]
    flat = rows.drop(columns="action_shares").reset_index(drop=True)
    flat.insert(1, "name", names)
    return flat.join(pd.DataFrame(shares, columns=columns))


@panel
def support_panel(run: RunView) -> None:
    """How far the records support what each policy says."""
    k, lambda_, mode = fusion_controls(run, "support")
    patients, settings = run.split.test, run.config.evaluation
    mask = run.trajectories.mask[patients]
    if not mask.any():
        empty("No test patients", "This run kept no patients for testing, so support cannot be judged.")
        return
    behavior = run.behavior[patients][mask]
    actions = run.trajectories.actions[patients][mask]
    names = policy_names(k, run)
    floors = np.linspace(0, 0.25, 26)
    probs = {name: run.probs(PolicyKey.at(name, k, lambda_, mode))[patients][mask] for name in names}
    top, mass = {}, {}
    for name in policy_names(k, run, baselines=False):  # the table below holds them all
        top[name], mass[name] = unsupported_shares(probs[name], behavior, floors)
    left, right = st.columns(2, gap="medium")
    with left:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Advised, but hardly ever given**", width="content")
            which = st.segmented_control(
                "Count",
                COUNTS,
                required=True,
                format_func=run.study.actions.said,
                **held("support-count", COUNTS),
                label_visibility="collapsed",
            )
        shown = top if which == COUNTS[0] else mass
        show(
            support_curves(
                floors, shown, settings.probability_floor, phenotype_texts_here(run), run.study.actions.word
            ),
            "support-curves",
            "Share of each policy's recommendations below a clinician probability, by that probability.",
            caption=f"{mask.sum():,} steps of {len(patients):,} test patients; the dashed line is the run's floor.",
            data=pd.DataFrame({"floor": floors, **shown}),
        )
    with right:
        _calibration(run, behavior, actions)
    _support_table(run, names, probs, behavior, compared(run, k, lambda_, mode))


def _calibration(run: RunView, behavior: np.ndarray, actions: np.ndarray) -> None:
    """Predicted beside observed shares of the judge's models on stays that they had not seen, or of the neighbors on
    test patients: behavior (m, A) and actions (m,)."""
    told = run.study.actions
    models = MODELS if run.calibration is not None else MODELS[1:]
    row = st.container(horizontal=True, vertical_alignment="center")
    row.markdown("**Calibration**", width="content", help="Of the clinicians' probabilities, as they are estimated.")
    by = row.segmented_control(
        "By", models, required=True, **held("support-model", models), label_visibility="collapsed"
    )
    labels = [f"all {told.words} together", *told.labels]
    place = row.selectbox(
        told.word.capitalize(),
        range(len(labels)),
        format_func=labels.__getitem__,
        label_visibility="collapsed",
        **held("support-dose", range(len(labels))),
    )
    if run.calibration is not None and by == MODELS[0]:
        curve = calibration_curve(run.calibration, place - 1)
        said = (
            "On all stays, each by a model that had not seen the person; every difference by the mix divides by these."
        )
    else:
        result = reliability(behavior, actions, None if place == 0 else place - 1)
        curve = result.curve
        said = (
            f"Log loss {result.log_loss:.3f}. {run.config.evaluation.n_neighbors} neighbors among training states, on "
            "test patients; PHWIS and PHWDR divide by these."
        )
    show(
        calibration_plot(curve, told.word),
        "calibration",
        f"Observed share of a {told.word} against its predicted probability: "
        + "; ".join(f"{100 * r.predicted:.1f} % {100 * r.observed:.1f} % ({r.n:,})" for r in rows_of(curve)),
        caption=f"Expected calibration error {calibration_error(curve):.3f}; {len(curve)} bins of about equal counts, "
        f"95 % Wilson intervals. {said}",
        data=curve,
    )


def _support_table(
    run: RunView, names: list[str], probs: dict[str, np.ndarray], behavior: np.ndarray, rows: pd.DataFrame
) -> None:
    settings = run.config.evaluation
    lines = []
    for row in rows_of(rows[(rows["estimator"] == "phwis") & rows["policy"].isin(names)]):
        probability = probs[row.policy]
        lines.append(
            {
                "policy": policy_name(run, row.policy),
                "support": row.support,
                "ESS": round(row.ess, 1),
                "of patients": row.n,
                "largest weight": fmt_percent(row.max_weight),
                "ratio 0": fmt_percent(row.zero_weight),
                f"top {run.study.actions.word} under {100 * settings.probability_floor:.0f} %": fmt_percent(
                    unsupported_share(probability, behavior, floor=settings.probability_floor)
                ),
                "why not more": row.reasons,
            }
        )
    table(
        pd.DataFrame(lines),
        "support-table",
        name="support",
        caption="ESS: how many patients the weighted estimate is worth. Largest weight: share of the whole estimate "
        "that rests on one patient. Ratio 0: share of the stays without a say.",
        help=support_rule(run),
        reasons="why not more",
    )
