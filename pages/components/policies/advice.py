"""The headline of a run: what it asks, what it advises, how that compares with the clinicians, and its hazards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.base.text import markdown
from core.figures.theme import fmt_interval, fmt_percent, fmt_unit
from core.icu.ask.against import advice_hazards, advised_at, question
from core.icu.ask.options import refused_steps
from core.policies.hazards import ADVICE, GIVEN
from core.policies.rules import Rule
from core.runs.manifest import judged_otherwise
from pages.components.policies.choices import choices_here, words_for
from pages.components.shell.estimates import bracketed, rows_of
from pages.components.shell.export import metric
from pages.components.shell.frame import empty
from pages.components.shell.panels import panel
from pages.components.shell.rules import rules_of_session
from pages.components.study.choices import choices_badge

if TYPE_CHECKING:
    from core.icu.advice import AdviceRecord, DialRecord
    from core.icu.view import RunView

MOST_RULES = 2  # cards of hazards beside the difference; all rules stand under Policies, Hazard rules
BEFORE = (
    "This run was made before runs were judged against the clinicians. Train it again to see what it advises and how "
    "that compares with them."
)
HOW = (
    "Mix: the mean of estimates by a model of what follows, alone and corrected by the last action, two, four and "
    "eight, each weighed by its noise and by what it is expected to leave out, as a difference to what the clinicians "
    "achieved in the same stays. Every stay is judged by a fold of the data that never saw it; encoder and phenotypes "
    "are shared. The interval counts both, and how far these estimates lie apart. ESS: how many stays' worth of "
    "records follow the advice for two actions in a row."
)

SURVIVAL_MET = (  # held to docs/evidence.md by a test
    "On 20 simulated cohorts the advice's figure was 1.6 points off on average, 0.9 too high; its interval held the "
    "truth in 100 %."
)
HIDDEN = (
    "Marginal sensitivity model: at every step the odds of the dose given, by all that clinicians knew, may differ "
    "from those by the record by at most this factor. Where the advice does as clinicians do, nothing moves. The cause "
    "may know whatever came later, so the bounds are wide: in simulations with hidden causes they held every truth, "
    "and much narrower ones would have. A recorded column's factor: with and without it, given all others; at 95 % of "
    "steps it is smaller."
)


@panel
def headline(run: RunView) -> None:
    """The question in a clinician's words, the advice in a sentence, and the cards that say how far to believe it."""
    st.header(fmt_unit(question(run.study)), anchor=False)
    if run.advice is None:
        empty(
            "No advice in this run", BEFORE, icon=":material/balance:", page="pages/encoder.py", action="Set up a run"
        )
        return
    advice, told = run.advice, run.study.actions.said
    st.markdown(f"**{advice.text}** {_in_words(run, advice)}")
    rules = tuple(rules_of_session(run.study))
    rates = _hazards(str(run.path), run.manifest.created, rules, advice.shown.share, _run=run)
    places = st.columns([4, 3, *[3] * len(rules[:MOST_RULES])])
    with places[0]:
        _difference(run, advice, advice.shown)
    with places[1]:
        _survival(run, advice, advice.shown)
    for place, number in zip(places[2:], range(len(rules)), strict=False):
        with place:
            _hazard(rates[rates["rule"] == number], advice, rules[number].title(run.study))
    st.caption(
        f":material/block: **Where nothing is ranked.** {_refused(run)}",
        help="Per step, on the Patient page: too few similar states that meet the same hazards, or a state too far "
        "from all records.",
    )
    st.caption(
        told(
            f":material/visibility_off: **If something that moved the dose is not recorded.** {advice.hidden_in_words}"
        ),
        help=told(HIDDEN),
    )
    if advice.audit is not None and advice.audit.failed:
        st.caption(f":material/rule: **An audit that fails.** {told(advice.audit.sentences()[-1])}")
    if advice.atlas is not None:
        choices_badge(advice.atlas, words_for(run.study))
    if otherwise := judged_otherwise(run.manifest, run.centered):
        st.caption(f":material/update: {otherwise}")
    if not rules and run.study.actions.ordered:
        st.caption(":material/warning: No hazard rule is set for this study, so nothing is said of the harm in a dose.")


