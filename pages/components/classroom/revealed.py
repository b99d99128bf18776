"""After the reveal: what was given, what the class and each policy chose, how similar patients did, and what every
student's own policy is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.labels import in_lines
from core.figures.patient import probability_table
from core.figures.similar import similar_states
from core.figures.teaching import ClassDoses, class_doses
from core.figures.theme import fmt, fmt_interval, fmt_percent, phenotype_name, policy_style
from core.icu.ask.decision import Decision, DecisionSettings, decision_at
from core.icu.ask.find import outcome_words
from core.icu.ask.options import refusal
from core.policies.hazards import default_rules
from core.teaching.conference import Conference
from core.teaching.students import policy_rows
from pages.components.patient.course import course_panel
from pages.components.patient.facts import who
from pages.components.patient.similar import FEWEST_SURVIVAL
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show, table
from pages.components.shell.held import held
from pages.components.shell.patients import horizon_words

if TYPE_CHECKING:
    from core.icu.view import RunView

Answers = tuple[tuple[str, tuple[tuple[int, int, int], ...]], ...]
PARTS = ("What was chosen", "Step by step", "What it is worth", "The whole stay")


def revealed(run: RunView, conference: Conference, me: str) -> None:
    """The case as it was, and what it says of those who played it."""
    asked = conference.asked
    end = f"**{outcome_words(run)[asked.patient]}**{horizon_words(run.study)}"
    st.markdown(f"{who(run, asked.patient)} · {run.cohort.lengths[asked.patient]} steps · {end}")
    part = st.segmented_control(
        "Part",
        PARTS,
        **held("class-part", PARTS),
        required=True,
        label_visibility="collapsed",
    )
    if part == "Step by step":
        _step_by_step(run, conference)
    elif part == "What it is worth":
        _worth(run, conference, me)
    elif part == "The whole stay":
        course_panel(run, asked.patient, asked.first)
    else:
        _chosen(run, conference, me)


def _labels(run: RunView) -> list[str]:
    return run.study.actions.labels


def _chosen(run: RunView, conference: Conference, me: str) -> None:
    """The class beside what was given, what clinicians usually give, and the fused policy."""
    asked, labels, actions = conference.asked, _labels(run), run.study.actions
    steps, own = np.array(asked.steps), conference.choices(me, conference.case)
    rows = run.cohort.starts[asked.patient] + steps
    here = run.only(np.array([asked.patient]))
    doses = ClassDoses(
        hours=run.cohort.hours[rows],
        votes=conference.votes(conference.case, run.study.n_actions),
        given=run.cohort.actions[rows],
        usual=here.behavior[0, steps].argmax(axis=-1),
        advice=here.probs(run.own_policy)[0, steps].argmax(axis=-1),
        own=np.array([own.get(int(step), -1) for step in steps]),
    )
    votes = pd.DataFrame(doses.votes, columns=labels).assign(step=steps + 1, hours=doses.hours)
    told = [labels[int(action)] for action in doses.given]
    n = len({c.member for c in conference.commits if c.case == conference.case})
    show(
        class_doses(doses, labels, step_hours=run.study.step_hours),
        "class-doses",
        f"{actions.said('Doses')} at {asked.n} steps. Given: {', '.join(told)}.",
        caption=f"Bars: share of the class (n = {n}) for each {actions.word}, to the right of its step. Given is what "
        "was done, not what was right. "
        f"{f'Doses in {actions.unit}; fused' if actions.unit else 'Fused'}: the run's own policy, by the stay so far.",
        data=votes.assign(given=told),
    )


def _step_by_step(run: RunView, conference: Conference) -> None:
    """One step: what every policy weighs there, and how similar patients did."""
    asked = conference.asked
    step = asked.first
    if asked.n > 1:
        step = st.select_slider(
            "Step", list(asked.steps), format_func=lambda t: f"{t + 1}", **held("class-step", asked.steps)
        )
    settings = DecisionSettings(run.n_clusters, run.config.fusion.lambda_)
    decision = decision_at(run, asked.patient, int(step), settings)
    left, right = st.columns(2, gap="medium")
    with left:
        _weighed(run, conference, decision)
    with right:
        _similar(run, decision)


def _weighed(run: RunView, conference: Conference, decision: Decision) -> None:
    votes = conference.votes(conference.case, run.study.n_actions)[decision.step - conference.asked.first]
    weighed = decision.weighed
    names = ["Clinicians", *(phenotype_name(k) for k in range(len(weighed.experts))), policy_style("fused").name]
    rows = [weighed.clinicians, *weighed.experts, weighed.fused]
    if votes.sum():
        names.append(f"Class (n = {votes.sum()})")
        rows.append(votes / votes.sum())
    labels = [in_lines(label) for label in _labels(run)]
    show(
        probability_table(names, np.vstack(rows), labels, decision.given),
        "class-weighed",
        f"Probability of each {run.study.actions.word} at step {decision.step + 1}; given: "
        f"{_labels(run)[decision.given]}.",
        caption="What each policy weighs at this step, and the class. Clinicians: share among similar training states.",
        data=pd.DataFrame(np.vstack(rows), columns=_labels(run)).assign(policy=names),
    )


def _similar(run: RunView, decision: Decision) -> None:
    doses = decision.neighbors.doses.copy()
    doses.loc[doses["patients"] < FEWEST_SURVIVAL, ["survival", "low", "high"]] = np.nan
    if why := refusal(run, decision.patient, decision.step):
        st.warning(why, icon=":material/block:")
    n = int(doses["n"].sum())
    show(
        similar_states(doses, _labels(run), ordered=run.study.actions.ordered),
        "class-similar",
        run.study.actions.said(f"Doses given in the {n} most similar states, and survival by dose."),
        caption=f"{n} most similar states of training patients: what they got, and survival of those who got it (95 % "
        f"Wilson, not under {FEWEST_SURVIVAL}). Description, not effect.",
        data=doses,
    )


@st.cache_data(max_entries=32, ttl="6h", show_spinner="Rolling out every student's policy ...")
def _rows(path: str, made: str, answers: Answers, _run: RunView) -> pd.DataFrame:
    """Rows of the policy table; cached by run and choices."""
    students = {}
    for member, chosen in answers:
        places = np.array([(patient, step) for patient, step, _ in chosen], dtype=np.int64).reshape(-1, 2)
        students[member] = places, np.array([action for _, _, action in chosen], dtype=np.int64)
    return policy_rows(_run, students)


def _worth(run: RunView, conference: Conference, me: str) -> None:
    """The policy table, students among the run's policies, best first where the truth is known."""
    chosen: dict[str, list[tuple[int, int, int]]] = {member.id: [] for member in conference.members}
    for c in conference.commits:
        chosen[c.member].append((conference.cases[c.case].patient, c.step, c.action))
    answers = tuple((member, tuple(said)) for member, said in chosen.items())
    found = _rows(str(run.path), run.manifest.created, answers, run)
    found = found.sort_values("value", ascending=False, kind="stable", na_position="last")
    nicknames = {member.id: member.nickname for member in conference.members}
    shown = pd.DataFrame([_readable(row, nicknames, me) for row in rows_of(found)])
    simulated = bool(found["value"].notna().any())
    if not simulated:
        shown = shown.drop(columns=["True value [95 %]", "Minus clinicians [95 %]", "Survival"])
    own = found[found["policy"] == me]
    if simulated and len(own):
        gain, low, high = (float(own[name].iloc[0]) for name in ("gain", "gain_low", "gain_high"))
        st.markdown(f"**Your policy:** {_verdict(gain, low, high)}")
    config = {name: st.column_config.Column(alignment="right") for name in shown.columns[1:]}
    caption = _how(run, found, simulated)
    table(shown, "class-worth", name=f"class-{conference.code}", caption=caption, column_config=config)


