"""Hazard rules on a run: the rates of its policies, the patients behind a rate, the rules that apply at a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.icu.view import RunView
from core.policies.courses import Courses, courses_of
from core.policies.hazards import ADVICE, GIVEN, default_rules, default_warnings, hit_rule, violation_rates
from core.policies.hit import OTHER, THROMBOCYTOPENIA, THROMBOSIS, TIMING, TS
from core.policies.key import PolicyKey
from core.policies.rules import FallRule, HazardRule, Rule
from core.study import StudySpec

MOST_DECIMALS = 6  # of a value beside its threshold


def hazard_table(
    view: RunView,
    patients: np.ndarray,
    rules: Sequence[Rule],
    keys: Sequence[PolicyKey],
    share: float | None = None,
) -> pd.DataFrame:
    """`violation_rates` of every rule for the recorded course, the advice at a dial (share; None: without it) and the
    policies, on the given patients.

    Adds the columns rule (its number), text, measured (share of the steps at which the rule's columns were recorded
    rather than filled in; NaN where the cohort does not say).
    """
    study = view.study
    actions = view.trajectories.actions[patients]
    probs = {key.policy: view.probs(key)[patients] for key in keys}
    tables, told = [], view.cohort.imputed is not None
    for number, rule in enumerate(rules):
        rule.check(study)
        courses = courses_of(view.cohort, rule.columns, patients)
        applies = rule.applies(courses)
        hazard = {GIVEN: (actions >= rule.from_action).astype(float)}
        if share is not None:
            hazard[ADVICE] = advised_hazard(view, rule, patients, share)
        hazard |= {name: p[..., rule.from_action :].sum(axis=-1) for name, p in probs.items()}
        rng = stream(view.config.run.seed, "hazards", "bootstrap")
        table = violation_rates(hazard, applies, view.persons[patients], view.config.evaluation.n_bootstrap, rng)
        measured = _measured(courses, rule, applies) if told and applies.any() else float("nan")
        tables.append(table.assign(rule=number, text=rule.text(study), measured=measured))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def advised_hazard(view: RunView, rule: Rule, patients: np.ndarray, share: float) -> np.ndarray:
    """(n, T) how likely the advice at a dial gives a dose that the rule counts: with probability `share` the step's own
    where it has one, everywhere else the one recorded, since there it does as clinicians do."""
    own = view.advised_action[patients]
    recorded = (view.trajectories.actions[patients] >= rule.from_action).astype(float)
    return np.asarray((1 - share) * recorded + share * np.where(own >= 0, own >= rule.from_action, recorded))


def hazard_patients(
    view: RunView,
    patients: np.ndarray,
    rule: Rule,
    key: PolicyKey | None,
) -> pd.DataFrame:
    """The patients behind a rate: those with a step at which the rule applies and the dose is a hazardous one.

    The dose is the one given (key None) or the likeliest of the policy. Columns: patient (position), steps (how
    many such steps), first (the first of them); most steps first.
    """
    rule.check(view.study)
    applies = rule_applies(view, rule, patients)
    dose = view.trajectories.actions[patients] if key is None else view.probs(key)[patients].argmax(axis=-1)
    hazard = applies & (dose >= rule.from_action)
    steps = hazard.sum(axis=1)
    order = np.argsort(-steps, kind="stable")[: int((steps > 0).sum())]
    return pd.DataFrame(
        {"patient": np.asarray(patients)[order], "steps": steps[order], "first": hazard.argmax(axis=1)[order]}
    )


def rule_applies(view: RunView, rule: Rule, patients: np.ndarray) -> np.ndarray:
    """(n, T) the real steps of these patients at which the rule's condition holds."""
    return rule.applies(courses_of(view.cohort, rule.columns, patients))


@dataclass(frozen=True)
class Met:
    """A rule that applies at a step: the column by which it does, its value there, whether that was filled in, and for
    a fall by how many percent it fell (else NaN)."""

    rule: Rule
    column: str
    value: float
    imputed: bool
    fall: float = float("nan")

    def read(self, study: StudySpec) -> str:
        """The value with the column's decimals, or as many more as it takes to be seen beyond the threshold: an INR of
        1.52 is above 1.5."""
        said = study.column(self.column).text(self.value)
        limits = (
            [one for one in self.rule.limits if one.column == self.column] if isinstance(self.rule, HazardRule) else []
        )
        crossed = [one for one in limits if one.holds(np.array(self.value))]
        decimals = len(said.partition(".")[2])
        while crossed and decimals < MOST_DECIMALS and not crossed[0].holds(np.array(round(self.value, decimals))):
            decimals += 1
            said = f"{self.value:,.{decimals}f}"
        return said

    def implied_by(self, other: Met) -> bool:
        """True where the other tells of a deeper fall of the same column, and so of this one."""
        mine, deeper = self.rule, other.rule
        if not isinstance(mine, FallRule) or not isinstance(deeper, FallRule) or mine.column != deeper.column:
            return False
        return deeper.percent > mine.percent and deeper.hours <= mine.hours


