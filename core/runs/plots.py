"""The published figures of a run as HTML files (setting `run.plot_flag`), for those who look without the app.

figures/: phenotype map, silhouette by K, outcome, courses and severity by phenotype, dose shares, values, survival.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.evaluation import action_shares, given_shares
from core.figures.phenotype_quality import cluster_indices
from core.figures.phenotypes import CourseSeries, course_panels, outcome_bars, phenotype_map
from core.figures.policies import action_share_bars
from core.figures.policy_values import policy_forest
from core.figures.theme import phenotype_name
from core.figures.values import survival_by_value
from core.files import write_atomic
from core.runs.summaries.groups import mean_courses, outcome_table

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from core.runs.view import RunView

SHOWN = 3  # features whose courses are drawn
NOTE = "Research and teaching only. {data} patients; run {name}, data {hash}."


def write_figures(view: RunView) -> list[Path]:
    """Write every figure at the run's own K, lambda and mode; returns the files."""
    manifest = view.manifest
    data = "Simulated" if manifest.simulated else "Recorded"
    note = NOTE.format(data=data, name=manifest.name, hash=manifest.data_hash)
    written = []
    for name, figure in {**_phenotype_figures(view), **_policy_figures(view)}.items():
        figure.update_layout(title={"text": note, "font": {"size": 12}}, margin={"t": 90})
        page = figure.to_html(include_plotlyjs=True, full_html=True).encode()
        path = view.path / "figures" / f"{name}.html"
        write_atomic(path, lambda file, page=page: file.write(page))  # type: ignore[misc]
        written.append(path)
    return written


def _phenotype_figures(view: RunView) -> dict[str, go.Figure]:
    k, study, cohort = view.n_clusters, view.study, view.cohort
    labels = view.labels(k)
    everyone = np.arange(cohort.n_patients)
    return {
        "phenotype-map": phenotype_map(view.projection("umap"), labels, everyone, cohort.patients, k, method="UMAP"),
        "silhouette": cluster_indices(view.indices, k),
        "outcomes": outcome_bars(
            outcome_table(labels, cohort.outcomes, k), survived=study.survived_label, died=study.died_label
        ),
        "courses": course_panels(
            study.hours(np.arange(study.horizon)), [course(view, name, k) for name in study.highlights[:SHOWN]]
        ),
    }


def course(view: RunView, name: str, n_clusters: int, minimum: int = 5) -> CourseSeries:
    """Mean course of a column by phenotype, ready to draw; points with fewer than `minimum` patients are left out."""
    study, mask = view.study, view.trajectories.mask
    column = study.column(name)
    values = np.zeros(mask.shape, dtype=np.float32)
    values[mask] = view.cohort.states[:, study.index(name)]
    courses = mean_courses(values, mask, view.labels(n_clusters), n_clusters, minimum)
    return CourseSeries(column.label or name, column.unit, courses.mean, courses.low, courses.high)


def _policy_figures(view: RunView) -> dict[str, go.Figure]:
    k, fusion, test = view.n_clusters, view.config.fusion, view.split.test
    data = view.trajectories.subset(test)
    names = [*(f"phenotype-{index}" for index in range(k)), "fused"]
    probs = [view.policy_probs(name, k, fusion.lambda_, fusion.mode)[test] for name in names]
    shares = [given_shares(data.actions, view.study.n_actions, data.mask)]
    shares += [action_shares(policy, data.mask) for policy in probs]
    readable = ["Given by clinicians", *(phenotype_name(index) for index in range(k)), "Fused"]
    doses = [view.study.actions.label(action) for action in range(view.study.n_actions)]
    table = view.policy_table(k, fusion.lambda_, fusion.mode)
    rows = table[(table["estimator"] == "phwdr") & table["policy"].isin(("clinician", "fused"))]
    places = rows[["value", "expected_survival"]].to_numpy(np.float64)
    marks = {name: (float(x), float(y)) for name, (x, y) in zip(rows["policy"], places, strict=True)}
    return {
        "doses": action_share_bars(readable, np.stack(shares), doses, dose_unit=view.study.actions.unit),
        "values": policy_forest(table, truth=bool(table["true_value"].notna().any())),
        "survival": survival_by_value(pd.DataFrame(asdict(view.survival_curve)), marks),
    }
