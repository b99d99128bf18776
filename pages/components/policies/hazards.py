"""Hazard rules: an editable table of them, and how often each policy doses against them beside the clinicians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from core.base.errors import ConfigError
from core.base.text import markdown_lines
from core.figures.hazards import hazard_name, hazard_rates
from core.figures.theme import fmt_percent
from core.icu.ask.hazards import hazard_patients, hazard_table
from core.icu.ask.names import phenotype_texts
from core.icu.ask.tables import policy_table
from core.policies.hazards import FEWEST_PERSONS, GIVEN, default_rules, default_warnings
from core.policies.key import CLINICIAN, PolicyKey
from core.policies.rules import OPERATORS, HazardRule, Rule
from pages.components.shell.estimates import choose_patients, fusion_controls, rows_of, too_few
from pages.components.shell.export import csv_button, show, table
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.shell.panels import panel
from pages.components.shell.patient_list import patient_list
from pages.components.shell.patients import MOST_ROWS, patient_table
from pages.components.shell.rules import KEPT, rules_of_session

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import StudySpec

EDITOR = "hazard-editor"
RULES, WARNINGS = "Rules", "Warnings"
MOST_RULES = 8


@panel
def hazard_panel(run: RunView) -> None:
    """Rules, then the rates of all policies under them."""
    st.markdown(
        "A rule names a state in which a dose would be hazardous. Counted is the probability that a policy puts on "
        "such doses at the steps where the rule applies; for the recorded course, how often such a dose was given."
    )
    rules = _rules(run.study)
    counted = _counted(run.study, rules)
    k, lambda_, mode = fusion_controls(run, "hazards")
    patients, who = choose_patients(run, "hazards-patients")
    compared = policy_table(run, k, lambda_, mode)["policy"].unique()
    keys = {str(name): PolicyKey.at(str(name), k, lambda_, mode) for name in compared}
    if not counted:
        empty("Nothing to count", "Give at least one complete rule above, or count the warnings.")
        return
    if too_few(patients, 1):
        return
    dial = run.advice.shown.share if run.advice is not None else None
    found = hazard_table(run, patients, counted, list(keys.values()), dial)
    names = phenotype_texts(run, k)
    read = "; ".join(
        f"{hazard_name(r.policy, names)} {fmt_percent(r.rate)}" for r in rows_of(found[found["rule"] == 0])
    )
    show(
        hazard_rates(found, names),
        "hazard-rates",
        f"Dots with 95 % intervals, one panel a rule. {counted[0].text(run.study)}: {read}.",
        caption=f"{len(patients):,} {who}, {mode}. 95 % bootstrap intervals by person (none under {FEWEST_PERSONS} "
        "persons); dotted: as given. Rates rest on recorded states: under another policy patients would come into "
        "other states.",
        data=found,
    )
    for note in _unlike_record(found):
        st.caption(f":material/info: {note}")
    _numbers(found, names)
    _patients(run, patients, counted, keys, k)


def _unlike_record(found: pd.DataFrame) -> list[str]:
    """One line for each rule at which the estimated clinicians dose otherwise than recorded, beyond chance."""
    clinicians = found[(found["policy"] == CLINICIAN) & ((found["excess_low"] > 0) | (found["excess_high"] < 0))]
    given = found[found["policy"] == GIVEN].set_index("rule")["rate"]
    return [
        f"{row.text}: the clinicians' policy, an average over similar states, puts {fmt_percent(row.rate)} on such "
        f"doses, but {fmt_percent(given[row.rule])} were given. Hold the other policies against what was given."
        for row in rows_of(clinicians)
    ]


def _patients(
    run: RunView, patients: np.ndarray, rules: list[Rule], keys: dict[str, PolicyKey], n_clusters: int
) -> None:
    """The patients behind one rate: to select, and to open at the first step in question."""
    st.markdown("**Patients behind a rate**")
    names = phenotype_texts(run, n_clusters)
    left, right = st.columns(2)
    number = left.selectbox(
        "Rule",
        range(len(rules)),
        format_func=lambda i: rules[i].text(run.study),
        **held("hazard-rule", range(len(rules)), key=f"hazard-rule-{len(rules)}"),
    )
    policy = right.selectbox(
        "Dose of", [GIVEN, *keys], format_func=lambda p: hazard_name(p, names), **held("hazard-policy", [GIVEN, *keys])
    )
    behind = hazard_patients(run, patients, rules[number], keys.get(policy))
    if behind.empty:
        empty("Nobody", "At no step of these patients does the rule apply while such a dose is given or likeliest.")
        return
    found = behind["patient"].to_numpy()
    shown = behind[:MOST_ROWS]
    rows = patient_table(run, n_clusters, found[:MOST_ROWS])
    rows.insert(1, "steps against the rule", shown["steps"].to_numpy())
    rows.insert(2, "first at (h)", run.hours[found[:MOST_ROWS], shown["first"].to_numpy()])
    verb = "was given" if policy == GIVEN else "is the likeliest"
    text = rules[number].text(run.study)
    patient_list(
        rows,
        found[:MOST_ROWS],
        f"hazard-patients-{number}-{policy}-{len(found)}-{int(found[0])}",
        name=f"{hazard_name(policy, names)}: {text}",
        whole=found,
        caption=f"{len(found):,} of {len(patients):,} patients have a step at which the rule applies and such a dose "
        f"{verb}; each opens at the first.",
        steps=shown["first"].to_numpy(),
    )


def _counted(study: StudySpec, rules: list[Rule]) -> list[Rule]:
    """The rules in force, or the study's warnings that are none of them: one or the other is drawn."""
    warnings = [rule for rule in default_warnings(study) if rule not in rules]
    if not warnings:
        return rules
    which = st.segmented_control(
        "Count",
        (RULES, WARNINGS),
        default=RULES,
        key="hazard-which",
        required=True,
        persist_state="session",
        help="Rules mark doses at the patient and on the map. Warnings are said and counted; they mark no dose.",
    )
    return warnings if which == WARNINGS else rules


