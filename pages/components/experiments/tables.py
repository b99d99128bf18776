"""The published tables in shape, from an experiment: our numbers, the published ones beside them, tests, ablations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.experiments.document import CHOICE, SECTIONS, TABLES_MD
from core.experiments.view import ExperimentView, list_experiments
from core.figures.experiments import repeat_boxes
from core.figures.theme import fmt
from core.icu.panels import COHORTS, ESTIMATORS, mean_truth, repeats_of
from core.report.page import published_means
from pages.components.experiments.folders import experiments_root
from pages.components.shell.export import file_name, show, table
from pages.components.shell.frame import empty, failed
from pages.components.shell.held import held

if TYPE_CHECKING:
    from core.experiments.document import Column

LIKE = {"mimic-iv": "MIMIC-IV", "eicu": "eICU"}
DEPENDENT = ("its error", "interval holds the truth", "SE")  # headings that belong to the column before
CAPTIONS = {
    "values": "Mean ± standard deviation over repeats. ESS: effective sample size of PHWIS, in patients. Published "
    "numbers are of other, real patients.",
    "truth": "True values by roll-out in the simulator, ± standard deviation over repeats; SE: of the roll-outs. "
    "Retrospective policies cannot be rolled out.",
    "gains_over_clinicians": "Differences are paired over repeats. Corrected t: its variance is widened because "
    "training parts overlap. Holm: corrected for all policies compared here.",
    "fused_against_others": "Each policy minus the fused one, paired over repeats, tested like the gains.",
    "ablations": "What a part adds: the fused policy minus the policy without that part, paired over repeats.",
    "shape": "Entropy: 1 is a uniform choice. Distances: total variation, 0 to 1. Advice without data: steps whose "
    "likeliest dose clinicians hardly ever give.",
}


def draw() -> None:
    """Choose an experiment and one of its tables."""
    found = {view.name: view for view in list_experiments(experiments_root())}
    if not found:
        empty(
            "No experiment yet",
            "An experiment repeats a study over several splits, on a development and an external cohort. "
            "`make experiment` computes a small one in minutes, `make experiment-full` one of the published size; both "
            "resume where they were cut short, and their tables appear here.",
            icon=":material/labs:",
        )
        return
    name = st.selectbox("Experiment", list(found), **held("experiment-name", found))
    view = found[name]
    try:
        _experiment(view)
    except PhenoPolicyError as error:
        failed(error, "Reading this experiment")


def _experiment(view: ExperimentView) -> None:
    _state(view)
    if not view.complete:
        empty(
            "Still at work",
            f"{view.cells_done} of {len(view.cells)} runs are done; the tables are written when all are. The same "
            "command goes on where it stopped.",
            icon=":material/hourglass_empty:",
        )
        return
    with st.expander("What to know before reading a number", icon=":material/info:", expanded=False):
        for sentence in (*view.document["statements"], *view.document["choice"]):
            st.markdown(f"- {sentence}")
    tables = view.document["tables"]
    headings = {key: heading for heading, key, _ in SECTIONS if tables.get(key)}
    if tables.get("choice"):
        headings["choice"] = "Settings by true value"
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    with left:
        key = st.selectbox(
            "Table", list(headings), format_func=headings.__getitem__, **held("experiment-table", headings)
        )
    if key == "choice":
        _choice(view.document, view.name)
        return
    rows = pd.DataFrame(tables[key])
    with middle:
        cohort = st.selectbox(
            "Cohort",
            list(dict.fromkeys(rows["cohort"])),
            **held("experiment-cohort", dict.fromkeys(rows["cohort"]), key=f"experiment-cohort-{key}"),
        )
    with right:
        preset = st.selectbox(
            "Preset",
            list(dict.fromkeys(rows["preset"])),
            **held("experiment-preset", dict.fromkeys(rows["preset"]), key=f"experiment-preset-{key}"),
        )
    part = [row for row in tables[key] if row["cohort"] == cohort and row["preset"] == preset]
    if not part:
        empty("Nothing here", "This preset has no rows of this table on this cohort.")
        return
    _table(key, part, f"{view.name}-{key}-{cohort}-{preset}")
    if key == "values":
        _boxes(view, cohort, preset)


def _state(view: ExperimentView) -> None:
    """When, on what, how long; and the tables as one text file."""
    record = view.record
    machine = record["machine"]
    hours = sum(cell["seconds"] for cell in record["cells"]) / 3600
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{markdown(view.settings.title or view.name)} · {record['written'][:16].replace('T', ' ')} UTC · "
            f"{len(record['cells'])} runs, {hours:.2f} hours of run time · {machine['cores']} cores, "
            f"{machine['memory_gb']} GB"
        )
        document = view.path / TABLES_MD
        if document.is_file():
            st.download_button(
                "All tables",
                data=document.read_bytes,
                file_name=file_name(f"{view.name}-tables", "md"),
                mime="text/markdown",
                key="experiment-markdown",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
            )


def _table(key: str, rows: list[dict[str, Any]], name: str) -> None:
    columns: list[Column] = next(columns for _, found, columns in SECTIONS if found == key)
    first = rows[0]
    kind = "simulated, like" if first["simulated"] else "recorded,"
    table(
        pd.DataFrame(_cells(rows, columns)),
        f"experiment-{key}",
        name=name,
        caption=f"{str(first['cohort']).capitalize()} cohort ({kind} {LIKE.get(first['like'], first['like'])}), preset "
        f"{first['preset']}. {CAPTIONS[key]}",
        csv=pd.DataFrame(rows),
        height=min(38 + 35 * len(rows), 780),
    )


def _choice(document: dict[str, Any], name: str) -> None:
    """True values on tuning seeds, by which defaults were chosen."""
    for sentence in document["choice"]:
        st.markdown(f"- {sentence}")
    rows = document["tables"]["choice"]
    table(
        pd.DataFrame(_cells(rows, CHOICE)),
        "experiment-choice",
        name=f"{name}-choice",
        caption="True values by roll-out on simulated tuning cohorts, none of which is reported elsewhere; SE: "
        "standard error.",
        csv=pd.DataFrame(rows),
        height=min(38 + 35 * len(rows), 780),
    )


def _cells(
    rows: list[dict[str, Any]], columns: list[tuple[str, Callable[[dict[str, Any]], str]]]
) -> dict[str, list[str]]:
    """Heading -> texts; headings that come twice are told apart by the column before them."""
    found: dict[str, list[str]] = {}
    before = ""
    for heading, text in columns:
        name = heading if heading not in DEPENDENT else f"{before}: {heading}"
        found[name] = [text(row) for row in rows]
        before = heading if name == heading else before
    return {name: texts for name, texts in found.items() if any(texts)}


def _boxes(view: ExperimentView, cohort: str, preset: str) -> None:
    """Box plots over repeats with the published means, as in the publication."""
    estimator = (
        st.segmented_control(
            "Box plots of",
            list(ESTIMATORS),
            format_func=ESTIMATORS.__getitem__,
            **held("experiment-estimator", ESTIMATORS, "phwis"),
            required=True,
        )
        or "phwis"
    )
    rows = repeats_of(view.evaluations, preset, cohort, estimator)
    if rows.empty:
        empty("No repeats here", f"Preset {preset} has no estimates on the {COHORTS.get(cohort, cohort)}.")
        return
    means = published_means(rows)
    clinicians = rows[rows["policy"] == "clinician"]["value"]
    show(
        repeat_boxes(
            rows,
            means[means["estimator"] == estimator],
            baseline=float(clinicians.mean()) if len(clinicians) else None,
            truth=mean_truth(rows),
        ),
        "experiment-boxes",
        f"Box plots of {ESTIMATORS[estimator]} over {rows['repeat'].nunique()} repeats; means: "
        + ", ".join(f"{policy} {fmt(v)}" for policy, v in rows.groupby("policy", sort=False)["value"].mean().items()),
        caption="One point a repeat; hollow gray: not supported by the records. Open squares: published means, on "
        "other patients. Dotted: the clinicians' mean. Repeats are random splits that overlap.",
        data=rows.drop(columns=["action_shares"], errors="ignore"),
    )
