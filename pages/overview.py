"""Overview: what this is, for whom, how it flows, and which run is shown."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.access.person import Role
from core.base.errors import PhenoPolicyError
from core.cohort import simulate_cohort
from core.figures.theme import fmt, fmt_count, fmt_lambda, fmt_percent
from core.fusion.dials import MIXTURE
from core.icu.ask.case import telling_case
from core.icu.ask.frontier import reach_of
from core.icu.ask.gain import Gain, gain
from core.icu.ask.tables import policy_table
from core.policies.key import CLINICIAN, FUSED, PolicyKey
from core.policies.rules import Rule
from pages.components.patient.blind import MARK as BLIND
from pages.components.patient.blind import ON
from pages.components.policies.advice import headline
from pages.components.shell.controls import MODE_HELP
from pages.components.shell.estimates import ESTIMATORS, bracketed, rows_of, stored_support
from pages.components.shell.export import metric
from pages.components.shell.frame import can_open, current_run, empty, go_to, page, say_damage, visible_runs
from pages.components.shell.panels import panel
from pages.components.shell.rules import rules_of_session
from pages.components.shell.session import get_session, link_popover
from pages.components.shell.session_file import session_panel
from pages.components.shell.visitor import me
from pages.components.study.cohorts import store
from pages.components.study.desk import ICU_DESK
from pages.components.study.job import job_panel
from pages.components.study.runs import open_marked, run_list
from pages.components.study.train import launch

if TYPE_CHECKING:
    from core.icu.view import RunView

FLOW = Path(__file__).resolve().parents[1] / "assets" / "flow.svg"
FIRST_PATIENTS = 600
SUPPORT = {"supported": "supported", "weak": "weakly supported", "not supported": "not supported by the records"}
FLOW_TEXT = (
    "Recorded stays are encoded, grouped into phenotypes, each phenotype learns a policy, the policies are fused by "
    "distance, and every policy's value is estimated with its support."
)
CASE = "Open a case worth a look"
DOORS = (
    (
        "Clinician: browse patients",
        ":material/stethoscope:",
        "Follow a stay step by step: what was given, what each policy would weigh, how similar patients fared. The "
        "case: a new patient to whom the advice would give another dose, where possible one in danger.",
        (("pages/patient.py", CASE), ("pages/phenotypes.py", "Start from the map")),
        True,
    ),
    (
        "Researcher: tune",
        ":material/tune:",
        "Move K and λ and see policies, values and their support follow at once; train on your own cohort.",
        (("pages/policies.py", "Compare policies"), ("pages/encoder.py", "Set up a run")),
        False,
    ),
    (
        "Teacher: learn",
        ":material/school:",
        "Simulated patients have a known truth: see which estimator comes close, or play a case blind with a class.",
        (
            ("pages/learn.py", "Eight ideas to play with"),
            ("pages/classroom.py", "Play a case with a class"),
            ("pages/values.py", "Hold estimates against the truth"),
        ),
        True,
    ),
)


def main() -> None:
    """Draw the page."""
    page(
        "Patient phenotypes and their policies",
        "PhenoPolicy learns groups of similar ICU stays and a treatment policy for each, blends them, "
        "and shows how much of their estimated worth the records support.",
        aloud=True,
    )
    run = current_run()
    if run is not None:
        headline(run)
    for column, door in zip(st.columns(len(DOORS)), DOORS, strict=True):
        with column:
            _door(*door, run)
    ink = "#E6EAEE" if st.context.theme.type == "dark" else "#1B2430"
    with st.container(key="flow"):
        st.image(FLOW.read_text(encoding="utf-8").replace("currentColor", ink), width="stretch", alt=FLOW_TEXT)
    st.header("The run on show", anchor=False)
    if run is None:
        say_damage()
        _first_run()
    else:
        _state(run)
        _share(run)
    _runs()


def _door(
    title: str, icon: str, text: str, links: tuple[tuple[str, str], ...], blind: bool, run: RunView | None
) -> None:
    """blind: patients opened from here on are shown without hindsight."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"## {icon} {title}")
        st.caption(text if run is None else run.study.actions.said(text))
        for target, label in links:
            case = _case(run) if label == CASE and run is not None else {}
            go_to(target, label, case | ({BLIND: ON} if blind else {}))


