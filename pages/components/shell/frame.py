"""Head of every page: what the app is for, which run is shown, and what stands in its way when there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import PhenoPolicyError, refused
from core.base.text import markdown, markdown_lines, markup
from core.figures.theme import fmt_unit
from core.icu.study import ICU
from core.runs.added import added_stamp, owners_in
from pages.components.shell.address import keep_places
from pages.components.shell.old_link import old_link
from pages.components.shell.places import run_path
from pages.components.shell.session import BAR, Session, get_session, sync_url, write_url
from pages.components.shell.visitor import drop_deleted, opened

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.runs.status import RunInfo
    from core.runs.study import AnyStudy

SMALL_COHORT = 100
MOST_SAID = 3  # damaged runs that are told of at once
PURPOSE = "Research and teaching only"
NOT_A_DEVICE = "Not a medical device: nothing here may guide the care of a patient."
USERS = "Intended users: clinicians reviewing past care, researchers, teachers and students."
SIDEBAR_WIDTH = 230  # pixels; the first visit to a fresh server would else show Streamlit's own width
STYLE = """<style>
@media (min-width: 768px) {[data-testid="stSidebar"][data-collapsed="false"] {width: SIDEBAR_WIDTHpx !important;}}
[data-testid="stHeader"] {height: 2.4rem; min-height: 2.4rem; background: transparent; pointer-events: none;}
[data-testid="stToolbar"] {pointer-events: none;}  /* it lies over the head of the page, where its buttons are not */
[data-testid="stHeader"] button {pointer-events: auto;}
.stMainBlockContainer {padding: .7rem 2.2rem 4rem 2.2rem; max-width: none;}
.stMainBlockContainer > div > [data-testid="stVerticalBlock"] {gap: .65rem;}
.st-key-pp-address {position: absolute; width: 0; height: 0; overflow: hidden;}  /* draws nothing, takes no room */
.st-key-pp-head {padding-right: 2.4rem;}  /* the menu stands there */
.stMainBlockContainer h1 {padding: 0 .9rem .1rem 0;}
.pp-purpose {font-size: .84rem; line-height: 1.5;}
.pp-purpose summary {cursor: pointer; display: inline-block; font-weight: 600; border-left: 4px solid #D55E00;
  border-radius: 4px; padding: .1rem .6rem; background: rgba(213, 94, 0, .10);}
