"""Two finished runs beside each other: settings, values of shared policies, differences, phenotypes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.base.text import plain
from core.figures.experiments import two_runs
from core.figures.theme import fmt, fmt_interval, policy_style
from core.report.comparison import (
    Agreement,
    differing_settings,
    incomparable,
    phenotype_agreement,
    same_test_patients,
    shared_values,
    value_differences,
)
from core.runs.added import added_stamp
from pages.components.shell.estimates import ESTIMATORS, bracketed, rows_of
from pages.components.shell.export import metric, show, table
from pages.components.shell.frame import empty, finished_run, visible_runs
from pages.components.shell.held import held
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

Made = tuple[tuple[str, tuple[tuple[str, int], ...]], ...]  # of each run: when, and what was added since


def draw() -> None:
    """Choose two runs and compare them."""
    runs = {info.path.name: info for info in visible_runs() if info.state == "done"}
    if len(runs) < 2:
        empty(
            "Two finished runs are needed",
            f"You may see {len(runs)}. Train another one with one setting changed, then compare.",
            page="pages/encoder.py",
            action="Set up a run",
        )
        return
    names = list(runs)
    shown = get_session().run
    left, right = st.columns(2)
    with left:
        first = st.selectbox(
            "First run", names, format_func=lambda n: runs[n].name, **held("compare-first", names, shown)
        )
    others = [name for name in names if name != first]
    with right:
        second = st.selectbox(
            "Second run", others, format_func=lambda n: runs[n].name, **held("compare-second", others)
        )
    pair = finished_run(runs[first].path), finished_run(runs[second].path)
    if pair[0] is None or pair[1] is None:
        empty("One of these runs cannot be read", "It was made by another version of this program, or is damaged.")
        return
    _compare(pair[0], pair[1], (f"A: {plain(runs[first].name)}", f"B: {plain(runs[second].name)}"))


def _compare(first: RunView, second: RunView, names: tuple[str, str]) -> None:
    _settings(first, second, names)
    _phenotypes(first, second)
    estimator = (
        st.segmented_control(
            "Estimator",
            ("phwis", "phwdr"),
            format_func=ESTIMATORS.__getitem__,
            **held("compare-estimator", ("phwis", "phwdr"), "phwdr"),
            required=True,
        )
        or "phwdr"
    )
    values = shared_values(first, second, estimator)
    if values.empty:
        empty("No policy in common", "The two runs hold no policy of the same name under this estimator.")
        return
    if apart := incomparable(first, second):
        st.warning(
            f"The runs differ in {', '.join(apart)}, so their values are not counted in the same unit: look at each "
            "run by itself. No B minus A is shown.",
            icon=":material/warning:",
        )
    show(
        two_runs(values, names),
        "two-runs",
        f"{ESTIMATORS[estimator]} of the policies of both runs with 95 % intervals: "
        + "; ".join(f"{policy_style(r.policy).name} {fmt(r.value_a)} and {fmt(r.value_b)}" for r in rows_of(values)),
        caption="Each run on its own test patients, at its own K, λ and mode. Hollow: weak or not supported by the "
        "records. Bars: true values in the simulator, where known. A phenotype's number means another group in "
        "another run.",
        data=values,
    )
    _values(first, second, values, estimator)


def _settings(first: RunView, second: RunView, names: tuple[str, str]) -> None:
    differing = differing_settings(first, second)
    st.markdown("**Settings that differ**")
    if differing.empty:
        st.caption("None: same data, same preset, same settings.")
        return
    table(
        differing.rename(columns={"first": names[0], "second": names[1]}),
        "compare-settings",
        caption=f"{len(differing)} of all settings; the others are equal.",
    )


@st.cache_data(max_entries=32, ttl="6h", show_spinner="Comparing the phenotypes ...")
def _agreement(paths: tuple[str, str], made: Made, _first: RunView, _second: RunView) -> Agreement | None:
    return phenotype_agreement(_first, _second)


@st.cache_data(max_entries=32, ttl="6h", show_spinner="Comparing the values ...")
def _differences(
    paths: tuple[str, str],
    made: Made,
    policies: list[str],
    estimator: str,
    _first: RunView,
    _second: RunView,
) -> pd.DataFrame:
    return value_differences(_first, _second, policies, estimator)


def _which(first: RunView, second: RunView) -> tuple[tuple[str, str], Made]:
    """What a cached comparison depends on: folders, when the runs were made, and which added policies this visitor
    sees in them: those of two visitors may bear the same name."""
    views = first, second
    made = tuple((view.manifest.created, added_stamp(view.path, view.owners)) for view in views)
    return (str(first.path), str(second.path)), made


def _phenotypes(first: RunView, second: RunView) -> None:
    found = _agreement(*_which(first, second), first, second)
    if found is None:
        st.caption("The runs are on different data, so their phenotypes cannot be held against each other.")
        return
    metric(
        "Agreement of the phenotypes (adjusted Rand index)",
        found.ari,
        n=found.n,
        estimator=f"K = {found.n_clusters[0]} and K = {found.n_clusters[1]}, all patients; 1 is full agreement, "
        "0 is chance; a description of these patients, without an interval",
        fill=False,
    )


def _values(first: RunView, second: RunView, values: pd.DataFrame, estimator: str) -> None:
    """Values side by side, with the difference and its interval."""
    gaps, apart = {}, bool(incomparable(first, second))
    if not apart:
        found = _differences(*_which(first, second), list(values["policy"]), estimator, first, second)
        gaps = {row.policy: f"{row.difference:+.2f} {fmt_interval(row.low, row.high)}" for row in rows_of(found)}
    lines = []
    for row in rows_of(values):
        line = {"policy": policy_style(row.policy).name}
        for letter in "ab":
            value, low, high, ess, support, true = (
                getattr(row, f"{part}_{letter}") for part in ("value", "low", "high", "ess", "support", "true")
            )
            name = letter.upper()
            line[name] = bracketed(f"{fmt(value)} {fmt_interval(low, high)}", support)
            line[f"ESS {name}"] = fmt(ess, 1)
            line[f"true {name}"] = fmt(true)
        weak = "not supported" in (row.support_a, row.support_b)
        if gaps:
            line["B minus A"] = bracketed(gaps[row.policy], "not supported" if weak else "")
        lines.append(line)
    paired = same_test_patients(first, second)
    basis = "paired on the same test patients" if paired else "unpaired: the runs test different patients"
    said = "" if apart else f"B minus A with 95 % bootstrap interval, {basis}. "
    table(
        pd.DataFrame(lines),
        "compare-values",
        name="two-runs",
        caption=f"{said}In brackets: not supported by the records in at least one of the runs.",
        csv=values.drop(columns="difference") if apart else values,
    )
