"""Hazards of a study: its rules, its warnings, and how often a policy gives a dose that should not be given.

A rule says when it applies (see `core.policies.rules`) and which doses count as hazardous then. The rate of a policy is
the probability it puts on them at the steps where the rule applies; that of the recorded course is the share of these
steps at which such a dose was given. No importance weights enter.

Rules mark doses, and states are matched by those that a state alone decides (its band). Warnings are rules too, said
and counted beside them; no dose is marked and nothing is matched by them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.evaluation.resampling import percentile_interval, resample_counts
from core.policies.rules import HazardRule, HitRule, Rule, rule_of
from core.study import StudySpec

GIVEN = "given"  # the recorded course, in the place of a policy
ADVICE = "advice"  # the default advice, in the place of a policy's name
FEWEST_PERSONS = 5  # below this no interval is given


def default_rules(study: StudySpec) -> list[Rule]:
    """Rules to start from, as the study has them; those of columns or bins that a copy of it lacks are left out."""
    return [rule for rule in map(rule_of, study.hazards) if rule.fits(study)]


def default_warnings(study: StudySpec) -> list[Rule]:
    """The study's warnings, likewise."""
    return [rule for rule in map(rule_of, study.warnings) if rule.fits(study)]


def hit_rule(study: StudySpec) -> HitRule | None:
    """By what heparin-induced thrombocytopenia is judged in the study; None where it does not ask."""
    found = (rule for rule in (*default_rules(study), *default_warnings(study)) if isinstance(rule, HitRule))
    return next(found, None)


def band_rules(study: StudySpec) -> list[HazardRule]:
    """The study's own rules that a state alone decides."""
    return [rule for rule in default_rules(study) if isinstance(rule, HazardRule)]


def hazard_bands(study: StudySpec, states: np.ndarray) -> np.ndarray:
    """Which of `band_rules` apply at states (..., D) in physical units: (...) int, bit i for rule i."""
    bands = np.zeros(states.shape[:-1], dtype=np.int64)
    for bit, rule in enumerate(band_rules(study)):
        values = {name: states[..., study.index(name)] for name in rule.columns}
        bands |= rule.met_by(values).astype(np.int64) << bit
    return bands


def hazards_by_column(study: StudySpec, states: np.ndarray) -> np.ndarray:
    """Which limits of `band_rules` each column of states (..., D) is beyond: (..., D) int, bit i for rule i; 0 in a
    column without limits."""
    found = np.zeros(states.shape, dtype=np.int64)
    for bit, rule in enumerate(band_rules(study)):
        for limit in rule.limits:
            place = study.index(limit.column)
            found[..., place] |= limit.holds(states[..., place]).astype(np.int64) << bit
    return found


def band_text(study: StudySpec, band: int) -> str:
    """'Platelets < 50, Activated partial thromboplastin time not > 100'; nothing where the study has no rules."""
    said = []
    for bit, rule in enumerate(band_rules(study)):
        met = band >> bit & 1
        if len(rule.limits) > 1:
            said.append(f"{'' if met else 'not '}{rule.condition(study)}")
        else:
            label = study.column(rule.column).label or rule.column
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
