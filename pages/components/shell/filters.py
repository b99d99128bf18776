"""The form that says which patients are meant: the same where a list is narrowed and where a selection is made.

Every choice is held by the link, under the name of the form: "find" of the patient's page, "select" of the selection.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.figures.theme import axis_label
from core.icu.ask.coloring import AGAINST
from core.icu.ask.find import ColumnRange, Departing, Filters, Hazardous, hazard_text, stay_value
from core.icu.ask.names import phenotype_texts
from core.icu.ask.stay_values import STAY_VALUES, StayValue
from core.policies.families import expert_keys
from core.policies.hazards import ADVICE, default_warnings
from core.policies.key import FUSED, PolicyKey
from pages.components.shell.held import (
    chosen,
    chosen_many,
    chosen_range,
    chosen_switch,
    held,
    held_many,
    held_range,
    held_switch,
    unknown_many,
)
from pages.components.shell.names import policy_name
from pages.components.shell.rules import rules_of_session
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import Column

SPLITS = ("train", "valid", "test")
ANY, NO_COLUMN = "any", ""
LEAST_SHARES = (1, 10, 25, 50, 75, 100)  # percent of a stay's steps
WHICH: dict[StayValue, str] = {
    "first": "first of the stay",
    "last": "last of the stay",
    "change": "last minus first",
    "mean": "mean of the stay",
    "lowest": "lowest of the stay",
    "highest": "highest of the stay",
}
AGAINST_WORDS = {"given": "doses given", "clinicians": "clinicians' likeliest"}
NAMES = (
    *("phenotype", "outcome", "split", "steps", "dose", "column", "value", "range"),
    *("hazard", "policy", "against", "share", "selection"),
)


def filters_of(run: RunView, k: int, form: str) -> Filters:
    """What the form says, whether it is drawn or not."""
    session, study = get_session(), run.study
    lengths = run.cohort.lengths
    steps = chosen_range(f"{form}-steps", int(lengths.min()), int(lengths.max()))
    hazards = _hazards(run)
    only = chosen_switch(f"{form}-selection") and session.selection is not None
    return Filters(
        phenotypes=tuple(chosen_many(f"{form}-phenotype-{_letter(k)}", range(k))),
        outcomes=tuple(chosen_many(f"{form}-outcome", _outcomes(run))),
        splits=tuple(chosen_many(f"{form}-split", SPLITS)),
        steps=steps,
        doses=tuple(chosen_many(f"{form}-dose", range(study.n_actions))),
        column=_range(run, form),
        hazards=tuple(hazards[name] for name in chosen_many(f"{form}-hazard", hazards)),
        departing=_departing(run, k, form),
        selection=session.selection if only else None,
    )


def forget(form: str) -> None:
    """Empty the form."""
    session = get_session()
    for name in [name for name in session.marks if name.startswith(f"{form}-")]:
        if name.split("-")[1] in NAMES:
            session.mark(name)


def filter_form(run: RunView, k: int, form: str, width: int) -> Filters:
    """Draw the form, `width` fields a row, and return what it says."""
    fields = (_who, _outcome, _split, _steps, _dose, _column, _hazard, _policy)
    for start in range(0, len(fields), width):
        for place, field in zip(st.columns(width), fields[start : start + width], strict=False):
            with place:
                field(run, k, form)
    st.checkbox(
        "Only the selection",
        disabled=get_session().selection is None,
        **held_switch(f"{form}-selection"),
    )
    return filters_of(run, k, form)


def policies_to_hold(run: RunView, k: int) -> dict[str, str]:
    """Policies whose departures can be asked for, by what they are called."""
    session = get_session()
    names = [*([ADVICE] if run.advice is not None else []), FUSED, *(key.policy for key in expert_keys(k))]
    names += [name for name in run.baselines if PolicyKey.at(name, k, session.lambda_, session.mode) in run.evaluated]
    return {name: "Advice of the run" if name == ADVICE else policy_name(run, name, k) for name in names}


def _policies(run: RunView, k: int) -> dict[str, str]:
    """As `policies_to_hold`; none of a run that has lost their files, whose other fields still work."""
    try:
        return policies_to_hold(run, k)
    except PhenoPolicyError:
        return {}


def key_of(name: str, k: int) -> PolicyKey | None:
    """The policy of that name as the visitor has set it; None: the run's advice."""
    session = get_session()
    return None if name == ADVICE else PolicyKey.at(name, k, session.lambda_, session.mode)


def _letter(k: int) -> str:
    """K in the name of a parameter, which has letters alone: a phenotype of another K is another one."""
    return "abcdefghijklmnopqrstuvwxyz"[min(k, 25)]


def _who(run: RunView, k: int, form: str) -> None:
    st.multiselect(
        "Phenotype",
        range(k),
        format_func=phenotype_texts(run, k).__getitem__,
        placeholder=ANY,
        **held_many(f"{form}-phenotype-{_letter(k)}", range(k)),
    )


def _outcome(run: RunView, k: int, form: str) -> None:
    if words := _outcomes(run):
        st.multiselect("Outcome", words, placeholder=ANY, **held_many(f"{form}-outcome", words))


def _outcomes(run: RunView) -> tuple[str, ...]:
    """Outcomes to choose among; none where the study's outcome does not tell survival."""
    return (run.study.survived_label, run.study.died_label) if run.study.tells_survival else ()


