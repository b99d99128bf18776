"""The report's first answer: what the run advises, and every policy's difference to the clinicians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.bring import added_cards
from core.figures.differences import difference_forest
from core.figures.hazards import GIVEN
from core.figures.theme import fmt, fmt_count, fmt_interval, fmt_percent, fmt_unit, two_lines
from core.figures.theme import policy_style as style
from core.icu.advice import DialRecord
from core.icu.ask.against import (
    ADVICE,
    advice_hazards,
    against_clinicians,
    as_told,
    hidden_text,
    points_text,
    question,
    true_points_text,
)
from core.icu.ask.calibrated import TOGETHER, calibration_curve, calibration_error
from core.icu.ask.differences import differences_between
from core.icu.ask.names import phenotype_texts
from core.icu.panels import PanelFigure
from core.icu.view import RunView
from core.policies.hazards import default_rules, default_warnings
from core.report.parts import Section, Table
from core.report.policies import bracketed
from core.runs.manifest import judged_otherwise
from core.study import StudySpec

TITLE = "Against the clinicians"
HAZARDOUS = "Hazardous doses: how often such a dose is given at the recorded steps where the rule applies."
WARNED = "Warnings, which are no rules: how often such a dose is given at the recorded steps where the warning applies."
BEFORE = "This run was made before runs were judged against the clinicians; train it again to see what it advises."


def against_the_clinicians(view: RunView) -> Section:
    """The question, the advice with its hazards, and a table and forest of differences; a sentence for an old run."""
    mode = view.config.fusion.mode
    rows = against_clinicians(view, mode)
    if rows is None or view.advice is None:
        return Section("against", TITLE, [BEFORE])
    shown = view.advice.shown
    what = "advised" if view.advice.share else "nearest to being advised, but not advised"
    names = phenotype_texts(view, view.n_clusters)
    tables = [_differences(rows, names, view.study), _frontier(view)]
    if warnings := default_warnings(view.study):
        tables.insert(0, _hazards(advice_hazards(view, warnings, shown.share), what, WARNED))
    if rules := default_rules(view.study):
        tables.insert(0, _hazards(advice_hazards(view, rules, shown.share), what, HAZARDOUS))
    return Section(
        "against",
        TITLE,
        [
            fmt_unit(question(view.study)),
            view.advice.text,
            f"{what.capitalize()}: with probability {shown.share:g} the dose that records show to do better, where "
            f"there is one, and else as clinicians do. Its difference to the clinicians is "
            f"{bracketed(f'{shown.value:+.2f}', shown.grade)} {fmt_interval(shown.low, shown.high)}, by "
            f"{shown.ess:.1f} effective of {view.advice.n:,} stays; grade: {shown.grade}. {shown.doubts}".strip()
            + _truth(shown),
            *_survival(shown),
            view.study.actions.said(view.advice.hidden_in_words),
            *(view.advice.audit.sentences() if view.advice.audit else []),
            *(view.advice.atlas.sentences() if view.advice.atlas else []),
            "Differences are by the mix: the weighted mean of estimates with ever longer memories, minus what the "
            "clinicians achieved in the same stays. Each stay is judged by a fold that never saw it: the advice on all "
            "stays, other policies on test patients "
            f"(K = {view.n_clusters}, λ = {view.config.fusion.lambda_:g}, {mode} mode).",
            *filter(None, [judged_otherwise(view.manifest, view.centered)]),
            *_added(view),
        ],
        tables=[*tables, *_calibration(view)],
        figures=[_forest(rows, names)],
    )


def _calibration(view: RunView) -> list[Table]:
    """How right the clinicians' probabilities are that these differences divide by; none for a run from before."""
    table = view.calibration
    if table is None:
        return []
    lines = []
    for action, label in enumerate((f"all {view.study.actions.words} together", *view.study.actions.labels), TOGETHER):
        curve = calibration_curve(table, action)
        ends = [
            f"{100 * row.predicted:.1f} → {100 * row.observed:.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}], "
            f"n = {row.n:,}"
            for row in (curve.iloc[0], curve.iloc[-1])
        ]
        error = f"{calibration_error(curve):.3f}"
        lines.append({"of": label, "bins": len(curve), "error": error, "lowest bin": ends[0], "highest bin": ends[1]})
    return [
        Table.of(
            "Calibration of the clinicians' probabilities by models that had not seen the person, in bins of about "
            "equal counts: predicted → observed share with 95 % Wilson interval. Error: mean distance of the two.",
            pd.DataFrame(lines),
        )
    ]


def _added(view: RunView) -> list[str]:
    """Which policies were not learned in this run, in a sentence."""
    if not view.added:
        return []
    return [
        f"Added from elsewhere, not learned in this run: {', '.join(view.added)}. That they were not learned from the "
        "test patients is their makers' word.",
        *(
            f"{name}, under other choices of the study: {card.choices.badge}."
            for name, card in added_cards(view).items()
            if card.choices is not None
        ),
    ]


