"""Sections of a run's report: the run, its settings, its cohort and its phenotypes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.config import Config
from core.cohort import Cohort
from core.figures.theme import fmt, fmt_count, fmt_duration, fmt_percent, fmt_unit
from core.icu.ask.against import as_told
from core.icu.ask.groups import outcome_table
from core.icu.ask.names import phenotype_texts
from core.icu.config import RunConfig, load_preset
from core.icu.panels import PanelFigure, phenotype_panel
from core.icu.view import RunView
from core.report.parts import Section, Table
from core.runs.manifest import Manifest
from core.study import StudySpec
from core.tables.report import CohortReport

MOST_POINTS = 4000  # of the map in a report
EXAMPLE = re.compile(r" \(first: patient .*\)")  # in what was mended: a patient's key, which is not passed on
MEASURES = {  # of the honesty table: heading
    "silhouette": "silhouette",
    "eta2_length": "η² of stay length",
    "bootstrap_ari": "bootstrap ARI",
    "early_ari": "early ARI",
    "later_ari": "later ARI",
    "truth_ari": "ARI with truth",
    "early_truth_ari": "early ARI with truth",
    "later_truth_ari": "later ARI with truth",
    "smallest": "smallest phenotype",
}
INDICES = {
    "n_clusters": "K",
    "silhouette": "silhouette",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
    "bootstrap_ari": "bootstrap ARI",
    "smallest": "smallest",
    "eta2_length": "η² of stay length",
}


def the_run(view: RunView) -> Section:
    """What was computed, from which data, with which settings and versions, and how long it took."""
    fusion, study = view.config.fusion, view.study
    return run_section(
        view.manifest,
        {
            "study": study.title,
            "population": fmt_unit(study.population),
            "preset": view.config.preset,
            "seed": str(view.config.run.seed),
            "phenotypes K": str(view.n_clusters),
            "λ and mode": f"{fusion.lambda_:g}, {fusion.mode}",
        },
    )


def run_section(manifest: Manifest, own: Mapping[str, str]) -> Section:
    """A run of any study: facts, its `own` among them, stages with their durations, versions."""
    origin = manifest.origin
    source = f"simulated, {origin.like}-like, seed {origin.seed}" if manifest.simulated else "recorded patients"
    facts = {
        "run": manifest.name,
        "started": manifest.created,
        "data": source,
        "data hash": manifest.data_hash,
        "patients": fmt_count(manifest.n_patients),
        "rows": fmt_count(manifest.n_rows),
        **own,
    }
    stages = [(name, fmt_duration(record.seconds), record.finished) for name, record in manifest.stages.items()]
    total = sum(record.seconds for record in manifest.stages.values())
    return Section(
        "run",
        "The run",
        tables=[
            Table.of("What was run.", pd.DataFrame(list(facts.items()), columns=["fact", "value"])),
            Table.of(
                f"Stages; {fmt_duration(total)} of work in all, some of them at the same time.",
                pd.DataFrame(stages, columns=["stage", "duration", "finished (UTC)"]),
            ),
            Table.of("Versions.", pd.DataFrame(list(manifest.versions.items()), columns=["software", "version"])),
        ],
    )


def parameters(view: RunView) -> Section:
    """Every setting with its meaning; those that differ from the preset are marked."""
    config, preset = view.config, load_preset(view.config.preset)
    tables = []
    for group in type(config).model_fields:
        values, before = (_group(settings, group, view.study) for settings in (config, preset))
        if not isinstance(values, str):
            tables.append(settings_table(group, values, before))
    return Section(
        "parameters",
        "Parameters",
        [f"Preset {config.preset}. The column “preset” is filled where the run departs from it."],
        tables=tables,
    )


def settings_table(group: str, values: Config, before: Config) -> Table:
    """Every setting of a group with its meaning, and what it would have been before it was changed."""
    rows = [
        (name, _setting(name, value), _changed(getattr(before, name), name, value), field.description or "")
        for name, field in type(values).model_fields.items()
        for value in (getattr(values, name),)
    ]
    return Table.of(f"Group {group}.", pd.DataFrame(rows, columns=["parameter", "value", "preset", "meaning"]))


def _setting(name: str, value: Any) -> str:
    """A setting as text; of a folder only its name, since a path tells of the machine and its users."""
    if name.endswith("_folder") and value:
        return Path(str(value)).name
    if value is None:
        return "the study's"
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def _group(config: RunConfig, group: str, study: StudySpec) -> Any:
    """Settings of a group; weights of the reward stand under the names of the study's own terms."""
    return config.rewards.named(study) if group == "rewards" else getattr(config, group)


def _changed(before: Any, name: str, value: Any) -> str:
    return "" if before == value else _setting(name, before)


