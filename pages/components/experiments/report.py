"""The report and the model card of a run: built when they are asked for, downloaded as files."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.experiments.repeats import TABLE
from core.experiments.view import list_experiments
from core.report import render_report
from core.report.card import card_html, croissant, model_card
from core.sites import digest_of
from pages.components.experiments.folders import experiments_root
from pages.components.experiments.sites import RESULTS
from pages.components.shell.export import file_name, recorded
from pages.components.shell.frame import empty, finished_run, require_run, visible_runs
from pages.components.shell.held import held
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

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
            format_func=lambda n: runs[n].name,
            **held("report-run", names, shown),
        )
    with right:
        repeats = st.selectbox(
            "Box plots over the repeats of",
            [NONE, *experiments],
            format_func=lambda n: "no experiment" if n == NONE else n,
            **held("report-experiment", [NONE, *experiments]),
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
    _card(run, folder, runs[name].name)


def _card(run: RunView, folder: Path, name: str) -> None:
    """The model card, as a page, as data, and the description of the cohort."""
    st.markdown(
        "**Model card**: what reviewers ask (use, patients, reward and estimand, assumptions, support, results and the "
        "measured coverage of their intervals, subgroups, external results, limits, versions), each beside its item of "
        "TRIPOD+AI, DECIDE-AI or HTI-1; what the run does not answer is said to be open. Results of other sites are in "
        "it once they are loaded under Other sites. Croissant describes the cohort's columns, without a row."
    )
    here = digest_of(run)  # of what this session has loaded, the sites that validated this very run
    sites = [site for site in st.session_state.get(RESULTS, []) if site.bundle == here]
    with st.container(horizontal=True):
        for label, ending, make in (
            ("Model card", "html", lambda run: card_html(model_card(run, sites))),
            ("JSON", "json", lambda run: _json(model_card(run, sites).model_dump(mode="json"))),
            ("Croissant", "croissant.json", lambda run: _json(croissant(run))),
        ):
            st.download_button(
                label,
                data=recorded(partial(make, run), f"{label} {folder.name}"),
                file_name=file_name(f"card-{name}", ending),
                mime="text/html" if ending == "html" else "application/json",
                key=f"card-{label.lower().replace(' ', '-')}",
                icon=":material/download:",
                type="secondary" if ending == "html" else "tertiary",
                on_click="ignore",
            )
    st.caption(f"On the command line: `python -m core report {_shown(folder)} --card FILE`")


def _json(content: object) -> str:
    return json.dumps(content, indent=1)


def _shown(folder: Path) -> str:
    return f"data/runs/{folder.name}"
