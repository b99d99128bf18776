"""Choices that the link holds: a widget shows what the address says, and the address says what the widget shows.

    view = st.segmented_control("View", VIEWS, required=True, **held("policies-view", VIEWS))

The choice is a mark of the session (`Session.marks`) under the name of its parameter, as the text of the option; the
first choice, which is shown where the address says nothing usable, leaves no parameter. Such a widget has neither a
`default` nor a persistent state of its own: it outlives a change of page as everything in the session does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from pages.components.shell.session import get_session, let_show

BETWEEN = ","  # the options of one parameter, where several are chosen
ON, OFF = "on", "off"


def held(
    name: str, options: Iterable[Any], first: Any = None, *, key: str = "", drops: Iterable[str] = ()
) -> dict[str, Any]:
    """Arguments of a widget of one choice. first: chosen where nothing is (default: the first option); key: of the
    widget, where it is not the parameter's name; drops: parameters that mean nothing after another choice."""
    choices = list(options)
    start = first if first in choices else next(iter(choices), None)
    known = {str(choice): choice for choice in choices}
    return _bound(name, key, known.get(get_session().marks.get(name, ""), start), start, str, tuple(drops))


def held_many(name: str, options: Iterable[Any], first: Iterable[Any], *, key: str = "") -> dict[str, Any]:
    """Arguments of a widget of several choices; none of them is a choice, too."""
    known, start = {str(choice): choice for choice in options}, list(first)
    said = get_session().marks.get(name)
    texts = [] if said is None else [text for text in said.split(BETWEEN) if text in known]
    shown = start if said is None or (said != BETWEEN and not texts) else [known[text] for text in texts]
    return _bound(name, key, shown, start, lambda chosen: BETWEEN.join(map(str, chosen)) or BETWEEN)


def held_switch(name: str, first: bool = False, *, key: str = "") -> dict[str, Any]:
    """Arguments of a toggle or a checkbox."""
    shown = {ON: True, OFF: False}.get(get_session().marks.get(name, ""), first)
    return _bound(name, key, shown, first, lambda on: ON if on else OFF)


def _bound(
    name: str, key: str, shown: Any, first: Any, said: Callable[[Any], str], drops: tuple[str, ...] = ()
) -> dict[str, Any]:
    key = key or name
    let_show(key, shown)
    return {"key": key, "on_change": _take, "args": (name, key, first, said, drops)}


def _take(name: str, key: str, first: Any, said: Callable[[Any], str], drops: tuple[str, ...]) -> None:
    """Copy what was chosen into the session (a callback: it runs before the page is drawn again)."""
    value = st.session_state[key]
    session = get_session()
    session.mark(name, "" if value is None or value == first else said(value))
    for other in drops:
        session.mark(other)
