"""The part of the mapping's form that makes outcome, dose and steps, and what holds for all cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.base.errors import ConfigError
from core.study import StudySpec
from core.tables.mapping import EVERY, FIRST_ROW, TableMapping

Put = Callable[[dict[str, Any]], None]  # into the sections of a document
AS_STUDY = "as the study says it: +1 or -1 on the last row, 0 on the others"
PLACES = (AS_STUDY, "a code on every row", "a code on the last row")
NUMBERS = (
    "as the study says it: on the last row, 0 on the others",
    "a number on every row",
    "a number on the last row",
)
BINS, RAW = "dose bins", "raw doses"
KINDS = ("step numbers", "datetime", "hours", "minutes", "days")
USUAL = "last value; doses summed"
TOGETHER = (USUAL, "first", "mean", "min", "max")


@dataclass(frozen=True)
class Rules:
    """What these sections start from."""

    spec: StudySpec
    names: tuple[str, ...]
    start: TableMapping
    found: Mapping[str, str]
    evidence: Mapping[str, str]
    key: Callable[[str], str]

    def choose(self, label: str, name: str, source: str | None) -> str | None:
        """A box with the file's columns; None where nothing is chosen."""
        index = self.names.index(source) if source in self.names else None
        return st.selectbox(label, self.names, index=index, placeholder="choose a column", key=self.key(name))


def draw_rules(rules: Rules) -> Put:
    """The widgets; what is returned puts what they hold into the sections of a document."""
    start, needs = rules.start, ("outcome", "action", "step")[rules.spec.outcome == "none" :]
    asked = [start.outcome, start.action, start.time, *(name for name in needs if name not in rules.found)]
    with st.expander("Outcome, dose and steps", expanded=any(asked)):
        left, middle, right = st.columns(3)
        with left:
            outcome = _no_outcome if rules.spec.outcome == "none" else _outcome(rules)
        with middle:
            action = _action(rules)
        with right:
            time = _time(rules)
    with st.expander("Missing values, decimals, long stays", expanded=bool(start.missing) or start.decimal == ","):
        cells = _cells(rules)

    def put(made: dict[str, Any]) -> None:
        for section in (outcome, action, time, cells):
            section(made)

    return put


def _why(rules: Rules, name: str) -> None:
    if name in rules.evidence:
        st.caption(rules.evidence[name])


def _no_outcome(made: dict[str, Any]) -> None:
    """A study without outcome maps none."""


def _outcome(rules: Rules) -> Put:
    rule, own = rules.start.outcome, rules.start.columns.get("outcome") or rules.found.get("outcome")
    source = rules.choose("Outcome", "outcome", rule.column if rule else own)
    place = 0 if rule is None else 1 + (rule.place == "last row")
    survival = rules.spec.tells_survival
    title, places = ("Who died stands there", PLACES) if survival else ("It stands there", NUMBERS)
    says = st.selectbox(title, places, index=place, key=rules.key("outcome-place"))
    died = ""
    if survival:
        died = st.text_input("Codes for died", ", ".join(rule.died) if rule else "1", key=rules.key("outcome-died"))
    _why(rules, "outcome")

    def put(made: dict[str, Any]) -> None:
        if source is not None and says == places[0] and source != rules.found.get("outcome"):
            made["columns"]["outcome"] = source
        if source is not None and says != places[0]:
            codes = listed(died)
            survived = [code for code in (rule.survived if rule else ()) if code not in codes]
            where = "every row" if says == places[1] else "last row"
            made["outcome"] = {"column": source, "died": codes, "survived": survived, "place": where}

    return put


def _action(rules: Rules) -> Put:
    rule, own = rules.start.action, rules.start.columns.get("action") or rules.found.get("action")
    actions = rules.spec.actions
    source = rules.choose(f"Dose of {actions.drug}", "action", rule.dose if rule else own)
    holds = st.selectbox("It holds", (BINS, RAW), index=int(rule is not None), key=rules.key("action-holds"))
    st.caption(f"Raw doses in {actions.unit}; they are put into the study's {len(actions.upper)} bins.")
    empty = st.checkbox(
        "An empty dose means none was given", bool(rule and rule.empty == "no drug"), key=rules.key("action-empty")
    )
    _why(rules, "action")

    def put(made: dict[str, Any]) -> None:
        if source is not None and holds == RAW:
            made["action"] = {"dose": source, "empty": "no drug" if empty else "refuse"}
            if made["columns"].get("dose") == source:
                del made["columns"]["dose"]
        elif source is not None and source != rules.found.get("action"):
            made["columns"]["action"] = source

    return put


