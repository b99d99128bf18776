"""A study proposed from a file's table, with the evidence for each of its lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from core.base.config import explain
from core.base.errors import ConfigError, StudyError
from core.base.text import is_plain
from core.cohort.define.roles import Roles, Told, find_roles
from core.cohort.define.states import States, add_states, candidates
from core.cohort.define.steps import Length, horizon_of, step_length
from core.cohort.define.terms import dose_bins, first_terms, severity_of
from core.study import MOST_STEPS, StudySpec, load_study
from core.tables.mapping import TableMapping, parse_mapping
from core.tables.transform import Mapped, apply_mapping
from core.tables.values import safe_text

HUGE = 1e30  # the only bin's upper dose, before bins are known


@dataclass(frozen=True)
class ProposedStudy:
    """A study to look at and correct. evidence: by place in its file ("columns.3", "actions.upper", "horizon").
    left_out: (column of the file, why it is no state). doubts: names that are known but whose values do not fit."""

    study: StudySpec
    evidence: dict[str, str]
    left_out: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]


def propose_study(frame: pd.DataFrame, source: str = "a file", told: Told | None = None) -> ProposedStudy:
    """The study that a table of stays seems to be of, with the mapping by which the table is read under it.

    source: what the file is called, for the title. `ConfigError` where a role is not found, saying what to name.
    """
    told = told or Told()
    table = frame.copy(deep=False)
    table.columns = pd.Index([safe_text(name) for name in frame.columns], dtype=object)
    table = table.loc[:, ~table.columns.duplicated(keep=False)].reset_index(drop=True)
    if not len(table):
        raise ConfigError("the file has no rows to propose a study from.")
    table, refused = _plainly_named(table)
    roles, states = find_roles(table, told), States(left_out=refused)
    names = candidates(table, roles, states)
    if not names:
        raise ConfigError("no column is left that could be a state; give the measurements of each step as columns.")
    length = step_length(table, roles, told.step_hours)
    _aggregate(roles)
    mapped = _mapped(table, names, roles, length)
    add_states(mapped.frame, names, roles, states)
    if states.missing:
        roles.sections["missing"] = states.missing
    return _put_together(mapped.frame, roles, states, length, source)


def _plainly_named(table: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The table without columns that no study can name, and those with the reason."""
    why = "its name holds markup, an address or control signs; rename it in the file to use it"
    refused = [(str(name), why) for name in table.columns if not is_plain(str(name))]
    return table.drop(columns=[name for name, _ in refused]), refused


def _aggregate(roles: Roles) -> None:
    """Rates of one step are put together by their maximum, not by their sum."""
    if "time" in roles.sections and re.search(r"/(min|h)\b", roles.unit):
        roles.sections["aggregate"] = {"dose": "max"}
        roles.evidence["mapping.aggregate"] = f"{roles.unit} is a rate: rows of one step count by the highest"


def _mapped(table: pd.DataFrame, names: list[str], roles: Roles, length: Length) -> Mapped:
    """The table in steps, its states under the file's names; with outcomes where every stay has one."""
    columns = [{"name": name, "unit": "", "kind": "temporal", "plausible": (-HUGE, HUGE)} for name in names]
    study = _study(
        {
            "name": "proposed",
            "title": "",
            "population": "",
            "horizon": MOST_STEPS,
            "step_hours": length.hours,
            "terminal_coeff": 0.0,
            "severity": names[0],
            "highlights": (),
            "columns": columns,
            "actions": {"drug": "", "unit": "", "upper": (0.0, HUGE), "representative": (0.0, 1.0)},
        }
    )
    mapped = apply_mapping(table, study, _mapping(roles))
    if mapped.ok:
        return mapped
    rest = apply_mapping(table, study, _mapping(roles).model_copy(update={"outcome": None}))
    if not rest.ok:
        raise ConfigError(str(next(problem for problem in rest.problems if problem.severity == "error")))
    return rest


def _mapping(roles: Roles) -> TableMapping:
    return parse_mapping(roles.sections, "proposed mapping")


def _put_together(table: pd.DataFrame, roles: Roles, states: States, length: Length, source: str) -> ProposedStudy:
    """The study of the parts, and evidence by place."""
    columns = states.ordered()
    if not any(column.kind == "temporal" for column in columns):
        raise ConfigError("no column changes within the stays; a study needs at least one that does.")
    actions, bins_why = dose_bins(table, roles)
    steps = table.groupby(table["traj"].to_numpy(), sort=False).size().to_numpy()
    horizon, cut, horizon_why = horizon_of(np.asarray(steps))
    if cut:
        roles.sections["too_long"] = "cut"
    severity, highlights, severity_why = severity_of(columns, roles, table)
    terms, default = first_terms(columns, roles), load_study()
    study = _study(
        {
            "name": re.sub(r"[^a-z0-9]+", "-", roles.drug.lower()).strip("-") or "own",
            "title": f"{roles.drug.capitalize()} ({source})",
            "population": f"Stays of {source}",
            "horizon": horizon,
            "step_hours": length.hours,
            "terminal_coeff": default.terminal_coeff,
            "severity": severity,
            "highlights": highlights,
            "columns": columns,
            "actions": actions,
            "rewards": terms.rewards,
            "hazards": terms.hazards,
            "mapping": _mapping(roles).model_dump(mode="json", exclude_defaults=True, exclude_none=True),
        }
    )
    evidence = {
        **roles.evidence,
        "name": "write the study's own name, title and population here",
        "horizon": horizon_why,
        "step_hours": length.evidence,
        "terminal_coeff": "as in the ICU heparin study: survival earns it, death costs it",
        "severity": severity_why,
        "actions.upper": bins_why,
        "actions.representative": "the median dose of each bin",
        **{f"columns.{i}": states.evidence[column.name] for i, column in enumerate(columns)},
        "rewards": "; ".join(terms.why),
        "hazards": "; ".join(terms.hazards_why),
        **{f"rewards.{i}": why for i, why in enumerate(terms.why)},
        **{f"hazards.{i}": why for i, why in enumerate(terms.hazards_why)},
    }
    return ProposedStudy(study, evidence, tuple(states.left_out), roles.doubts)


def _study(values: dict[str, Any]) -> StudySpec:
    try:
        return StudySpec.model_validate(values)
    except ValidationError as error:
        raise StudyError(explain(error, "proposed study")) from None
