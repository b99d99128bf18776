"""The published figures of any run: the phenotype panel (6 + K plots, 9 at K = 3) and the policy panel (8 plots).

Numbers come from the run's stored arrays through `core.icu.ask` and `core.evaluation`; nothing is fitted here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.evaluation import action_shares, dose_excess, given_shares, mortality_by_excess
from core.figures.dose_excess import mortality_by_dose
from core.figures.experiments import repeat_boxes
from core.figures.phenotype_map import phenotype_map
from core.figures.phenotype_quality import cluster_indices
from core.figures.phenotypes import CourseSeries, course_panels, outcome_bars, severity_histograms
from core.figures.policies import action_share_bars
from core.figures.survival import survival_by_value
from core.figures.theme import fmt, fmt_percent, message_figure, two_lines
from core.icu.ask.groups import band_shares, histogram_shares, mean_courses, outcome_table, stratified_sample
from core.icu.ask.names import phenotype_names, phenotype_texts
from core.icu.ask.tables import policy_table
from core.icu.view import RunView
from core.policies.key import CLINICIAN, FUSED, PolicyKey
from core.trajectories import padded

if TYPE_CHECKING:
    import plotly.graph_objects as go

SHOWN = 3  # features whose courses are drawn
FEWEST = 5  # patients behind a point of a course
BANDS = (5.0, 15.0)  # severity: low below, high above
MOST_POINTS = 20_000
COHORTS = {"development": "development cohort", "external": "external cohort"}
ESTIMATORS = {"phwis": "PHWIS", "phwdr": "PHWDR"}
NO_REPEATS = "No repeats of preset '{preset}' on the {cohort} are here.<br>`make experiment` computes them."


@dataclass(frozen=True, eq=False)
class PanelFigure:
    """One plot of a panel: file name, heading, figure, text alternative, and what to know when reading it."""

    name: str
    title: str
    figure: go.Figure
    alt: str
    caption: str


def phenotype_panel(view: RunView, most_points: int = MOST_POINTS) -> list[PanelFigure]:
    """Silhouette by K, map, outcomes, courses of the first three highlights, and severity of each phenotype."""
    k = view.n_clusters
    chosen = view.indices[view.indices["n_clusters"] == k]["silhouette"]
    at_k = f"{float(chosen.iloc[0]):.3f} at K = {k}" if len(chosen) else f"none stored at K = {k}"
    silhouette = PanelFigure(
        "silhouette",
        "Silhouette by number of phenotypes",
        cluster_indices(view.indices, k, columns=("silhouette",), height=300),
        f"Line of the silhouette against K: {at_k}.",
        "Training patients, in latent space. Higher is better; below 0.25 there is little cluster structure.",
    )
    return [silhouette, _map(view, k, most_points), *_outcomes(view, k), *_courses(view, k), *_severity(view, k)]


def _map(view: RunView, k: int, most_points: int) -> PanelFigure:
    points, labels = view.projection("umap"), view.labels(k)
    drawn = np.flatnonzero(np.isfinite(points).all(axis=1))
    rng = stream(view.config.run.seed, "figures", "map")
    shown = drawn[stratified_sample(labels[drawn], most_points, rng)]
    names, texts = phenotype_names(view, k), phenotype_texts(view, k)
    sizes = "; ".join(f"{name.text}, {name.n:,} patients{name.died}" for name in names)
    stated = f"{len(shown):,} of {len(labels):,} patients drawn, stratified by phenotype."
    return PanelFigure(
        "phenotype-map",
        "Map of the patients (UMAP) by phenotype",
        phenotype_map(points[shown], labels[shown], shown, view.cohort.patients[shown], k, method="UMAP", names=texts),
        f"UMAP map of the patients in {k} phenotypes: {sizes}.",
        f"{stated} Distances, gaps and sizes of clouds are not measurements.",
    )


def _outcomes(view: RunView, k: int) -> list[PanelFigure]:
    """Survival by phenotype; nothing where the study's outcome does not tell it."""
    study = view.study
    if not study.tells_survival:
        return []
    table = outcome_table(view.labels(k), view.cohort.outcomes, k)
    names = phenotype_texts(view, k)
    died = "; ".join(f"{name} {fmt_percent(m)}" for name, m in zip(names, table["mortality"], strict=True))
    words = {"survived": study.survived_label.capitalize(), "died": study.died_label.capitalize()}
    figure = PanelFigure(
        "outcomes",
        f"{study.survived_label.capitalize()} and {study.died_label} by phenotype",
        outcome_bars(table, height=70 * k + 90, names=names, **words),
        f"Bars by phenotype; {study.died_label}: {died}.",
        f"All {view.cohort.n_patients:,} patients, 95 % Wilson intervals.",
    )
    return [figure]


