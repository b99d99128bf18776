"""Reader studies of this visitor on the run on show: set one up, read its cases, see and export what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.figures.teaching import reading_rates, said_rates
from core.figures.theme import fmt
from core.teaching.arms import ARM_TEXT
from core.teaching.cases import FEWEST_CASES, MOST_CASES, ReadingSettings, Sampling, choose_cases
from core.teaching.measures import AGREEMENT, CHANGE, OVER_RELIANCE, effort, rates
from core.teaching.reading import LONGEST_NAME, ReaderStudy, list_studies, start_study
from pages.components.classroom.read_case import read_case
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import csv_button, show
from pages.components.shell.frame import empty, failed, require_run
from pages.components.shell.held import held
from pages.components.shell.places import uploads_root
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

CHOSEN, NEW = "reading-study", "new"
SAMPLINGS: dict[Sampling, str] = {
    "outcome": "evenly by phenotype and outcome",
    "disagreement": "evenly by how far advice and clinicians are apart",
    "selection": "from the selected patients",
}
PARTS = ("Read", "Results")
TITLES = {
    AGREEMENT: "Agreement with advice not planted",
    OVER_RELIANCE: "Over-reliance: planted wrong advice taken",
    CHANGE: "Change of mind",
}


def studies_folder(run: RunView) -> Path:
    """Where this visitor's reader studies on a run are kept."""
    # by name and data: cases are positions, and a run that was made anew may hold other patients
    return uploads_root(get_session().owner) / "readings" / f"{run.path.name}-{run.manifest.data_hash}"


def reading_view() -> None:
    """The study that is chosen, or the form of a new one."""
    run = require_run()
    st.caption(
        "Does advice help, and is it followed where it is wrong? Every reader meets the same cases blind, decides, "
        "sees what the arm of the case shows, and decides again."
    )
    folder = studies_folder(run)
    studies = list_studies(folder)
    marks = get_session().marks
    chosen = marks.get(CHOSEN, "")
    if chosen not in studies:
        chosen = NEW if chosen == NEW or not studies else next(iter(studies))
    st.session_state[CHOSEN] = chosen
    if studies:
        with st.columns([2, 3])[0]:
            st.selectbox(
                "Reader study",
                [*studies, NEW],
                format_func=lambda stem: "New study ..." if stem == NEW else _named(studies[stem]),
                key=CHOSEN,
                on_change=lambda: get_session().mark(CHOSEN, st.session_state[CHOSEN]),
            )
    if chosen == NEW:
        _set_up(run, folder)
    else:
        _study(run, folder / f"{chosen}.json", studies[chosen])


def _named(study: ReaderStudy) -> str:
    done = sum(answer.second is not None for answer in study.answers)
    return markdown(f"{study.name} ({len(study.cases)} cases, {done} decisions)")


def _set_up(run: RunView, folder: Path) -> None:
    """The form of a new study."""
    selection = get_session().selection
    samplings = [name for name in get_args(Sampling) if name != "selection" or selection is not None]
    with st.form("reading-setup"):
        first, second = st.columns([2, 3])
        name = first.text_input("Name", "Reader study", max_chars=LONGEST_NAME)
        sampling = second.selectbox("Choose cases", samplings, format_func=SAMPLINGS.__getitem__)
        cells = st.columns(3)
        n_cases = cells[0].number_input("Cases", FEWEST_CASES, MOST_CASES, 12)
        share = cells[1].number_input("Wrong advice planted (% of cases)", 0, 50, 25, step=5)
        seed = cells[2].number_input("Seed", 0, 2**31 - 1, 0, help="The same seed gives the same study again.")
        pressed = st.form_submit_button("Start study", type="primary", icon=":material/play_arrow:")
    advice = run.study.actions.said(
        "Advice is here the likeliest dose of the run's fused policy. Planted advice is a dose that it would not give:"
    )
    st.caption(
        "Cases are steps of held-out test patients, or of the selection, at which the records support a ranking. "
        f"{advice} one that breaks a hazard rule where one applies, else the one that clinicians give least in such "
        "states. Arms (no advice, advice, advice with its support) are balanced for every reader, and for every case "
        "over three readers in a row."
    )
    if not pressed:
        return
    patients = selection.patients if sampling == "selection" and selection is not None else run.split.test
    settings = ReadingSettings(sampling=sampling, n_cases=n_cases, planted_share=share / 100, seed=seed)
    try:
        cases = choose_cases(run, settings, patients)
        path = start_study(folder, name, run.manifest.data_hash, settings, cases)
    except PhenoPolicyError as error:
        failed(error, "Starting the study")
    else:
        get_session().mark(CHOSEN, path.stem)
        st.rerun()


def _study(run: RunView, path: Path, study: ReaderStudy) -> None:
    part = st.segmented_control(
        "Part",
        PARTS,
        **held("reading-part", PARTS),
        required=True,
        label_visibility="collapsed",
    )
    if part == "Results":
        _results(run, study)
    else:
        read_case(run, path)


def _results(run: RunView, study: ReaderStudy) -> None:
    """Rates by arm with what they rest on, effort, and the decisions as a file."""
    decisions = study.table(run.study)
    if decisions.empty:
        empty("No decision yet", "Results fill as soon as a reader has finished a case.")
        return
    found, n = rates(decisions), len(study.readers)
    readers = "1 reader" if n == 1 else f"{n} readers"
    show(
        reading_rates(found, TITLES, ARM_TEXT),
        "reading-rates",
        said_rates(found, TITLES, ARM_TEXT),
        caption=f"{len(decisions)} decisions of {readers} on {len(study.cases)} cases, "
        f"{int(study.planted.sum())} with planted advice. 95 % Wilson intervals of decisions; those of one reader or "
        "one case are not independent, so other readers and cases may lie outside. No advice: how often one's own "
        "choice is the advice that was not shown. Advice that is not planted need not be right.",
        data=found,
    )
    lines = ["| Arm | Decisions | Median time | Confidence before | after |", "|:-|-:|-:|-:|-:|"]
    for row in rows_of(effort(decisions)):
        before, after = fmt(row.confidence_before, 0), fmt(row.confidence_after, 0)
        lines.append(f"| {ARM_TEXT[row.arm]} | {row.n} | {fmt(row.seconds, 0)} s | {before} % | {after} % |")
    st.markdown("\n".join(lines))
    with st.container(horizontal=True):
        csv_button(decisions, "reading-decisions", name=f"reading-{study.name}", label="All decisions (CSV)")
    st.caption(
        "One row a decision: reader, order, patient, step, hours, arm, planted, advice, choice and confidence before "
        f"and after, seconds, {run.study.actions.word} given; no outcome. Time runs from when a case is first shown, "
        "breaks included."
    )