def _editable(rule: Rule) -> bool:
    """True for a rule that fits a row of the table."""
    return isinstance(rule, HazardRule) and not rule.others and not rule.name


def _promoted(study: StudySpec, before: list[Rule]) -> list[Rule]:
    """Rules of other kinds that are in force: the study's own, and its warnings that the visitor makes rules."""
    offered = [rule for rule in (*default_rules(study), *default_warnings(study)) if not _editable(rule)]
    if not offered:
        return []
    chosen = st.multiselect(
        "Also rules",
        range(len(offered)),
        default=[i for i, rule in enumerate(offered) if rule in before],
        format_func=lambda i: offered[i].condition(study),
        key=f"hazard-promoted-{study.name}-{st.session_state[f'{EDITOR}-version']}",
        placeholder="make a warning of the study a rule",
    )
    return [offered[i] for i in chosen]


def _rules(study: StudySpec) -> list[Rule]:
    """The editable table and the other kinds; what is in force is kept in the session for each study."""
    in_force = rules_of_session(study)
    version = st.session_state.setdefault(f"{EDITOR}-version", 0)
    key, base = f"{EDITOR}-{study.name}-{version}", f"{EDITOR}-base-{study.name}"
    if key not in st.session_state:
        st.session_state[base] = list(in_force)  # the editor's changes are counted from this table
    doses = _doses(study)
    edited = st.data_editor(
        _as_table([rule for rule in st.session_state[base] if _editable(rule)], doses),
        key=key,
        num_rows="dynamic",
        hide_index=True,
        column_config=_columns(study, doses),
    )
    written = _read(edited, study, doses)
    rules: list[Rule] = [*written, *_promoted(study, st.session_state[base])]
    st.session_state[KEPT][study.name] = rules
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.caption("Click a cell to change it; the last row adds a rule. Kept while this window is open.")
        csv_button(_as_table(written, doses), "hazard-rules")
        st.button(
            "Back to the default rules",
            key="hazard-reset",
            type="tertiary",
            icon=":material/undo:",
            on_click=_reset,
            args=(study.name,),
        )
    return rules