@st.cache_data(max_entries=64, ttl="6h", show_spinner="Counting hazards ...")
def _hazards(path: str, made: str, rules: tuple[Rule, ...], share: float, _run: RunView) -> pd.DataFrame:
    """Rates of hazardous doses under the advice and as given; cached by run, rules and dial."""
    return advice_hazards(_run, rules, share)


def _refused(run: RunView) -> str:
    """At how many steps the records say too little to rank doses."""
    steps = refused_steps(run)
    n, total, patients = int(steps.sum()), int(run.trajectories.mask.sum()), int(steps.any(axis=1).sum())
    if not n:
        return f"All {total:,} recorded steps have enough similar patients for a ranking of {run.study.actions.words}."
    return run.study.actions.said(
        f"At {fmt_percent(n / total)} of {total:,} recorded steps ({patients:,} patients) too few similar patients are "
        "on record: there no dose is ranked."
    )


def _in_words(run: RunView, advice: AdviceRecord) -> str:
    """What the advised or nearest dial would do, without its name."""
    shown = advice.shown.share
    often = "always" if shown == 1 else f"in {fmt_percent(shown, 0)} of such steps"
    step = (
        f"where records show another {_of_drug(run)} to do better, give it {often}; everywhere else do as clinicians do"
    )
    return f"In words: {step}." if advice.share else f"What came nearest to being advised: {step}."


def _of_drug(run: RunView) -> str:
    """'dose of heparin', 'choice', 'combination'."""
    actions = run.study.actions
    return f"dose of {actions.drug}" if actions.ordered else actions.word


def _followed(dial: DialRecord) -> str:
    """How often the advice is followed where it has a dose of its own."""
    return "always followed" if dial.share == 1 else f"followed at {fmt_percent(dial.share, 0)}"


def _difference(run: RunView, advice: AdviceRecord, dial: DialRecord) -> None:
    """The difference to the clinicians of the advised dial, or of the one that came nearest."""
    title = "Advice, minus clinicians" if advice.share else "Nearest alternative (not advised), minus clinicians"
    metric(
        title,
        dial.value,
        text=bracketed(f"{dial.value:+.2f}", dial.grade),
        low=dial.low,
        high=dial.high,
        ess=dial.ess,
        n=advice.n,
        estimator="mix, cross-fitted",
        mode=_followed(dial),
        help=f"{HOW} The value is in {run.study.earned}.",
        note=run.study.actions.said(
            f"Grade: **{dial.grade}**. {dial.doubts} {_claim(advice, dial)} {_truth(dial)}".replace("  ", " ")
        ),
    )


def _survival(run: RunView, advice: AdviceRecord, dial: DialRecord) -> None:
    """The same difference in survival, in points of a hundred."""
    title = "Survival, minus clinicians"
    if not run.study.tells_survival:
        metric(title, None, estimator="the study's outcome does not tell who survived")
        return
    if dial.survival_points is None or dial.survival is None:
        metric(title, None, estimator="survival was not judged in this run; train it again")
        return
    points, low, high = dial.survival_points
    under = f"Survival under it: {bracketed(fmt_percent(dial.survival), dial.grade)}"
    under += "." if 0 <= dial.survival <= 1 else ", which cannot be: next to no record bears on it."
    true = ""
    if dial.true_survival_gain is not None and dial.true_survival_se is not None:
        true = f" In truth **{100 * dial.true_survival_gain:+.1f}** ± {100 * dial.true_survival_se:.1f} points."
    metric(
        title,
        points,
        text=bracketed(f"{points:+.1f} points", dial.grade),
        low=low,
        high=high,
        digits=1,
        n=advice.n,
        estimator="mix on the outcome alone",
        mode=_followed(dial),
        help="How many more of a hundred patients survive: the same judges, asked about the outcome alone. "
        + SURVIVAL_MET,
        note=f"{under}{true}",
    )


def _truth(dial: DialRecord) -> str:
    """What the simulator says of the difference; nothing for real patients."""
    if dial.true_gain is None or dial.true_se is None:
        return ""
    held = "inside" if dial.low <= dial.true_gain <= dial.high else "outside"
    return (
        f"In truth **{dial.true_gain:+.2f}** ± {dial.true_se:.2f} ({dial.true_n:,} simulated patients rolled out), "
        f"{held} the interval."
    )