def _readable(row: Any, nicknames: dict[str, str], me: str) -> dict[str, object]:
    """One row in words: a student under the nickname, "(you)" beside one's own."""
    student = nicknames.get(row.policy)
    you = " (you)" if row.policy == me else ""
    hazard = f"{fmt_percent(row.hazard, 0)} {_percents(row.hazard_low, row.hazard_high)}".strip()
    known = bool(np.isfinite(row.value))
    gained = bool(np.isfinite(row.gain))
    return {
        "Policy": policy_style(row.policy).name if student is None else f"{student}{you}",
        "Answers": "" if student is None else f"{row.answers:.0f}",
        "As given": "" if student is None else fmt_percent(row.as_given, 0),
        "Hazard rate [95 %]": hazard,
        "True value [95 %]": f"{fmt(row.value)} {fmt_interval(row.value_low, row.value_high)}" if known else "",
        "Minus clinicians [95 %]": f"{row.gain:+.2f} {fmt_interval(row.gain_low, row.gain_high)}" if gained else "",
        "Survival": fmt_percent(row.survival) if known else "",
    }


def _percents(low: float, high: float) -> str:
    """An interval of shares in percent; nothing where there is none."""
    return f"[{100 * low:.0f}, {100 * high:.0f}]" if np.isfinite(low) and np.isfinite(high) else ""


def _verdict(gain: float, low: float, high: float) -> str:
    """What the interval of a gain over the clinicians allows to say."""
    if low > 0:
        return f"in truth better than the clinicians, by {fmt(gain)} {fmt_interval(low, high)}."
    if high < 0:
        return f"in truth worse than the clinicians, by {fmt(-gain)} {fmt_interval(-high, -low)}."
    return f"in truth not told apart from the clinicians: {gain:+.2f} {fmt_interval(low, high)}."


def _how(run: RunView, found: pd.DataFrame, simulated: bool) -> str:
    """How a student's policy is made of the answers, and what stands in the columns."""
    rules = "; ".join(rule.text(run.study) for rule in default_rules(run.study))
    steps = int(found["hazard_steps"].iloc[0])
    n = int(found["n"].max()) if simulated else 0
    truth = (
        f"True value: each policy rolled out in the simulator on {n:,} new patients, all policies on the same ones."
        if simulated
        else "These are recorded patients, so that no true value is known."
    )
    return run.study.actions.said(
        "A student's policy: in any state, the dose chosen at the most similar step answered in this conference, among "
        "those in the same hazards where there are any. Few answers make a crude policy; more cases sharpen it. "
        f"Hazard rate: of {steps:,} recorded test steps in hazard ({rules}), the share with a hazardous dose. {truth}"
    )
