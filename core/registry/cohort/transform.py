"""A mapping carried out: the file's table as the registry writes it, before any rule of the registry is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.registry.cohort.cells import read_categories
from core.registry.cohort.events import Staged, staged
from core.registry.cohort.mapping import RegistryMapping
from core.registry.cohort.rules import feature_problems
from core.registry.spec import KEYS, RegistrySpec
from core.tables.recode import recoded, renamed
from core.tables.report import Exclusion, Problem
from core.tables.values import read_cells, safe_text


@dataclass(frozen=True, eq=False)
class MappedRegistry:
    """What the check reads. rows (n,): the file's row (0-based) of each row; attrition: from the file's rows to these,
    empty where no row was left out or made; notes: how they were made."""

    frame: pd.DataFrame
    rows: np.ndarray
    problems: tuple[Problem, ...] = ()
    attrition: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)

    def placed(self, problem: Problem) -> Problem:
        """A problem of the mapped table at the row of the file that it comes from."""
        if problem.row is None or problem.row > len(self.rows):
            return problem
        return replace(problem, row=int(self.rows[problem.row - 1]) + 1)


def apply_mapping(frame: pd.DataFrame, spec: RegistrySpec, mapping: RegistryMapping) -> MappedRegistry:
    """The table under the registry's names and categories; in stages, where it has one row a patient.

    Never raises on bad data: what is wrong stands in `problems`.
    """
    raw = frame.reset_index(drop=True)
    raw.columns = pd.Index([safe_text(name) for name in frame.columns], dtype=object)
    rows = np.arange(len(raw))
    table, problems = renamed(raw, mapping, mapping.read_columns)
    problems = [*_unknown_names(spec, mapping), *_twice(raw, mapping), *problems]
    if any(problem.severity == "error" for problem in problems):
        return MappedRegistry(table, rows, tuple(problems))
    for name, rule in mapping.drugs.items():
        if rule.column:
            table = table.drop(columns=[name, rule.column], errors="ignore").assign(**{name: raw[rule.column]})
    table, more = recoded(table, mapping, _coded(table, spec))
    problems += more
    if mapping.follow_up is not None:
        problems += _feature_errors(table, spec)
    if any(problem.severity == "error" for problem in problems) or mapping.follow_up is None:
        return MappedRegistry(table, rows, tuple(problems))
    made: Staged = staged(table, raw, spec, mapping)
    return MappedRegistry(made.frame, made.rows, (*problems, *made.problems), made.attrition, made.notes)


def _feature_errors(table: pd.DataFrame, spec: RegistrySpec) -> list[Problem]:
    """Wrong features while a patient has one row, so that none is counted once a stage."""
    problems: list[Problem] = []
    for feature in spec.features:
        if list(table.columns).count(feature.name) == 1:
            series = table[feature.name]
            cells = read_categories(series, feature) if feature.kind == "category" else read_cells(series)
            problems += [found for found in feature_problems(feature, cells) if found.severity == "error"]
    return problems


def _coded(table: pd.DataFrame, spec: RegistrySpec) -> list[str]:
    """Columns whose cells are recoded: stage, features, indicators; the drugs of a decision as text."""
    names = ("stage", *spec.feature_names, *spec.indicator_names, *(decision.name for decision in spec.decisions))
    return [name for name in names if name in table.columns]


def _twice(raw: pd.DataFrame, mapping: RegistryMapping) -> list[Problem]:
    """Columns that the rules read and the file has more than once."""
    labels = list(raw.columns)
    message = "the mapping reads this column, which the file has more than once."
    return [
        Problem("duplicate-column", message, None, name, None, "Keep one of them.")
        for name in mapping.read_columns
        if labels.count(name) > 1
    ]


def _unknown_names(spec: RegistrySpec, mapping: RegistryMapping) -> list[Problem]:
    """Names of the mapping that the registry does not have."""
    decisions = tuple(decision.name for decision in spec.decisions)
    ours = (*KEYS, *spec.feature_names, *spec.indicator_names, *decisions, *spec.drug_columns)
    asked: list[tuple[str, Mapping[str, object], tuple[str, ...]]] = [
        ("columns", mapping.columns, ours),
        ("codes", mapping.codes, ours),
    ]
    asked += [("drugs", mapping.drugs, decisions), ("events", mapping.events, spec.indicator_names[1:])]
    problems = []
    for section, given, known in asked:
        for name in sorted(set(given) - set(known)):
            message = f"[{section}] names '{name}', which the registry does not have."
            remedy = f"It has {', '.join(known[:40])}."
            problems.append(Problem("column-mapping", message, None, name, None, remedy))
    return problems
