"""Items of a model card on use, patients and data: who it is for, whose stays they are, what was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.figures.theme import fmt, fmt_count, fmt_percent, fmt_unit
from core.icu.ask.against import as_told, question
from core.icu.view import RunView
from core.report.card.parts import (
    FEWEST_SHOWN,
    NOT_SHOWN,
    CardItem,
    CardTable,
    decide,
    hti,
    reinforcement,
    shown_counts,
    shown_share,
    tripod,
)
from core.report.card.shared import attrition, mended, population_item
from core.study import StudySpec

USE = (
    "Research and teaching: review of past care by clinicians, study of methods, teaching. Not a medical device.",
    "Intended users: clinicians who review past care, researchers, teachers and students. Its output is a probability "
    "for each dose at each step; it replaces no decision.",
)
OUT_OF_SCOPE = (
    "Care of a patient: nothing in the run was tested on patients.",
    "Patients, units or years unlike the recorded ones; doses that clinicians hardly ever give; states far from the "
    "records, where no doses are ranked.",
    "Claims of effect from a single run: what records cannot show, reasons for a dose that nobody wrote down, biases "
    "every number.",
)


def intended_use(view: RunView) -> CardItem:
    return CardItem(
        key="use",
        title="Intended use",
        references=[
            tripod("3b", "target population, purpose and users"),
            hti("purpose of the intervention"),
            decide("intended use"),
        ],
        said=[fmt_unit(question(view.study)), *USE],
    )


def out_of_scope(_: RunView) -> CardItem:
    return CardItem(
        key="out-of-scope",
        title="Out of scope",
        references=[hti("cautioned out-of-scope use"), tripod("27", "usability in current care")],
        said=list(OUT_OF_SCOPE),
        unanswered=["How poor or missing input data are to be handled in use, and what expertise users need."],
    )


def population(view: RunView) -> CardItem:
    """Whose stays, what removed some, and the parts they were split into."""
    cohort, study = view.cohort, view.study
    died = cohort.died
    whose = (
        f"{fmt_unit(study.population)}. {fmt_count(cohort.n_patients)} stays of "
        f"{fmt_count(len(np.unique(cohort.persons)))} persons, {fmt_count(len(cohort.frame))} steps of "
        f"{study.step_hours:g} hours."
    )
    parts = {"training": view.split.train, "validation": view.split.valid, "test": view.split.test}
    deaths = shown_counts([int(died[who].sum()) for who in parts.values()]) if study.tells_survival else ["–"] * 3
    rows = [(name, fmt_count(len(who)), dead) for (name, who), dead in zip(parts.items(), deaths, strict=True)]
    tables = [
        CardTable.of(
            "Parts, split by person" + (" and stratified by outcome." if study.tells_survival else "."),
            as_told(pd.DataFrame(rows, columns=["part", "stays", study.died_label]), study),
        ),
        attrition(view.report, "stays"),
        _characteristics(view),
    ]
    return population_item(
        view, whose, tables, "In which hospitals and years the stays were recorded, and who was eligible."
    )


def _characteristics(view: RunView) -> CardTable:
    """The static columns and severity at the first step: mean and SD, or the share of a binary one unless
    it, or the rest, is of 1 to 10 stays."""
    cohort, rows = view.cohort, []
    first = cohort.states[cohort.starts]
    for column in view.study.columns:
        if column.kind != "static" and column.name != view.study.severity:
            continue
        values = first[:, view.study.index(column.name)].astype(float)
        what = (column.word(1.0) or "yes") if column.binary else column.unit
        name = f"{column.label or column.name} ({what})"
        share = shown_share(round(values.sum()), len(values))
        rows.append((name, share if column.binary else f"{fmt(values.mean())} ± {fmt(values.std())}"))
    return CardTable.of("At the first step: mean ± SD, or share.", pd.DataFrame(rows, columns=["what", "all stays"]))


def inputs(view: RunView) -> CardItem:
    """The state columns, with how many values were filled in."""
    cohort, study = view.cohort, view.study
    filled = None if cohort.imputed is None else _filled_in(cohort.imputed, cohort.starts)
    rows = [
        (
            column.label or column.name,
            column.unit,
            "once a stay" if column.kind == "static" else "each step",
            "not told" if filled is None else filled[place],
        )
        for place, column in enumerate(study.columns)
    ]
    steps = int(view.cohort.lengths.sum())
    return CardItem(
        key="inputs",
        title="Input features, preparation and missing values",
        references=[
            tripod("7", "data preparation"),
            tripod("9", "predictors"),
            tripod("11", "missing data"),
            hti("intervention development details and input features"),
        ],
        said=[
            f"{len(study.columns)} columns at {steps:,} steps. An empty value takes the last recorded one of the "
            "stay, before the first the median of the training patients; columns are scaled on the training patients "
            "alone.",
            mended(view.report),
        ],
        tables=[
            CardTable.of(
                "Columns that decide, and the share of values that were filled in.",
                pd.DataFrame(rows, columns=["column", "unit", "known", "filled in"]),
            )
        ],
        unanswered=[] if filled is not None else ["Which values were not recorded: the file does not tell."],
    )


def _filled_in(imputed: np.ndarray, starts: np.ndarray) -> list[str]:
    """The share of values of each column that were filled in, unless they are of 1 to 10 stays."""
    stays = np.logical_or.reduceat(imputed, starts, axis=0).sum(axis=0)
    shares = imputed.mean(axis=0)
    few = (stays > 0) & (stays < FEWEST_SHOWN)
    return [NOT_SHOWN if hide else fmt_percent(float(share)) for hide, share in zip(few, shares, strict=True)]


def outcome_and_estimand(view: RunView) -> CardItem:
    """The reward's terms, the discount, and what the values are values of."""
    study, gamma = view.study, view.config.agents.gamma
    rows = [(term.name, term.kind.replace("_", " "), term.column, f"{term.coefficient:+g}") for term in study.rewards]
    if study.reward_column:
        rows.append(("as recorded", "one a step", study.reward_column, "+1"))
    elif study.outcome == "number":
        rows.append(("outcome", "at the last step", "outcome", f"{study.terminal_coeff:+g}"))
    elif study.tells_survival:
        rows.append(("outcome", "at the last step", study.died_label, f"±{study.terminal_coeff:g}"))
    when = f" {study.outcome_horizon}" if study.outcome_horizon else ""
    return CardItem(
        key="estimand",
        title="Outcome, reward and estimand",
        references=[
            tripod("8", "outcome"),
            tripod("15", "model output"),
            hti("details and output of the intervention"),
        ],
        said=[
            f"Outcome: {_outcome(study)}{when}. Actions: {study.n_actions} {_actions(study)}, one each "
            f"{study.step_hours:g} hours, {study.horizon} steps at most.",
            f"Estimand: the mean discounted reward of a stay (discount {gamma:g} a step) if the policy chose every "
            f"{study.actions.word}, less that under the clinicians, for patients like the test patients"
            + ("; and the same of survival." if study.tells_survival else "."),
        ],
        tables=[
            CardTable.of("Terms of the reward.", pd.DataFrame(rows, columns=["term", "form", "column", "weight"])),
        ],
        unanswered=[] if study.outcome_horizon else ["By when the outcome is told: the study does not say."],
    )


def _actions(study: StudySpec) -> str:
    """'doses of heparin in U', 'choices of way', 'combinations of treatment'."""
    unit = f" in {fmt_unit(study.actions.unit)}" if study.actions.unit else ""
    return f"{study.actions.words} of {fmt_unit(study.actions.drug)}{unit}"


def _outcome(study: StudySpec) -> str:
    told = {"survival": f"{study.survived_label} or {study.died_label}", "number": "a number a stay", "none": "none"}
    return told[study.outcome]


def assumptions(_: RunView) -> CardItem:
    return CardItem(
        key="assumptions",
        title="Assumptions",
        references=[
            reinforcement("access to the variables that influenced decisions"),
            tripod("12", "analytical methods"),
        ],
        said=[
            "No unrecorded reason both for a dose and for the outcome (no unmeasured confounding).",
            "Every dose that a policy chooses was given to similar patients (positivity); the item on support says how "
            "far.",
            "The recorded state, with a short memory, is enough to tell how a stay goes on.",
            "A recorded dose is the dose that was given, and other doses would have worked as recorded ones did.",
            "Care and patients stay as they were while the records were made.",
        ],
        unanswered=["Whether these hold: records alone cannot show it. See the audits and limits."],
    )