def _reset(study: str) -> None:
    """Forget the session's rules; a new key gives a fresh editor."""
    st.session_state[KEPT].pop(study, None)
    st.session_state[f"{EDITOR}-version"] += 1


def _doses(study: StudySpec) -> list[str]:
    """Names of the choices of hazardous doses, in order of the first bin that counts."""
    actions = study.actions
    above = [f"above {upper:,.0f} {actions.unit}" for upper in actions.upper[1:-1]]
    return [f"any {actions.drug}", *above]


def _as_table(rules: list[HazardRule], doses: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "column": [rule.column for rule in rules],
            "operator": [rule.operator for rule in rules],
            "threshold": pd.Series([rule.threshold for rule in rules], dtype=float),
            "hazardous dose": [doses[rule.from_action - 1] for rule in rules],
        }
    )


def _columns(study: StudySpec, doses: list[str]) -> dict[str, Any]:
    kind = st.column_config
    return {
        "column": kind.SelectboxColumn("While", options=list(study.names), required=True, width="medium"),
        "operator": kind.SelectboxColumn("is", options=list(OPERATORS), required=True, default="<", width="small"),
        "threshold": kind.NumberColumn("Threshold (the column's unit)", required=True, width="medium"),
        "hazardous dose": kind.SelectboxColumn("Hazardous dose", options=doses, required=True, default=doses[0]),
    }


def _read(edited: pd.DataFrame, study: StudySpec, doses: list[str]) -> list[HazardRule]:
    """Complete rows as rules; what a row lacks is said."""
    rules = []
    whole = edited.dropna()
    if len(whole) < len(edited):
        st.caption(":material/info: A row with an empty cell is not counted yet.")
    for row in whole.to_dict("records"):
        dose = str(row["hazardous dose"])
        first = doses.index(dose) + 1 if dose in doses else 1
        rule = HazardRule(str(row["column"]), row["operator"], float(row["threshold"]), first)
        try:
            rule.check(study)
        except ConfigError as error:
            st.warning(markdown_lines(error), icon=":material/warning:")
            continue
        rules.append(rule)
    if len(rules) > MOST_RULES:
        st.caption(f":material/info: The first {MOST_RULES} rules are drawn.")
    return rules[:MOST_RULES]


def _numbers(found: pd.DataFrame, names: Sequence[str]) -> None:
    """One line a rule and policy, with what it rests on."""
    lines = []
    for row in rows_of(found):
        known = np.isfinite(row.low)
        apart = f"{100 * row.excess:+.1f}"
        lines.append(
            {
                "rule": row.text,
                "policy": hazard_name(row.policy, names),
                "rate": fmt_percent(row.rate),
                "95 % interval": f"[{fmt_percent(row.low)}, {fmt_percent(row.high)}]" if known else "no interval",
                "minus as given (points)": "" if row.policy == GIVEN or not np.isfinite(row.excess) else apart,
                "95 % interval, paired": f"[{100 * row.excess_low:+.1f}, {100 * row.excess_high:+.1f}]"
                if known and row.policy != GIVEN
                else "",
                "steps": row.steps,
                "patients": row.patients,
                "measured": fmt_percent(row.measured, 0),
            }
        )
    table(
        pd.DataFrame(lines),
        "hazard-table",
        name="hazard-rates",
        caption="Steps and patients: where the rule applies. Measured: share of these steps at which the column was "
        "recorded, not filled in. No importance weights enter, so there is no effective sample size.",
        csv=found,
    )