def _case(run: RunView) -> dict[str, str]:
    """Parameters that open the case; none where the run has no such case."""
    try:
        found = _telling(str(run.path), run.manifest.created, tuple(rules_of_session(run.study)), _run=run)
    except PhenoPolicyError:  # a damaged run: the page that the door leads to says so
        return {}
    return {} if found is None else {"patient": str(found[0]), "step": str(found[1])}


@st.cache_data(max_entries=64, ttl="6h", show_spinner=False)
def _telling(path: str, made: str, rules: tuple[Rule, ...], _run: RunView) -> tuple[int, int] | None:
    """The case of a run under these rules; cached by both."""
    return telling_case(_run, rules)


def _first_run() -> None:
    """Nothing to show yet: one button that changes that, or the way to one's own data."""
    if get_session().job:
        st.caption("A run is under way; the pages fill as soon as it is done.")
        return
    empty(
        "No finished run yet",
        "Simulate patients and train on them with one click, or bring your own cohort.",
        icon=":material/rocket_launch:",
        page="pages/cohort.py",
        action="Choose a cohort",
    )
    if not me().person.may(Role.RESEARCHER):
        return
    if st.button(f"Simulate {FIRST_PATIENTS} patients and train", type="primary", icon=":material/play_arrow:"):
        cohort, _ = simulate_cohort("mimic-iv", FIRST_PATIENTS, seed=0, memory=True)
        stored = store(ICU_DESK, cohort, "MIMIC-IV-like, seed 0, memory")
        if launch(ICU_DESK, stored, f"First run, {datetime.now(UTC):%m-%d %H:%M:%S}", "quick", {}):
            st.rerun()


@panel
def _state(run: RunView) -> None:
    """Size, phenotypes, and the gain of the fused policy over the clinicians by the published estimator."""
    session = get_session()
    told, share = run.study.tells_survival, run.cohort.mortality()
    died = f"{fmt_percent(share)} {run.study.died_label}" if told else None
    n = run.cohort.n_patients
    cards = st.columns([2, 2, 3, 3])
    with cards[0]:
        metric("Patients", n, n=n, digits=0, text=fmt_count(n), estimator=died or "")
    with cards[1]:
        chosen = run.indices[run.indices["n_clusters"] == session.n_clusters]
        silhouette = float(chosen["silhouette"].iloc[0]) if len(chosen) else None
        kept = f"silhouette {silhouette:.2f}" if silhouette is not None else "no index stored"
        metric("Phenotypes", session.n_clusters, n=n, text=str(session.n_clusters), estimator=kept)
    with cards[2]:
        _supported(run)
    with cards[3]:
        _whole(run)
    st.caption(f"{_own_settings(run)}{_reading(run)}")


def _own_settings(run: RunView) -> str:
    """What the visitor has set otherwise than the run, in one sentence; empty where nothing is."""
    session, config = get_session(), run.config
    differs = []
    if session.n_clusters != run.n_clusters:
        differs.append(f"K = {session.n_clusters} (the run's own: {run.n_clusters})")
    if session.lambda_ != config.fusion.lambda_:
        differs.append(f"λ = {fmt_lambda(session.lambda_)} (own: {fmt_lambda(config.fusion.lambda_)})")
    if session.mode != config.fusion.mode:
        differs.append(session.mode)
    return f"As you have set it: {', '.join(differs)}. " if differs else ""


def _reading(run: RunView) -> str:
    """What value and support mean, in two sentences."""
    return (
        f"Value is the expected discounted {run.study.earned}. The effective sample size (ESS) says how many patients' "
        f"records speak for the policy; ± is a standard error. {MODE_HELP}"
    )


@st.cache_data(max_entries=64, ttl="6h", show_spinner="Comparing with the clinicians ...")
def _gain(path: str, made: str, k: int, lambda_: float, mode: str, reach: float, _run: RunView) -> Gain:
    """The fused policy, as far as `reach`, against the clinicians on held-out patients; cached by run and setting."""
    key = PolicyKey.at(FUSED, k, lambda_, mode)
    return gain(_run, _run.split.test, key, reach=reach)


def _asked() -> tuple[tuple[int, float, str], PolicyKey]:
    """The session's K, lambda and mode, and the fused policy there."""
    session = get_session()
    setting = session.n_clusters, session.lambda_, session.mode
    return setting, PolicyKey.at(FUSED, *setting)


