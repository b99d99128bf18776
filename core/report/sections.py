"""Sections of a run's report: the run, its settings, its cohort, its phenotypes and its policies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.figures.policy_values import policy_forest
from core.figures.theme import fmt, fmt_count, fmt_duration, fmt_interval, fmt_percent, fmt_unit, phenotype_name
from core.figures.theme import policy_style as style
from core.icu.ask.groups import outcome_table
from core.icu.ask.tables import policy_table
from core.icu.config import RunConfig, load_preset
from core.icu.panels import PanelFigure, phenotype_panel, policy_panel
from core.icu.view import RunView
from core.report.parts import Section, Table

MOST_POINTS = 4000  # of the map in a report
NEAR_UNIFORM = 0.95  # normalized entropy from which a policy is called near-uniform
EXAMPLE = re.compile(r" \(first: patient .*\)")  # in what was mended: a patient's key, which is not passed on
ESTIMATORS = {"phwis": "PHWIS", "phwdr": "PHWDR", "fqe": "FQE"}
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


def policy_rows(view: RunView) -> pd.DataFrame:
    """Rows of the stored comparison at the run's own K, lambda and mode."""
    fusion = view.config.fusion
    return policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)


def the_run(view: RunView) -> Section:
    """What was computed, from which data, with which settings and versions, and how long it took."""
    manifest, fusion = view.manifest, view.config.fusion
    origin = manifest.origin
    source = f"simulated, {origin.like}-like, seed {origin.seed}" if manifest.simulated else "recorded patients"
    facts = {
        "run": manifest.name,
        "started": manifest.created,
        "data": source,
        "data hash": manifest.data_hash,
        "study": view.study.title,
        "population": fmt_unit(view.study.population),
        "patients": fmt_count(manifest.n_patients),
        "patient-steps": fmt_count(manifest.n_rows),
        "preset": view.config.preset,
        "seed": str(view.config.run.seed),
        "phenotypes K": str(view.n_clusters),
        "λ and mode": f"{fusion.lambda_:g}, {fusion.mode}",
    }
    stages = [(name, fmt_duration(record.seconds), record.finished) for name, record in manifest.stages.items()]
    total = sum(record.seconds for record in manifest.stages.values())
    return Section(
        "run",
        "The run",
        tables=[
            Table.of("What was run.", pd.DataFrame(list(facts.items()), columns=["fact", "value"])),
            Table.of(
                f"Stages; {fmt_duration(total)} in all.",
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
        values = getattr(config, group)
        if isinstance(values, str):
            continue
        rows = [
            (name, _setting(name, getattr(values, name)), _changed(preset, group, name, getattr(values, name)), text)
            for name, text in ((n, f.description or "") for n, f in type(values).model_fields.items())
        ]
        frame = pd.DataFrame(rows, columns=["parameter", "value", "preset", "meaning"])
        tables.append(Table.of(f"Group {group}.", frame))
    return Section(
        "parameters",
        "Parameters",
        [f"Preset {config.preset}. The column “preset” is filled where the run departs from it."],
        tables=tables,
    )


def _setting(name: str, value: Any) -> str:
    """A setting as text; of a folder only its name, since a path tells of the machine and its users."""
    if name.endswith("_folder") and value:
        return Path(str(value)).name
    if value is None:
        return "the study's"
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def _changed(preset: RunConfig, group: str, name: str, value: Any) -> str:
    before = getattr(getattr(preset, group), name)
    return "" if before == value else _setting(name, before)


def the_cohort(view: RunView) -> Section:
    """Attrition, what was mended, outcomes, and the parts of the split."""
    cohort, study = view.cohort, view.study
    attrition = pd.DataFrame(
        [
            (step.reason, fmt_count(step.patients), fmt_count(step.patients_left), fmt_count(step.rows_left))
            for step in view.report.attrition
        ],
        columns=["step", "stays removed", "stays left", "rows left"],
    )
    parts = {"training": view.split.train, "validation": view.split.valid, "test": view.split.test}
    rows = [
        (name, fmt_count(len(who)), fmt_percent(float((cohort.outcomes[who] < 0).mean()) if len(who) else np.nan))
        for name, who in parts.items()
    ]
    warnings = [(w.column or "", EXAMPLE.sub("", str(w)), fmt_count(w.count)) for w in view.report.warnings]
    tables = [
        Table.of("Attrition: what removed stays before the run.", attrition),
        Table.of(
            "Parts of the cohort, split by person and stratified by outcome.",
            pd.DataFrame(rows, columns=["part", "stays", study.died_label]),
        ),
    ]
    if view.report.notes:
        rules = pd.DataFrame({"where the stays come from, and by which rules": view.report.notes})
        tables.append(Table.of("Provenance of the extract.", rules))
    if view.report.mapping:
        lines = pd.DataFrame({"mapping.toml": [line for line in view.report.mapping.splitlines() if line]})
        tables.append(Table.of("The mapping through which the raw file was read; with it the run is made anew.", lines))
    if warnings:
        frame = pd.DataFrame(warnings, columns=["column", "what was found and mended", "rows"])
        tables.append(Table.of("Problems that were mended.", frame))
    died = int((cohort.outcomes < 0).sum())
    return Section(
        "cohort",
        "Cohort",
        [
            f"{cohort.n_patients:,} stays with {len(cohort.frame):,} steps of {study.step_hours:g} hours; {died:,} "
            f"({fmt_percent(died / cohort.n_patients)}) {study.died_label}."
        ],
        tables=tables,
    )


def the_phenotypes(view: RunView) -> Section:
    """Outcomes by phenotype, indices by K, the honesty table, and the phenotype panel."""
    k, study = view.n_clusters, view.study
    outcomes = outcome_table(view.labels(k), view.cohort.outcomes, k)
    rows = [
        (
            phenotype_name(int(row["group"])),
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
        [f"K = {k}: KMeans on the encoder's representation of the stay, fitted on the training patients."],
        tables=[
            Table.of(
                f"Outcomes by phenotype of all patients, 95 % Wilson intervals (K = {k}).",
                pd.DataFrame(rows, columns=columns),
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


def the_policies(view: RunView, repeats: pd.DataFrame | None = None, published: pd.DataFrame | None = None) -> Section:
    """Every policy's value with interval, ESS, support and truth; what it looks like; the policy panel."""
    rows = policy_rows(view)
    fusion, floor = view.config.fusion, view.config.evaluation.ess_floor
    return Section(
        "policies",
        "Policies and their values",
        [
            f"K = {view.n_clusters}, λ = {fusion.lambda_:g}, {fusion.mode} mode, test patients only. Value: expected "
            f"discounted reward of a stay, mainly {view.study.terminal_coeff:+g} for survival and "
            f"{-view.study.terminal_coeff:+g} for death.",
            "ESS is the number of patients that the weighted estimate is worth. Values in brackets are not supported "
            f"by the records (ESS under {floor:g}); their intervals understate the doubt. FQE is the critic's own "
            "estimate: it weighs no patient, so it has neither interval nor ESS.",
        ],
        tables=[_values(rows), _looks(view, rows)],
        figures=[_forest(rows), *policy_panel(view, repeats, published)],
    )


def _values(rows: pd.DataFrame) -> Table:
    lines = []
    for row in rows.to_dict("records"):
        known = np.isfinite(row["true_value"])
        covered = row["low"] <= row["true_value"] <= row["high"]
        lines.append(
            {
                "policy": style(row["policy"]).name,
                "estimator": ESTIMATORS.get(row["estimator"], row["estimator"].upper()),
                "value": bracketed(fmt(row["value"]), row["support"]),
                "95 % interval": fmt_interval(row["low"], row["high"]),
                "ESS": fmt(row["ess"], 1),
                "patients": fmt_count(row["n"]),
                "support": row["support"] or "–",
                "true value ± standard error": f"{fmt(row['true_value'])} ± {fmt(row['true_se'])}" if known else "–",
                "interval holds it": "–" if not known or not np.isfinite(row["low"]) else "yes" if covered else "no",
            }
        )
    return Table.of(
        "Values of all policies under each estimator, with 95 % intervals, effective sample size (ESS), support and, "
        "on simulated patients, the true value.",
        pd.DataFrame(lines),
    )


def _looks(view: RunView, rows: pd.DataFrame) -> Table:
    """Survival under each policy and what the policy looks like, one row a policy."""
    weighted = rows[rows["estimator"] == "phwdr"] if (rows["estimator"] == "phwdr").any() else rows
    curve = view.survival_curve
    lines = []
    for row in weighted.drop_duplicates("policy").to_dict("records"):
        low, high = (float(bound) for bound in curve.band(row["value"]))
        grade = row["support"]
        survival = f"{fmt_percent(row['survival'])} {_percents(row['survival_low'], row['survival_high'])}"
        expected = f"{fmt_percent(row['expected_survival'])} {_percents(low, high)}"
        true = fmt_percent(row["true_survival"])
        lines.append(
            {
                "policy": style(row["policy"]).name,
                "survival, weighted": bracketed(survival, grade),
                "expected survival at PHWDR": bracketed(expected, grade),
                "ESS": fmt(row["ess"], 1),
                "true survival": f"{true} ± {fmt_percent(row['true_survival_se'])}" if true != "–" else true,
                "agrees with clinicians": fmt_percent(row["concordance_rate"]),
                "entropy": fmt(row["entropy"]) + ("*" if row["entropy"] >= NEAR_UNIFORM else ""),
                "rarely given advice": fmt_percent(row["unsupported_share"]),
            }
        )
    rare = fmt_percent(view.config.evaluation.probability_floor, 0)
    return Table.of(
        "Survival under each policy, and what the policy looks like. Survival, weighted: the weights of PHWIS on who "
        "survived. Expected survival: read off the survival curve at PHWDR, with the curve's 95 % band there. Agrees: "
        "steps whose likeliest dose was given. Entropy: 1 is a uniform choice; * is near-uniform, without preference. "
        f"Rarely given: steps whose likeliest dose clinicians give with probability below {rare}.",
        pd.DataFrame(lines),
    )


def _percents(low: float, high: float) -> str:
    return f"[{fmt_percent(low)}, {fmt_percent(high)}]" if np.isfinite(low) else "no interval"


def bracketed(text: str, support: str) -> str:
    """The text of a number, in brackets where the records do not support it."""
    return f"({text})" if support == "not supported" else text


def _forest(rows: pd.DataFrame) -> PanelFigure:
    truth = bool(rows["true_value"].notna().any())
    weighted = rows[rows["low"].notna()]
    read = "; ".join(
        f"{style(r['policy']).name} {r['estimator'].upper()} {fmt(r['value'])} {fmt_interval(r['low'], r['high'])}"
        for r in weighted.to_dict("records")
    )
    return PanelFigure(
        "values",
        "Values of all policies in this run",
        policy_forest(weighted if len(weighted) else rows, truth=truth),
        f"Values with 95 % intervals: {read}.",
        "Hollow: weak; hollow and gray: not supported by the records."
        + (" Black bars: true values in the simulator." if truth else ""),
    )
