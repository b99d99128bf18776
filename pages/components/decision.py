"""One decision: what each policy weighs at a step of a stay, what similar states got, and when nothing can be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.patient import probability_table, q_by_action, weight_course
from core.figures.theme import fmt, fmt_lambda, fmt_percent, phenotype_name
from core.runs.frontier import MIXTURE, fused_reach
from core.runs.similar import neighborhood
from core.runs.summaries.doses import equal_options
from core.study import StudySpec
from pages.components.estimates import ONE_EXPERT, rows_of
from pages.components.export import show
from pages.components.similar_panel import similar_view
from pages.components.what_if_panel import what_if_view

if TYPE_CHECKING:
    from core.runs.view import RunView

SUPPORT_FLOOR = 0.05  # states farther from the records than 95 % of the training states get no ranking
FEWEST_SIMILAR = 20
SPREADS = ("SD between experts", "SD between trees")
VIEWS = ("Options", "Probabilities", "Similar states", "Phenotype", "What if")


def decision_panel(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float) -> None:
    """Everything about one step of one stay; only what was known by then (prospective)."""
    view = st.segmented_control(
        "At this step", VIEWS, default=VIEWS[0], key="decision-view", required=True, persist_state="session"
    )
    given = int(run.trajectories.actions[patient, step])
    st.caption(
        f"Step {step + 1}, prospective: from the stay so far. Given: **{run.study.actions.label(given)}**. Model "
        "output for "
        f"review and teaching, never advice for a patient. Doses in {run.study.actions.unit}."
    )
    top = run.weights(n_clusters, lambda_, "prospective")[patient, step]
    if top.max() > ONE_EXPERT:
        st.caption(
            f":material/info: λ this high means one expert decides: {phenotype_name(int(top.argmax()))} has "
            f"{fmt_percent(float(top.max()))} of the weight."
        )
    if view == "Probabilities":
        _probabilities(run, patient, step, n_clusters, lambda_, given)
    elif view == "Similar states":
        similar_view(run, patient, step, n_clusters, refusal(run, patient, step))
    elif view == "Phenotype":
        _weights(run, patient, step, n_clusters, lambda_)
    elif view == "What if":
        what_if_view(run, patient, step, n_clusters, lambda_, SUPPORT_FLOOR)
    else:
        _options(run, patient, step, n_clusters, lambda_, given)


def _dose_labels(run: RunView, breaks: bool = False) -> list[str]:
    labels = [run.study.actions.label(a) for a in range(run.study.n_actions)]
    return [label.replace("–", "–<br>").replace(" ", "<br>") for label in labels] if breaks else labels


def stay_window(study: StudySpec) -> tuple[float, float]:
    """First and last hour that a stay can have."""
    return float(study.hours(0)), float(study.hours(study.horizon - 1))


def refusal(run: RunView, patient: int, step: int) -> str:
    """Why no options are ranked here, or nothing where the records support a ranking."""
    support, n = float(run.support[patient, step]), int((run.neighbors[patient, step] >= 0).sum())
    if n < FEWEST_SIMILAR:
        return f"Too few similar patients: only {n} training states are stored as similar, {FEWEST_SIMILAR} are needed."
    if support < SUPPORT_FLOOR:
        return (
            f"Too few similar patients: this state lies farther from the records than {fmt_percent(1 - support, 0)} "
            "of the training "
            "states lie from one another."
        )
    return ""


def step_estimates(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float) -> pd.DataFrame:
    """Q of each dose with its spread: fused agents (SD between experts), FQI (SD between trees), FQE of the fusion."""
    weights = run.weights(n_clusters, lambda_, "prospective")[patient, step]
    experts = run.agent_q(n_clusters)[patient, step].astype(float)
    fused = weights @ experts
    between = np.sqrt(weights @ (experts - fused) ** 2)
    star, trees = run.fqi_q[patient, step].astype(float), run.fqi_sd[patient, step].astype(float)
    policy = run.critic("fused", n_clusters, lambda_, "prospective")[patient, step].astype(float)
    actions = np.arange(len(fused))
    parts = [
        ("Fused agents (± SD between experts)", fused, between),
        ("FQI (± SD between trees)", star, trees),
        ("FQE of the fusion", policy, np.full(len(fused), np.nan)),
    ]
    return pd.concat(
        [
            pd.DataFrame({"estimate": name, "action": actions, "value": v, "low": v - s, "high": v + s, "spread": s})
            for name, v, s in parts
        ],
        ignore_index=True,
    )


def critic_ties(estimates: pd.DataFrame) -> bool:
    """True where the FQI values of all doses lie within the spread between its own trees."""
    part = estimates[estimates["estimate"].str.startswith("FQI")]
    value, spread = part["value"].to_numpy(), part["spread"].to_numpy()
    return bool(np.isfinite(spread).all()) and len(equal_options(value, spread)) == 1


def _options(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float, given: int) -> None:
    """Ranked options, near-equivalent ones together; refused as a whole or one by one where support is missing."""
    why = refusal(run, patient, step)
    estimates = step_estimates(run, patient, step, n_clusters, lambda_)
    labels, floor = _dose_labels(run), run.config.evaluation.probability_floor
    if why:
        st.warning(
            f"**No options are ranked here.** {why} The estimates below are extrapolation.", icon=":material/block:"
        )
    else:
        names = list(dict.fromkeys(estimates["estimate"]))
        by = st.selectbox("Rank by", names[:2], key="decision-rank", persist_state="session")
        both = np.stack([estimates.loc[estimates["estimate"] == name, "spread"].to_numpy() for name in names[:2]])
        part = estimates[estimates["estimate"] == by].assign(
            spread=both.max(axis=0), source=[SPREADS[i] for i in both.argmax(axis=0)]
        )
        _ranked(run, patient, step, part, labels, floor, given)
    if critic_ties(estimates):
        st.info("FQI cannot tell these doses apart: its values lie within its own spread.", icon=":material/equal:")
    st.markdown("**Expected return of each dose**")
    show(
        q_by_action(estimates, labels),
        "q-by-action",
        "Expected return of each dose by three estimates: "
        + "; ".join(f"{r.estimate} {labels[r.action]} {r.value:.2f}" for r in rows_of(estimates)),
        caption="Bars, and ± above: spread between experts or between trees, not confidence intervals; FQE has none. "
        "Doses are put into one group where their values differ by less than the larger of the two spreads.",
        data=estimates,
    )


def _ranked(
    run: RunView, patient: int, step: int, part: pd.DataFrame, labels: list[str], floor: float, given: int
) -> None:
    clinicians = run.behavior[patient, step]
    similar = neighborhood(run, patient, step).set_index("action")
    values = part["value"].to_numpy()
    got = similar["n"].to_numpy()
    usable = np.flatnonzero((clinicians >= floor) & (got > 0))
    groups = equal_options(values[usable], part["spread"].to_numpy()[usable]) if len(usable) else []
    for rank, group in enumerate(groups, start=1):
        with st.container(border=True, gap="small"):
            together = f"Option group {rank}" + (
                f": {len(group)} doses that cannot be told apart" if len(group) > 1 else ""
            )
            st.markdown(f"**{together}**")
            for i in group:
                a = int(usable[i])
                mark = " · *given*" if a == given else ""
                st.markdown(
                    f"{labels[a]}{mark}  \n:gray[value {fmt(values[a])} ± {fmt(part['spread'].iloc[a])} "
                    f"({part['source'].iloc[a]}) · clinicians give it in "
                    f"{fmt_percent(clinicians[a])} of such states · {int(got[a])} of the {int(got.sum())} most similar]"
                )
    nobody = [label for a, label in enumerate(labels) if got[a] == 0]
    rare = [label for a, label in enumerate(labels) if got[a] > 0 and clinicians[a] < floor]
    if nobody:
        st.caption(f":material/block: Not ranked: nobody similar got it (0 of {int(got.sum())}): {', '.join(nobody)}.")
    if rare:
        st.caption(
            ":material/block: Not ranked: too few similar patients got it (clinicians' probability under "
            f"{fmt_percent(floor, 0)}): {', '.join(rare)}."
        )


def _probabilities(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float, given: int) -> None:
    experts = run.agent_probs(n_clusters)[patient, step]
    fused = run.weights(n_clusters, lambda_, "prospective")[patient, step] @ experts
    names = ["Clinicians", *(phenotype_name(k) for k in range(n_clusters)), f"Fused, λ = {fmt_lambda(lambda_)}"]
    rows = [run.behavior[patient, step], *experts, fused]
    reach = fused_reach(run, n_clusters, lambda_)
    if reach is not None:
        names.append(f"Fused, as far as supported (a = {reach:g})")
        rows.append(MIXTURE.mix(run.behavior[patient, step], fused, reach))
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
