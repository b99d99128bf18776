"""What a registry holds: stages and decisions, who is still there, features, combinations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.base.remembered import remembered_by
from core.base.text import markdown
from core.figures.registry import age_histogram, combination_tail, stage_timeline, state_bars
from core.figures.registry_looks import Looks
from core.figures.theme import fmt_count, fmt_percent
from core.registry import RegistryCohort
from core.registry.cohort.definitions import definitions, drugs_by_decision
from core.registry.cohort.describe import combination_table, decision_table, feature_counts, histogram, state_table
from pages.components.cohort.views import problems_table
from pages.components.registry.session import in_text, looks_of
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import metric, show, table
from pages.components.shell.frame import SMALL_COHORT
from pages.components.shell.held import held

VIEWS = ("Stages", "Follow-up", "Features", "Combinations", "Notes")
AGE, MATCHING = "age", "hla_match"
AGE_WIDTH = 5.0  # years a bar


@remembered_by(1)
def _tables(cohort: RegistryCohort) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """States, decisions and combinations of a registry."""
    return state_table(cohort), decision_table(cohort), combination_table(cohort)


def draw(cohort: RegistryCohort) -> None:
    """Head figures, then the chosen view."""
    states, decisions, combinations = _tables(cohort)
    _facts(cohort, states, combinations)
    view = st.segmented_control(
        "Show",
        VIEWS,
        required=True,
        **held("registry-cohort-view", VIEWS),
        label_visibility="collapsed",
    )
    if view == VIEWS[0]:
        _stages(cohort, decisions)
    elif view == VIEWS[1]:
        _follow_up(states, looks_of(cohort.spec))
    elif view == VIEWS[2]:
        _features(cohort)
    elif view == VIEWS[3]:
        _combinations(combinations, looks_of(cohort.spec))
    else:
        _notes(cohort)


def _facts(cohort: RegistryCohort, states: pd.DataFrame, combinations: pd.DataFrame) -> None:
    last = states[states["day"] == states["day"].max()].set_index("state")["patients"]
    n, end = cohort.n_patients, cohort.spec.stages[-1].name
    cards = st.columns(4)
    with cards[0]:
        kind = "simulated" if cohort.origin.simulated else "recorded"
        metric("Patients", n, text=fmt_count(n), estimator=f"{kind}, {len(cohort.frame):,} stages on record")
    with cards[1]:
        died = int(last["dead"])
        metric("Died", died, text=fmt_percent(died / max(n, 1)), estimator=f"{died:,} on record by {end}")
    with cards[2]:
        lost = int(last["lost"])
        metric(
            "Lost to follow-up", lost, text=fmt_percent(lost / max(n, 1)), estimator=f"{lost:,} without a last stage"
        )
    with cards[3]:
        parts = combinations.groupby("decision", sort=False).size()
        metric(
            "Drug combinations",
            int(parts.sum()),
            text=fmt_count(parts.sum()),
            estimator=", ".join(f"{name} {size}" for name, size in parts.items()),
        )
    if n < SMALL_COHORT:
        st.warning(
            f"Only {n} patients: enough to see how the app works, too few to learn a policy that means anything.",
            icon=":material/groups:",
        )


def _stages(cohort: RegistryCohort, decisions: pd.DataFrame) -> None:
    st.markdown("**Stages and decisions**")
    days = [stage.day for stage in cohort.spec.stages]
    looks = looks_of(cohort.spec)
    figure = stage_timeline(decisions, days[:-1], days[-1], looks)
    show(
        figure,
        "registry-timeline",
        "Timeline of stages and decisions: "
        + "; ".join(f"{row.decision} at {row.stage}: {row.treated:,} treated" for row in rows_of(decisions)),
        caption="Written and shown by size: patients who were given at least one drug. A decision is posed to everyone "
        f"recorded at the stage, alive{_not_ended(cohort)}; giving nothing is an answer too.",
        data=decisions,
    )
    shown = decisions.assign(
        decision=[looks.decision(name).name for name in decisions["decision"]],
        share=(decisions["treated"] / decisions["patients"].clip(lower=1)).round(3),
    )
    table(
        shown[["decision", "stage", "day", "patients", "treated", "share", "combinations"]],
        "registry-decisions",
        caption="patients: to whom the decision was posed; combinations: how many different ones were chosen; "
        "giving no drug counts as one of them.",
        csv=decisions,
        column_config={"share": st.column_config.NumberColumn("share treated", format="percent")},
    )


def _not_ended(cohort: RegistryCohort) -> str:
    """' and without relapse', by what ends the decisions of this registry."""
    titles = [in_text(indicator.title) for indicator in cohort.spec.indicators if indicator.ends]
    return f" and without {' or '.join(titles)}" if titles else ""


def _follow_up(states: pd.DataFrame, looks: Looks) -> None:
    st.markdown("**Where the patients are**")
    show(
        state_bars(states, looks),
        "registry-states",
        "Stacked bars: state of all patients at each stage.",
        caption="Each patient counts once a stage, by the gravest state; death and what ends the decisions are kept "
        "from then on.",
        data=states,
    )
    st.markdown("**Attrition and loss to follow-up**")
    wide = states.pivot(index="state", columns="stage", values="patients")[list(dict.fromkeys(states["stage"]))]
    wide = wide.reindex([state for state in looks.states if wide.loc[state].any()])
    wide.insert(0, "state", [looks.states[state].name for state in wide.index])
    table(
        wide,
        "registry-attrition",
        caption="Lost: no later stage on record. Not seen: a later one is. A decision whose next stage is not recorded "
        "has no reward: it tells what experts do, and is not learned from.",
        csv=states,
    )


def _features(cohort: RegistryCohort) -> None:
    spec = cohort.spec
    numbers = [feature.name for feature in spec.features if feature.kind == "number"]
    categories = [feature.name for feature in spec.features if feature.kind == "category"]
    left, right = st.columns(2, gap="medium")
    with left:
        name = _choose("Number", numbers, AGE, cohort, "registry-number")
        if name:
            _histogram(cohort, name)
    with right:
        name = _choose("Table", categories, MATCHING, cohort, "registry-category")
        if name:
            counts = feature_counts(cohort, name)
            table(
                counts,
                "registry-counts",
                name=f"{name}-counts",
                caption=f"{cohort.n_patients:,} patients by {in_text(_label(cohort, name))}.",
                column_config={"share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
            )
    rest = [part.assign(feature=_label(cohort, name)) for name in categories for part in [feature_counts(cohort, name)]]
    if rest:
        with st.expander("All categories"):
            whole = pd.concat(rest, ignore_index=True)[["feature", "category", "patients", "share"]]
            table(
                whole,
                "registry-all-counts",
                height=320,
                column_config={"share": st.column_config.NumberColumn(format="percent")},
            )


def _choose(label: str, names: list[str], first: str, cohort: RegistryCohort, key: str) -> str:
    if not names:
        st.caption(f"{label}: this registry has no such feature.")
        return ""
    chosen = st.selectbox(
        label,
        names,
        index=names.index(first) if first in names else 0,
        format_func=lambda name: _label(cohort, name),
        key=key,
    )
    return str(chosen)


def _label(cohort: RegistryCohort, name: str) -> str:
    return cohort.spec.feature(name).label or name


def _histogram(cohort: RegistryCohort, name: str) -> None:
    values = cohort.baseline[name].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    feature = cohort.spec.feature(name)
    width = AGE_WIDTH if name == AGE else max(float(np.ptp(values)) / 20, 1e-6) if len(values) else 1.0
    edges, counts = histogram(cohort, name, width)
    label = feature.label or name
    median = f"median {np.median(values):g} {feature.unit}, " if len(values) else ""
    missing = cohort.n_patients - len(values)
    show(
        age_histogram(edges, counts, label=label, unit=feature.unit, adult=18 if name == AGE else None),
        "registry-histogram",
        f"Histogram of {in_text(label)}: {median}{len(values):,} patients.",
        caption=f"{label} at transplant: {median}{missing:,} not recorded.",
        data=pd.DataFrame({"from": edges[:-1], "to": edges[1:], "patients": counts}),
    )


def _combinations(combinations: pd.DataFrame, looks: Looks) -> None:
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown("**How often each combination was chosen**")
        once = combinations.groupby("decision", sort=False)["uses"].agg(lambda uses: (uses == 1).mean())
        few = ", ".join(f"{looks.decision(str(d)).name} {fmt_percent(share, 0)}" for d, share in once.items())
        show(
            combination_tail(combinations, looks),
            "registry-tail",
            "Number of times each combination was chosen, by rank, for each decision.",
            caption=f"Chosen once only: {few} of the combinations. So rare ones teach little, and screening "
            "leaves them out.",
            data=combinations,
        )
    with right:
        name = st.selectbox(
            "Combinations of",
            list(dict.fromkeys(combinations["decision"])),
            format_func=lambda name: looks.decision(name).name,
            **held("registry-combinations", dict.fromkeys(combinations["decision"])),
        )
        part = combinations[combinations["decision"] == name]
        table(
            part[["rank", "combination", "uses", "share"]],
            "registry-combination-table",
            name=f"combinations-{name}",
            height=330,
            caption=f"{len(part):,} different combinations in {int(part['uses'].sum()):,} decisions.",
            column_config={
                "rank": st.column_config.NumberColumn(width="small"),
                "combination": st.column_config.TextColumn(width="large"),
                "share": st.column_config.NumberColumn(format="percent"),
            },
        )


def _notes(cohort: RegistryCohort) -> None:
    st.markdown("**What the words mean here**")
    for told in definitions(cohort.spec, cohort.origin.simulated, cohort.origin.seed).values():
        st.caption(markdown(told))
    for decision, drugs in drugs_by_decision(cohort.spec).items():
        st.caption(f"{markdown(decision)}, drugs that may be combined: {markdown(drugs)}.")
    for line in cohort.report.notes:
        st.markdown(line)
    if cohort.report.mapping:
        with st.expander("The mapping that the file was read through"):
            st.code(cohort.report.mapping, language="toml")
    notes = [problem for problem in cohort.report.warnings if problem.rule != "ignored-column"]
    st.markdown("**What was mended on the way in**")
    if notes:
        problems_table(notes, "registry-notes")
    else:
        st.caption("Nothing: every value was taken as given.")
    if cohort.report.attrition:
        steps = pd.DataFrame(
            [(step.reason, step.patients, step.rows, *step.left) for step in cohort.report.attrition],
            columns=["reason", "patients left out", "rows left out", "patients", "rows"],
        )
        table(steps, "registry-exclusions", caption="From the file to the registry.")
