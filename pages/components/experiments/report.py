"""The report and the model card of a run: built when they are asked for, downloaded as files."""

from __future__ import annotations

import streamlit as st

from core.experiments.repeats import TABLE
from core.experiments.view import list_experiments
from core.sites import digest_of
from pages.components.experiments.folders import experiments_root
from pages.components.experiments.sites import RESULTS
from pages.components.shell.frame import empty, finished_run, require_run, visible_runs
from pages.components.shell.held import held
from pages.components.shell.session import get_session
from pages.components.study.report import card_buttons, report_button

NONE = "none"
HOLDS = (
    "parameters, data hash, versions, attrition, phenotypes with the table of how far to trust them, policies with "
    "values, intervals, effective sample sizes, support and truth, both published panels, and limits"
)
ASKED = (
    "use, patients, reward and estimand, assumptions, support, results and the measured coverage of their intervals, "
    "subgroups, external results, limits, versions"
)


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
    report_button(run, HOLDS, experiment)
    here = digest_of(run)  # of what this session has loaded, the sites that validated this very run
    sites = [site for site in st.session_state.get(RESULTS, []) if site.bundle == here]
    card_buttons(run, ASKED, sites)
    st.caption("Results of other sites are in the card once they are loaded under Other sites.")
