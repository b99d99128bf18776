"""Kept data: what this server keeps of whom, shared or not, deleted when it shall go; for administrators, the audit."""

from __future__ import annotations

import streamlit as st

from core.access.person import Role
from pages.components.kept import audit as kept_audit
from pages.components.kept import holdings as kept_holdings
from pages.components.shell.frame import page
from pages.components.shell.held import held
from pages.components.shell.visitor import me

YOURS = "Yours"
FOR_ADMINISTRATORS = {"Everybody's": kept_holdings.everybodys, "Audit": kept_audit.draw}


def main() -> None:
    """Draw the page; only the chosen view is computed."""
    page(
        "Kept data",
        "Runs, data, encoders, verdicts and links on this server: how much, since when, seen by whom, and deletion.",
        subject=lambda: None,
    )
    views = {YOURS: kept_holdings.yours}
    if me().person.may(Role.ADMIN):
        views |= FOR_ADMINISTRATORS
    view = YOURS
    if len(views) > 1:
        view = st.segmented_control(
            "View", list(views), required=True, **held("kept-view", views), label_visibility="collapsed"
        )
    views[view or YOURS]()


main()