def _supported(run: RunView) -> None:
    """What the records can judge: the fused policy at the trust frontier against the clinicians."""
    setting, key = _asked()
    title = "PHWDR: trust frontier, minus clinicians"
    reach = reach_of(run, key) if len(run.split.test) else None
    if not reach:
        floor = run.config.evaluation.ess_floor
        why = f"no departure from the clinicians keeps an effective sample size of {floor:g}"
        metric(title, None, estimator=why if len(run.split.test) else "no held-out patients in this run")
        return
    found = _gain(str(run.path), run.manifest.created, *setting, reach, run)
    basis = f"{key.mode} · trust frontier at a = {reach:g}"
    _gain_card(title, found, "", basis, _true_at(run, key, reach))


def _whole(run: RunView) -> None:
    """The fused policy itself against the clinicians, with its support and, where known, the truth."""
    setting, key = _asked()
    title = "PHWDR: fused policy itself, minus clinicians"
    if not len(run.split.test):
        metric(title, None, estimator="no held-out patients in this run")
        return
    found, light = _gain(str(run.path), run.manifest.created, *setting, 1.0, run), stored_support(run, key)
    basis = f"{key.mode} · {SUPPORT[light.grade]}"
    why = " ".join(light.reasons) or None
    _gain_card(title, found, light.grade, basis, _true_difference(run, key), why)


def _gain_card(title: str, found: Gain, grade: str, basis: str, note: str, why: str | None = None) -> None:
    """A paired difference in value with its interval and what it allows to say; `why` it is graded so, on asking."""
    difference, name = found.difference, ESTIMATORS[found.policy.estimator]
    metric(
        title,
        difference.value,
        text=bracketed(f"{difference.value:+.2f}", grade),
        low=difference.low,
        high=difference.high,
        ess=found.policy.ess,
        n=found.policy.n,
        estimator=f"{name}, {fmt(found.policy.value)} against {fmt(found.reference.value)}",
        mode=basis,
        help=why,
        note=f"{_verdict(difference.low, difference.high)} {note}".strip(),
    )


def _verdict(low: float, high: float) -> str:
    """What the interval of the difference allows to say."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "No interval was computed."
    if low > 0:
        return "Estimated to be better than what was done, if the assumptions hold."
    if high < 0:
        return "Estimated to be worse than what was done."
    return "The records do not show which of the two is better."


def _true_difference(run: RunView, key: PolicyKey) -> str:
    """On simulated patients, the difference of the true values; empty where they are not known."""
    rows = policy_table(run, key.n_clusters, key.lambda_, key.mode)
    known = rows.dropna(subset=["true_value"]).drop_duplicates("policy").set_index("policy")
    if not {FUSED, CLINICIAN} <= set(known.index):
        return ""
    values, errors = known["true_value"].to_dict(), known["true_se"].to_dict()
    gap, error = values[FUSED] - values[CLINICIAN], math.hypot(errors[FUSED], errors[CLINICIAN])
    return f"True (simulator): **{gap:+.2f}** ± {error:.2f}."


def _true_at(run: RunView, key: PolicyKey, reach: float) -> str:
    """On simulated patients, the true difference at `reach`, or that it was not rolled out just there, and the next
    further out where it was; empty elsewhere."""
    known = run.frontier_truth
    if known.empty or key != run.own_policy:
        return ""
    known = known[known["dial"] == MIXTURE.name].sort_values("setting")
    start = known.iloc[0]
    for row in rows_of(known[known["setting"] >= reach].head(1)):
        error = math.hypot(row.true_se, start["true_se"])
        gap = f"**{row.true_value - start['true_value']:+.2f}** ± {error:.2f}"
        if row.setting == reach:
            return f"True (simulator): {gap}."
        return f"No truth is known at a = {reach:g}; farther out, at a = {row.setting:g}, it is {gap}."
    return ""


def _runs() -> None:
    """Runs that this session may see; a row opens its run."""
    session, runs = get_session(), visible_runs()
    if session.job and (session.job != session.run):
        st.header("Run in the background", anchor=False)
        job_panel(ICU_DESK)
    if not runs:
        return
    st.header("Runs", anchor=False)
    open_marked(ICU_DESK, run_list(runs, "runs", caption="Select a row to show that run on every page."), can_open)


def _share(run: RunView) -> None:
    """A link to this view, and the session as a file."""
    with st.container(horizontal=True):
        link_popover("overview-link")
        with st.popover("Session file", icon=":material/save:", type="tertiary"):
            session_panel(run)


main()