def _courses(view: RunView, k: int) -> list[PanelFigure]:
    hours = view.cohort.axis.hours
    figures = []
    for name in view.study.highlights[:SHOWN]:
        series = course(view, name, k)
        figures.append(
            PanelFigure(
                f"course-{name}",
                f"Mean {series.name} by hour and phenotype",
                course_panels(hours, [series], height_each=320, names=phenotype_texts(view, k)),
                f"Mean {series.name} by hours from onset, one line a phenotype, with 95 % bands.",
                "Mean with the 95 % interval of the mean over the patients in the record then; points with fewer than "
                f"{FEWEST} patients are not drawn. The number at the end of a line is the phenotype.",
            )
        )
    return figures


def course(view: RunView, name: str, n_clusters: int) -> CourseSeries:
    """Mean course of a column by phenotype, ready to draw; points with fewer than `FEWEST` patients are left out."""
    study = view.study
    column = study.column(name)
    values = padded(view.cohort.states[:, study.index(name)], view.trajectories.mask)
    slots, n_slots = view.slots, len(view.cohort.axis.hours)
    courses = mean_courses(values, slots, view.labels(n_clusters), n_slots, n_clusters, FEWEST)
    return CourseSeries(column.label or name, column.unit, courses.mean, courses.low, courses.high)


def _severity(view: RunView, k: int) -> list[PanelFigure]:
    study, (low, high) = view.study, BANDS
    column = study.column(study.severity)
    name = column.label or column.name
    labels = np.repeat(view.labels(k), view.cohort.lengths)
    values = view.cohort.states[:, study.index(study.severity)]
    edges = np.arange(np.floor(values.min()) - 0.5, max(np.ceil(values.max()), high + 3) + 1.5)
    edges = edges if len(edges) <= 60 else np.linspace(values.min(), values.max(), 41)
    shares, counts = histogram_shares(values, labels, k, edges)
    bands = band_shares(values, labels, k, low, high)
    names = phenotype_texts(view, k)
    draw = {"names": names, "name": name, "unit": column.unit, "low": low, "high": high, "height_each": 240}
    return [
        PanelFigure(
            f"severity-{i}",
            f"{name} of every step, {names[i]}",
            severity_histograms(edges, shares[i : i + 1], bands[i : i + 1], phenotypes=[i], **draw),  # type: ignore[arg-type]
            f"Histogram of {name} in {names[i]}: {100 * bands[i, 0]:.0f} % of steps below {low:g}, "
            f"{100 * bands[i, 1]:.0f} % from {low:g} to {high:g}, {100 * bands[i, 2]:.0f} % above {high:g}.",
            f"{int(counts[i].sum()):,} patient-steps; the percentages are the shares of steps in each band.",
        )
        for i in range(k)
    ]


def policy_panel(
    view: RunView, repeats: pd.DataFrame | None = None, published: pd.DataFrame | None = None
) -> list[PanelFigure]:
    """Box plots over repeats (two estimators, two cohorts), survival, dose excess, and dose shares given and advised.

    repeats: an experiment's table (see `core.experiments`), of which the rows of this run's preset are drawn; without
    it the box plots say what is missing. published: cohort, policy, estimator, value.
    """
    boxes = [_boxes(view, repeats, published, cohort, estimator) for cohort in COHORTS for estimator in ESTIMATORS]
    excess = [_excess(view)] if view.study.actions.ordered else []
    survival = [_survival(view), *excess] if view.study.tells_survival else []
    return [*boxes, *survival, *_shares(view)]


def _boxes(
    view: RunView, repeats: pd.DataFrame | None, published: pd.DataFrame | None, cohort: str, estimator: str
) -> PanelFigure:
    preset, title = view.config.preset, f"{ESTIMATORS[estimator]} of all policies over repeats, {COHORTS[cohort]}"
    rows = repeats_of(repeats, preset, cohort, estimator)
    name = f"{estimator}-{cohort}"
    if rows.empty:
        text = NO_REPEATS.format(preset=preset, cohort=COHORTS[cohort])
        plain = text.replace("<br>", " ").replace("`", "")
        return PanelFigure(name, title, message_figure(text.replace("`", "")), f"Nothing drawn: {plain}", "")
    if published is not None:
        published = published[(published["cohort"] == cohort) & (published["estimator"] == estimator)]
    squares = "" if published is None or published.empty else "Open squares: published means, on other patients. "
    clinicians = rows[rows["policy"] == "clinician"]["value"]
    baseline = float(clinicians.mean()) if len(clinicians) else None
    means = rows.groupby("policy", sort=False)["value"].mean()
    n = rows["repeat"].nunique()
    return PanelFigure(
        name,
        title,
        repeat_boxes(rows, published, baseline=baseline, truth=mean_truth(rows)),
        f"Box plots over {n} repeats; means: " + ", ".join(f"{policy} {fmt(value)}" for policy, value in means.items()),
        f"{n} repeats of preset {preset}, one point each; hollow gray: not supported by the records. {squares}"
        "Dotted: the clinicians' mean. Repeats are random splits that overlap.",
    )


