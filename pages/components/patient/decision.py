"""One decision: what each policy weighs at a step of a stay, what similar states got, and when nothing can be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.base.text import markdown
from core.figures.labels import in_lines
from core.figures.patient import probability_table, q_by_action, weight_course
from core.figures.theme import fmt, fmt_lambda, fmt_percent, fmt_unit, two_lines
from core.icu.ask.decision import Decision, DecisionSettings, decision_at
from core.icu.ask.hazards import Met
from core.icu.ask.names import phenotype_texts
from core.icu.ask.options import AGENTS, FEW, FEWEST_OF_DOSE, NOBODY, RARE, SPREADS
from core.policies.hazards import band_text
from core.policies.hit import POSSIBLE, UNKNOWN, UNLIKELY
from core.study import StudySpec
from pages.components.patient.similar import followed, similar_view
from pages.components.patient.what_if import what_if_view
from pages.components.patient.why import why_view
from pages.components.policies.advice import advised_here
from pages.components.shell.estimates import ONE_EXPERT, rows_of
from pages.components.shell.export import show
from pages.components.shell.held import held
from pages.components.shell.rules import rules_of_session

if TYPE_CHECKING:
    from core.icu.view import RunView

HAZARD = ":material/warning:"
HIT_SIGNS = {UNLIKELY: ":material/check:", POSSIBLE: HAZARD, UNKNOWN: ":material/question_mark:"}
HIT_HELP = (
    "Heparin-induced thrombocytopenia by the 4Ts (Lo et al. 2006), from what was measured and given before this dose. "
    "A T that is not on record counts as anything from 0 to 2. Unlikely: at most 3 points whatever it is; possible: 4 "
    "or more whatever it is; else unknown. Falls are counted from the highest value on record; what came before is not "
    "known."
)
VIEWS = ("Options", "Probabilities", "Similar states", "Phenotype", "What if")


def decision_of(run: RunView, patient: int, step: int, n_clusters: int, lambda_: float) -> Decision:
    """The one question that all panels of a step are drawn from, under the hazard rules of this session."""
    rules = tuple(rules_of_session(run.study))
    return decision_at(run, patient, step, DecisionSettings(n_clusters, lambda_, rules, tuple(followed(run))))


def decision_panel(run: RunView, decision: Decision, hidden: bool = False) -> None:
    """Everything about one step of one stay; only what was known by then (prospective).

    hidden: nor is told what was given, how the stay went on, or its phenotype by the whole stay.
    """
    view = st.segmented_control(
        "At this step",
        VIEWS,
        **held("decision-view", VIEWS),
        required=True,
        label_visibility="collapsed",
    )
    notes = [
        f"Step {decision.step + 1}, from the stay so far (prospective). "
        + ("" if hidden else f"Given: **{run.study.actions.label(decision.given)}**. ")
        + f"{_in_unit(run)}Model output for review and teaching, never advice for a patient."
    ]
    top = decision.weights[decision.step]
    if top.max() > ONE_EXPERT:
        notes.append(f"λ this high: one expert decides, {phenotype_texts(run, len(top))[int(top.argmax())]}.")
    st.caption(" ".join(notes))
    if view == "Probabilities":
        _probabilities(run, decision, hidden)
    elif view == "Similar states":
        similar_view(run, decision, hidden)
    elif view == "Phenotype":
        _weights(run, decision, hidden)
    elif view == "What if":
        what_if_view(run, decision, hidden)
        st.markdown(run.study.actions.said("**Why? What moves the value of a dose here**"))
        why_view(run, decision, _by_choice())
    else:
        _options(run, decision, hidden)


def _in_unit(run: RunView) -> str:
    """In which unit doses are told; nothing of actions that are no doses."""
    return f"Doses in {run.study.actions.unit}. " if run.study.actions.ordered else ""


def _dose_labels(run: RunView, breaks: bool = False) -> list[str]:
    labels = run.study.actions.labels
    return [in_lines(label) for label in labels] if breaks else labels


def stay_window(study: StudySpec, hours: np.ndarray) -> tuple[float, float]:
    """The study's first and last hour, the same for every stay, widened for one with hours (t,) beyond them."""
    first, last = study.window
    return min(first, float(hours[0])), max(last, float(hours[-1]))


