"""A policy from elsewhere that gives sets of drugs: in the end, the sets with probabilities at every recorded decision.

It may decide some of a registry's learned decisions and leave the others to the experts. One that says what it would
do for any patient can also be rolled out where the truth is known; a table can not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import PolicyError
from core.bring.policy import ROUNDED, TOLERANCE
from core.registry.cohort.cells import read_drug_text
from core.registry.cohort.choices import SetChoices, digest_of
from core.registry.cohort.decisions import DecisionData, StateEncoder, decision_points
from core.registry.cohort.drug_names import Words
from core.registry.cohort.drugs import Combinations
from core.registry.cohort.table import RegistryCohort
from core.registry.spec import Decision, RegistrySpec
from core.registry.view import RegistryView
from core.tables.keys import read_keys
from core.tables.read import read_table

COLUMNS = ("patient", "stage", "decision", "combination")
PROBABILITY = "probability"
Rule = Callable[[str, pd.DataFrame], SetChoices]


@dataclass(frozen=True, eq=False)
class Asked:
    """What policies of sets are asked: the learned decisions at all points of a registry, and the sets known there."""

    cohort: RegistryCohort
    points: Mapping[str, DecisionData]
    catalogs: Mapping[str, Combinations]

    @classmethod
    def of_run(cls, view: RegistryView) -> Asked:
        return cls(
            view.cohort,
            {name: view.points[name] for name in view.treatments},
            {name: view.catalogs[name] for name in view.treatments},
        )

    @classmethod
    def of_cohort(cls, cohort: RegistryCohort) -> Asked:
        """All of a registry; the known sets are those that anybody in it was given."""
        encoder, spec = StateEncoder.fit(cohort), cohort.spec
        points = {name: decision_points(cohort, name, encoder) for name in spec.learned}
        catalogs = {name: Combinations.fit(data.drugs, spec.decision(name).drugs) for name, data in points.items()}
        return cls(cohort, points, catalogs)

    @property
    def spec(self) -> RegistrySpec:
        return self.cohort.spec

    def states(self, decision: str) -> pd.DataFrame:
        """What a function is told at each point: baseline features and indicators, and `stage`, its day."""
        return told(self.spec, self.cohort.frame.iloc[self.points[decision].row])


@dataclass(frozen=True, eq=False)
class BroughtSets:
    """choices: by decision, at its points in the order of `decision_points`; where one is missing, the experts decide.
    rule: a decision and states as `Asked.states` has them to choices at these; None where only records are known."""

    name: str
    choices: Mapping[str, SetChoices] = field(repr=False)
    rule: Rule | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """64 hex digits over what it gives, with which probability, at every point."""
        return digest_of(self.choices)

    @property
    def n_bytes(self) -> int:
        return sum(one.n_bytes for one in self.choices.values())


def told(spec: RegistrySpec, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of a registry's rows that a policy may know: features, indicators, and the day of the stage."""
    return frame[[*spec.feature_names, *spec.indicator_names, "stage"]].reset_index(drop=True)


def bring_sets(source: Any, asked: Asked, name: str = "policy") -> BroughtSets:
    """Ask a policy about every learned decision of a registry.

    source is one of
      a table or the path of one (Parquet or CSV): patient, stage (its day or name), decision, combination ("drug +
      drug", empty for none) and, where it is not certain, probability; a row a set, in any order, more rows allowed;
      {decision: answer}, an answer having a row a point, in the order of `run.policy(...).table(decision)`;
      a function of a decision's name and the states (`Asked.states`) that gives an answer, or None to leave that
      decision to the experts.
    An answer is a matrix of 0 and 1 with a column a drug of the decision, or a table of probabilities with a column a
    combination. Raises `PolicyError` where it does not fit.
    """
    if isinstance(source, BroughtSets):
        return source
    if isinstance(source, (str, Path)):
        return bring_set_table(read_table(Path(source)).frame, asked, name, Path(source).name)
    if isinstance(source, pd.DataFrame):
        return bring_set_table(source, asked, name)
    if isinstance(source, Mapping):
        _known(asked, source)
        choices = {one: _answered(asked, one, source[one], len(asked.points[one])) for one in source}
        return BroughtSets(name, _decided(choices, name))
    if not callable(source):
        raise PolicyError(
            f"a policy of type {type(source).__name__} is not understood: give a table, a file, answers by decision, "
            "or a function of a decision and its states."
        )
    answers = {one: source(one, asked.states(one)) for one in asked.points}
    given = {one: answer for one, answer in answers.items() if answer is not None}
    choices = {one: _answered(asked, one, answer, len(asked.points[one])) for one, answer in given.items()}

    def rule(decision: str, states: pd.DataFrame) -> SetChoices:
        return _answered(asked, decision, source(decision, states), len(states))

    return BroughtSets(name, _decided(choices, name), rule)


def bring_set_table(frame: pd.DataFrame, asked: Asked, name: str = "policy", called: str = "the table") -> BroughtSets:
    """A policy from a table that was read from a file, `called` so in errors; see `bring_sets`."""
    for column in (*COLUMNS, PROBABILITY):
        count = list(frame.columns).count(column)
        if count > 1 or (count == 0 and column != PROBABILITY):
            raise PolicyError(
                f"{called} has {count or 'no'} column{'s' * (count > 1)} '{column}'; a policy's table has "
                f"{', '.join(COLUMNS)} and, where it is not certain, {PROBABILITY}, each once."
            )
    decision = frame["decision"].astype(str).str.strip()
    _known(asked, dict.fromkeys(decision))
    choices = {}
    for one in dict.fromkeys(decision):
        choices[one] = _of_rows(frame[(decision == one).to_numpy()], asked, one, called)
    return BroughtSets(name, _decided(choices, name))


