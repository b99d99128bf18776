"""Panel of a background run: progress, live loss curves, time left, cancel and resume; it survives a reload."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown_lines, markup
from core.figures.encoder import loss_curves
from core.figures.theme import fmt_duration, fmt_percent
from pages.components.shell.frame import empty, failed, may_see
from pages.components.shell.visitor import me
from pages.components.study.desk import Desk

if TYPE_CHECKING:
    from core.runs.status import JobStatus

POLL_SECONDS = 1.5
LOOK = {
    "waiting": ("Waiting for a slot", ":material/schedule:", "gray"),
    "running": ("Running", ":material/progress_activity:", "blue"),
    "done": ("Done", ":material/check_circle:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "cancelled": ("Cancelled", ":material/cancel:", "orange"),
    "interrupted": ("Interrupted", ":material/link_off:", "orange"),
}


def state_text(state: str) -> str:
    """Icon and word of a state, for tables."""
    return LOOK.get(state, (state, "", "gray"))[0]


def job_panel(desk: Desk, key: str = "job", *, curves: bool = True) -> None:
    """Follow the run of the desk; polls only while it is active. curves: draw its losses until it is done."""
    from core.runs.status import read_job

    folder = desk.folder(desk.job())
    if folder is None or not may_see(folder):
        empty("This run is not here", "It was removed, or the link belongs to someone else's session.")
        return
    polling = read_job(folder).active

    @st.fragment(run_every=POLL_SECONDS if polling else None)
    def follow() -> None:
        status = read_job(folder)
        with st.container(border=True):
            _draw(folder, status, key, desk)
            if curves and status.state != "done":  # a finished one is shown by the pages
                _draw_losses(status, folder, key)
        if polling and not status.active:
            st.rerun()

    follow()


def _draw(folder: Path, status: JobStatus, key: str, desk: Desk) -> None:
    word, icon, color = LOOK[status.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(word, icon=icon, color=color)  # type: ignore[arg-type]
        st.html(f"<b>{markup(status.name or folder.name)}</b>")
    if status.active:
        _draw_active(folder, status, key)
    elif status.state == "done":
        with st.container(horizontal=True, vertical_alignment="center"):
            if desk.on_show() == folder.name:
                st.markdown(desk.shown, width="content")
            elif st.button("Show this run", key=f"{key}-open", type="primary"):
                desk.show(folder.name)
                st.rerun()  # the whole page: a callback here would redraw the panel alone
            _close_button(key, desk)
    else:
        if status.error:
            st.error(markdown_lines(status.error), icon=":material/error:")
        st.markdown(desk.kept)
        with st.container(horizontal=True):
            if st.button("Resume", key=f"{key}-resume", icon=":material/play_arrow:"):
                _resume(folder)
            _close_button(key, desk)


def _close_button(key: str, desk: Desk) -> None:
    if st.button("Close", key=f"{key}-close", type="tertiary", icon=":material/close:"):
        desk.follow("")
        st.rerun()


def _draw_losses(status: JobStatus, folder: Path, key: str) -> None:
    if status.history is not None and not status.history.empty:
        st.plotly_chart(
            loss_curves(status.history, run=status.name or folder.name),
            key=f"{key}-losses",
            config={"displaylogo": False},
            alt="Training and validation loss of the encoder by epoch; the star marks the epoch that is kept.",
        )


def _draw_active(folder: Path, status: JobStatus, key: str) -> None:
    st.progress(min(max(status.overall_fraction, 0.0), 1.0), text=_of_run(status))
    st.progress(min(max(status.stage_fraction, 0.0), 1.0), text=_of_stage(status))
    if st.button("Cancel", key=f"{key}-cancel", icon=":material/stop_circle:"):
        try:
            me().cancel(folder)
        except PhenoPolicyError as error:
            failed(error, "Cancelling")
        st.rerun()


def _of_run(status: JobStatus) -> str:
    """How far the whole run is; where several stages are at work, which: no line of its own, that would come and go."""
    share = f"Whole run: {fmt_percent(status.overall_fraction, 0)}"
    if not status.beside:
        return share
    return f"{share} · at work: {', '.join(_words(name) for name in (status.stage, *status.beside))}"


def _of_stage(status: JobStatus) -> str:
    if status.state == "waiting" or not status.stage:
        return status.message or "Starting"
    said = f"{_words(status.stage).capitalize()}: {status.message or fmt_percent(status.stage_fraction, 0)}"
    ended = status.stage_fraction >= 1
    return said if ended else f"{said} · left in this stage: {fmt_duration(status.seconds_left)}"


def _words(stage: str) -> str:
    return stage.replace("_", " ")


def _resume(folder: Path) -> None:
    try:
        me().resume(folder)
    except PhenoPolicyError as error:
        failed(error, "Resuming")
        return
    st.rerun()
