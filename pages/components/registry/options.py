"""Options at one stage: screened combinations by Q, near-equivalent ones together, and what was screened out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.figures.registry_patient import ranked_options
from core.figures.theme import fmt, fmt_interval, fmt_percent
from core.policies.doses import equal_options
from core.registry.ask.compared import MIXTURE, RECOMMENDED, Screen, along
from core.registry.ask.own import added_choices
from core.registry.ask.patient import prescribed, recommend
from core.registry.cohort.describe import highest_return, patient_course, reward_tolerance
from core.registry.spec import DEAD
from pages.components.registry.choices import choices_here
from pages.components.registry.option_tables import likely_table, options_table, screened_out_table
from pages.components.registry.session import in_text, looks_of, mark, number_mark, set_mark
from pages.components.registry.why import why_view
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show
from pages.components.shell.frame import failed
from pages.components.shell.session import let_show, write_url

if TYPE_CHECKING:
    from core.registry.view import RegistryView

FEWEST_GIVEN = 5  # training decisions with a combination, below which it is not ranked
MOST_N = 20
SUPPORTED = "supported"
ORDERS = {SUPPORTED: "As far as the records support", "q": "By Q alone"}
FLOORS = (0, 1, 2, 5, 10, 20, 50, 100)  # per mille


@st.fragment
def options_panel(run: RegistryView, patient: int) -> None:
    """Controls, then what may be weighed at one stage; reruns alone."""
    write_url()
    st.markdown("## What may be weighed at a stage")
    course = patient_course(run.cohort, patient)
    open_stages = [int(s) for s in course["stage"] if _decisions(run, course, int(s))]
    if not open_stages:
        st.info("Nothing is decided for this patient at any recorded stage.", icon=":material/info:")
        return
    stage, decision = _choose(run, course, open_stages)
    n, floor = _screen(run)
    try:
        options = recommend(run, patient, stage, decision, n, floor)
        given, words = prescribed(run, patient, stage, decision)
    except PhenoPolicyError as error:
        failed(error, "Ranking the combinations")
        return
    _state_line(run, course, stage, words, given, options)
    for line in _of_added(run, patient, stage, decision):
        st.caption(line)
    if decision in run.treatments:
        _ranked(run, options, (patient, stage, decision), given, Screen(n, floor))
        choices_here(run, patient, stage, decision)
    else:
        likely_table(options, given)
    screened_out_table(options, decision in run.treatments)


def _decisions(run: RegistryView, course: pd.DataFrame, stage: int) -> list[str]:
    """Decisions that were posed to this patient at this stage."""
    state = course.loc[course["stage"] == stage, "state"].iloc[0]
    if state in (DEAD, *run.spec.ending):
        return []
    return [decision.name for decision in run.spec.decisions if stage in decision.stages]


def _choose(run: RegistryView, course: pd.DataFrame, stages: list[int]) -> tuple[int, str]:
    """Stage and decision: those in the URL, else the first with a treatment of what the patient has."""
    treated = {decision.treats: decision.name for decision in run.spec.decisions if decision.treats}
    first = next((s for s in stages if course.loc[course["stage"] == s, "state"].iloc[0] in treated), stages[-1])
    stage = number_mark("stage", first, 0, len(run.spec.stages) - 1)
    stage = stage if stage in stages else first
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="large")
    st.session_state["registry-stage"] = stage
    row.segmented_control(
        "Stage",
        stages,
        required=True,
        key="registry-stage",
        format_func=lambda s: run.spec.stages[s].name,
        on_change=_take_stage,
    )
    posed = _decisions(run, course, stage)
    state = str(course.loc[course["stage"] == stage, "state"].iloc[0])
    usual = treated[state] if treated.get(state) in posed else posed[0]
    decision = mark("decision") if mark("decision") in posed else usual
    st.session_state["registry-decision"] = decision
    row.segmented_control(
        "Decision",
        posed,
        required=True,
        key="registry-decision",
        format_func=lambda name: looks_of(run.spec).decision(name).name,
        on_change=lambda: set_mark("decision", st.session_state["registry-decision"]),
    )
    return stage, decision


def _take_stage() -> None:
    set_mark("stage", st.session_state["registry-stage"])
    set_mark("decision")


def _screen(run: RegistryView) -> tuple[int, float]:
    """The screen: N likeliest, and a floor of the expert probability."""
    left, right = st.columns(2, gap="medium")
    let_show("registry-n", number_mark("n", min(run.screen.n, MOST_N), 1, MOST_N))
    n = left.slider(
        "Screen by number: the N combinations that experts most likely choose",
        1,
        MOST_N,
        key="registry-n",
        on_change=lambda: set_mark("n", st.session_state["registry-n"]),
    )
    floor = number_mark("floor", round(1000 * run.screen.threshold), 0, FLOORS[-1])
    let_show("registry-floor", min(FLOORS, key=lambda value: abs(value - floor)))
    right.select_slider(
        "Screen by probability: at least this likely",
        FLOORS,
        key="registry-floor",
        format_func=lambda value: "no floor" if value == 0 else f"{value / 10:g} %",
        on_change=lambda: set_mark("floor", st.session_state["registry-floor"]),
    )
    return int(n), st.session_state["registry-floor"] / 1000


def _state_line(
    run: RegistryView, course: pd.DataFrame, stage: int, words: str, given: int, options: pd.DataFrame
) -> None:
    state = looks_of(run.spec).states[str(course.loc[course["stage"] == stage, "state"].iloc[0])].name
    place = ""
    if given >= 0:
        row = options[options["action"] == given].iloc[0]
        place = f" (experts: {fmt_percent(row['probability'])}, number {int(row['place'])} of {len(options)})"
    else:
        place = " (never given in training)"
    st.caption(
        f"{run.spec.stages[stage].name.capitalize()}, state: {in_text(state)}. Given: **{words}**{place}. Model output "
        "for review and teaching, never advice for a patient."
    )


def _of_added(run: RegistryView, patient: int, stage: int, decision: str) -> list[str]:
    """What each policy that was added from elsewhere gives here, a sentence each."""
    if decision not in run.treatments:
        return []
    return [
        f"**{markdown(name)}**, added from elsewhere, "
        + (
            "gives: " + "; ".join(f"{markdown(words)} {fmt_percent(p)}" for words, p in given[:3]) + "."
            if given
            else "leaves this decision to the experts."
        )
        for name, given in added_choices(run, patient, stage, decision).items()
    ]


def _ranked(run: RegistryView, options: pd.DataFrame, asked: tuple[int, int, str], given: int, screen: Screen) -> None:
    """Near-equivalent options in groups, with Q, recorded reward and expert probability; refused where unfounded.

    asked: patient, stage and decision.
    """
    allowed = options[options["screened"]]
    founded = allowed[allowed["count"] >= FEWEST_GIVEN].reset_index(drop=True)
    rare = allowed[allowed["count"] < FEWEST_GIVEN]
    likeliest = float(allowed["probability"].max())
    if founded.empty or likeliest < screen.threshold:
        why = (
            f"none of the screened combinations was given in at least {FEWEST_GIVEN} training decisions"
            if founded.empty
            else f"no combination has an expert probability of {fmt_percent(screen.threshold)} or more here"
        )
        st.warning(f"**No options are ranked here:** {why}. Widen the screen to see more.", icon=":material/block:")
        return
    supported = _order(run, founded)
    founded = group_options(founded, reward_tolerance(run.spec))
    if supported:
        founded = founded.sort_values("chance", ascending=False, kind="stable", ignore_index=True)
    founded["given"] = founded["action"] == given
    _headline(run, founded, supported, screen)
    show(
        ranked_options(founded, supported=supported),
        "registry-options",
        f"Screened combinations by {'their chance as far as the records support the policy' if supported else 'Q'}: "
        + "; ".join(_option_text(r, supported) for r in rows_of(founded)),
        caption="★ given. Q is a network's single number, without an interval. Groups: Q differs by less than the "
        "larger half-width of the two intervals of the recorded reward. n: training decisions with it; hollow: too few "
        "patients for an interval. Recorded rewards are confounded: they compare different patients."
        + (" Diamonds: the policy as far as the records support it." if supported else ""),
        data=founded.drop(columns=["rank"]),
    )
    _, stage, decision = asked
    most = highest_return(run.spec, decision, stage)
    if float(founded["q"].max()) > most:
        st.warning(
            f"Q is too high here: no course can earn more than {fmt(most)} from this stage on. Q-networks overestimate "
            "where data are few; read it as an order, not as a value.",
            icon=":material/warning:",
        )
    if len(rare):
        st.caption(
            f":material/block: Not ranked, given in fewer than {FEWEST_GIVEN} training decisions: "
            f"{', '.join(rare['name'])}."
        )
    options_table(founded)
    why_view(run, founded, *asked)


def _order(run: RegistryView, founded: pd.DataFrame) -> bool:
    """True where the list is to stand as far as the records support the policy, which is the default."""
    if not founded["chance"].notna().all():
        st.caption(
            ":material/block: Ordered by Q alone: the records support no departure from the experts, not even their "
            "own treatment."
        )
        return False
    st.session_state["registry-order"] = mark("order") if mark("order") in ORDERS else SUPPORTED
    chosen = st.segmented_control(
        "Order",
        list(ORDERS),
        required=True,
        key="registry-order",
        format_func=ORDERS.__getitem__,
        on_change=lambda: set_mark("order", st.session_state["registry-order"]),
        help="As far as the records support: the policy (DQN, screened) mixed with the experts up to the furthest "
        "point at which recorded courses can still judge it (Policy values, Trust frontier). By Q alone: the policy "
        "itself.",
    )
    return chosen == SUPPORTED


def _headline(run: RegistryView, founded: pd.DataFrame, supported: bool, screen: Screen) -> None:
    """What the order means, with the grade of the policy that it shows."""
    if supported:
        reach = run.reach(RECOMMENDED, MIXTURE.name)
        rows = along(run.frontier, RECOMMENDED, MIXTURE.name)
        row = next(rows_of(rows[(rows["setting"] == reach) & (rows["estimator"] == "phwdr")]))
        st.markdown(
            f"**As far as the records support: a = {reach:g}** between the experts (0) and the policy (1) · on "
            f"{int(row.n):,} test patients PHWDR {fmt(row.value)} {fmt_interval(row.low, row.high)}, ESS "
            f"{fmt(row.ess, 0)}, {row.support}"
        )
        if screen != run.screen:
            st.caption(
                f":material/info: The value is that of the run's own screen (N = {run.screen.n}); with another the "
                "policy is another one, which was not judged."
            )
        return
    row = next(rows_of(run.ope[(run.ope["policy"] == RECOMMENDED) & (run.ope["estimator"] == "phwis")]))
    groups = int(founded["group"].max())
    st.markdown(
        f"**{len(founded)} combinations in {groups} group{'s' if groups > 1 else ''}** · within a group, between the "
        f"dotted lines, the records cannot tell them apart · followed always, this policy is **{row.support}** by the "
        f"records (ESS {fmt(row.ess, 1)})"
    )


def _option_text(row: Any, supported: bool) -> str:
    chance = f", policy as far as supported {100 * row.chance:.0f} %" if supported else ""
    return f"{row.name} Q {row.q:.2f}, experts {100 * row.probability:.0f} %{chance}"


def group_options(options: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The options with a column `group`, near-equivalent ones together, groups and options by Q.

    Two options are near-equivalent where their Q differs by less than the larger half-width of their intervals of the
    recorded reward (at least `tolerance`); an option without an interval counts as the least certain of all.
    """
    half = (options["high"] - options["low"]).to_numpy(dtype=float) / 2
    widest = np.nanmax(half) if np.isfinite(half).any() else tolerance
    spread = np.maximum(np.where(np.isfinite(half), half, widest), tolerance)
    group = np.zeros(len(options), dtype=np.int64)
    for number, members in enumerate(equal_options(options["q"].to_numpy(dtype=float), spread), start=1):
        group[members] = number
    return options.assign(group=group).sort_values(["group", "q"], ascending=[True, False], ignore_index=True)
