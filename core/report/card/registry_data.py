"""Items of a registry run's model card on use, patients and data: who it is for, whose courses, what was recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.figures.theme import fmt, fmt_count, fmt_percent
from core.registry.cohort.definitions import REWARDED, state_titles
from core.registry.cohort.describe import MISSING, feature_counts, state_table
from core.registry.cohort.table import RegistryCohort
from core.registry.spec import DEAD, TO_THE_END, Feature, RegistrySpec
from core.registry.view import RegistryView
from core.report.card.parts import (
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

USE = (
    "Research and teaching: review of past care by clinicians, study of methods, teaching. Not a medical device.",
    "Intended users: clinicians who review past care, researchers, teachers and students. Its output is a ranking of "
    "sets of drugs at each decision, with how likely experts were to give each; it replaces no decision.",
)
OUT_OF_SCOPE = (
    "Care of a patient: nothing in the run was tested on patients.",
    "Patients, drugs or years unlike the recorded ones; sets of drugs that experts hardly ever gave.",
    "Claims of effect from a single run: what a registry cannot show, reasons for a treatment that nobody wrote down, "
    "biases every number.",
)
OUTSIDE = {"well": "Alive, none of these", DEAD: "Dead", "absent": "Not seen then, but later", "lost": "Lost"}


def intended_use(view: RegistryView) -> CardItem:
    return CardItem(
        key="use",
        title="Intended use",
        references=[
            tripod("3b", "target population, purpose and users"),
            hti("purpose of the intervention"),
            decide("intended use"),
        ],
        said=[f"{view.spec.title}: which drugs at which stage?", *USE],
    )


def out_of_scope(_: RegistryView) -> CardItem:
    return CardItem(
        key="out-of-scope",
        title="Out of scope",
        references=[hti("cautioned out-of-scope use"), tripod("27", "usability in current care")],
        said=list(OUT_OF_SCOPE),
        unanswered=["How poor or missing input data are to be handled in use, and what expertise users need."],
    )


def population(view: RegistryView) -> CardItem:
    """Whose courses, what removed some, where they were at the end, and the parts they were split into."""
    cohort, spec = view.cohort, view.spec
    whose = (
        f"{spec.population}. {fmt_count(cohort.n_patients)} patients with {fmt_count(len(cohort.frame))} rows, one a "
        f"stage, of {len(spec.stages)}: {', '.join(stage.name for stage in spec.stages)}."
    )
    parts = {"training": view.split.train, "validation": view.split.valid, "test": view.split.test}
    split = pd.DataFrame([(name, fmt_count(len(who))) for name, who in parts.items()], columns=["part", "patients"])
    tables = [
        CardTable.of("Parts, split by patient.", split),
        attrition(view.report, "patients"),
        _last_stage(view),
        _characteristics(view),
    ]
    return population_item(
        view, whose, tables, "In which hospitals and years the patients were treated, and who was eligible."
    )


def _last_stage(view: RegistryView) -> CardTable:
    """Where the patients were at the end of follow-up: loss is told beside death."""
    states, spec = state_table(view.cohort), view.spec
    last = states[states["stage"] == spec.stages[-1].name]
    names = OUTSIDE | {one.name: one.title for one in spec.indicators}
    told = zip(last["state"], shown_counts([int(n) for n in last["patients"]]), strict=True)
    rows = pd.DataFrame([(names[state], count) for state, count in told], columns=["state", "patients"])
    caption = f"Where the patients were at the last stage, {spec.stages[-1].name}, each by the gravest state."
    return CardTable.of(caption, rows)


def _characteristics(view: RegistryView) -> CardTable:
    """Baseline features: mean and SD of a number, share of a category; shares of 1 to 10 patients are left out."""
    cohort, rows = view.cohort, list[tuple[str, str]]()
    for feature in view.spec.features:
        label = feature.label or feature.name
        if feature.kind == "number":
            values = cohort.baseline[feature.name].to_numpy(np.float64)
            values = values[np.isfinite(values)]
            unit = f" ({feature.unit})" if feature.unit else ""
            rows.append((label + unit, f"{fmt(values.mean())} ± {fmt(values.std())}" if len(values) else MISSING))
            continue
        found = feature_counts(cohort, feature.name)
        shown = shown_counts([int(n) for n in found["patients"]])
        for category, share, count in zip(found["category"], found["share"], shown, strict=True):
            rows.append((f"{label}: {category}", count if count == NOT_SHOWN else fmt_percent(float(share))))
    return CardTable.of(
        "Before the first stage: mean ± SD, or share.", pd.DataFrame(rows, columns=["what", "patients"])
    )


def inputs(view: RegistryView) -> CardItem:
    """Features and indicators that decide, with how many values are missing, and what experts decide among."""
    cohort, spec = view.cohort, view.spec
    rows = [
        (
            one.label or one.name,
            one.unit if one.kind == "number" else " / ".join(one.categories),
            _not_recorded(cohort, one),
        )
        for one in spec.features
    ]
    titles = ", ".join(["alive", *(one.title for one in spec.indicators)])
    columns = ["feature", "unit or categories", "not recorded"]
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
            f"{len(spec.features)} features known before the first stage, the state at each stage ({titles}), and the "
            "stage itself. Numbers are standardized on the patients who are learned from; a missing number becomes "
            "their mean, a missing category none of the categories. What hardly varies is not shown to the networks.",
            "A gap in follow-up is never bridged: a decision whose next stage is not recorded tells what experts do, "
            "and is not learned from otherwise.",
            mended(view.report),
        ],
        tables=[
            CardTable.of("Features, and the share of patients without a value.", pd.DataFrame(rows, columns=columns))
        ],
    )


def _not_recorded(cohort: RegistryCohort, feature: Feature) -> str:
    """The share of patients without a value, left out wherever `_characteristics` leaves it out, for it is the same."""
    missing = int(cohort.baseline[feature.name].isna().sum())
    if feature.kind == "category" and missing:
        shown = shown_counts([int(n) for n in feature_counts(cohort, feature.name)["patients"]])
        if shown[-1] == NOT_SHOWN:
            return NOT_SHOWN
    return shown_share(missing, cohort.n_patients)


def reward_and_estimand(view: RegistryView) -> CardItem:
    """The reward of each state, the decisions, and what the values are values of."""
    spec = view.spec
    first = spec.stages[min(spec.decision(name).stages[0] for name in spec.learned)].name
    return CardItem(
        key="estimand",
        title="Outcome, reward and estimand",
        references=[
            tripod("8", "outcome"),
            tripod("15", "model output"),
            hti("details and output of the intervention"),
        ],
        said=[
            f"Outcome: the state at each stage. {REWARDED}.",
            f"Estimand: the sum of rewards (discount {spec.gamma:g} a stage) from the stage '{first}' on if the policy "
            "made every learned decision and nobody were lost to follow-up, less what experts achieved in the same "
            "courses, for patients like the test patients who reach that stage with decisions not ended.",
        ],
        tables=[
            CardTable.of("Reward of arriving in a state.", _rewards(spec)),
            CardTable.of("Decisions, among sets of these drugs.", _decisions(view)),
        ],
    )


def _rewards(spec: RegistrySpec) -> pd.DataFrame:
    titles = state_titles(spec)
    rows = [(titles[name], f"{reward:g}") for name, reward in spec.rewards.items()]
    return pd.DataFrame(rows, columns=["state", "reward"])


def _decisions(view: RegistryView) -> pd.DataFrame:
    rows = [
        (
            decision.title,
            ", ".join(view.spec.stages[stage].name for stage in decision.stages),
            fmt_count(len(decision.drugs)),
            fmt_count(len(view.catalogs[decision.name])),
            "learned" if decision.learned else "experts' choice predicted",
            "to the end of follow-up" if decision.counts == TO_THE_END else "next stage",
        )
        for decision in view.spec.decisions
    ]
    columns = ["decision", "stages", "drugs", "sets given to learning patients", "policy", "its last stage counts"]
    return pd.DataFrame(rows, columns=columns)


def assumptions(_: RegistryView) -> CardItem:
    return CardItem(
        key="assumptions",
        title="Assumptions",
        references=[
            reinforcement("access to the variables that influenced decisions"),
            tripod("12", "analytical methods"),
        ],
        said=[
            "No unrecorded reason both for a treatment and for what followed (no unmeasured confounding).",
            "Every set of drugs that a policy chooses was given to similar patients (positivity); the item on support "
            "says how far.",
            "Loss to follow-up depends on nothing but the stage.",
            "The features and the state at a stage are enough to tell how a course goes on.",
            "Recorded drugs are those that were given, and other sets would have worked as recorded ones did.",
            "Care and patients stay as they were while the registry was filled.",
        ],
        unanswered=["Whether these hold: records alone cannot show it. See the limits."],
    )