def _decided(choices: dict[str, SetChoices], name: str) -> dict[str, SetChoices]:
    if not choices:
        raise PolicyError(f"policy '{name}' decides nothing: it leaves every decision to the experts.")
    return choices


def _known(asked: Asked, decisions: Mapping[str, object]) -> None:
    unknown = sorted(set(map(str, decisions)) - asked.points.keys())
    if unknown:
        raise PolicyError(
            f"'{unknown[0]}' is no decision for which policies are valued here; these are {', '.join(asked.points)}."
        )


def _of_rows(frame: pd.DataFrame, asked: Asked, decision: str, called: str) -> SetChoices:
    """The rows of one decision, at the recorded points; rows elsewhere are not read."""
    data, cohort, spec = asked.points[decision], asked.cohort, asked.spec
    keys = read_keys(frame["patient"])
    patient = np.where(keys.missing, "", keys.names[keys.code])
    asked_at = pd.MultiIndex.from_arrays([cohort.patients[data.patient].astype(object), data.stage])
    point = asked_at.get_indexer(pd.MultiIndex.from_arrays([patient, _stages(frame["stage"], spec)]))
    here = point >= 0
    missing = len(data) - len(np.unique(point[here]))
    if missing:
        raise PolicyError(
            f"{called} has no row for {missing:,} of the {len(data):,} times that {decision} was decided (by patient "
            "and stage); give every one, or the file of the registry that the policy was made for."
        )
    drugs = _read_drugs(frame["combination"][here], spec.decision(decision), spec.separator, called)
    chance = pd.to_numeric(frame[PROBABILITY], errors="coerce") if PROBABILITY in frame else pd.Series(1.0, frame.index)
    return _checked(asked, decision, len(data), point[here], drugs, chance.to_numpy(np.float64)[here])


def _stages(column: pd.Series, spec: RegistrySpec) -> np.ndarray:
    """(rows,) index of each stage by its day or its name, -1 where it is neither."""
    names = {stage.name.casefold(): i for i, stage in enumerate(spec.stages)}
    names |= {str(day): i for i, day in enumerate(spec.days)}
    texts = [str(value).strip().casefold().removesuffix(".0") for value in column]
    return np.array([names.get(text, -1) for text in texts], dtype=np.int64)


def _read_drugs(texts: pd.Series, decision: Decision, separator: str, called: str) -> np.ndarray:
    """(rows, n_drugs) 0/1 of combinations in words."""
    read = read_drug_text(texts.reset_index(drop=True), decision, separator, Words())
    if read.unknown:
        first = next(iter(read.unknown.values()))
        raise PolicyError(
            f"{called} gives '{first}', which is no drug of {decision.name}; these are {', '.join(decision.drugs)}."
        )
    return read.given


def _answered(asked: Asked, decision: str, answer: Any, n: int) -> SetChoices:
    """An answer for n points; see `bring_sets`."""
    chosen = asked.spec.decision(decision)
    matrix = np.asarray(answer)
    if matrix.ndim != 2 or len(matrix) != n:
        raise PolicyError(
            f"the policy's answer on {decision} has shape {matrix.shape}, expected {n} rows, one a point."
        )
    words = isinstance(answer, pd.DataFrame) and set(map(str, answer.columns)) != set(chosen.drugs)
    if isinstance(answer, pd.DataFrame) and words:
        sets = _read_drugs(pd.Series([str(c) for c in answer.columns]), chosen, asked.spec.separator, "the policy")
        values = matrix.astype(np.float64)
        point, column = np.nonzero(values != 0)  # NaN is not 0
        return _checked(asked, decision, n, point, sets[column], values[point, column])
    if isinstance(answer, pd.DataFrame):
        matrix = answer[list(chosen.drugs)].to_numpy()
    if matrix.shape[1] != len(chosen.drugs) or not np.isin(matrix, (0, 1)).all():
        raise PolicyError(
            f"the policy's answer on {decision} is no matrix of 0 and 1 with {len(chosen.drugs)} columns, one a drug; "
            "for probabilities give a table with a column a combination."
        )
    return _checked(asked, decision, n, np.arange(n), matrix.astype(np.uint8), np.ones(n))


def _checked(
    asked: Asked, decision: str, n: int, point: np.ndarray, drugs: np.ndarray, chance: np.ndarray
) -> SetChoices:
    """Choices whose probabilities are some, point by point."""
    wrong = ~(np.isfinite(chance) & (chance >= 0))
    total = np.bincount(point, weights=np.where(wrong, 0.0, chance), minlength=n)
    off = np.abs(total - 1) > TOLERANCE
    if wrong.any() or off.any():
        says = f"one is {chance[wrong][0]:.4g}" if wrong.any() else f"one sums to {total[off][0]:.4g}"
        raise PolicyError(
            f"the probabilities of {decision} are none at {max(int(off.sum()), 1):,} of {n:,} points ({says}); those "
            "of a patient and stage must be 0 or more and sum to 1."
        )
    scale = np.where(np.abs(total - 1) <= ROUNDED, 1.0, total)
    return SetChoices.of(asked.catalogs[decision], n, point, drugs, chance / scale[point])
