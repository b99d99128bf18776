"""Experiments: runs and their comparison, the published tables in shape, estimators, the leaderboard, sweeps, other
sites, and a run's report."""

from __future__ import annotations

import streamlit as st

from pages.components.experiments import board as experiment_board
from pages.components.experiments import compare as experiment_compare
from pages.components.experiments import lab as experiment_lab
from pages.components.experiments import report as experiment_report
from pages.components.experiments import runs as experiment_runs
from pages.components.experiments import sites as experiment_sites
from pages.components.experiments import sweeps as experiment_sweeps
from pages.components.experiments import tables as experiment_tables
from pages.components.shell.frame import page
from pages.components.shell.held import held

VIEWS = {
    "Runs": experiment_runs.draw,
    "Two runs": experiment_compare.draw,
    "Published tables": experiment_tables.draw,
    "Estimators": experiment_lab.draw,
    "Leaderboard": experiment_board.draw,
    "Sweeps": experiment_sweeps.draw,
    "Other sites": experiment_sites.draw,
    "Report": experiment_report.draw,
}


def main() -> None:
    """Draw the page; only the chosen view is computed."""
    page(
        "Experiments",
        "The evidence behind the pages: what was run, how runs differ, the published tables in shape, and how far the "
        "estimators came from the truth.",
    )
    view = st.segmented_control(
        "View",
        list(VIEWS),
        **held("experiments-view", VIEWS),
        required=True,
        label_visibility="collapsed",
    )
    VIEWS[view or "Runs"]()


main()