def the_cohort(view: RunView) -> Section:
    """Attrition, what was mended, outcomes, and the parts of the split."""
    cohort, study = view.cohort, view.study
    parts = {"training": view.split.train, "validation": view.split.valid, "test": view.split.test}
    rows = [(name, fmt_count(len(who)), fmt_percent(cohort.mortality(who))) for name, who in parts.items()]
    tables = [
        attrition_table(view.report, "stays"),
        Table.of(
            "Parts of the cohort, split by person" + (" and stratified by outcome." if study.tells_survival else "."),
            as_told(pd.DataFrame(rows, columns=["part", "stays", study.died_label]), study),
        ),
    ]
    if view.report.notes:
        rules = pd.DataFrame({"where the stays come from, and by which rules": view.report.notes})
        tables.append(Table.of("Provenance of the extract.", rules))
    if view.report.mapping:
        lines = pd.DataFrame({"mapping.toml": [line for line in view.report.mapping.splitlines() if line]})
        tables.append(Table.of("The mapping through which the raw file was read; with it the run is made anew.", lines))
    tables += mended_table(view.report)
    died = "its outcome does not tell who survived"
    if study.tells_survival:
        died = f"{int(cohort.died.sum()):,} ({fmt_percent(cohort.mortality())}) {study.died_label}"
    return Section(
        "cohort",
        "Cohort",
        [
            f"{cohort.n_patients:,} stays with {len(cohort.frame):,} steps of {study.step_hours:g} hours; {died}."
            f"{_starts(cohort)}"
        ],
        tables=tables,
    )


def attrition_table(report: CohortReport, who: str) -> Table:
    """What removed stays or patients before the run."""
    steps = [
        (step.reason, fmt_count(step.patients), fmt_count(step.patients_left), fmt_count(step.rows_left))
        for step in report.attrition
    ]
    columns = ["step", f"{who} removed", f"{who} left", "rows left"]
    return Table.of(f"Attrition: what removed {who} before the run.", pd.DataFrame(steps, columns=columns))


def mended_table(report: CohortReport) -> list[Table]:
    """What was found and mended, without any patient's key; no table where nothing was."""
    warnings = [(w.column or "", EXAMPLE.sub("", str(w)), fmt_count(w.count)) for w in report.warnings]
    if not warnings:
        return []
    frame = pd.DataFrame(warnings, columns=["column", "what was found and mended", "rows"])
    return [Table.of("Problems that were mended.", frame)]


def _starts(cohort: Cohort) -> str:
    """When the stays start, where hours were recorded."""
    if not cohort.timed:
        return ""
    first = cohort.hours[cohort.starts]
    return f" They start {first.min():+g} to {first.max():+g} hours from onset, and are aligned by recorded hours."


def the_phenotypes(view: RunView) -> Section:
    """Outcomes by phenotype, indices by K, the honesty table, and the phenotype panel."""
    k, study = view.n_clusters, view.study
    names = phenotype_texts(view, k)
    outcomes = outcome_table(view.labels(k), np.where(study.tells_survival, view.cohort.outcomes, np.nan), k)
    rows = [
        (
            names[int(row["group"])],
            fmt_count(row["n"]),
            fmt_percent(row["survival"]),
            f"[{fmt_percent(row['survival_low'])}, {fmt_percent(row['survival_high'])}]",
            fmt_percent(row["mortality"]),
            f"[{fmt_percent(row['mortality_low'])}, {fmt_percent(row['mortality_high'])}]",
        )
        for row in outcomes.to_dict("records")
    ]
    shares = [f"{label}{part}" for label in (study.survived_label, study.died_label) for part in ("", ", interval")]
    columns = ["phenotype", "patients", *shares]
    honesty = view.honesty[view.honesty["n_clusters"] == k]
    shown = {name: title for name, title in MEASURES.items() if name in honesty}
    trust = pd.DataFrame({"representation": honesty["representation"].astype(str)})
    for name, title in shown.items():
        digits = 0 if name == "smallest" else 3
        trust[title] = [fmt(value, digits) for value in honesty[name]]
    indices = pd.DataFrame(
        {
            title: [fmt(value, 0 if name in ("n_clusters", "smallest", "calinski_harabasz") else 3) for value in column]
            for name, title in INDICES.items()
            if name in view.indices
            for column in [view.indices[name]]
        }
    )
    return Section(
        "phenotypes",
        "Phenotypes",
        [
            f"K = {k}: KMeans on the encoder's representation of the stay, fitted on the training patients. A "
            "phenotype is called by what sets its patients apart from all others most; low and high compare patients "
            "with each other, not with health."
        ],
        tables=[
            Table.of(
                f"Outcomes by phenotype of all patients, 95 % Wilson intervals (K = {k}).",
                as_told(pd.DataFrame(rows, columns=columns), study),
            ),
            Table.of(
                "How far to trust them: the encoder beside plain rivals on the same patients. η² of stay length: 0 is "
                "right, 1 is a clustering of stay lengths. ARI: 1 is full agreement, 0 is chance; truth is known on "
                "simulated cohorts only. Silhouettes of different representations do not compare.",
                trust,
            ),
            Table.of("Indices by number of phenotypes, training patients.", indices),
        ],
        figures=[_without_patients(plot) for plot in phenotype_panel(view, MOST_POINTS)],
    )


def _without_patients(plot: PanelFigure) -> PanelFigure:
    """The map without patient keys, drawn as vectors: a report is passed on, and is printed."""
    for trace in plot.figure.data:
        if plot.name == "phenotype-map":
            trace.update(text=None, customdata=None, hovertemplate=None, hoverinfo="skip")
    return plot