def mean_truth(rows: pd.DataFrame) -> dict[str, float]:
    """Mean true value over repeats of each policy that has one; none but in simulated patients."""
    if "true_value" not in rows:
        return {}
    known = rows.dropna(subset=["true_value"]).groupby("policy", sort=False)["true_value"].mean()
    return {str(policy): float(value) for policy, value in known.items()}


def repeats_of(repeats: pd.DataFrame | None, preset: str, cohort: str, estimator: str) -> pd.DataFrame:
    """Rows of one preset, cohort and estimator, in the policies' own mode; empty where there are none."""
    if repeats is None or repeats.empty:
        return pd.DataFrame(columns=["policy"])
    keep = (repeats["preset"] == preset) & (repeats["cohort"] == cohort) & (repeats["estimator"] == estimator)
    if "own_mode" in repeats:
        keep &= repeats["own_mode"].astype(bool)
    return repeats[keep].dropna(subset=["value"])


def _survival(view: RunView) -> PanelFigure:
    fusion = view.config.fusion
    table = policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)
    rows = table[(table["estimator"] == "phwdr") & table["policy"].isin((CLINICIAN, FUSED))]
    places = rows[["value", "expected_survival"]].to_numpy(np.float64)
    marks = {name: (float(x), float(y)) for name, (x, y) in zip(rows["policy"], places, strict=True)}
    read = ", ".join(f"{name} {fmt_percent(rate)} at {fmt(value)}" for name, (value, rate) in marks.items())
    return PanelFigure(
        "survival",
        "Published figure: survival read off a curve of expected returns",
        survival_by_value(pd.DataFrame(asdict(view.survival_curve)), marks),
        f"Monotone curve of survival against expected return with 95 % band and the clinicians' points; {read}.",
        "No estimate of survival under a policy, which is given against the clinicians. Curve and points from training "
        "patients as treated; policies are placed at their PHWDR, which may be "
        "unsupported: see the table of values.",
    )


def _excess(view: RunView) -> PanelFigure:
    fusion, study, test = view.config.fusion, view.study, view.split.test
    title = "Mortality against dose excess of the fused policy"
    if not len(test):
        return PanelFigure("dose-excess", title, message_figure("No test patients."), "Nothing drawn.", "")
    data = view.trajectories.subset(test)
    probs = view.probs(PolicyKey.at(FUSED, view.n_clusters, fusion.lambda_, fusion.mode))[test]
    doses = view.cohort.bin_doses
    excess = dose_excess(probs, data.actions, data.mask, doses, expected=True)
    curve = mortality_by_excess(excess, data.outcomes < 0)
    return PanelFigure(
        "dose-excess",
        title,
        mortality_by_dose({"fused": curve}, unit=study.actions.unit, died=study.died_label),
        f"Mortality by mean dose recommended minus given, {len(curve)} bins with 95 % bands.",
        f"{len(test):,} test patients, mean dose over the policy's probabilities, 95 % Wilson intervals. Sicker "
        "patients get other doses: a lowest point near 0 does not show that following the policy would save anyone.",
    )


def _shares(view: RunView) -> list[PanelFigure]:
    """Dose shares of each phenotype's patients, as given and as the fused policy recommends, on test patients."""
    k, fusion, test = view.n_clusters, view.config.fusion, view.split.test
    data, labels = view.trajectories.subset(test), view.labels(view.n_clusters)[test]
    probs = view.probs(PolicyKey.at(FUSED, k, fusion.lambda_, fusion.mode))[test]
    actions = view.study.actions
    doses = actions.labels
    groups = [np.ones(len(test), dtype=bool), *(labels == i for i in range(k))]
    names = ["All patients", *map(two_lines, phenotype_texts(view, k))]
    given = np.stack([given_shares(data.actions[g], len(doses), data.mask[g]) for g in groups])
    advised = np.stack([action_shares(probs[g], data.mask[g]) for g in groups])
    panels = []
    for name, title, shares in (
        ("shares-given", actions.said("Doses as given by clinicians"), given),
        ("shares-recommended", actions.said("Doses as recommended by the fused policy"), advised),
    ):
        known = np.nan_to_num(shares)
        everybody = ", ".join(f"{dose} {100 * share:.1f} %" for dose, share in zip(doses, known[0], strict=True))
        panels.append(
            PanelFigure(
                name,
                f"{title}, by phenotype",
                action_share_bars(names, known, doses, legend=actions.title, ordered=actions.ordered),
                f"Stacked bars of {actions.word} shares by phenotype; all patients: {everybody}.",
                f"{int(data.mask.sum()):,} steps of {len(test):,} test patients, grouped by the phenotype of the whole "
                f"stay; a recommendation is the policy's likeliest {actions.word}.",
            )
        )
    return panels
