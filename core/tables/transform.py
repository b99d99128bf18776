"""A mapping carried out: the file's table as the study writes it, before any rule of the study is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.base.errors import ConfigError, StudyError
from core.study import StudySpec
from core.tables.mapping import DoseRule, Factor, OutcomeRule, TableMapping
from core.tables.recode import plain_codes, recoded, renamed
from core.tables.report import Problem
from core.tables.steps import Stepped, one_row_a_step, timed, within_horizon
from core.tables.values import read_cells

DIED, SURVIVED = -1, 1


@dataclass(frozen=True, eq=False)
class Mapped:
    """What the rest of loading checks. study: without the columns that the file lacks. rows (n,): the file's row
    (0-based) of each row, -1 for a step that was filled in. units: {column: unit} that the study itself converts."""

    frame: pd.DataFrame
    study: StudySpec
    rows: np.ndarray
    units: dict[str, str]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)

    def placed(self, problem: Problem) -> Problem:
        """A problem of the mapped table at the row of the file that it comes from."""
        if problem.row is None or problem.row > len(self.rows):
            return problem
        row = int(self.rows[problem.row - 1])
        return replace(problem, row=row + 1 if row >= 0 else None)


def apply_mapping(frame: pd.DataFrame, study: StudySpec, mapping: TableMapping) -> Mapped:
    """Rename, recode, step, bin and end the stays of a file's table as the mapping says.

    Problems of the mapping itself are errors and leave the table as it is; what was mended or lost is a warning with
    its count. Never raises on bad data.
    """
    own = without(study, mapping.leave_out)
    units = {name: unit for name, unit in mapping.units.items() if not isinstance(unit, Factor)}
    table, problems = renamed(frame.reset_index(drop=True), mapping, mapping.read_by_rules)
    rows = np.arange(len(frame))
    if _refused(problems):
        return Mapped(table, own, rows, units, tuple(problems))
    if mapping.action is not None:
        table = table.rename(columns={mapping.action.dose: "dose"})
    _check_outcome(mapping.outcome, own)
    told = [] if mapping.outcome is None or own.tells_survival else [mapping.outcome.column]
    table, more = recoded(table, mapping, ("step", *own.names, "dose", "hours", "action", "outcome", *told))
    problems += more
    if mapping.time is not None and "traj" in table.columns:
        table, more = timed(table, mapping.time, own)
        problems += more
    if _refused(problems) or not {"traj", "step"} <= {*map(str, table.columns)}:
        return Mapped(table, own, rows, units, tuple(problems))
    ends, more = _ends(table, mapping.outcome, own)
    stepped = within_horizon(_stepped(table, mapping, own), mapping, own)
    problems += [*more, *stepped.problems]
    table = stepped.frame
    if ends is not None and mapping.outcome is not None:
        read = [name for name in (mapping.outcome.column,) if name not in ("outcome", *own.names)]
        table = _with_outcome(table.drop(columns=read), ends)
    if mapping.action is not None:
        table, more = _binned(table, mapping.action, own)
        problems += more
    return Mapped(table, own, stepped.rows, units, tuple(problems))


def without(study: StudySpec, names: Sequence[str]) -> StudySpec:
    """The study without these columns, under a name of its own; `ConfigError` where the rest of it needs one."""
    if not names:
        return study
    unknown = [name for name in names if name not in study.names]
    if unknown:
        raise ConfigError(f"leave_out names '{unknown[0]}', which study '{study.name}' does not have.")
    needed = {f"reward '{term.name}'": term.column for term in study.rewards} | {"severity": study.severity}
    needed |= {} if study.indication is None else {"indication": study.indication.column}
    for what, column in needed.items():
        if column in names:
            raise ConfigError(f"column '{column}' cannot be left out: {what} of study '{study.name}' needs it.")
    values = study.model_dump()
    values["columns"] = [column for column in values["columns"] if column["name"] not in names]
    for key, told in (("hazards", study.hazards), ("warnings", study.warnings)):
        values[key] = [hazard.model_dump() for hazard in told if not set(hazard.columns) & set(names)]
    values["weight"] = "" if study.weight in names else study.weight
    values["highlights"] = [name for name in study.highlights if name not in names] or [study.severity]
    values["name"] = f"{study.name}-own"
    try:
        return StudySpec.model_validate(values)
    except ValueError as error:
        raise StudyError(f"study '{study.name}' cannot go without {', '.join(names)}: {error}") from None


def file_columns(mapping: TableMapping) -> list[str]:
    """Columns of the file that the mapping names."""
    return [*mapping.columns.values(), *mapping.read_by_rules]


def _refused(problems: Sequence[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _stepped(table: pd.DataFrame, mapping: TableMapping, study: StudySpec) -> Stepped:
    """One row a step where times or a rule of putting together ask for it; else the rows as they are."""
    if mapping.time is None and not mapping.aggregate:
        return Stepped(table, np.arange(len(table)), ())
    return one_row_a_step(table, mapping, study)


def _check_outcome(rule: OutcomeRule | None, study: StudySpec) -> None:
    """`ConfigError` where the mapping tells of another kind of outcome than the study has."""
    if rule is None:
        return
    if study.outcome == "none":
        raise ConfigError(f"study '{study.name}' has no outcome; leave [outcome] out of the mapping.")
    if study.tells_survival and not rule.died:
        raise ConfigError('[outcome] names no code that means died; name them, as in died = ["1"].')
    if not study.tells_survival and (rule.died or rule.survived):
        raise ConfigError(
            f"the outcome of study '{study.name}' is a number, not survival; leave died and survived out of [outcome]."
        )


def _ends(table: pd.DataFrame, rule: OutcomeRule | None, study: StudySpec) -> tuple[pd.Series | None, list[Problem]]:
    """The outcome by stay, +1 or -1 from codes, or a number; None where the file needs no rule."""
    if rule is None:
        return None, []
    value, filled = _coded(table, rule) if study.tells_survival else _numbered(table, rule)
    keys, step = table["traj"].to_numpy(), pd.Series(read_cells(table["step"]).values)
    problems = []
    foreign = np.flatnonzero(filled & value.isna())
    if len(foreign):
        text = plain_codes(table[rule.column].iloc[foreign[:1]]).iloc[0]
        message = f"'{text}' is neither a code for died nor for survived."
        remedy = "Name it in the mapping's [outcome]."
        if not study.tells_survival:
            message, remedy = f"'{text}' is no number.", "Correct it, or map the column that holds the outcome."
        problems.append(_error("outcome-code", message, foreign, rule.column, remedy))
    if rule.place == "last row":
        value = value.where(step == step.groupby(keys, sort=False).transform("max"))
    by_stay = value.groupby(keys, sort=False)
    mixed = np.flatnonzero((by_stay.transform("min") != by_stay.transform("max")) & value.notna())
    if len(mixed):
        message = f"stay {keys[mixed[0]]} has both outcomes on its rows."
        remedy = 'If the outcome stands on the last row alone, say so in the mapping\'s [outcome]: place = "last row".'
        problems.append(_error("outcome-mixed", message, mixed, rule.column, remedy))
    ends = by_stay.last()
    lost = np.flatnonzero(pd.Series(keys).isin(ends.index[ends.isna()]).to_numpy())
    if len(lost) and not len(foreign):
        message = f"stay {keys[lost[0]]} has no outcome; {int(ends.isna().sum()):,} stays have none."
        problems.append(_error("outcome-missing", message, lost, rule.column, "Fill it in, or leave the stays out."))
    return ends, problems


def _coded(table: pd.DataFrame, rule: OutcomeRule) -> tuple[pd.Series, np.ndarray]:
    """+1 or -1 on each row by its code, NaN for another; and where there is one."""
    codes = plain_codes(table[rule.column])
    filled = (codes != "").to_numpy()
    died = codes.isin(plain_codes(rule.died))
    survived = codes.isin(plain_codes(rule.survived)) if rule.survived else filled & ~died
    return pd.Series(np.where(died, DIED, np.where(survived, SURVIVED, np.nan))), filled


def _numbered(table: pd.DataFrame, rule: OutcomeRule) -> tuple[pd.Series, np.ndarray]:
    """The number on each row, NaN for what is none; and where something stands."""
    cells = read_cells(table[rule.column])
    return pd.Series(np.where(cells.usable, cells.values, np.nan), dtype=np.float64), ~cells.missing


def _with_outcome(table: pd.DataFrame, ends: pd.Series) -> pd.DataFrame:
    """0 on every row but a stay's last, which bears its outcome."""
    step = pd.Series(read_cells(table["step"]).values)
    last = step == step.groupby(table["traj"].to_numpy(), sort=False).transform("max")
    outcome = np.where(last, table["traj"].map(ends).to_numpy(np.float64), 0.0)
    return table.assign(outcome=outcome)


