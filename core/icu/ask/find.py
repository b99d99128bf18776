"""Which patients of a run pass some filters: by phenotype, outcome, dose, any column, hazard, or what a policy does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.icu.ask.coloring import Against, departures, share_departing
from core.icu.ask.hazards import rule_applies
from core.icu.ask.stay_values import StayValue, values_of_stays
from core.icu.selection import Selection
from core.icu.view import RunView
from core.policies.key import PolicyKey
from core.policies.rules import Rule


@dataclass(frozen=True)
class ColumnRange:
    """`low <= value <= high` of one value a stay, in the column's unit."""

    column: str
    what: StayValue
    low: float
    high: float


@dataclass(frozen=True)
class Hazardous:
    """A rule that applies at some step of the stay; given: and there a dose was given that it calls hazardous."""

    rule: Rule
    given: bool


@dataclass(frozen=True)
class Departing:
    """A policy (key None: the run's advice) whose likeliest dose is another one than given, or than the clinicians'
    likeliest, at `percent` of a stay's steps or more; name: how it is called."""

    key: PolicyKey | None
    against: Against
    percent: float
    name: str


@dataclass(frozen=True)
class Filters:
    """Which patients are meant: all that is asked for must hold; empty means no restriction.

    doses: dose bins of which the largest of a stay is one; hazards: any of which is enough.
    """

    phenotypes: tuple[int, ...] = ()
    outcomes: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    steps: tuple[int, int] | None = None
    doses: tuple[int, ...] = ()
    column: ColumnRange | None = None
    hazards: tuple[Hazardous, ...] = ()
    departing: Departing | None = None
    selection: Selection | None = None


def outcome_words(view: RunView) -> np.ndarray:
    """(N,) the study's words for the outcome of each patient."""
    return np.array([view.study.outcome_text(outcome) for outcome in view.cohort.outcomes], dtype=object)


def largest_doses(view: RunView) -> np.ndarray:
    """(N,) the largest dose bin of each stay."""
    return np.maximum.reduceat(view.cohort.actions, view.cohort.starts)


def commonest(view: RunView) -> np.ndarray:
    """(N,) the action of most steps of each stay, the first of those that are equally common in order of the study."""
    stay, n = np.repeat(np.arange(view.cohort.n_patients), view.cohort.lengths), view.study.n_actions
    counts = np.bincount(stay * n + view.cohort.actions, minlength=view.cohort.n_patients * n)
    return np.asarray(counts.reshape(-1, n).argmax(axis=1))


def _has_dose(view: RunView, doses: Sequence[int]) -> np.ndarray:
    """(N,) True where the largest dose is one of these; of actions without an order, where some step has one."""
    if view.study.actions.ordered:
        return np.isin(largest_doses(view), doses)
    return np.asarray(np.logical_or.reduceat(np.isin(view.cohort.actions, doses), view.cohort.starts))


def matching(view: RunView, n_clusters: int, filters: Filters) -> np.ndarray:
    """Positions of the patients that pass the filters, sorted. n_clusters: the K whose phenotypes are meant."""
    cohort = view.cohort
    keep = np.ones(cohort.n_patients, dtype=bool)
    if filters.phenotypes:
        keep &= np.isin(view.labels(n_clusters), filters.phenotypes)
    if filters.outcomes:
        keep &= np.isin(outcome_words(view), filters.outcomes)
    if filters.splits:
        keep &= np.isin(view.split_name, filters.splits)
    if filters.steps is not None:
        keep &= (cohort.lengths >= filters.steps[0]) & (cohort.lengths <= filters.steps[1])
    if filters.doses:
        keep &= _has_dose(view, filters.doses)
    if filters.column is not None:
        value = stay_value(view, filters.column)
        keep &= (value >= filters.column.low) & (value <= filters.column.high)
    if filters.hazards:
        keep &= np.logical_or.reduce([_hazardous(view, one) for one in filters.hazards])
    if filters.departing is not None:
        keep &= share_of(view, filters.departing) >= filters.departing.percent  # not known: never
    if filters.selection is not None:
        keep &= filters.selection.marks(len(keep))
    return np.flatnonzero(keep)


def stay_value(view: RunView, asked: ColumnRange) -> np.ndarray:
    """(N,) the value of each stay that a range is about."""
    return values_of_stays(view, asked.what)[:, view.study.index(asked.column)]


def share_of(view: RunView, asked: Departing) -> np.ndarray:
    """(N,) percent of the steps at which the policy departs; NaN where the run's advice was not computed."""
    departs, _ = departures(view, asked.key, asked.against)
    return share_departing(view, departs, asked.key)


def _hazardous(view: RunView, asked: Hazardous) -> np.ndarray:
    everyone = np.arange(view.cohort.n_patients)
    asked.rule.check(view.study)
    met = rule_applies(view, asked.rule, everyone)
    if asked.given:
        met = met & (view.trajectories.actions >= asked.rule.from_action)
    return np.asarray(met.any(axis=1))


def filter_text(view: RunView, n_clusters: int, filters: Filters) -> str:
    """What the filters ask for in a few words: 'phenotype 2 of 3, died, test'."""
    study, parts = view.study, []
    if filters.phenotypes:
        noun = "phenotype" if len(filters.phenotypes) == 1 else "phenotypes"
        parts.append(f"{noun} {' + '.join(map(str, filters.phenotypes))} of {n_clusters}")
    parts += [" + ".join(chosen) for chosen in (filters.outcomes, filters.splits) if chosen]
    if filters.steps is not None and filters.steps != (int(view.cohort.lengths.min()), int(view.cohort.lengths.max())):
        parts.append("{}–{} steps".format(*filters.steps))
    if filters.doses:
        what = "largest dose" if study.actions.ordered else f"some {study.actions.word}"
        parts.append(f"{what} {' or '.join(study.actions.label(a) for a in filters.doses)}")
    if filters.column is not None:
        parts.append(_range_text(view, filters.column))
    if filters.hazards:
        parts.append(" or ".join(hazard_text(view, one) for one in filters.hazards))
    if filters.departing is not None:
        one = filters.departing
        whose = "given" if one.against == "given" else "the clinicians' likeliest"
        parts.append(f"{one.name} another dose than {whose} at {one.percent:.0f} % of steps or more")
    if filters.selection is not None:
        parts.append(f"in {filters.selection.name}")
    return ", ".join(parts) or "all patients"


def hazard_text(view: RunView, asked: Hazardous) -> str:
    """'heparin given while Platelets < 50', or 'Platelets < 50 at some step'."""
    if not asked.given:
        return f"{asked.rule.condition(view.study)} at some step"
    return asked.rule.text(view.study).replace(" while ", " given while ", 1)


def _range_text(view: RunView, asked: ColumnRange) -> str:
    """'lowest Platelets 20–50'; a column that does not change in a stay has one value."""
    column = view.study.column(asked.column)
    which = "" if column.kind == "static" else f"{asked.what} "
    return f"{which}{column.label or asked.column} {column.text(asked.low)}–{column.text(asked.high)}"
