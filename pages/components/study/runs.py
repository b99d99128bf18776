"""The list of runs of any study: a row opens its run, or follows it while it is at work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from pages.components.shell.export import table
from pages.components.study.desk import Desk
from pages.components.study.job import state_text

if TYPE_CHECKING:
    from core.runs.status import RunInfo

FOLLOW = "A row shows its run; one that is not finished is followed at the top of the page."


def run_list(
    runs: list[RunInfo],
    key: str,
    *,
    name: str = "",
    caption: str = FOLLOW,
    row: Callable[[RunInfo], dict[str, Any]] | None = None,
    column_config: dict[str, Any] | None = None,
) -> RunInfo | None:
    """Draw runs, a line each (`row`: what it says, default `facts`); returns the one whose row is marked."""
    event = table(
        pd.DataFrame([(row or facts)(run) for run in runs]),
        key,
        name=name,
        caption=caption,
        on_select="rerun",
        selection_mode="single-row",
        column_config=column_config,
    )
    marked = list(event["selection"]["rows"]) if event else []
    return runs[marked[0]] if marked and marked[0] < len(runs) else None


def open_marked(desk: Desk, run: RunInfo | None, can_open: Callable[[Any], bool]) -> None:
    """Show the run whose row was marked, or follow it while it is not done; can_open: says so where it cannot."""
    if run is None or run.path.name in (desk.on_show(), desk.job()):
        return
    if run.state != "done":
        desk.follow(run.path.name)
        st.rerun()
    elif can_open(run.path):
        desk.show(run.path.name)
        st.rerun()


def facts(run: RunInfo) -> dict[str, Any]:
    """What is true of a run of any study."""
    return {
        "run": run.name,
        "state": state_text(run.state),
        "patients": run.n_patients,
        "data": "simulated" if run.simulated else "recorded",
        "data hash": run.data_hash,
        "started": when(run.created),
        "seen by": "you" if run.owner else "everybody",
    }


def when(text: str) -> str:
    """Date and time of a record."""
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return text