def _options(run: RunView, decision: Decision, hidden: bool) -> None:
    """Ranked options, near-equivalent ones together; refused as a whole or one by one where support is missing."""
    options, estimates, said = decision.options, decision.options.estimates, run.study.actions.said
    _hazards(run, decision.hazards)
    _warnings(run, decision)
    if options.refused:
        st.warning(
            f"**No options are ranked here.** {options.refused} The estimates below are extrapolation.",
            icon=":material/block:",
        )
    else:
        _ranked(run, options.ranked(_by_choice()), decision, hidden)
    hazardous = [met.rule.from_action for met in decision.hazards]
    advised_here(run, decision.patient, decision.step, min(hazardous, default=None), hidden)
    if options.tied:
        tied = said("FQI cannot tell these doses apart: its values lie within its own spread.")
        st.info(tied, icon=":material/equal:")
    labels = _dose_labels(run)
    st.markdown(said("**Expected return of each dose**"))
    show(
        q_by_action(estimates, labels),
        "q-by-action",
        said("Expected return of each dose by three estimates: ")
        + "; ".join(f"{r.estimate} {labels[r.action]} {r.value:.2f}" for r in rows_of(estimates)),
        caption="Bars: spread between experts or between trees, not confidence intervals; FQE has none. Agents and "
        + said("critics learn on different scales: compare the doses of one estimate, not one estimate with another."),
        data=estimates,
    )


def _by_choice() -> str:
    """The estimate that the visitor chooses to rank doses by, one of `SPREADS`."""
    by = st.segmented_control(
        "Rank by",
        list(SPREADS),
        format_func=lambda name: f"Rank by {name.split(' (')[0]}",
        **held("decision-rank", SPREADS, AGENTS),
        required=True,
        label_visibility="collapsed",
    )
    return by or AGENTS


def _hazards(run: RunView, hazards: tuple[Met, ...]) -> None:
    """The hazard rules that apply at this step; the policies know nothing of them."""
    if not hazards:
        return
    said = "; ".join(f"{met.rule.text(run.study)} ({_here(run, met)})" for met in hazards)
    st.markdown(f":orange-background[{HAZARD} **Hazard:** {said}. The ranking knows no rules.]")


def _here(run: RunView, met: Met) -> str:
    """The value by which a rule applies, and how far it fell where that decides."""
    column = run.study.column(met.column)
    named = f"{column.label or met.column} " if len(met.rule.columns) > 1 else ""
    value = f"{met.read(run.study)} {'' if column.unit == '1' else fmt_unit(column.unit)}".strip()
    fell = f", a fall by {met.fall:.0f} %" if np.isfinite(met.fall) else ""
    return f"here {named}{value}{fell}{', filled in' if met.imputed else ''}"


def _warnings(run: RunView, decision: Decision) -> None:
    """What the study warns of without making it a rule, and HIT by what is on record: words in one line, so that the
    ranked doses stay in sight, and what they rest on behind them."""
    short, whole = [], []
    for met in decision.warnings:
        short.append(f":material/notification_important: **{met.rule.name or met.rule.condition(run.study)}**")
        whole.append(f"Warning: {met.rule.condition(run.study)}; {_here(run, met)}.")
    if (hit := decision.hit) is not None:
        short.append(f"{HIT_SIGNS[hit.word]} **HIT: {hit.word}**")
        whole += [f"HIT: {hit.word}, {hit.why}", HIT_HELP]
    if short:
        st.markdown(" · ".join(short), help="\n\n".join(whole))


def _ranked(run: RunView, options: pd.DataFrame, decision: Decision, hidden: bool) -> None:
    """One line a dose: its group, value, what the supported policy and clinicians weigh, and similar states."""
    hazardous = [met.rule.from_action for met in decision.hazards]  # the smallest dose that breaks each
    labels, n = _dose_labels(run), int(options["similar"].sum())
    word = run.study.actions.word.capitalize()
    lines = [f"| Option | {word} | Value | Supported | Clinicians | Similar |", "|:-:|:-|:-|-:|-:|-:|"]
    for row in rows_of(options):
        dose = labels[row.action]
        dose += " · *given*" if row.action == decision.given and not hidden else ""
        dose += f" {HAZARD}" if any(row.action >= least for least in hazardous) else ""
        place, value = (
            (f"**{row.group}**", f"{fmt(row.value)} ± {fmt(row.spread)}") if row.group else ("–", "not ranked")
        )
        lines.append(
            f"| {place} | {dose} | {value} | {fmt_percent(row.supported, 0)} | {fmt_percent(row.clinicians, 0)} "
            f"| {row.similar}/{n} ({row.in_band}) |"
        )
    st.markdown("\n".join(lines))
    notes = _of_added(decision, labels) + _per_kg(run, decision)
    reasons = (
        (NOBODY, f"0 of {n}"),
        (FEW, f"fewer than {FEWEST_OF_DOSE} of {n}"),
        (RARE, f"clinicians under {_floor(run)}"),
    )
    for why, detail in reasons:
        doses = [labels[a] for a in options.loc[options["why"] == why, "action"]]
        notes += [f":material/block: Not ranked, {why} ({detail}): {', '.join(doses)}."] if doses else []
    st.caption(
        " ".join(
            [
                run.study.actions.said("Doses of one option cannot be told apart: their values differ by less than ±, ")
                + "the larger of the spreads between experts and between trees.",
                "Why, see *What if*.",
                *notes,
            ]
        ),
        help="Supported: what the fused policy weighs as far as the records can judge it. Clinicians: what they give "
        f"in such states. Similar: of the {n} most similar states, those that got the dose; in "
        f"brackets those of them with {_band(run, decision)}.",
    )


