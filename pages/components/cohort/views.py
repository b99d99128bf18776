"""What a cohort holds: attrition, Table 1, missing values, outcomes, doses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.cohort import Cohort, CohortReport, Exclusion
from core.cohort.describe import (
    ALL,
    action_shares,
    attrition_table,
    cohort_facts,
    in_record_by_hour,
    missing_by_column,
    missing_by_hour,
    outcome_by_group,
    table_one,
    table_one_text,
)
from core.cohort.smallness import cohort_too_small
from core.figures.cohort import attrition_flow, dose_shares, in_record, missing_heatmap, mortality_bars, published_means
from core.figures.theme import (
    NEUTRAL,
    fmt_count,
    fmt_percent,
    fmt_unit,
    phenotype_color,
    phenotype_symbol,
)
from core.icu.ask.names import phenotype_texts
from pages.components.shell.export import metric, show, table
from pages.components.shell.frame import current_run, empty, no_survival
from pages.components.shell.held import held, held_switch
from pages.components.shell.provenance import state_knows, where_from
from pages.components.shell.session import get_session
from pages.components.study.mapping import UNIT_WIDTH
from pages.components.study.upload import problems_table

VIEWS = ("Patients", "Table 1", "Missing values", "Outcome", "Doses")


def draw(cohort: Cohort) -> None:
    """Head figures, then the chosen view."""
    _facts(cohort)
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.segmented_control(
            "Show",
            VIEWS,
            required=True,
            format_func=cohort.study.actions.said,
            **held("cohort-view", VIEWS),
            label_visibility="collapsed",
        )
        groups = _groups(cohort) if view in ("Table 1", "Outcome", "Doses") else None
    if view == "Patients":
        _patients(cohort)
    elif view == "Table 1":
        _table_one(cohort, groups)
    elif view == "Missing values":
        _missing(cohort)
    elif view == "Outcome":
        _outcome(cohort, groups)
    else:
        _doses(cohort, groups)


def _facts(cohort: Cohort) -> None:
    facts = cohort_facts(cohort)
    n, steps = facts["patients"], facts["steps"]
    cards = st.columns(4)
    with cards[0]:
        metric("Patients", n, text=fmt_count(n), estimator=str(facts["origin"]))
    with cards[1]:
        hours = cohort.study.step_hours
        median = f"median {facts['steps_median']:g} per patient, {hours:g} h each"
        metric("Steps", steps, text=fmt_count(steps), estimator=median)
    with cards[2]:
        _mortality(cohort)
    with cards[3]:
        missing, of = facts["missing_percent"] / 100, f"of {steps * facts['columns']:,} values"
        metric("Values filled in", missing, text=fmt_percent(missing), estimator=of)
    state_knows(cohort.report, cohort.origin, cohort.study)
    small = cohort_too_small(cohort)
    if small:
        st.warning(" ".join(small), icon=":material/groups:")


def _mortality(cohort: Cohort) -> None:
    if not cohort.study.tells_survival:
        metric("Outcome", None, estimator="does not tell who survived")
        return
    died = outcome_by_group(cohort).iloc[0]
    metric(
        f"Share {cohort.study.died_label}",
        died["mortality"],
        text=fmt_percent(died["mortality"]),
        n=cohort.n_patients,
        estimator=f"95 % CI {fmt_percent(died['mortality_low'])} to {fmt_percent(died['mortality_high'])}",
    )


def _groups(cohort: Cohort) -> np.ndarray | None:
    """Phenotype names by patient, where the run on show was made from this cohort."""
    run = current_run()
    if run is None or run.manifest.data_hash != cohort.data_hash:
        st.caption("By phenotype once a run on this cohort is done.")
        return None
    k = get_session().n_clusters
    if not st.toggle(f"By phenotype (K = {k})", **held_switch("cohort-phenotypes", True)):
        return None
    return np.asarray(np.array(phenotype_texts(run, k))[run.labels(k)])


def _looks(groups: np.ndarray | None) -> dict[str, tuple[str, str]]:
    looks = {ALL: (NEUTRAL, "circle")}
    for name in [] if groups is None else np.unique(groups):
        k = int(str(name).removeprefix("Phenotype ").partition(":")[0])
        looks[str(name)] = (phenotype_color(k), phenotype_symbol(k))
    return looks


def _patients(cohort: Cohort) -> None:
    chart = attrition_table(cohort.report)
    if chart.empty:
        chart = attrition_table(
            CohortReport((), (Exclusion("stays as given", 0, 0, cohort.n_patients, len(cohort.frame)),))
        )
    if cohort.origin.simulated:
        chart.loc[0, "reason"] = "simulated stays"
    excluded = bool((chart.loc[1:, ["patients", "rows"]] > 0).any(axis=None))
    unused = [str(step.reason) for step in cohort.report.attrition[1:] if not step.patients and not step.rows]
    left, right = st.columns([3, 2])
    with left:
        st.markdown("**From the source to the cohort**")
        show(
            attrition_flow(chart),
            "cohort-attrition",
            "Flow chart of the patients that remain after each exclusion.",
            caption=("Left: who remains; right: who was left out, and why." if excluded else "All are in the cohort.")
            + (f" Nobody was left out for: {'; '.join(unused)}." if unused else ""),
            data=chart,
        )
    with right:
        notes = [problem for problem in cohort.report.warnings if problem.rule != "ignored-column"]
        st.markdown("**What was mended on the way in**")
        if not notes:
            st.caption("Nothing: every value was taken as given.")
        else:
            problems_table(notes, "cohort-notes")
    where_from(cohort.report, "cohort-provenance")


def _table_one(cohort: Cohort, groups: np.ndarray | None) -> None:
    long = table_one(cohort, groups)
    wide = table_one_text(long).reset_index()
    wide["unit"] = wide["unit"].map(fmt_unit)
    sizes = {ALL: cohort.n_patients}
    if groups is not None:
        sizes |= {str(name): int(n) for name, n in zip(*np.unique(groups, return_counts=True), strict=True)}
    wide = wide.rename(columns={name: f"{name} (n = {n:,})" for name, n in sizes.items()})
    table(
        wide,
        "cohort-table-one",
        name="table-1",
        height=560,
        column_config={"unit": st.column_config.TextColumn(width=UNIT_WIDTH)},
        caption="Of recorded values: n (%) of columns that are yes or no, else mean (standard deviation), with median "
        "[quartiles] where they are skewed; static columns count patients, the others steps. The CSV also holds n, "
        "median, quartiles and the share not recorded.",
        csv=long,
    )
    if "mimic_iv_mean" in long:
        _published(long)


def _published(long: pd.DataFrame) -> None:
    everyone = long[long["group"] == ALL].copy()
    for source in ("mimic_iv", "eicu"):
        everyone[source] = (everyone["mean"] - everyone[f"{source}_mean"]) / everyone[f"{source}_sd"]
    known = everyone.dropna(subset=["mimic_iv"])
    st.markdown("**Distance from the published cohorts**")
    show(
        published_means(known, (("mimic_iv", "against MIMIC-IV"), ("eicu", "against eICU"))),
        "cohort-published",
        "Standardized difference of each column's mean from the published MIMIC-IV and eICU cohorts.",
        caption="Within half a standard deviation of 0: a cohort much like the published one in that column.",
        data=known[["column", "unit", "mean", "mimic_iv", "eicu"]],
    )


def _missing(cohort: Cohort) -> None:
    by_column = missing_by_column(cohort)
    if not by_column["missing"].any():
        empty(
            "No value was filled in",
            "Every state value was recorded (simulated cohorts are complete), so there is no map to draw.",
            icon=":material/check_circle:",
        )
        return
    left, right = st.columns([3, 2])
    with left:
        by_hour = missing_by_hour(cohort)
        show(
            missing_heatmap(by_hour, cohort.axis.hours),
            "cohort-missing",
            "Heat map of the share of values that were not recorded, by column and hour.",
            caption="Bright: mostly filled in, so models see the last or the median value instead. "
            "Hours that no patient reaches are left blank.",
            data=by_hour.set_axis([f"{hour:g} h" for hour in cohort.axis.hours], axis=1).reset_index(),
        )
    with right:
        shown = by_column.sort_values("missing_percent", ascending=False)
        table(
            shown.round({"missing_percent": 1}),
            "cohort-missing-columns",
            height=560,
            caption="patients_without: no value of this column in the whole stay.",
        )


def _outcome(cohort: Cohort, groups: np.ndarray | None) -> None:
    looks = _looks(groups)
    outcome, record = outcome_by_group(cohort, groups), in_record_by_hour(cohort, groups)
    left, right = st.columns(2)
    with left:
        _died(cohort, outcome, looks)
    with right:
        st.markdown("**In the record at each hour**" if cohort.timed else "**Still in the record**")
        show(
            in_record(record, looks),
            "cohort-in-record",
            "Share of each group in the record at each hour from onset.",
            caption="A record ends with discharge or death alike, so this is no survival curve."
            + (" Stays enter at their first recorded hour." if cohort.timed else ""),
            data=record,
        )
    numbers = record.pivot(index="group", columns="hours", values="n").reindex(list(dict.fromkeys(record["group"])))
    numbers.columns = [f"{hour:g} h" for hour in numbers.columns]
    table(numbers.reset_index(), "cohort-at-step", caption="Numbers in the record at each hour.")


def _died(cohort: Cohort, outcome: pd.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    """Share that died, by group."""
    if not cohort.study.tells_survival:
        no_survival()
        return
    st.markdown(f"**Share {cohort.study.died_label}**")
    show(
        mortality_bars(outcome, looks, died=cohort.study.died_label),
        "cohort-outcome",
        "Mortality by group with 95 % intervals.",
        caption="Marker: share; bar: 95 % Wilson interval; dashed: all patients. "
        "Groups found in the data: no cause, no effect of treatment.",
        data=outcome,
    )


def _doses(cohort: Cohort, groups: np.ndarray | None) -> None:
    shares = action_shares(cohort, groups)
    names = list(shares["group"].drop_duplicates())
    actions = cohort.study.actions
    st.markdown(f"**{actions.drug.capitalize()}{' given' if actions.ordered else ','} by clinicians**")
    show(
        dose_shares(shares, names, actions.title, ordered=actions.ordered),
        "cohort-doses",
        actions.said("Stacked bars: share of steps in which each dose was given."),
        caption=actions.said("Where nearly all steps are of one dose, the records say little about the others."),
        data=shares,
    )
