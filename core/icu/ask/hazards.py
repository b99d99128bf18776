"""Hazard rules on a run: the rates of its policies, the patients behind a rate, the rules that apply at a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.icu.view import RunView
from core.policies.hazards import GIVEN, HazardRule, violation_rates
from core.policies.key import PolicyKey
from core.trajectories import padded


def hazard_table(
    view: RunView,
    patients: np.ndarray,
    rules: Sequence[HazardRule],
    keys: Sequence[PolicyKey],
) -> pd.DataFrame:
    """`violation_rates` of every rule for the recorded course and the policies, on the given patients.

    Adds the columns rule (its number), text, measured (share of the steps at which the column was recorded rather than
    filled in; NaN where the cohort does not say).
    """
    study = view.study
    actions = view.trajectories.actions[patients]
    probs = {key.policy: view.probs(key)[patients] for key in keys}
    tables = []
    for number, rule in enumerate(rules):
        rule.check(study)
        place = study.index(rule.column)
        applies = rule_applies(view, rule, patients)
        hazard = {GIVEN: (actions >= rule.from_action).astype(float)}
        hazard |= {name: p[..., rule.from_action :].sum(axis=-1) for name, p in probs.items()}
        rng = stream(view.config.run.seed, "hazards", "bootstrap")
        table = violation_rates(hazard, applies, view.persons[patients], view.config.evaluation.n_bootstrap, rng)
        tables.append(
            table.assign(rule=number, text=rule.text(study), measured=_measured(view, place, applies, patients))
        )
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def hazard_patients(
    view: RunView,
    patients: np.ndarray,
    rule: HazardRule,
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


def rule_applies(view: RunView, rule: HazardRule, patients: np.ndarray) -> np.ndarray:
    """(n, T) the real steps of these patients at which the rule's condition holds."""
    mask, column = view.trajectories.mask, view.study.index(rule.column)
    values = padded(view.cohort.states[:, column].astype(float), mask)
    return np.asarray(mask[patients] & rule.applies(values[patients]))


@dataclass(frozen=True)
class Met:
    """A rule that applies at a step, the value of its column there, and whether that was filled in."""

    rule: HazardRule
    value: float
    imputed: bool


def rules_met(view: RunView, patient: int, step: int, rules: Sequence[HazardRule]) -> list[Met]:
    """Rules that apply at a step of a stay; those of columns that the study lacks do not."""
    cohort, names = view.cohort, view.study.names
    row = cohort.starts[patient] + step
    met = []
    for rule in rules:
        if rule.column in names and rule.applies(cohort.states[row, view.study.index(rule.column)]):
            place = view.study.index(rule.column)
            filled = cohort.imputed is not None and bool(cohort.imputed[row, place])
            met.append(Met(rule, float(cohort.states[row, place]), filled))
    return met


def _measured(view: RunView, place: int, applies: np.ndarray, patients: np.ndarray) -> float:
    if view.cohort.imputed is None or not applies.any():
        return float("nan")
    return float(1.0 - padded(view.cohort.imputed[:, place], view.trajectories.mask)[patients][applies].mean())
