"""A link of an earlier version held its owner's key: what it leads to is shown once, and kept if its holder asks."""

from __future__ import annotations

import streamlit as st

from core.runs.adopt import adopt, owned_runs
from core.runs.folders import data_root
from pages.components.shell.session import Session


def old_link(session: Session) -> None:
    """Say what an old link has brought, and offer to keep it; nothing where there was none or it leads to nothing."""
    owner = session.old_owner
    if not owner or owner == session.owner:
        return
    runs, uploads = len(owned_runs(owner)), data_root() / "uploads" / owner
    if not runs and not uploads.is_dir():
        session.old_owner = ""
        return
    with st.container(border=True):
        st.markdown(
            f"The address held a key, as earlier versions did; it has been taken out. {runs} runs and the uploads of "
            "that key can be kept in this browser, and are then found by no other. Do so only if they are yours."
        )
        if st.button("Keep them here", key="old-link-keep"):
            adopt(owner, session.owner)
            session.old_owner = ""
            st.rerun()