def _binned(table: pd.DataFrame, rule: DoseRule, study: StudySpec) -> tuple[pd.DataFrame, list[Problem]]:
    """The study's bin of each dose; a dose that is missing, negative or no number is an error."""
    if not study.actions.ordered:
        message = f"the study's actions are {study.actions.words}, which no dose says."
        remedy = "Leave out [action], and give the number of each action in the column action."
        return table, [_error("dose", message, np.arange(min(1, len(table))), "dose", remedy)]
    cells = read_cells(table["dose"])
    empty = cells.missing if rule.empty == "refuse" else np.zeros(len(table), dtype=bool)
    dose = np.where(cells.missing, 0.0, cells.values)
    bad = np.flatnonzero(empty | ~np.isfinite(dose) | (dose < 0))
    if len(bad):
        remedy = f'Correct it; if an empty cell means no {study.actions.drug}, say so in [action]: empty = "no drug".'
        message = f"'{cells.at(int(bad[0]))}' is no dose; {len(bad):,} rows have none."
        return table, [_error("dose", message, bad, "dose", remedy)]
    above = np.flatnonzero(dose > study.actions.upper[-1])
    problems = []
    if len(above):
        message = (
            f"{len(above):,} doses lie above the study's highest, {study.actions.upper[-1]:,g}; put into its top bin."
        )
        first = int(above[0]) + 1
        problems.append(Problem("dose-above", message, first, "dose", None, "", "warning", len(above)))
    return table.assign(dose=dose, action=study.actions.bin(dose)), problems


def _error(rule: str, message: str, rows: np.ndarray, column: str, remedy: str) -> Problem:
    return Problem(rule, message, int(rows[0]) + 1, column, None, remedy, "error", len(rows))
