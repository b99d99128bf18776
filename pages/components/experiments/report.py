"""The report of a run: built when it is asked for, downloaded as one HTML file."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.experiments.repeats import TABLE
from core.experiments.view import list_experiments
from core.report import render_report
from pages.components.experiments.folders import experiments_root
from pages.components.shell.export import file_name, recorded
from pages.components.shell.frame import empty, finished_run, require_run, visible_runs
from pages.components.shell.session import get_session

NONE = "none"


def draw() -> None:
    """Choose a run, and the repeats for its box plots; one button."""
    runs = {info.path.name: info for info in visible_runs() if info.state == "done"}
    require_run()
    names = list(runs)
    shown = get_session().run
    experiments = {
        view.name: view.path for view in list_experiments(experiments_root()) if (view.path / TABLE).is_file()
    }
    left, right = st.columns(2)
    with left:
        name = st.selectbox(
            "Run",
            names,
            index=names.index(shown) if shown in names else 0,
            format_func=lambda n: runs[n].name,
            key="report-run",
        )
    with right:
        repeats = st.selectbox(
            "Box plots over the repeats of",
            [NONE, *experiments],
            format_func=lambda n: "no experiment" if n == NONE else n,
            key="report-experiment",
            help="A single run has no repeats; the box plots of the policy panel are drawn from an experiment with the "
            "run's preset.",
        )
    folder, experiment = runs[name].path, experiments.get(repeats)
    run = finished_run(folder)
    if run is None:
        empty("This run cannot be read", "It was made by another version of this program, or is damaged.")
        return
    st.markdown(
        "One HTML file of about 5 MB that works without a network and prints well: parameters, data hash, versions, "
        "attrition, phenotypes with the table of how far to trust them, policies with values, intervals, effective "
        "sample sizes, support and truth, both published panels, and limits. It names no patient."
    )
    st.download_button(
        "Build and download the report",
        data=recorded(lambda: render_report(run, experiment), f"report {folder.name}"),
        file_name=file_name(f"report-{runs[name].name}", "html"),
        mime="text/html",
        key="report-download",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )
    st.caption(
        f"Takes a few seconds. The same on the command line: `python -m core report {_shown(folder)} --out FILE`"
    )


def _shown(folder: Path) -> str:
    return f"data/runs/{folder.name}"
