"""Hazard rules: how often a policy gives a dose that should not be given in the patient's state.

A rule says when it applies (a column in physical units against a threshold, at the start of the step) and which doses
count as hazardous then. The rate of a policy is the probability it puts on them at the steps where the rule applies;
that of the recorded course is the share of these steps at which such a dose was given. No importance weights enter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.evaluation.resampling import percentile_interval, resample_counts
from core.study import StudySpec

Operator = Literal["<", "<=", ">", ">="]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
_COMPARE: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
GIVEN = "given"  # the recorded course, in the place of a policy
FEWEST_PERSONS = 5  # below this no interval is given


@dataclass(frozen=True)
class HazardRule:
    """While `column operator threshold` holds, doses of bin `from_action` and above are hazardous."""

    column: str
    operator: Operator
    threshold: float
    from_action: int = 1

    def text(self, study: StudySpec) -> str:
        """'heparin while Platelets < 50'; a bin above the first is named by its lower bound."""
        drug = study.actions.drug
        if self.from_action > 1:
            drug += f" above {study.actions.upper[self.from_action - 1]:,.0f} {study.actions.unit}"
        label = study.column(self.column).label or self.column
        return f"{drug} while {label} {self.operator} {self.threshold:g}"

    def check(self, study: StudySpec) -> None:
        """`ConfigError` where the study lacks the column, the operator is unknown or no dose is left."""
        if self.column not in study.names:
            raise ConfigError(f"hazard rule: the study has no column '{self.column}'; choose one of its state columns.")
        if self.operator not in OPERATORS:
            raise ConfigError(f"hazard rule: '{self.operator}' is not one of {', '.join(OPERATORS)}.")
        if not np.isfinite(self.threshold):
            raise ConfigError(f"hazard rule on '{self.column}': the threshold must be a number, got {self.threshold}.")
        if not 1 <= self.from_action < study.n_actions:
            raise ConfigError(
                f"hazard rule on '{self.column}': the first hazardous dose must be bin 1 to {study.n_actions - 1}, "
                f"got {self.from_action}."
            )

    def applies(self, values: np.ndarray) -> np.ndarray:
        """Where the rule applies; values of the column in physical units, any shape -> bool, same shape."""
        return _COMPARE[self.operator](np.asarray(values), self.threshold)


def default_rules(study: StudySpec) -> list[HazardRule]:
    """Rules to start from, as the study has them; those of columns or bins that a copy of it lacks are left out."""
    rules = [HazardRule(h.column, h.operator, h.threshold, h.from_action) for h in study.hazards]
    return [rule for rule in rules if rule.column in study.names and rule.from_action < study.n_actions]


def hazard_bands(study: StudySpec, states: np.ndarray) -> np.ndarray:
    """Which of the study's own rules apply at states (..., D) in physical units: (...) int, bit i for rule i."""
    bands = np.zeros(states.shape[:-1], dtype=np.int64)
    for bit, rule in enumerate(default_rules(study)):
        bands |= rule.applies(states[..., study.index(rule.column)]).astype(np.int64) << bit
    return bands


def hazards_by_column(study: StudySpec, states: np.ndarray) -> np.ndarray:
    """Which of the study's own rules on each column apply at states (..., D): (..., D) int, bit i for rule i; 0 in a
    column without rules."""
    found = np.zeros(states.shape, dtype=np.int64)
    for bit, rule in enumerate(default_rules(study)):
        place = study.index(rule.column)
        found[..., place] |= rule.applies(states[..., place]).astype(np.int64) << bit
    return found


def band_text(study: StudySpec, band: int) -> str:
    """'Platelets < 50, Activated partial thromboplastin time not > 100'; nothing where the study has no rules."""
    said = []
    for bit, rule in enumerate(default_rules(study)):
        label, met = study.column(rule.column).label or rule.column, band >> bit & 1
        said.append(f"{label} {'' if met else 'not '}{rule.operator} {rule.threshold:g}")
    return ", ".join(said)


def violation_rates(
    hazard: Mapping[str, np.ndarray],
    applies: np.ndarray,
    persons: np.ndarray,
    n_bootstrap: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Mean hazard of each policy over the steps where a rule applies, with 95 % intervals by person.

        rate = sum_{i,t} applies_it h_it / sum_{i,t} applies_it

    hazard: policy -> (N, T) probability on hazardous doses, with the recorded course under `GIVEN`; applies (N, T);
    persons (N,). Persons at whom the rule ever applies are resampled, all their steps together. Columns: policy, rate,
    low, high, excess (rate minus that of the recorded course), excess_low, excess_high (paired), steps, patients.
    """
    applies = np.asarray(applies, dtype=bool)
    steps = applies.sum(axis=1)
    some = np.flatnonzero(steps)
    names = list(hazard)
    counts = {"steps": int(steps.sum()), "patients": len(some)}
    if not len(some):
        nothing = dict.fromkeys(("rate", "low", "high", "excess", "excess_low", "excess_high"), np.nan)
        return pd.DataFrame([{"policy": name, **nothing, **counts} for name in names])
    _, person = np.unique(np.asarray(persons)[some], return_inverse=True)
    amount = np.stack([np.where(applies, values, 0.0).sum(axis=1)[some] for values in hazard.values()], axis=1)
    total = np.stack([np.bincount(person, weights=column) for column in amount.T], axis=1)  # (P, policies)
    weight = np.bincount(person, weights=steps[some])
    rate = total.sum(axis=0) / weight.sum()
    draws = _draws(total, weight, n_bootstrap, rng)
    reference = names.index(GIVEN)
    low, high = percentile_interval(draws)
    excess_low, excess_high = percentile_interval(draws - draws[:, [reference]])
    columns = {"rate": rate, "low": low, "high": high, "excess": rate - rate[reference]}
    columns |= {"excess_low": excess_low, "excess_high": excess_high}
    return pd.DataFrame({"policy": names, **columns, **counts})


def _draws(total: np.ndarray, weight: np.ndarray, n_bootstrap: int, rng: np.random.Generator) -> np.ndarray:
    """Rates in each resample of persons, (B, policies); no rows where there are too few persons for an interval."""
    if len(weight) < FEWEST_PERSONS:
        return np.empty((0, total.shape[1]))
    blocks = resample_counts(len(weight), n_bootstrap, int(rng.integers(2**63)))
    drawn = [(counts @ total) / (counts @ weight)[:, None] for counts in blocks]
    return np.concatenate(drawn) if drawn else np.empty((0, total.shape[1]))
