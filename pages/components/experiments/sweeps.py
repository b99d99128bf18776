"""Sweeps over K, lambda, seeds, presets and reward weights: a heat map of one metric, and the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.files import read_table
from core.experiments.sweep import WEIGHT
from core.figures.experiments import sweep_map
from core.figures.theme import fmt, fmt_interval, fmt_lambda
from core.icu.ask.sweeps import sweep_grid
from pages.components.experiments.folders import SWEEP, sweeps
from pages.components.shell.estimates import bracketed
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty, failed
from pages.components.shell.held import held

METRICS = {
    "phwis": "PHWIS",
    "phwdr": "PHWDR",
    "true_value": "True value (simulated)",
    "ess": "Effective sample size",
    "survival": "Survival, weighted",
    "expected_survival": "Expected survival",
    "entropy": "Entropy (1 is uniform)",
    "concordance_rate": "Agreement with clinicians",
    "silhouette": "Silhouette",
}
WEIGHTED = ("phwis", "phwdr", "survival", "expected_survival")


def draw() -> None:
    """Choose a sweep and a metric."""
    found = sweeps()
    if not found:
        empty(
            "No sweep yet",
            "A sweep values every K and λ of a grid over several seeds. `python -m core sweep COHORT --run "
            "data/sweeps/NAME --grid GRID.toml` makes one, on this machine's cores or with `--dask ADDRESS` on a "
            "cluster; every sweep under data/sweeps appears here.",
            icon=":material/grid_on:",
        )
        return
    name = st.selectbox("Sweep", list(found), **held("sweep-name", found))
    try:
        _sweep(read_table(found[name] / SWEEP), name)
    except PhenoPolicyError as error:
        failed(error, "Reading this sweep")


def _sweep(rows: pd.DataFrame, name: str) -> None:
    known = [key for key in METRICS if key in rows and rows[key].notna().any()]
    first, second, third = st.columns([2, 2, 2], vertical_alignment="bottom")
    with first:
        metric = st.selectbox("Metric", known, format_func=METRICS.__getitem__, **held("sweep-metric", known))
    with second:
        preset = st.selectbox(
            "Preset", list(dict.fromkeys(rows["preset"])), **held("sweep-preset", dict.fromkeys(rows["preset"]))
        )
    with third:
        mode = st.selectbox(
            "Mode", list(dict.fromkeys(rows["mode"])), **held("sweep-mode", dict.fromkeys(rows["mode"]))
        )
    part = _of_weights(rows[(rows["preset"] == preset) & (rows["mode"] == mode)])
    if part.empty:
        empty("Nothing here", "This preset was not swept in this mode.")
        return
    grid = sweep_grid(part, metric)
    seeds = part["seed"].nunique()
    hollow = grid.unsupported if metric in WEIGHTED else np.zeros_like(grid.unsupported)
    show(
        sweep_map(
            grid.mean,
            [str(k) for k in grid.n_clusters],
            [fmt_lambda(value) for value in grid.lambdas],
            title=METRICS[metric],
            row_title="K (number of phenotypes)",
            column_title="λ",
            cells=grid.runs,
            hollow=hollow,
        ),
        "sweep-map",
        f"Heat map of {METRICS[metric]} by K and λ, mean of {seeds} seeds.",
        caption=f"Mean over {seeds} seeds, preset {preset}, {mode}, test patients. In brackets: not supported by the "
        "records in every seed. Intervals and ESS of each run stand in the table.",
        data=part,
    )
    _table(part, name)


def _of_weights(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows under one value of each reward weight that was swept: values under others are on other scales."""
    names = [str(name) for name in rows if str(name).startswith(WEIGHT)]
    for name, place in zip(names, st.columns(len(names)) if names else (), strict=True):
        values = sorted(rows[name].dropna().unique())
        chosen = place.selectbox(f"Reward weight {name.removeprefix(WEIGHT)}", values, key=f"sweep-{name}")
        rows = rows[rows[name] == chosen]
    return rows


def _table(part: pd.DataFrame, name: str) -> None:
    """One row a cell: values with intervals, ESS and support; the CSV holds every column."""
    lines = []
    for row in part.to_dict("records"):
        line = {"seed": row["seed"], "K": row["n_clusters"], "λ": fmt_lambda(row["lambda_"])}
        for metric in ("phwis", "phwdr"):
            if metric in row:
                interval = fmt_interval(row.get(f"{metric}_low"), row.get(f"{metric}_high"))
                line[METRICS[metric]] = bracketed(f"{fmt(row[metric])} {interval}", row["support"])
        line |= {"ESS": fmt(row["ess"], 1), "support": row["support"]}
        if np.isfinite(row.get("true_value", np.nan)):
            line["true value"] = f"{fmt(row['true_value'])} ± {fmt(row['true_se'])}"
        lines.append(line)
    table(
        pd.DataFrame(lines),
        "sweep-table",
        name=f"sweep-{name}",
        caption=f"{len(part)} cells, one row each, with 95 % bootstrap intervals; in brackets: not supported by the "
        "records. True value ± standard error, where the run rolled the cell out.",
        csv=part,
        height=min(38 + 35 * len(part), 400),
        placeholder="–",
    )