def _of_added(decision: Decision, labels: list[str]) -> list[str]:
    """What each policy that was added from elsewhere weighs here, a sentence each."""
    return [
        f"**{markdown(name)}**, added from elsewhere, weighs: "
        + ", ".join(f"{label} {fmt_percent(p, 0)}" for label, p in zip(labels, probs, strict=True))
        + "."
        for name, probs in decision.weighed.added.items()
    ]


def known_weight(run: RunView, patient: int, step: int) -> float:
    """Body weight at a step in kg; NaN where the study has none, or it was filled in."""
    cohort, row = run.cohort, run.cohort.starts[patient] + step
    if run.study.weight not in run.study.names:
        return float("nan")
    j = run.study.index(run.study.weight)
    filled = cohort.imputed is not None and bool(cohort.imputed[row, j])
    return float("nan") if filled else float(cohort.states[row, j])


def _per_kg(run: RunView, decision: Decision) -> list[str]:
    """The dose bins per kg and hour in a sentence; none where weight is not known."""
    weight, study = known_weight(run, decision.patient, decision.step), run.study
    if not study.actions.ordered:
        return []
    ends = [study.per_kg_hour(dose, weight).partition(" ") for dose in study.actions.upper]
    if not ends[0][0]:
        return []
    told = [f"{'> 0' if a == 1 else ends[a - 1][0]}–{ends[a][0]}" for a in range(1, len(ends))]
    return [f"The doses in {ends[0][2]} at {weight:.0f} kg: {', '.join(told)}."]


def _band(run: RunView, decision: Decision) -> str:
    """The hazards of this state in words."""
    return band_text(run.study, int(run.bands[decision.patient, decision.step])) or "no hazard, as the study has none"


def _floor(run: RunView) -> str:
    return fmt_percent(run.config.evaluation.probability_floor, 0)


def _probabilities(run: RunView, decision: Decision, hidden: bool) -> None:
    weighed, settings = decision.weighed, decision.settings
    experts = [*map(two_lines, phenotype_texts(run, settings.n_clusters))]
    names = ["Clinicians", *experts, f"Fused, λ = {fmt_lambda(settings.lambda_)}"]
    rows = [weighed.clinicians, *weighed.experts, weighed.fused]
    if weighed.reach is not None:
        names.append(f"Fused, as far as supported (a = {weighed.reach:g})")
        rows.append(weighed.supported)
    names += weighed.added
    probs = np.vstack([*rows, *weighed.added.values()])
    labels = _dose_labels(run)
    data = pd.DataFrame(probs, columns=labels)
    data.insert(0, "policy", names)
    show(
        probability_table(names, probs, _dose_labels(run, breaks=True), None if hidden else decision.given),
        "step-probabilities",
        run.study.actions.said("Probability of each dose: ")
        + "; ".join(f"{n}: " + ", ".join(f"{100 * p:.0f} %" for p in row) for n, row in zip(names, probs, strict=True)),
        caption=f"Clinicians: share among {run.config.evaluation.n_neighbors} similar training states. "
        f"{_in_unit(run)}As far as supported: the point between clinicians and fused policy up to which the "
        "records of the test patients can judge it, an effective sample size of at least "
        f"{run.config.evaluation.ess_floor:g} (Policies, Trust frontier)."
        + ("" if weighed.reach is not None else " Here not even the clinicians' own policy meets it."),
        data=data,
    )


def _weights(run: RunView, decision: Decision, hidden: bool) -> None:
    step, study = decision.step, run.study
    known = step + 1 if hidden else len(decision.weights)
    weights = decision.weights[:known]
    names = phenotype_texts(run, weights.shape[1])
    whole = f" By the whole stay, which nobody knows at the bedside: {names[decision.phenotype]}."
    now = "; ".join(f"{name} {fmt_percent(w)}" for name, w in zip(names, weights[step], strict=True))
    hours = run.cohort.hours[run.cohort.rows(decision.patient)][:known]
    show(
        weight_course(hours, weights, step, step_hours=study.step_hours, window=stay_window(study, hours), names=names),
        "phenotype-weights",
        f"Weight of each phenotype along the stay; at this step {now}.",
        caption=f"At this step: {now}. λ = {fmt_lambda(decision.settings.lambda_)}.{'' if hidden else whole}",
        data=pd.DataFrame(weights, columns=list(names)).assign(hours=hours),
    )