def _time(rules: Rules) -> Put:
    rule, own = rules.start.time, rules.start.columns.get("step") or rules.found.get("step")
    source = rules.choose("Step or time", "step", rule.column if rule else own)
    kind = st.selectbox("It holds", KINDS, index=KINDS.index(rule.kind) if rule else 0, key=rules.key("time-kind"))
    origins = (FIRST_ROW, *(name for name in rules.names if name != source))
    origin = st.selectbox(
        "Time counts from", origins, index=origins.index(rule.origin) if rule and rule.origin in origins else 0,
        format_func=lambda name: "the first row of each stay" if name == FIRST_ROW else f"onset in {name}",
        key=rules.key("time-origin"),
    )  # fmt: skip
    rulings = {*rules.start.aggregate.values()} & {*TOGETHER}
    same = TOGETHER.index(next(iter(rulings))) if len(rulings) == 1 else 0
    together = st.selectbox("Rows of one step", TOGETHER, index=same, key=rules.key("time-together"))
    fill = st.checkbox(
        "Fill steps that have no row", rule is None or rule.gaps == "fill", key=rules.key("time-fill"),
        help=f"With empty states and no {rules.spec.actions.drug}; otherwise such files are refused.",
    )  # fmt: skip
    st.caption(f"Steps of {rules.spec.step_hours:g} hours, at most {rules.spec.horizon}, as the study says.")
    _why(rules, "step")

    def put(made: dict[str, Any]) -> None:
        if source is not None and kind != KINDS[0]:
            gaps = "fill" if fill else "refuse"
            made["time"] = {"column": source, "kind": kind, "origin": origin, "gaps": gaps}
        elif source is not None and source != rules.found.get("step"):
            made["columns"]["step"] = source
        if TOGETHER.index(str(together)) != same:
            temporal = [column.name for column in rules.spec.columns if column.kind == "temporal"]
            made["aggregate"] = {} if together == USUAL else dict.fromkeys(temporal, together)

    return put


def _cells(rules: Rules) -> Put:
    start = rules.start
    left, middle, right = st.columns(3)
    every = left.text_input(
        "Not measured, in every column", ", ".join(start.missing.get(EVERY, ())), placeholder="-1, 9999",
        key=rules.key("missing-every"),
    )  # fmt: skip
    shown = "; ".join(f"{name} = {', '.join(codes)}" for name, codes in start.missing.items() if name != EVERY)
    single = left.text_input(
        "Not measured, in single columns", shown, placeholder="Platelets = 0; HR = 0", key=rules.key("missing-single")
    )
    marks = (".", ",")
    decimal = middle.selectbox("Decimal sign", marks, index=marks.index(start.decimal), key=rules.key("decimal"))
    lengths = ("refuse", "cut", "leave out")
    too_long = right.selectbox(
        f"Stays of more than {rules.spec.horizon} steps", lengths, index=lengths.index(start.too_long),
        key=rules.key("too-long"),
    )  # fmt: skip

    def put(made: dict[str, Any]) -> None:
        missing = {EVERY: listed(every)} if listed(every) else {}
        for part in filter(None, (part.strip() for part in (single or "").split(";"))):
            name, equals, codes = (text.strip() for text in part.partition("="))
            if not equals or name not in rules.spec.names:
                raise ConfigError(f"'{part[:60]}' is not of the form COLUMN = CODE; write for example Platelets = 0.")
            missing[name] = listed(codes)
        made |= {"missing": missing, "decimal": decimal, "too_long": too_long}

    return put


def listed(text: str | None) -> list[str]:
    """["-1", "9999"] from "-1, 9999"."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def pairs(text: str, name: str) -> dict[str, float]:
    """{"M": 0.0, "> 89": 90.0} from "M = 0, > 89 = 90"; `ConfigError` names what is not of that form."""
    found = {}
    for part in listed(text):
        code, equals, number = (piece.strip() for piece in part.rpartition("="))
        try:
            found[code] = float(number)
        except ValueError:
            equals = ""
        if not equals or not code:
            raise ConfigError(
                f"the codes of {name}: '{part[:60]}' is not CODE = NUMBER; write for example M = 0, F = 1."
            )
    return found