def _split(run: RunView, k: int, form: str) -> None:
    st.multiselect(
        "Split",
        SPLITS,
        placeholder=ANY,
        help="Policies were learned on train; only test patients are new to them.",
        **held_many(f"{form}-split", SPLITS),
    )


def _steps(run: RunView, k: int, form: str) -> None:
    shortest, longest = int(run.cohort.lengths.min()), int(run.cohort.lengths.max())
    if shortest < longest:
        st.slider("Steps in the unit", shortest, longest, **held_range(f"{form}-steps", shortest, longest))


def _dose(run: RunView, k: int, form: str) -> None:
    study = run.study
    st.multiselect(
        "Largest dose of the stay" if study.actions.ordered else f"Some {study.actions.word} of the stay",
        range(study.n_actions),
        format_func=study.actions.label,
        placeholder=ANY,
        **held_many(f"{form}-dose", range(study.n_actions)),
    )


def _column(run: RunView, k: int, form: str) -> None:
    """A column, which of its values in a stay, and from where to where."""
    names = [column.name for column in run.study.columns]
    name = st.selectbox(
        "Measurement",
        [NO_COLUMN, *names],
        format_func=lambda n: (run.study.column(n).label or n) if n else ANY,
        **held(f"{form}-column", [NO_COLUMN, *names], drops=[f"{form}-range"]),
    )
    if not name:
        return
    column = run.study.column(name)
    if column.kind != "static":
        st.selectbox(
            "Which value",
            STAY_VALUES,
            format_func=WHICH.__getitem__,
            **held(f"{form}-value", STAY_VALUES, "first", drops=[f"{form}-range"]),
        )
    what = _what(column, form)
    (low, high), decimals = _ends(run, column, what), _decimals(column)
    if low < high:
        st.slider(
            axis_label("From, to", column.unit),
            low,
            high,
            step=10.0**-decimals,
            format=f"%.{decimals}f",
            **held_range(f"{form}-range", low, high, key=f"{form}-range-{name}-{what}"),
        )


def _what(column: Column, form: str) -> StayValue:
    value: StayValue = "first" if column.kind == "static" else chosen(f"{form}-value", STAY_VALUES, "first")
    return value


def _decimals(column: Column) -> int:
    return 2 if column.decimals is None else column.decimals


def _ends(run: RunView, column: Column, what: StayValue) -> tuple[float, float]:
    """The least and the largest value of any stay, outward to the column's decimals."""
    values, grain = stay_value(run, ColumnRange(column.name, what, -math.inf, math.inf)), 10.0 ** _decimals(column)
    return math.floor(float(values.min()) * grain) / grain, math.ceil(float(values.max()) * grain) / grain


def _range(run: RunView, form: str) -> ColumnRange | None:
    name = chosen(f"{form}-column", [column.name for column in run.study.columns])
    if name is None:
        return None
    column = run.study.column(name)
    what = _what(column, form)
    ends = _ends(run, column, what)
    asked = chosen_range(f"{form}-range", *ends)
    return None if asked == ends else ColumnRange(name, what, *asked)


def _hazards(run: RunView) -> dict[str, Hazardous]:
    """What can be asked of the rules in force, and of the study's warnings, by its words: in a link, a place would mean
    another hazard where other rules are in force."""
    rules = rules_of_session(run.study)
    warned = [rule for rule in default_warnings(run.study) if rule not in rules]
    asked = [Hazardous(rule, given) for rule in (*rules, *warned) for given in (True, False)]
    return {hazard_text(run, one): one for one in asked}


def _hazard(run: RunView, k: int, form: str) -> None:
    hazards = _hazards(run)
    st.multiselect(
        "Hazard",
        hazards,
        placeholder=ANY,
        help="Any of them is enough. Policies, Hazard rules, changes the rules.",
        **held_many(f"{form}-hazard", hazards),
    )
    if lost := unknown_many(f"{form}-hazard", hazards):
        st.caption(
            f":material/link_off: The link also asks for {markdown('; '.join(lost))}, for which this session has no "
            "rule, so it is left out. Add the rule under Policies, Hazard rules, and it counts."
        )


def _policy(run: RunView, k: int, form: str) -> None:
    """A policy that gives another dose, than whom, and how often."""
    policies = _policies(run, k)
    name = st.selectbox(
        run.study.actions.said("Policy that gives another dose"),
        [ANY, *policies],
        format_func=lambda n: policies.get(n, ANY),
        **held(f"{form}-policy", [ANY, *policies], key=f"{form}-policy-{k}"),
    )
    if name in policies:
        st.selectbox(
            "Than",
            AGAINST,
            format_func=lambda one: run.study.actions.said(AGAINST_WORDS[one]),
            **held(f"{form}-against", AGAINST),
        )
        st.select_slider(
            "At so many steps, at least",
            LEAST_SHARES,
            format_func=lambda share: f"{share} %",
            **held(f"{form}-share", LEAST_SHARES, 50),
        )


def _departing(run: RunView, k: int, form: str) -> Departing | None:
    policies = _policies(run, k)
    name = chosen(f"{form}-policy", policies)
    if name is None:
        return None
    against, share = chosen(f"{form}-against", AGAINST, AGAINST[0]), chosen(f"{form}-share", LEAST_SHARES, 50)
    return Departing(key_of(name, k), against, float(share), policies[name])
