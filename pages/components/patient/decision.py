"""One decision: what each policy weighs at a step of a stay, what similar states got, and when nothing can be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.patient import probability_table, q_by_action, weight_course
from core.figures.theme import fmt, fmt_lambda, fmt_percent, fmt_unit, phenotype_name
from core.icu.ask.frontier import as_far_as_supported, fused_reach
from core.icu.ask.hazards import Met, rules_met
from core.icu.ask.options import AGENTS, NOBODY, RARE, SPREADS, critic_ties, rank_options, refusal, step_estimates
from core.study import StudySpec
from pages.components.patient.similar import similar_view
from pages.components.patient.what_if import what_if_view
from pages.components.policies.hazards import rules_of_session
from pages.components.shell.estimates import ONE_EXPERT, rows_of
from pages.components.shell.export import show

if TYPE_CHECKING:
    from core.icu.view import RunView

HAZARD = ":material/warning:"
VIEWS = ("Options", "Probabilities", "Similar states", "Phenotype", "What if")


def decision_panel(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float) -> None:
    """Everything about one step of one stay; only what was known by then (prospective)."""
    view = st.segmented_control(
        "At this step",
        VIEWS,
        default=VIEWS[0],
        key="decision-view",
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    given = int(run.trajectories.actions[patient, step])
    notes = [
        f"Step {step + 1}, from the stay so far (prospective). Given: **{run.study.actions.label(given)}**. Doses in "
        f"{run.study.actions.unit}. Model output for review and teaching, never advice for a patient."
    ]
    top = run.weights(n_clusters, lambda_, "prospective")[patient, step]
    if top.max() > ONE_EXPERT:
        notes.append(
            f"λ this high means one expert decides: {phenotype_name(int(top.argmax()))} has "
            f"{fmt_percent(float(top.max()))} of the weight."
        )
    st.caption(" ".join(notes))
    if view == "Probabilities":
        _probabilities(run, patient, step, n_clusters, lambda_, given)
    elif view == "Similar states":
        similar_view(run, patient, step, n_clusters, refusal(run, patient, step))
    elif view == "Phenotype":
        _weights(run, patient, step, n_clusters, lambda_)
    elif view == "What if":
        what_if_view(run, patient, step, n_clusters, lambda_)
    else:
        _options(run, patient, step, n_clusters, lambda_, given)


def _dose_labels(run: RunView, breaks: bool = False) -> list[str]:
    labels = [run.study.actions.label(a) for a in range(run.study.n_actions)]
    return [label.replace("–", "–<br>").replace(" ", "<br>") for label in labels] if breaks else labels


def stay_window(study: StudySpec) -> tuple[float, float]:
    """First and last hour that a stay can have."""
    return float(study.hours(0)), float(study.hours(study.horizon - 1))


def _options(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float, given: int) -> None:
    """Ranked options, near-equivalent ones together; refused as a whole or one by one where support is missing."""
    why = refusal(run, patient, step)
    hazards = rules_met(run, patient, step, rules_of_session(run.study))
    _hazards(run, hazards)
    estimates = step_estimates(run, patient, step, n_clusters, lambda_)
    if why:
        st.warning(
            f"**No options are ranked here.** {why} The estimates below are extrapolation.", icon=":material/block:"
        )
    else:
        by = st.segmented_control(
            "Rank by",
            list(SPREADS),
            default=AGENTS,
            format_func=lambda name: f"Rank by {name.split(' (')[0]}",
            key="decision-rank",
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        options = rank_options(run, patient, step, n_clusters, lambda_, estimates, by or AGENTS)
        _ranked(run, options, given, [met.rule.from_action for met in hazards])
    if critic_ties(estimates):
        st.info("FQI cannot tell these doses apart: its values lie within its own spread.", icon=":material/equal:")
    labels = _dose_labels(run)
    st.markdown("**Expected return of each dose**")
    show(
        q_by_action(estimates, labels),
        "q-by-action",
        "Expected return of each dose by three estimates: "
        + "; ".join(f"{r.estimate} {labels[r.action]} {r.value:.2f}" for r in rows_of(estimates)),
        caption="Bars: spread between experts or between trees, not confidence intervals; FQE has none. Agents and "
        "critics learn on different scales: compare the doses of one estimate, not one estimate with another.",
        data=estimates,
    )


def _hazards(run: RunView, hazards: list[Met]) -> None:
    """The hazard rules that apply at this step; the policies know nothing of them."""
    if not hazards:
        return
    said = "; ".join(
        f"{met.rule.text(run.study)} (here {fmt(met.value)} {fmt_unit(run.study.column(met.rule.column).unit)}"
        + (", filled in)" if met.imputed else ")")
        for met in hazards
    )
    st.warning(
        f"**Hazard rule:** {said}. Doses marked {HAZARD} break it; the ranking knows no rules.",
        icon=":material/warning:",
    )


def _ranked(run: RunView, options: pd.DataFrame, given: int, hazardous: list[int]) -> None:
    """One line a dose: its group, value, what the supported policy and clinicians weigh, and similar states.

    hazardous: of each hazard rule that applies here, the smallest dose that breaks it.
    """
    labels, n = _dose_labels(run), int(options["similar"].sum())
    lines = ["| Option | Dose | Value | Supported | Clinicians | Similar |", "|:-:|:-|:-|-:|-:|-:|"]
    for row in rows_of(options):
        dose = labels[row.action] + (" · *given*" if row.action == given else "")
        dose += f" {HAZARD}" if any(row.action >= least for least in hazardous) else ""
        place, value = (
            (f"**{row.group}**", f"{fmt(row.value)} ± {fmt(row.spread)}") if row.group else ("–", "not ranked")
        )
        lines.append(
            f"| {place} | {dose} | {value} | {fmt_percent(row.supported, 0)} | {fmt_percent(row.clinicians, 0)} "
            f"| {row.similar}/{n} |"
        )
    st.markdown("\n".join(lines))
    notes = []
    for why, detail in ((NOBODY, f"0 of {n}"), (RARE, f"clinicians under {_floor(run)}")):
        doses = [labels[a] for a in options.loc[options["why"] == why, "action"]]
        notes += [f":material/block: Not ranked, {why} ({detail}): {', '.join(doses)}."] if doses else []
    st.caption(
        " ".join(
            [
                "Doses of one option cannot be told apart: their values differ by less than ±, the larger of the "
                "spreads between experts and between trees.",
                *notes,
            ]
        ),
        help=f"Supported: what the fused policy weighs as "
        f"far as the records can judge it. Clinicians: what they give in such states. Similar: of the {n} most similar "
        "states, those that got the dose.",
    )


def _floor(run: RunView) -> str:
    return fmt_percent(run.config.evaluation.probability_floor, 0)


def _probabilities(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float, given: int) -> None:
    experts = run.agent_probs(n_clusters)[patient, step]
    fused = run.weights(n_clusters, lambda_, "prospective")[patient, step] @ experts
    names = ["Clinicians", *(phenotype_name(k) for k in range(n_clusters)), f"Fused, λ = {fmt_lambda(lambda_)}"]
    rows = [run.behavior[patient, step], *experts, fused]
    reach = fused_reach(run, n_clusters, lambda_)
    if reach is not None:
        names.append(f"Fused, as far as supported (a = {reach:g})")
        rows.append(as_far_as_supported(run, run.behavior[patient, step], fused, n_clusters, lambda_))
    probs = np.vstack(rows)
    labels = _dose_labels(run)
    data = pd.DataFrame(probs, columns=labels)
    data.insert(0, "policy", names)
    show(
        probability_table(names, probs, _dose_labels(run, breaks=True), given),
        "step-probabilities",
        "Probability of each dose: "
        + "; ".join(f"{n}: " + ", ".join(f"{p:.0%}" for p in row) for n, row in zip(names, probs, strict=True)),
        caption=f"Clinicians: share among {run.config.evaluation.n_neighbors} similar training states. Doses in "
        f"{run.study.actions.unit}. As far as supported: the point between clinicians and fused policy up to which the "
        "records of the test patients can judge it, an effective sample size of at least "
        f"{run.config.evaluation.ess_floor:g} (Policies, Trust frontier)."
        + ("" if reach is not None else " Here not even the clinicians' own policy meets it."),
        data=data,
    )


def _weights(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float) -> None:
    n = int(run.cohort.lengths[patient])
    weights = run.weights(n_clusters, lambda_, "prospective")[patient, :n]
    now = ", ".join(f"{phenotype_name(k)} {fmt_percent(w)}" for k, w in enumerate(weights[step]))
    whole = int(run.labels(n_clusters)[patient])
    show(
        weight_course(
            run.study.hours(np.arange(n)), weights, step, step_hours=run.study.step_hours, window=stay_window(run.study)
        ),
        "phenotype-weights",
        f"Weight of each phenotype along the stay; at this step {now}.",
        caption=f"At this step: {now}. λ = {fmt_lambda(lambda_)}. By the whole stay, which nobody knows at the "
        f"bedside: {phenotype_name(whole)}.",
        data=pd.DataFrame(weights, columns=[phenotype_name(k) for k in range(n_clusters)]),
    )
