"""Parameter forms made from the settings classes: every field with its meaning, range and preset value."""

from __future__ import annotations

import contextlib
import json
import math
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import streamlit as st

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from core.base.config import Config

COLUMNS = 3
SHARED = {"seed": "run", "device": "run", "gamma": "agents"}  # field: the group that others take it from
TAKERS = ("encoder", "agents", "fqi", "fqe")


def config_form(group: str, preset: Config, changes: dict[str, Any]) -> None:
    """Widgets for all fields of one group, each with its meaning; what differs from the preset goes to `changes`."""
    st.caption(_first_line(type(preset).__doc__))
    fields = list(type(preset).model_fields.items())
    for start in range(0, len(fields), COLUMNS):
        # a row at a time, so that fields stand in line however long their meanings are
        for column, (name, field) in zip(st.columns(COLUMNS), fields[start : start + COLUMNS], strict=False):
            with column, st.container(gap="xxsmall"):
                _widget(group, name, field, getattr(preset, name), changes)
                st.caption(_meaning(group, name, field))


def shared_settings(group: str, changes: dict[str, Any]) -> dict[str, str]:
    """Changed settings that this group takes over from another one, as `override_texts` has them."""
    sources = {f"{source}.{name}" for name, source in SHARED.items() if source != group}
    return {path: text for path, text in override_texts(changes).items() if path in sources}


def override_texts(changes: dict[str, Any]) -> dict[str, str]:
    """Changed settings as a study's `config` wants them: {"encoder.epochs": "5"}."""
    return {name: json.dumps(value) for name, value in sorted(changes.items())}


def _widget(group: str, name: str, field: FieldInfo, preset: Any, changes: dict[str, Any]) -> None:
    path = f"{group}.{name}"
    key = f"setting-{path}"
    value = changes.get(path, preset)
    kind, optional = _kind(field.annotation)
    label = f"{name} • changed" if path in changes else name
    bind: dict[str, Any] = {"key": key, "on_change": _take, "args": (path, key, preset, changes), "help": _help(preset)}
    bind["disabled"] = _fixed(group, name)
    if get_origin(kind) is Literal:
        st.session_state[key] = value
        choices = [*([None] if optional else []), *get_args(kind)]
        st.selectbox(label, choices, format_func=lambda choice: "left open" if choice is None else str(choice), **bind)
    elif kind is bool:
        st.session_state[key] = bool(value)
        st.toggle(label, **bind)
    elif kind in (int, float):
        _number(label, kind, field, value, optional, bind)
    else:
        st.session_state[key] = json.dumps(value) if not isinstance(value, str) else value
        st.text_input(label, **bind)


def _number(label: str, kind: type, field: FieldInfo, value: Any, optional: bool, bind: dict[str, Any]) -> None:
    low, high = _bounds(field, kind)
    st.session_state[bind["key"]] = value if value is None else kind(value)
    extra: dict[str, Any] = {"step": 1} if kind is int else {"step": _step(value), "format": "%g"}
    if optional:
        given = f" ({field.examples[0]:g})" if field.examples else ""
        extra |= {"value": None, "placeholder": f"the study's{given}"}
    st.number_input(label, min_value=low, max_value=high, **extra, **bind)


def _take(path: str, key: str, preset: Any, changes: dict[str, Any]) -> None:
    """Copy a widget's value into the changes (a callback)."""
    value = st.session_state[key]
    if isinstance(value, str) and not isinstance(preset, str):
        with contextlib.suppress(
            json.JSONDecodeError, RecursionError
        ):  # the settings class will say what is wrong with the text
            value = json.loads(value)
    same = list(value) == list(preset) if isinstance(value, list) else value == preset
    if same:
        changes.pop(path, None)
    else:
        changes[path] = value


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The type without None, and whether None is allowed."""
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        return (rest[0] if len(rest) == 1 else str), True
    return annotation, False


def _bounds(field: FieldInfo, kind: type) -> tuple[Any, Any]:
    """Closest values that the field's rules allow (open bounds move in by one, or by a hair)."""
    low: Any = kind(-1e12)
    high: Any = None
    for rule in field.metadata:
        if (bound := getattr(rule, "ge", None)) is not None:
            low = kind(bound)
        if (bound := getattr(rule, "gt", None)) is not None:
            low = bound + 1 if kind is int else math.nextafter(bound, math.inf)
        if (bound := getattr(rule, "le", None)) is not None:
            high = kind(bound)
        if (bound := getattr(rule, "lt", None)) is not None:
            high = bound - 1 if kind is int else math.nextafter(bound, -math.inf)
    return low, high


def _step(value: Any) -> float:
    """A tenth of the value's own magnitude."""
    if not value or not math.isfinite(value):
        return 0.1
    return float(10 ** max(math.floor(math.log10(abs(value))) - 1, -12))


def _help(preset: Any) -> str:
    given = "the study's" if preset is None else "empty" if preset == "" else preset
    return f"Preset: {given}"


def _meaning(group: str, name: str, field: FieldInfo) -> str:
    """What a field means, and where its value comes from unless it is changed."""
    text = field.description or ""
    if not text.split(" ")[0].endswith(":"):  # the name of a choice stays as it is
        text = text[:1].upper() + text[1:]
    text = f"{text}."
    source = SHARED.get(name)
    if source in (None, group) or group not in TAKERS:
        return text
    if _fixed(group, name):
        return f"{text} The same as {source}: {name}, since these values are compared."
    return f"{text} The same as {source}: {name}, unless changed here."


def _fixed(group: str, name: str) -> bool:
    """True where another group alone decides: values under different discounts cannot be compared."""
    return name == "gamma" and group in ("fqi", "fqe")


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("\n", " ")
