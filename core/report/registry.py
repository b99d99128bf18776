"""Sections of a registry run's report: run, registry, policies against the experts, published figures, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.figures.differences import difference_forest
from core.figures.theme import fmt, fmt_count, fmt_interval
from core.icu.panels import PanelFigure
from core.registry.ask.against import against_experts
from core.registry.ask.compared import POLICIES, TITLES
from core.registry.ask.hidden import hidden_in_words
from core.registry.config import RegistryConfig
from core.registry.view import RegistryView
from core.report.parts import Section, Table
from core.report.policies import bracketed
from core.report.sections import attrition_table, mended_table, run_section, settings_table
from core.runs.added import added_note
from core.runs.manifest import judged_otherwise

BEFORE = "This run was made before runs were judged against the experts; train it again to see what it advises."
IN_REWARD = "value minus the experts' (sum of rewards)"


def registry_sections(view: RegistryView) -> list[Section]:
    """In their order on the page."""
    own = {"study": view.spec.title, "seed": str(view.config.run.seed)}
    return [
        run_section(view.manifest, own),
        the_registry(view),
        against_the_experts(view),
        published_values(view),
        the_limits(view),
        parameters(view),
    ]


def the_registry(view: RegistryView) -> Section:
    """Attrition, decisions and their combinations, and the parts of the split."""
    parts = {"training": view.split.train, "validation": view.split.valid, "test": view.split.test}
    decisions = [
        (
            decision.title,
            ", ".join(view.spec.stages[stage].name for stage in decision.stages),
            fmt_count(len(view.catalogs[decision.name])),
            "policy" if decision.name in view.treatments else "–",
        )
        for decision in view.spec.decisions
    ]
    return Section(
        "registry",
        "Registry",
        [f"{view.cohort.n_patients:,} patients with {len(view.cohort.frame):,} rows, one a stage."],
        tables=[
            attrition_table(view.report, "patients"),
            Table.of(
                "Parts of the registry, split by patient.",
                pd.DataFrame(
                    [(name, fmt_count(len(who))) for name, who in parts.items()], columns=["part", "patients"]
                ),
            ),
            Table.of(
                "Decisions, with the combinations that training and validation patients were given.",
                pd.DataFrame(decisions, columns=["decision", "stages", "combinations", "learned"]),
            ),
            *mended_table(view.report),
        ],
    )


def against_the_experts(view: RegistryView) -> Section:
    """The advice, and a table and forest of differences; a sentence for an old run."""
    title, rows = "Against the experts", against_experts(view)
    if rows is None or view.advice is None:
        return Section("against", title, [BEFORE])
    lines = [
        {
            "policy": row["policy"],
            "difference": bracketed(f"{row['difference']:+.2f}", row["grade"]),
            "95 % interval": fmt_interval(row["difference_low"], row["difference_high"]),
            "ESS": fmt(row["ess"], 1),
            "patients": fmt_count(row["n"]),
            "grade": row["grade"],
            "if a cause is not recorded": hidden_in_words(row, view.columns),
            "why not more": row["doubts"] or "–",
            "under other choices": row["choices"] or "–",
            "true difference ± standard error": _true(row["true_difference"], row["true_difference_se"], "+"),
        }
        for row in rows.to_dict("records")
    ]
    caption = (
        "Difference of each policy to the experts in the sum of rewards, with 95 % intervals, the courses it rests on, "
        "its grade and, on simulated patients, the true differences. In brackets: not supported. Mixture and floor: on "
        "the way from the experts to the policy, among which the advice was chosen."
    )
    how = (
        "Differences are by the mix: the weighted mean of estimates with ever longer memories, minus what the experts "
        "achieved in the same courses; courses that were followed stand for those that were lost. Test patients judge. "
        f"{judged_otherwise(view.manifest)}"
    ).strip()
    return Section(
        "against",
        title,
        [view.advice.text, *(view.advice.atlas.sentences() if view.advice.atlas else []), how, *_added(view)],
        tables=[Table.of(caption, pd.DataFrame(lines))],
        figures=[_forest(rows)],
    )


def _added(view: RegistryView) -> list[str]:
    note = added_note(view.added, own=True)
    return [f"{note} That they were not learned from the test patients is their makers' word."] if note else []


def _forest(rows: pd.DataFrame) -> PanelFigure:
    read = "; ".join(
        f"{row['policy']} {row['difference']:+.2f} {fmt_interval(row['difference_low'], row['difference_high'])}, "
        f"{row['grade']}"
        for row in rows.to_dict("records")
    )
    known = rows["true_difference"].notna().any()
    return PanelFigure(
        "differences",
        "Policies of this run against the experts",
        difference_forest(rows, {name: name for name in rows["policy"]}, x=IN_REWARD),
        f"Differences to the experts with 95 % intervals: {read}.",
        "Right of the dotted line: better than the experts. Hollow: weak; hollow and gray: not supported."
        + (" Black bars: true differences in the simulator." if known else ""),
    )


def published_values(view: RegistryView) -> Section:
    """Off-policy estimates of the whole course, and matched means with the warning that they are no values."""
    found = {(row["policy"], row["estimator"]): row for row in view.ope.to_dict("records")}
    truth = {row["policy"]: row for row in view.truth.to_dict("records")}
    lines = []
    for policy in (*POLICIES, *view.added):
        line, row = {"policy": TITLES.get(policy, policy)}, found[policy, "phwis"]
        line |= {name.upper(): _estimate(found[policy, name]) for name in ("phwis", "phwdr")}
        line |= {"ESS": fmt(row["ess"], 1), "support": row["support"], "why not more": row["reasons"] or "–"}
        known = truth.get(policy, {"true_value": np.nan, "true_se": np.nan})
        lines.append(line | {"true value ± standard error": _true(known["true_value"], known["true_se"], "")})
    matched = view.matched[view.matched["group"] == "all"]
    means = [
        (
            row["decision"],
            TITLES[row["policy"]],
            fmt(row["value"], 3),
            fmt_interval(row["low"], row["high"], 3),
            fmt_count(row["n_matched"]),
            fmt_count(row["n"]),
        )
        for row in matched.to_dict("records")
    ]
    columns = ["decision", "policy", "matched mean", "95 % interval", "matched", "of"]
    return Section(
        "values",
        "Published estimators",
        [view.warning],
        tables=[
            Table.of(
                "Expected sum of rewards from the first decision on that a policy would make, test patients, 95 % "
                "bootstrap intervals. In brackets: not supported by the records.",
                pd.DataFrame(lines),
            ),
            Table.of(
                "Mean reward of the decisions whose recorded treatment a policy recommends.",
                pd.DataFrame(means, columns=columns),
            ),
        ],
    )


def _estimate(row: Mapping[Any, Any]) -> str:
    """A published estimate with its interval, in brackets where it is not supported."""
    if not np.isfinite(row["value"]):
        return "no course agrees"
    return bracketed(f"{fmt(row['value'])} {fmt_interval(row['low'], row['high'])}", row["support"])


def the_limits(view: RegistryView) -> Section:
    """What nobody may conclude from this report."""
    points = [
        "Estimates from records assume that all reasons for a treatment were recorded; unrecorded ones bias them all.",
        "Loss to follow-up is taken to depend on nothing but the stage.",
        "A policy far from what experts did is judged by a handful of patients: look at the ESS before the value.",
        "Nothing here was tested on patients. No number may guide the care of anyone.",
    ]
    if view.manifest.simulated:
        points.insert(0, "All patients are simulated: no number here says anything about real patients.")
    return Section("limits", "Limits", points=points)


def parameters(view: RegistryView) -> Section:
    """Every setting with its meaning; those that differ from the defaults are marked."""
    defaults = RegistryConfig()
    tables = [
        settings_table(group, getattr(view.config, group), getattr(defaults, group))
        for group in type(view.config).model_fields
    ]
    return Section(
        "parameters",
        "Parameters",
        ["The column “preset” is filled where the run departs from the defaults."],
        tables=tables,
    )


def _true(value: float, error: float, sign: str) -> str:
    return f"{value:{sign}.2f} ± {error:.2f}" if np.isfinite(value) else "–"