def rules_met(view: RunView, patient: int, step: int, rules: Sequence[Rule]) -> list[Met]:
    """Rules that apply at a step of a stay; those of columns that the study lacks do not."""
    usable = [rule for rule in rules if set(rule.columns) <= set(view.study.names)]
    courses = courses_of(view.cohort, (name for rule in usable for name in rule.columns), np.array([patient]))
    return [_met(rule, courses, step) for rule in usable if rule.applies(courses)[0, step]]


def _met(rule: Rule, courses: Courses, step: int) -> Met:
    column, fall = rule.column, float("nan")
    if isinstance(rule, HazardRule):
        column = next(limit.column for limit in rule.limits if limit.holds(courses.values[limit.column][0, step]))
    elif isinstance(rule, FallRule):
        fall = float(rule.falls(courses)[0, step])
    return Met(rule, column, float(courses.values[column][0, step]), bool(courses.imputed[column][0, step]), fall)


@dataclass(frozen=True)
class HitAt:
    """HIT at a step: a word, why, which of the 4Ts are not on record, and what the points on record leave open of 8."""

    word: str
    because: tuple[str, ...]
    unrecorded: tuple[str, ...]
    low: int
    high: int

    @property
    def why(self) -> str:
        """'because platelets fell by up to 43.2 % ...; not on record: timing ...': no points without what they lack."""
        points = f"{self.low} to {self.high}" if self.low < self.high else f"{self.low}"
        lacks = f"; not on record: {', '.join(self.unrecorded)}" if self.unrecorded else ""
        return f"because {'; '.join(self.because)}{lacks}. That leaves {points} of 8 points."


def hit_at(view: RunView, patient: int, step: int) -> HitAt | None:
    """What the 4Ts on record say at a step of a stay, by what was known there before the dose; None where the study
    does not ask."""
    rule = hit_rule(view.study)
    if rule is None:
        return None
    found = rule.points(courses_of(view.cohort, rule.columns, np.array([patient])))
    low, high = found.low[0, step], found.high[0, step]
    drug = view.study.actions.drug
    if not found.given[0, step]:
        because = [f"no {drug} is on record before this step"]
    else:
        because = [
            f"platelets fell by up to {found.fall[0, step]:.1f} % under {drug}, "
            f"lowest {found.lowest[0, step]:.0f} ({low[THROMBOCYTOPENIA]} of 2)"
        ]
    if rule.other_cause != "unknown":
        because.append(f"{rule.cause or 'there'} is a {rule.other_cause} other cause ({low[OTHER]} of 2)")
    known = [t for t in (TIMING, THROMBOSIS) if low[t] == high[t]]
    because += [f"{TS[t]} {low[t]} of 2" for t in known if low[t]]
    unrecorded = tuple(name for name, least, most in zip(TS, low, high, strict=True) if least < most)
    return HitAt(str(found.words[0, step]), tuple(because), unrecorded, int(low.sum()), int(high.sum()))


def fallen_steps(view: RunView, patient: int) -> dict[str, np.ndarray]:
    """Column -> (t,) the steps of a stay at which a rule or warning of the study on a fall of it applies."""
    falls = [r for r in (*default_rules(view.study), *default_warnings(view.study)) if isinstance(r, FallRule)]
    courses = courses_of(view.cohort, [rule.column for rule in falls], np.array([patient]))
    found: dict[str, np.ndarray] = {}
    for rule in falls:
        here = rule.applies(courses)[0, : view.cohort.lengths[patient]]
        found[rule.column] = found.get(rule.column, False) | here
    return found


def _measured(courses: Courses, rule: Rule, applies: np.ndarray) -> float:
    filled = np.logical_or.reduce([courses.imputed[name] for name in rule.columns])
    return float(1.0 - filled[applies].mean())