def _claim(advice: AdviceRecord, dial: DialRecord) -> str:
    """What may be said of the difference."""
    if not (math.isfinite(dial.low) and math.isfinite(dial.high)):
        return "No interval could be computed."
    if advice.claims:
        return "The records show a gain, if all reasons for a dose were recorded."
    if advice.share:
        return "The records lean this way; they do not prove a gain."
    return "The records do not show that it is better."


def _hazard(pair: pd.DataFrame, advice: AdviceRecord, name: str) -> None:
    """One rule by its short name: how often the advice gives such a dose, beside what clinicians gave."""
    given, advised = (next(rows_of(pair[pair["policy"] == name])) for name in (GIVEN, ADVICE))
    title = f"{'Advice' if advice.share else 'Alternative'}: {markdown(name)}"
    if not given.steps:
        metric(title, None, estimator="hazardous, but the rule applies at no recorded step")
        return
    points = f"{100 * advised.excess:+.1f}"
    known = math.isfinite(advised.excess_low)
    interval = f" [{100 * advised.excess_low:+.1f}, {100 * advised.excess_high:+.1f}]" if known else ""
    metric(
        title,
        advised.rate,
        text=fmt_percent(advised.rate),
        estimator=f"hazardous: share of {given.steps:,} such steps of {given.patients:,} patients",
        note=f"Clinicians: **{fmt_percent(given.rate)}**; difference {points}{interval} points.",
        help=f"{markdown(given.text)}: how often a dose is given that the rule calls hazardous, at the recorded steps "
        "where it applies; 95 % interval by person. Change the rules under Policies, Hazard rules.",
    )


def hazards_in_words(run: RunView, advice: AdviceRecord) -> str:
    """One sentence: how often the dial on show gives a hazardous dose, and how often clinicians do, rule by rule."""
    rates = _hazards(
        str(run.path), run.manifest.created, tuple(rules_of_session(run.study)), advice.shown.share, _run=run
    )
    if rates.empty:
        return "No hazard rule is set for this study."
    given, advised = (rates[rates["policy"] == name] for name in (GIVEN, ADVICE))
    said = (
        f"{row.text} in {fmt_percent(row.rate)} (clinicians {fmt_percent(clinicians)})"
        for row, clinicians in zip(rows_of(advised), given["rate"], strict=True)
    )
    return f"Of steps at hazard: {'; '.join(said)}."


def advised_here(run: RunView, patient: int, step: int, least_hazardous: int | None, hidden: bool = False) -> None:
    """What the run's default advice does at one step of a stay, by the fold that never saw the patient.

    least_hazardous: the smallest dose bin that breaks a hazard rule here, None where no rule applies.
    hidden: that this is the last step of the stay is not told.
    """
    if run.advice is None:
        st.caption(f":material/balance: {BEFORE}")
        return
    place, action = advised_at(run, patient, step)
    clinicians, word = "as clinicians do", run.study.actions.word
    if place == "apart":
        said = "not computed for this stay: it is not among those that advice was learned and judged on."
    elif place == "last" and not hidden:
        said = f"{clinicians}. No step follows in the record, so no other {word} was asked for."
    elif place in ("deferred", "last"):
        said = f"{clinicians}. The records show no {word} that does better here."
    else:
        dose = f"{run.study.actions.label(action)}"
        danger = " :material/warning:" if least_hazardous is not None and action >= least_hazardous else ""
        share = run.advice.share
        if not share:
            said = f"{clinicians}, here and everywhere. The alternative that was not advised: {dose}{danger}."
        elif share < 1:
            said = f"**{dose}**{danger} with probability {fmt_percent(share, 0)}, else {clinicians}."
        else:
            said = f"**{dose}**{danger}."
    shown = run.advice.shown
    what = "The advice" if run.advice.share else "The alternative"
    st.markdown(f":material/balance: **Default advice at this step:** {said}")
    st.caption(
        f"By a fold of the data that never saw this patient. {what}, minus clinicians, over all stays: "
        f"{bracketed(f'{shown.value:+.2f}', shown.grade)} {fmt_interval(shown.low, shown.high)}, ESS {shown.ess:.1f} "
        f"of {run.advice.n:,}, {shown.grade}. {hazards_in_words(run, run.advice)}",
        help=HOW,
    )
    if place in ("advised", "deferred"):
        choices_here(run, patient, step)