.pp-purpose summary::after {content: " ▸";} .pp-purpose[open] summary::after {content: " ▾";}
.pp-purpose div {padding: .3rem .75rem; max-width: 62rem;}
.pp-run {font-size: .84rem; opacity: .9; margin: 0 0 .2rem 0; line-height: 1.6;}
.stMainBlockContainer [data-testid="stMarkdownContainer"] table {font-size: .84rem;}
.stMainBlockContainer [data-testid="stMarkdownContainer"] :is(td, th) {padding: .28rem .5rem; white-space: nowrap;}
.st-key-flow {max-width: 72rem; margin: 0 auto;}
.st-key-patient-line p {font-size: .87rem; line-height: 1.45;}
/* What moves the page stays in sight while one reads on. */
@media (min-width: 900px) {div:has(> [class*="-sticky-controls"]) {position: sticky; top: 0; z-index: 5;
  background: light-dark(#FFFFFF, #11161C);} [class*="-sticky-controls"] {padding: .1rem 1.4rem 0 0;}}
/* Between the arrows stands a patient, which says what they lead to; their names are for those who listen. */
:is([class*="previous-patient"], [class*="next-patient"]) [data-testid="stMarkdownContainer"] {position: absolute;
  clip-path: inset(50%);}
/* Nothing is cut or scrolls sideways where a window is narrow: it takes another line. */
[data-testid="stButtonGroup"] > [role="radiogroup"] {flex-wrap: wrap; overflow: visible; row-gap: .2rem;}
:is([data-testid="stMetric"], [data-testid="stPageLink"], [data-testid="stCheckbox"])
  :is([data-testid="stMarkdownContainer"], p, span:has(> [data-testid="stMarkdownContainer"])) {
  white-space: normal; overflow: visible;}
@media (max-width: 1200px) {
  .stMainBlockContainer [data-testid="stMarkdownContainer"] :is(td, th) {
    white-space: normal !important; padding: .2rem .25rem; font-size: .8rem;}
  .pp-more {display: none;}
  .st-key-learn-numbers [data-testid="stMetricValue"] {font-size: 1.35rem;}
  .st-key-patient-bar :is([data-testid="stPageLink"], [data-testid="stPopover"])
    [data-testid="stMarkdownContainer"] {position: absolute; clip-path: inset(50%);}
  .st-key-patient-bar > :has([data-testid="stPopover"]) {flex: 0 0 auto !important; width: auto !important;}}
@media (min-width: 768px) and (max-width: 1100px) {
  [data-testid="stSidebar"][data-collapsed="false"] {width: 184px !important;}}
.pp-badge {display: inline-block; border-radius: 999px; padding: 0 .55rem; font-size: .76rem; font-weight: 600;
  margin-right: .35rem; border: 1px solid currentColor;}
.pp-simulated {color: light-dark(#6B2F90, #CFA6E6); background: rgba(123, 63, 160, .10);}
.pp-small {color: light-dark(#A34700, #FFA266); background: rgba(213, 94, 0, .10);}
/* Streamlit's own faded text, and its white text on a light primary color, lie under the 4.5:1 of WCAG AA. */
[data-testid="stCaptionContainer"] {color: light-dark(#5A636D, #A3ABB4) !important; opacity: 1 !important;}
[data-testid^="stBaseButton-primary"]:not(:disabled), [data-testid="stMultiSelect"] [data-tag] {
  color: light-dark(#FFFFFF, #11161C) !important;}
</style>""".replace("SIDEBAR_WIDTH", str(SIDEBAR_WIDTH))


@dataclass(frozen=True)
class Subject:
    """The run on show, as the head of a page names it; `settings` in a few words, `definitions` in sentences."""

    name: str
    n_patients: int
    simulated: bool
    settings: str
    data_hash: str
    population: str
    definitions: str = ""


def page(
    title: str,
    intro: str,
    *,
    subject: Callable[[], Subject | None] | None = None,
    population: str = "adults in intensive care",
    aloud: bool = False,
) -> Session:
    """Draw the head of a page (banner, title, the run on show) and return the session.

    subject: finds the run on show (default: the current run of the ICU study). population: where there is no run.
    intro: one sentence; it waits behind the title's question mark, so that the first panel stands high, or is said
    `aloud` under it.
    """
    _enter_frame()
    session = sync_url()
    drop_deleted()
    st.session_state.pop(BAR, None)
    st.html(STYLE)
    shown = (subject or current_subject)()
    write_url()
    keep_places()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xxsmall", key="pp-head"):
        st.title(title, anchor=False, width="content", help=None if aloud else intro)
        if shown is not None:
            _run_line(shown)
        _purpose(shown, population)
    if aloud:
        st.caption(intro)
    old_link(session)
    return session


def _purpose(shown: Subject | None, population: str) -> None:
    """What the app is for, in one word that stands on every page and opens to the whole statement, and to what the run
    is where a narrow window has no room for it."""
    people = markup(fmt_unit(population if shown is None else shown.population))
    made = "" if shown is None else f" {markup(fmt_unit(shown.definitions))} The run: {_made(shown)}."
    st.html(
        f'<details class="pp-purpose"><summary>{PURPOSE}</summary>'
        f"<div>{NOT_A_DEVICE} {USERS} Population: {people}.{made}</div></details>",
        width="content",
    )


def _made(shown: Subject) -> str:
    """'preset quick · data 37496b447b9d263d'."""
    return f"{markup(shown.settings)} · data <code>{markup(shown.data_hash)}</code>"


def current_subject() -> Subject | None:
    """The current run of the ICU study, as the head of a page names it."""
    run = current_run()
    if run is None:
        return None
    facts = run.manifest
    return Subject(
        facts.name,
        run.cohort.n_patients,
        facts.simulated,
        f"preset {run.config.preset}",
        facts.data_hash,
        run.study.population,
        _definitions(run),
    )


def _definitions(run: RunView) -> str:
    """What hour 0, outcome and dose are in the run's study, and what its states may know of their own step."""
    from core.cohort.knowledge import what_a_state_knows

    study, actions = run.study, run.study.actions
    said = (
        f"Hour 0: {study.onset}." if study.onset else "",
        f"Outcome: {study.died_label} {study.outcome_horizon}." if study.outcome_horizon else "",
        f"Dose: {actions.drug}, {actions.unit}." if actions.ordered else "",
        actions.said(what_a_state_knows(run.report, run.cohort.origin)),
    )
    return " ".join(filter(None, said))


def _enter_frame() -> None:
    """Run app.py around this page where Streamlit did not.

    A server that has not run app.py yet takes the pages/ folder for an app without st.navigation, so a first visit by
    a deep link would show the bare page. The flag is Streamlit's own (its version is pinned); st.navigation clears it.
    """
    from streamlit.runtime.pages_manager import PagesManager

    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()


def _run_line(shown: Subject) -> None:
    n = shown.n_patients
    badges = ""
    if shown.simulated:
        badges += '<span class="pp-badge pp-simulated">simulated data</span>'
    if n < SMALL_COHORT:
        badges += f'<span class="pp-badge pp-small">small cohort: {n} patients, expect wide intervals</span>'
    st.html(
        f'<div class="pp-run">{badges}Run <b>{markup(shown.name)}</b> · {n:,} patients'
        f'<span class="pp-more"> · {_made(shown)}</span></div>',
        width="content",
    )


@st.cache_resource(max_entries=4, ttl="6h", show_spinner="Opening the run ...")
def _open(path: str, stamp: tuple[int, int], owners: tuple[str, ...], added: tuple[tuple[str, int], ...]) -> RunView:
    """One read-only view per version of a run and of what was added to it, shared by all who see the same of it."""
    from core.icu.view import RunView
    from core.runs.integrity import verify

    verify(Path(path))
    return RunView(path, owners)


def visible_runs(study: AnyStudy = ICU) -> list[RunInfo]:
    """Runs of a study that this session may see: the shared ones and its own, newest first."""
    from core.runs.status import list_runs

    return [run for run in list_runs(study.folder, *get_session().owners) if run.kind == study.kind]


def may_see(folder: Path) -> bool:
    """True where the run is shared or this session's own (also before its manifest is written)."""
    from core.runs.status import seen_by

    return seen_by(folder, *get_session().owners)


def current_run() -> RunView | None:
    """The run that the pages show: the session's, else the newest finished one it may see; None where there is none."""
    session = get_session()
    folder = run_path(session.run) if session.run else None
    run = _open_finished(folder) if folder is not None and may_see(folder) else None
    if run is None:
        finished = (_open_finished(info.path) for info in visible_runs() if info.state == "done")
        run = next((found for found in finished if found is not None), None)
    if run is None:
        return None
    session.open_run(run.path.name)
    session.fit(run)
    opened(run.path.name)
    return run


def _open_finished(folder: Path) -> RunView | None:
    """The run in a folder; None where it is not finished or cannot be read."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return None
    stat = manifest.stat()
    try:
        owners = owners_in(folder, get_session().owners)
        run = _open(str(folder), (stat.st_mtime_ns, stat.st_size), owners, added_stamp(folder, owners))
        # without its cohort a run can draw nothing, however complete the rest is
        return run if run.complete and run.k_values and run.cohort else None
    except PhenoPolicyError:
        return None


def finished_run(folder: Path) -> RunView | None:
    """The run in a folder, where it is finished, can be read, and this session may see it; None otherwise."""
    run = _open_finished(folder) if may_see(folder) else None
    if run is not None:
        opened(folder.name)
    return run


def run_of_case(folder: Path, data_hash: str) -> RunView | None:
    """The finished run in a folder, on this very data, whoever asks: for a page that shows one case of it, and nothing
    else, to those whom its teacher gave a code. None where it is gone or was made anew."""
    run = _open_finished(folder)
    return run if run is not None and run.manifest.data_hash == data_hash else None


def can_open(folder: Path) -> bool:
    """Whether a finished run of a list can be shown; the page says so where it cannot."""
    return said_to_open(finished_run(folder), folder)


def said_to_open(run: object | None, folder: Path) -> bool:
    """Whether there is a run to show; the page says why where there is none."""
    if run is None:
        st.error(f"This run cannot be shown: {markdown(_damage(folder))}", icon=":material/error:")
    return run is not None


def _damage(folder: Path) -> str:
    """What is wrong with a run that does not open, in the words of the check."""
    from core.runs.integrity import verify

    try:
        verify(folder)
    except PhenoPolicyError as error:
        return str(error)
    return "files in its folder are missing or damaged. Train it again on the same cohort."


def say_damage(study: AnyStudy = ICU) -> None:
    """Where no run can be shown: why each of the finished ones cannot."""
    for run in [run for run in visible_runs(study) if run.state == "done"][:MOST_SAID]:
        said_to_open(None, run.path)


def require_run() -> RunView:
    """The current run, or an empty state that says how to get one (and the page stops there)."""
    run = current_run()
    if run is None:
        say_damage()
    if run is None and get_session().job:
        empty(
            "Your run is not finished",
            "This part fills as soon as it is; its progress stands on the Encoder page.",
            icon=":material/hourglass_top:",
            page="pages/encoder.py",
            action="See how far it is",
        )
        st.stop()
    if run is None:
        empty(
            "No finished run yet",
            "This page shows what a run has learned. Simulate or upload a cohort, then train on it; "
            "a quick run takes about a minute.",
            icon=":material/hourglass_empty:",
            page="pages/cohort.py",
            action="Choose a cohort",
        )
        st.stop()
    return run


def empty(title: str, text: str, *, icon: str = ":material/info:", page: str = "", action: str = "") -> None:
    """A designed empty state: what is missing, what to do, and the door to it."""
    with st.container(border=True):
        st.markdown(f"## {icon} {title}")
        st.markdown(text)
        if page:
            go_to(page, action)


def no_survival() -> None:
    """Where survival would stand, in a study whose outcome does not tell it."""
    empty("No survival is known", "The outcome of this study is a number, or it has none: nobody knows who survived.")


def go_to(
    page: str, label: str, more: Mapping[str, str] | None = None, *, icon: str | None = ":material/arrow_forward:"
) -> None:
    """A link to another page that keeps the view; `more` parameters are added to it."""
    params = get_session().to_params() | dict(more or {})
    try:
        st.page_link(page, label=label, icon=icon, query_params=params)
    except st.errors.StreamlitAPIException:
        # A page run on its own, as in tests, has no navigation to link into.
        st.caption(f"→ {label}")


def failed(error: Exception, doing: str) -> None:
    """An error state: what could not be done, why, in the words of the error, or of what the system refused."""
    why = refused(error, "try again") if isinstance(error, OSError) else error
    st.error(f"**{doing} did not work.** {markdown_lines(why)}", icon=":material/error:")
