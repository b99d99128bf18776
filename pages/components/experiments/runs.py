"""The list of runs with their settings; a row opens its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.figures.theme import fmt_duration
from core.icu.study import ICU
from pages.components.shell.frame import can_open, empty, visible_runs
from pages.components.shell.session import get_session
from pages.components.study.job import state_text
from pages.components.study.runs import run_list

if TYPE_CHECKING:
    from core.runs.status import RunInfo

WORK = "The times of its stages, added up: some of them went on at the same time, so you waited for less."


def draw() -> None:
    """All runs that this session may see, newest first."""
    runs = visible_runs()
    if not runs:
        empty(
            "No runs yet",
            "A run is made from a cohort on the Encoder page, or on the command line: "
            "`python -m core train COHORT --run FOLDER`.",
            page="pages/cohort.py",
            action="Choose a cohort",
        )
        return
    chosen = run_list(
        runs,
        "experiment-runs",
        name="runs",
        caption=f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} that you may see: the shared ones and your own. "
        "Click a heading to sort; mark a row to show that run on every page. Every other setting is in the report of "
        "the run.",
        row=_row,
        column_config={"work": st.column_config.Column(help=WORK), "work (s)": None},
    )
    if chosen is None:
        return
    session = get_session()
    if chosen.state != "done":
        st.caption(
            f"'{markdown(chosen.name)}' is not finished ({state_text(chosen.state).lower()}), so it cannot be shown."
        )
    elif chosen.path.name != session.run:
        if can_open(chosen.path):
            session.open_run(chosen.path.name)
            st.rerun()
    else:
        st.caption(f"Every page shows '{markdown(chosen.name)}'.")


def _row(run: RunInfo) -> dict[str, Any]:
    line: dict[str, Any] = {
        "run": run.name,
        "status": state_text(run.state),
        "patients": run.n_patients,
        "data": "simulated" if run.simulated else "recorded",
    }
    try:
        manifest = ICU.manifest(run.path)
        config = ICU.stored_config(manifest.config, str(run.path))
    except PhenoPolicyError:  # made by another version: what is known of it is still listed
        return line | {"preset": "unreadable settings", "data hash": run.data_hash, "started": _when(run.created)}
    seconds = sum(stage.seconds for stage in manifest.stages.values())
    return line | {
        "preset": config.preset,
        "K": config.phenotypes.n_clusters,
        "λ": config.fusion.lambda_,
        "mode": config.fusion.mode,
        "seed": config.run.seed,
        "work": fmt_duration(seconds),
        "work (s)": round(seconds, 1),
        "data hash": run.data_hash,
        "started": _when(run.created),
        "seen by": "you" if run.owner else "everybody",
    }


def _when(text: str) -> str:
    return text[:16].replace("T", " ")