def _truth(dial: DialRecord) -> str:
    if dial.true_gain is None:
        return ""
    return f" In truth it is {dial.true_gain:+.2f} ± {dial.true_se:.2f}, by {dial.true_n:,} simulated patients."


def _survival(dial: DialRecord) -> list[str]:
    """The dial's survival in a sentence; none for a run from before survival was judged."""
    if dial.survival_points is None:
        return []
    points, low, high = dial.survival_points
    said = (
        "In survival, by the same judges asked about the outcome alone: "
        f"{bracketed(f'{points:+.1f}', dial.grade)} points [{low:+.1f}, {high:+.1f}] against the clinicians."
    )
    if dial.true_survival_gain is None or dial.true_survival_se is None:
        return [said]
    return [f"{said} In truth {100 * dial.true_survival_gain:+.1f} ± {100 * dial.true_survival_se:.1f}."]


def _differences(rows: pd.DataFrame, names: Sequence[str], study: StudySpec) -> Table:
    lines = []
    for row in rows.to_dict("records"):
        lines.append(
            {
                "policy": style(row["policy"], names).name,
                "difference": bracketed(f"{row['difference']:+.2f}", row["grade"]),
                "95 % interval": fmt_interval(row["difference_low"], row["difference_high"]),
                "survival, points": bracketed(points_text(row, "survival_difference"), row["grade"]),
                "ESS": fmt(row["ess"], 1),
                "stays": fmt_count(row["n"]),
                "grade": row["grade"],
                "claim, by Γ of a hidden cause": hidden_text(row),
                "why not more": row["doubts"] or "–",
                "its own Q": row["learned"],
                "true difference ± standard error": _true(row),
                "true survival, points": true_points_text(row),
            }
        )
    scales = "in reward and in survival points" if study.tells_survival else "in reward"
    return Table.of(
        f"Difference of each policy to the clinicians {scales}, with 95 % intervals, the stays "
        "it rests on, its grade and, on simulated patients, the true differences. In brackets: not supported. Advice, "
        "a: the advised step with probability a, else as clinicians do.",
        as_told(pd.DataFrame(lines), study),
    )


def _frontier(view: RunView) -> Table:
    lines = [
        {
            "dial": row["dial"],
            "setting": f"{row['setting']:g}",
            "difference": bracketed(f"{row['difference']:+.2f}", row["grade"]),
            "95 % interval": fmt_interval(row["difference_low"], row["difference_high"]),
            "ESS": fmt(row["ess"], 1),
            "stays": fmt_count(row["n"]),
            "grade": row["grade"],
            "claim, by Γ of a hidden cause": hidden_text(row),
            "true difference ± standard error": _true(row),
        }
        for row in differences_between(view, view.own_policy).to_dict("records")
    ]
    return Table.of(
        "On the way from the clinicians to the fused policy (trust frontier): the mixture at a share of the policy and "
        "the policy among the doses that clinicians give with at least a probability (floor). Mixture at 1 is the "
        "policy itself.",
        pd.DataFrame(lines),
    )


def _true(row: Mapping[Any, Any]) -> str:
    known = np.isfinite(row["true_difference"])
    return f"{row['true_difference']:+.2f} ± {row['true_difference_se']:.2f}" if known else "–"


def _hazards(rates: pd.DataFrame, what: str, caption: str) -> Table:
    lines = []
    for _, pair in rates.groupby("rule", sort=False):
        given, advised = (pair[pair["policy"] == name].iloc[0] for name in (GIVEN, ADVICE))
        apart = [100 * float(advised[name]) for name in ("excess", "excess_low", "excess_high")]
        known = np.isfinite(apart[1])
        lines.append(
            {
                "hazard": given["text"],
                what: fmt_percent(advised["rate"]),
                "clinicians": fmt_percent(given["rate"]),
                "difference, points": f"{apart[0]:+.1f}" if np.isfinite(apart[0]) else "–",
                "95 % interval": f"[{apart[1]:+.1f}, {apart[2]:+.1f}]" if known else "no interval",
                "steps": fmt_count(given["steps"]),
                "patients": fmt_count(given["patients"]),
            }
        )
    return Table.of(caption, pd.DataFrame(lines))


def _forest(rows: pd.DataFrame, names: Sequence[str]) -> PanelFigure:
    read = "; ".join(
        f"{style(row['policy'], names).name} {row['difference']:+.2f} "
        f"{fmt_interval(row['difference_low'], row['difference_high'])}, {row['grade']}"
        for row in rows.to_dict("records")
    )
    return PanelFigure(
        "differences",
        "Policies of this run against the clinicians",
        difference_forest(rows, {p: two_lines(style(p, names).name) for p in rows["policy"]}),
        f"Differences to the clinicians with 95 % intervals: {read}.",
        "Right of the dotted line: better than the clinicians. Hollow: weak; hollow and gray: not supported."
        + (" Black bars: true differences in the simulator." if rows["true_difference"].notna().any() else ""),
    )
