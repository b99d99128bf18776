"""Choices that the link holds: a widget shows what the address says, and the address says what the widget shows.

    view = st.segmented_control("View", VIEWS, required=True, **held("policies-view", VIEWS))

The choice is a mark of the session (`Session.marks`) under the name of its parameter, as the text of the option; the
first choice, which is shown where the address says nothing usable, leaves no parameter. Such a widget has neither a
`default` nor a persistent state of its own: it outlives a change of page as everything in the session does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import streamlit as st

from pages.components.shell.session import get_session, let_show

BETWEEN = ","  # the options of one parameter, where several are chosen
ON, OFF = "on", "off"
Number = TypeVar("Number", int, float)


def held(
    name: str, options: Iterable[Any], first: Any = None, *, key: str = "", drops: Iterable[str] = ()
) -> dict[str, Any]:
    """Arguments of a widget of one choice. first: chosen where nothing is (default: the first option); key: of the
    widget, where it is not the parameter's name; drops: parameters that mean nothing after another choice."""
    choices = list(options)
    start = first if first in choices else next(iter(choices), None)
    return _bound(name, key, chosen(name, choices, start), start, str, tuple(drops))


def held_many(name: str, options: Iterable[Any], first: Iterable[Any] = (), *, key: str = "") -> dict[str, Any]:
    """Arguments of a widget of several choices; none of them is a choice, too."""
    start = list(first)
    shown = chosen_many(name, options, start)
    return _bound(name, key, shown, start, lambda some: BETWEEN.join(map(_part, some)) or BETWEEN)


def held_switch(name: str, first: bool = False, *, key: str = "") -> dict[str, Any]:
    """Arguments of a toggle or a checkbox."""
    return _bound(name, key, chosen_switch(name, first), first, lambda on: ON if on else OFF)


def held_number(name: str, low: Number, high: Number, first: Number, *, key: str = "") -> dict[str, Any]:
    """Arguments of a slider with one handle; low, high: its ends, of the type of `first`."""
    return _bound(name, key, _numbers(name, low, high, (first,))[0], first, _text)


def held_range(name: str, low: Number, high: Number, *, key: str = "") -> dict[str, Any]:
    """Arguments of a slider with two handles, which start at its ends."""
    first = (low, high)
    return _bound(name, key, chosen_range(name, low, high), first, lambda ends: BETWEEN.join(map(_text, ends)))


def chosen(name: str, options: Iterable[Any], first: Any = None) -> Any:
    """What `held` shows, without its widget."""
    return {str(option): option for option in options}.get(get_session().marks.get(name, ""), first)


def chosen_many(name: str, options: Iterable[Any], first: Iterable[Any] = ()) -> list[Any]:
    """What `held_many` shows, without its widget."""
    known, start = {_part(option): option for option in options}, list(first)
    said = get_session().marks.get(name)
    texts = [] if said is None else [text for text in said.split(BETWEEN) if text in known]
    return start if said is None or (said != BETWEEN and not texts) else [known[text] for text in texts]


def unknown_many(name: str, options: Iterable[Any]) -> list[str]:
    """What the link names beside the options of `held_many`, as texts: another session's, perhaps."""
    known = {_part(option) for option in options}
    said = get_session().marks.get(name, "").split(BETWEEN)
    return [text.replace("%2C", BETWEEN).replace("%25", "%") for text in said if text and text not in known]


def _part(option: Any) -> str:
    """An option among several: a comma in it does not part two."""
    return str(option).replace("%", "%25").replace(BETWEEN, "%2C")


def chosen_switch(name: str, first: bool = False) -> bool:
    """What `held_switch` shows, without its widget."""
    return {ON: True, OFF: False}.get(get_session().marks.get(name, ""), first)


def chosen_range(name: str, low: Number, high: Number) -> tuple[Number, Number]:
    """What `held_range` shows, without its widget."""
    ends = _numbers(name, low, high, (low, high))
    return min(ends), max(ends)


def _numbers(name: str, low: Number, high: Number, first: tuple[Number, ...]) -> tuple[Number, ...]:
    """The numbers that a parameter holds, brought between the ends; `first` where it does not hold as many."""
    try:
        said = [float(text) for text in get_session().marks.get(name, "").split(BETWEEN)]
    except ValueError:
        return first
    if len(said) != len(first) or not all(map(math.isfinite, said)):
        return first
    return tuple(min(max(type(start)(value), low), high) for value, start in zip(said, first, strict=True))


def _text(value: float) -> str:
    return f"{value:.12g}"  # whole: a handle left at an end of many digits must not cut that end off


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
