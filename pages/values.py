"""Values: what the critics say by dose, phenotype and step, how far they tell doses apart, where they disagree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import state_values
from core.figures.theme import fmt, phenotype_color, two_lines
from core.figures.values import (
    convergence,
    estimates_by_group,
    spread_histograms,
    value_boxes,
    value_by_step,
)
from core.icu.ask.critics import critic
from core.icu.ask.groups import histogram_shares, mean_courses
from core.icu.ask.names import phenotype_texts
from core.icu.ask.returns import mean_interval, quantiles, spread_over_actions, tie_share
from core.icu.view import RunView
from core.phenotypes import patient_means
from core.policies.key import FUSED, PolicyKey
from pages.components.shell.estimates import (
    ESTIMATORS,
    FQE_REMARK,
    bracketed,
    choose_patients,
    compared,
    fqe_tells_little,
    fusion_controls,
    has_truth,
    policy_names,
    rows_of,
    too_few,
    true_values,
    truth_missed,
)
from pages.components.shell.export import metric, show
from pages.components.shell.frame import empty, page, require_run
from pages.components.shell.held import held
from pages.components.shell.names import policy_name
from pages.components.shell.panels import panel
from pages.components.shell.selection_bar import selection_bar
from pages.components.values.agreement import estimator_panel
from pages.components.values.survival import survival_panel

VIEWS = ("By dose, phenotype and step", "Critics", "Survival", "Two estimators")
FEWEST = 5


def main() -> None:
    """Draw the page."""
    page(
        "Values",
        "What a state is worth under the best policy (FQI, Q*) and under a given one (FQE), and how far to believe it.",
    )
    run = require_run()
    selection_bar(run)
    view = st.segmented_control(
        "View",
        VIEWS,
        **held("values-view", VIEWS),
        format_func=run.study.actions.said,
        required=True,
        label_visibility="collapsed",
    )
    panels = {VIEWS[0]: level_panel, VIEWS[1]: critic_panel, VIEWS[2]: survival_panel, VIEWS[3]: estimator_panel}
    panels[view or VIEWS[0]](run)


@panel
def level_panel(run: RunView) -> None:
    """FQI and FQE beside each other by dose, by phenotype and by step."""
    k, lambda_, mode = fusion_controls(run, "levels")
    chosen, worth = st.columns([1, 4])
    with chosen:
        policy = st.selectbox(
            "FQE of",
            policy_names(k, run),
            **held("levels-policy", policy_names(k, run), FUSED, key=f"levels-policy-{k}"),
            format_func=lambda p: policy_name(run, p),
        )
    with worth:
        _headline(run, policy, k, lambda_, mode)
    patients, who = choose_patients(run, "levels-patients")
    mask = run.trajectories.mask[patients]
    if too_few(patients, FEWEST):
        return
    key = PolicyKey.at(policy, k, lambda_, mode)
    probs = run.probs(key)[patients]
    star, own = run.fqi_q[patients], critic(run, key)[patients]
    names = {"FQI (Q*, best policy)": star, f"FQE ({policy_name(run, policy)})": own}
    values = dict(zip(names, (star.max(axis=-1), state_values(probs, own)), strict=True))
    by_dose, by_phenotype = st.columns(2, gap="medium")
    with by_dose:
        _by_dose(run, names, patients, mask, who)
    with by_phenotype:
        _by_phenotype(run, values, patients, mask, k, who)
    _by_hour(run, values, patients, who)


def _headline(run: RunView, policy: str, k: int, lambda_: float, mode: str) -> None:
    """The off-policy value of the chosen policy, with support, before any critic is believed."""
    rows = compared(run, k, lambda_, mode)
    rows = rows[rows["policy"] == policy]
    if rows.empty:
        return
    cards = st.columns(len(rows) + (1 if has_truth(run) else 0))
    for card, row in zip(cards, rows_of(rows), strict=False):
        with card:
            metric(
                f"{policy_name(run, policy)}: {ESTIMATORS.get(row.estimator, row.estimator)}",
                row.value,
                text=bracketed(fmt(row.value), row.support),
                low=row.low if np.isfinite(row.low) else None,
                high=row.high if np.isfinite(row.high) else None,
                ess=row.ess if row.support else None,
                n=row.n,
                estimator=row.support or FQE_REMARK,
            )
    if has_truth(run):
        with cards[-1]:
            metric(
                "True value",
                rows["true_value"].iloc[0],
                estimator=f"simulated, ± {fmt(rows['true_se'].iloc[0])} (standard error)",
            )
    if missed := truth_missed(run, rows):
        st.caption(missed)


def _by_dose(run: RunView, names: dict[str, np.ndarray], patients: np.ndarray, mask: np.ndarray, who: str) -> None:
    labels, told = run.study.actions.labels, run.study.actions.said
    tables, given = {}, np.bincount(run.trajectories.actions[patients][mask], minlength=len(labels))
    for name, q in names.items():
        means = patient_means(q, mask)
        doses = np.tile(np.arange(len(labels)), len(means))
        tables[name] = mean_interval(means.ravel(), doses, len(labels))
    st.markdown(told("**By dose: mean Q over the states**"))
    show(
        estimates_by_group(
            [f"{label}<br>given in {n:,} steps" for label, n in zip(labels, given, strict=True)],
            tables,
            x=told("mean Q of giving this dose (return)"),
        ),
        "q-by-dose",
        told("Mean Q of each dose with intervals: ")
        + "; ".join(f"{n}: " + ", ".join(fmt(v) for v in t["mean"]) for n, t in tables.items()),
        caption=f"{len(mask):,} {who}; one mean a patient, 95 % interval over patients. Not a comparison of treated "
        f"groups: every {run.study.actions.word} is "
        "valued in every state, also where it was hardly ever given.",
        data=_long(tables, run.study.actions.word, labels),
    )


def _by_phenotype(
    run: RunView, values: dict[str, np.ndarray], patients: np.ndarray, mask: np.ndarray, k: int, who: str
) -> None:
    labels = run.labels(k)[patients]
    tables = {name: mean_interval(patient_means(v, mask), labels, k, FEWEST) for name, v in values.items()}
    names = list(phenotype_texts(run, k))
    st.markdown("**By phenotype: mean value of the states**")
    show(
        estimates_by_group(
            [*map(two_lines, names)], tables, x="mean V (return)", colors=[phenotype_color(i) for i in range(k)]
        ),
        "v-by-phenotype",
        "Mean state value by phenotype: "
        + "; ".join(f"{n}: " + ", ".join(fmt(v) for v in t["mean"]) for n, t in tables.items()),
        caption=f"{len(mask):,} {who}; 95 % interval over patients, not drawn under {FEWEST} patients.",
        data=_long(tables, "phenotype", names),
    )


def _long(tables: dict[str, pd.DataFrame], group: str, names: list[str]) -> pd.DataFrame:
    parts = [t.assign(estimate=n, **{group: names}).drop(columns="group") for n, t in tables.items()]
    return pd.concat(parts, ignore_index=True)


def _by_hour(run: RunView, values: dict[str, np.ndarray], patients: np.ndarray, who: str) -> None:
    hours, slots = run.cohort.axis.hours, run.slots[patients]
    everyone = np.zeros(len(patients), dtype=int)
    curves, rows = {}, []
    for name, v in values.items():
        course = mean_courses(v, slots, everyone, len(hours), 1, FEWEST)
        curves[name] = (course.mean[0], course.low[0], course.high[0])
        rows.append(
            pd.DataFrame(
                {
                    "estimate": name,
                    "hours": hours,
                    "mean": course.mean[0],
                    "low": course.low[0],
                    "high": course.high[0],
                    "patients": course.n[0],
                }
            )
        )
    st.markdown("**By hour: mean value along the stay**")
    show(
        value_by_step(hours, curves),
        "v-by-step",
        "Mean state value by hours from onset under FQI and FQE, with 95 % bands.",
        caption=f"{len(patients):,} {who}; patients who died or left early are missing from later steps, so a rise "
        "is not a recovery.",
        data=pd.concat(rows),
    )


@panel
def critic_panel(run: RunView) -> None:
    """Convergence of FQI, the spread of Q over doses, and V under each policy."""
    st.markdown("**Does fitted Q iteration converge?**")
    history = run.fqi_history
    if history.empty:
        empty("No history", "This run did not store the course of its fitted Q iteration.")
    else:
        last = history.iloc[-1]
        settled = last["max_change"] < 0.05
        show(
            convergence(history),
            "fqi-convergence",
            "Mean value and largest change of fitted Q iteration by iteration.",
            caption=f"{int(last['iteration'])} iterations; in the last one no value changed by more "
            f"than {last['max_change']:.2g}, "
            + (
                "so it has converged (under 0.05). A jump marks where the forests are fitted anew."
                if settled
                else "so it has not converged (0.05 is the limit): values may still move."
            ),
            data=history,
        )
    _spread(run)
    _distribution(run)


def _spread(run: RunView) -> None:
    patients = run.split.test if len(run.split.test) else np.arange(run.cohort.n_patients)
    mask, told = run.trajectories.mask[patients], run.study.actions.said
    estimates = {
        told("FQI, one forest per dose"): run.fqi_layout_q("per_action")[patients][mask],
        "FQI, joint forest (published)": run.fqi_layout_q("joint")[patients][mask],
    }
    spreads = {name: spread_over_actions(q) for name, q in estimates.items()}
    top = max(float(np.quantile(np.concatenate(list(spreads.values())), 0.99)), 1e-3)
    edges = np.linspace(0, top, 41)
    shares = {name: histogram_shares(s, np.zeros(len(s), dtype=int), 1, edges)[0][0] for name, s in spreads.items()}
    ties = {name: tie_share(q, 0.01 * max(top, 1e-9)) for name, q in estimates.items()}
    st.markdown(told("**Can the critic tell doses apart?**"))
    data = pd.DataFrame({"spread from": edges[:-1], "spread to": edges[1:], **shares})
    show(
        spread_histograms(edges, shares, ties, run.study.actions.words),
        "q-spread",
        told("Histograms of the spread of Q over doses: ")
        + "; ".join(f"{n}: {100 * ties[n]:.0f} % of states tie" for n in shares),
        caption=told(
            f"{mask.sum():,} states of test patients. A forest on (state, one-hot dose) rarely splits on the dose, so "
            "all doses tie and their ranking is chance; one forest per dose keeps them apart. Ties: spread under "
            "1 % of the axis."
        ),
        data=data,
    )


def _distribution(run: RunView) -> None:
    st.markdown("**Value of the first state under each policy**")
    k, lambda_, mode = fusion_controls(run, "critics")
    patients = run.split.test if len(run.split.test) else np.arange(run.cohort.n_patients)
    boxes = {}
    for name in policy_names(k, run, baselines=False):
        key = PolicyKey.at(name, k, lambda_, mode)
        boxes[name] = quantiles(state_values(run.probs(key)[patients, 0], critic(run, key)[patients, 0]))
    truth = true_values(run, k, lambda_, mode)
    data = pd.DataFrame(boxes, index=["5 %", "25 %", "50 %", "75 %", "95 %"]).T.reset_index(names="policy")
    show(
        value_boxes(boxes, truth, phenotype_texts(run, k)),
        "v-distribution",
        "Boxes of the value of the first state under each policy: medians "
        + ", ".join(f"{policy_name(run, n)} {q[2]:.2f}" for n, q in boxes.items()),
        caption=f"FQE of each policy, {len(patients):,} test patients, {mode}."
        + (" Upright bar: true mean value." if truth else "")
        + f" FQE: {FQE_REMARK}. {fqe_tells_little(compared(run, k, lambda_, mode))}",
        data=data,
    )


main()
