"""Whose session this is: the key in the visitor's cookie, and one that an old link may have brought."""

from __future__ import annotations

import streamlit as st

from core.runs.folders import owner_of
from pages.components.shell.door import COOKIE, OLD_COOKIE
from pages.components.shell.places import TOKEN, new_token


def own_key() -> str:
    """The key of this visitor; where the browser keeps no cookies, one that lasts as long as the session."""
    key = str(st.context.cookies.get(COOKIE, ""))
    return key if TOKEN.fullmatch(key) else new_token()


def old_owner() -> str:
    """The owner whose key stood in the link by which this session was opened, "" for none."""
    key = str(st.context.cookies.get(OLD_COOKIE, ""))
    return owner_of(key) if TOKEN.fullmatch(key) else ""
