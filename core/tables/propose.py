"""A first mapping for a file: columns by the field's names and what they hold, keys by structure, each with evidence.

Nothing is guessed by spelling alone: a name is known or it is not, and its values must fit the study's range, as they
stand or in a unit that explains them. One column of the file serves one column of the study.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.study import Column, StudySpec
from core.tables.fits import Fit, codes_not_measured, doubt_of, fit_of
from core.tables.known_names import known_names, loose
from core.tables.mapping import TableMapping, parse_mapping
from core.tables.recode import plain_codes, with_points
from core.tables.structure import find_keys, is_time
from core.tables.values import read_cells, safe_text

MOST_ROWS = 200_000  # rows whose values are looked at


@dataclass(frozen=True)
class Proposal:
    """One line of a proposal: which column of the file serves which of the study's, and why."""

    target: str
    source: str
    evidence: str


@dataclass(frozen=True)
class Proposed:
    """A mapping to look at and correct. `doubts`: names that would fit but whose values do not, in words; `lacking`:
    columns of the study for which the file has nothing."""

    mapping: TableMapping
    proposals: tuple[Proposal, ...]
    doubts: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def evidence(self) -> dict[str, str]:
        """{study's column or role: why}, for the comments of the document."""
        return {proposal.target: proposal.evidence for proposal in self.proposals}


@dataclass
class _Found:
    """What is collected on the way, as the mapping's own sections."""

    sections: dict[str, dict] = field(default_factory=dict)
    proposals: list[Proposal] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def add(self, target: str, source: str, evidence: str) -> None:
        if source != target:
            self.sections.setdefault("columns", {})[target] = source
        self.propose(target, source, evidence)

    def propose(self, target: str, source: str, evidence: str) -> None:
        self.used.add(source)
        self.proposals.append(Proposal(target, source, evidence))


def propose_mapping(frame: pd.DataFrame, study: StudySpec) -> Proposed:
    """The mapping that a file seems to need; empty where it is in the study's form. Never raises on bad data."""
    table = frame.head(MOST_ROWS).copy(deep=False)
    table.columns = pd.Index([safe_text(name) for name in frame.columns], dtype=object)
    table = table.loc[:, ~table.columns.duplicated(keep=False)].reset_index(drop=True)
    found = _Found()
    if _decimal_commas(table):
        found.sections["decimal"] = ","  # type: ignore[assignment]
        found.proposals.append(Proposal("decimal", "every column", "numbers are written with a decimal comma"))
        table = _with_points(table)
    _keys(table, found)
    for column in study.columns:
        _state(table, column, found)
    _outcome(table, study, found)
    _dose(table, study, found)
    targets = {proposal.target for proposal in found.proposals}
    lacking = [name for name in study.names if name not in targets]
    mapping = parse_mapping(found.sections, "proposed mapping")
    return Proposed(mapping, tuple(found.proposals), tuple(found.doubts), tuple(lacking))


def _named(table: pd.DataFrame, names: Iterable[str], used: set[str]) -> list[str]:
    """Unused columns of the file that bear one of these names, in the order of the names."""
    by_name: dict[str, list[str]] = {}
    for column in table.columns:
        by_name.setdefault(loose(column), []).append(column)
    found = [column for name in names for column in by_name.get(loose(name), []) if column not in used]
    return list(dict.fromkeys(found))


def _keys(table: pd.DataFrame, found: _Found) -> None:
    """Stay, step or time, and person."""
    names = known_names()["keys"]
    preferred = [*_named(table, ["traj", *names["traj"]], set()), *_named(table, names["step"], set())]
    keys = find_keys(table, preferred)
    if keys is not None:
        rows = f"{len(table):,} rows"
        found.add("traj", keys.traj, f"{keys.stays:,} values; with {keys.step} it names each of {rows} once")
        found.add("step", keys.step, f"counts up by one from {keys.first} in each stay")
    else:
        _time(table, found)
    for person in _named(table, ["subject", *names["subject"]], found.used):
        stay = found.sections.get("columns", {}).get("traj", "traj")
        if stay in table.columns and table.groupby(stay, sort=False)[person].nunique().max() == 1:
            found.add("subject", person, f"{table[person].nunique():,} persons; the same on all rows of a stay")
            return


def _time(table: pd.DataFrame, found: _Found) -> None:
    """A stay's key by name and a column of times, where no column counts the steps."""
    names = known_names()["keys"]
    stays = _named(table, ["traj", *names["traj"]], set())
    times = [column for column in table.columns if is_time(table[column])]
    times = [*(c for c in _named(table, names["time"], set()) if c in times), *times]
    numeric = [c for c in _named(table, ["hours", *names["time"]], set()) if c not in times and _is_number(table[c])]
    if not stays:
        return
    found.add("traj", stays[0], f"named as a stay's key; {table[stays[0]].nunique():,} values")
    if times:
        found.sections["time"] = {"column": times[0]}
        found.propose("step", times[0], "dates and times, from which steps and hours follow")
    elif numeric:
        kind = "minutes" if read_cells(table[numeric[0]]).values.max() > 24 * 60 else "hours"
        found.sections["time"] = {"column": numeric[0], "kind": kind}
        found.propose("step", numeric[0], f"numbers named as a time; read as {kind}")


def _is_number(series: pd.Series) -> bool:
    return not read_cells(series).unreadable.any()


def _state(table: pd.DataFrame, column: Column, found: _Found) -> None:
    """The first column of a known name whose values fit."""
    names = [column.name, *known_names()["columns"].get(column.name, ())]
    candidates = _named(table, [*names, *_written_longer(names, column)], found.used)
    exact = [name for name in candidates if name == column.name]
    for source in [*exact, *(name for name in candidates if name not in exact)]:
        gone = codes_not_measured(table[source], column)
        series = table[source]
        known = series.astype(object).mask(plain_codes(series).isin(gone), None) if gone else series
        fit = fit_of(known, column)
        if fit is None:
            found.doubts.append(doubt_of(table[source], source, column))
            if source != column.name:
                continue
            fit = Fit("the study's own name; its values do not fit")
        not_measured = f"{', '.join(gone)} are impossible and repeat, as if not measured; " if gone else ""
        found.add(column.name, source, f"{not_measured}{fit.evidence}")
        if gone:
            found.sections.setdefault("missing", {})[column.name] = gone
        if fit.unit is not None:
            found.sections.setdefault("units", {})[column.name] = fit.unit
        if fit.codes:
            found.sections.setdefault("codes", {})[column.name] = fit.codes
        return


def _written_longer(names: Sequence[str], column: Column) -> list[str]:
    """The names with a unit of the column behind them, whole or as far as its stroke (map_mmhg, lactate_mmol), or with
    a word that says nothing else (serum_sodium, lactate_value)."""
    around, spelled = known_names()["around"], known_names()["units"]
    units = [column.unit, *(other.unit for other in column.other_units)]
    endings = [loose(part) for unit in units for part in (unit, unit.split("/")[0], *spelled.get(unit, ()))]
    endings = [ending for ending in endings if ending and not ending.isdigit()]
    behind = [f"{name}_{ending}" for name in names for ending in (*endings, *around["after"])]
    return [*behind, *(f"{word}_{name}" for name in names for word in around["before"])]


def _outcome(table: pd.DataFrame, study: StudySpec, found: _Found) -> None:
    """Who died: the study's own column, or a two-coded one of a known name, on every row or on the last; a number where
    the study's outcome is one."""
    if study.outcome == "none":
        return
    own = _named(table, ["outcome", *study.outcome_labels], found.used)
    if not study.tells_survival:
        _number(table, own, found)
        return
    for source in own:
        if set(plain_codes(table[source]).unique()) <= {"-1", "0", "1"}:
            found.propose("outcome", source, "0, and +1 or -1 on each stay's last row")
            return
    stay = found.sections.get("columns", {}).get("traj", "traj")
    for source in [*own, *_named(table, known_names()["roles"]["outcome"], found.used)]:
        codes = sorted(set(plain_codes(table[source]).unique()) - {""})
        died = [code for code in codes if code.casefold() in _DIED]
        if len(codes) != 2 or len(died) != 1 or stay not in table.columns:
            continue
        every = bool((table.groupby(stay, sort=False)[source].nunique(dropna=False) == 1).all())
        place = "every row" if every else "last row"
        survived = [code for code in codes if code not in died]
        found.sections["outcome"] = {"column": source, "died": died, "survived": survived, "place": place}
        found.propose("outcome", source, f"two codes, {codes[0]} and {codes[1]}, on {place}; {died[0]} = died")
        return


def _number(table: pd.DataFrame, own: list[str], found: _Found) -> None:
    """The study's own column of numbers, as the study has it or the same on every row of a stay."""
    stay = found.sections.get("columns", {}).get("traj", "traj")
    for source in own:
        cells = read_cells(table[source])
        if cells.unreadable.any() or not cells.usable.any():
            continue
        if stay in table.columns and (table.groupby(stay, sort=False)[source].nunique(dropna=False) == 1).all():
            found.sections["outcome"] = {"column": source}
            found.propose("outcome", source, "the same number on every row of a stay")
        else:
            found.propose("outcome", source, "a number, 0 before each stay's last row")
        return


_DIED = {"1", "died", "dead", "expired", "deceased", "true", "yes", "y"}


def _dose(table: pd.DataFrame, study: StudySpec, found: _Found) -> None:
    """The action, or a raw dose of a known name to be put into the study's bins."""
    if own := _named(table, ["action"], found.used):
        found.add("action", own[0], f"dose bins, 0 to {study.n_actions - 1}")
        return
    drug = loose(study.actions.drug)
    of_drug = [*(f"{drug}_{word}" for word in known_names()["around"]["dose"]), drug]
    named = _named(table, [*known_names()["roles"]["dose"], *of_drug], found.used)
    for source in named:
        cells = read_cells(table[source])
        values = cells.values[cells.usable]
        if len(values) and not cells.unreadable.any() and values.min() >= 0:
            rule: dict[str, str] = {"dose": source}
            if cells.missing.any():
                rule["empty"] = "no drug"
            found.sections["action"] = rule
            share = f"{100 * np.mean(values > 0):.1f} % above 0, up to {values.max():,.0f}"
            empty = f"; {int(cells.missing.sum()):,} empty cells are read as no drug" if cells.missing.any() else ""
            found.propose("action", source, f"raw doses, {share}; put into the study's {study.n_actions} bins{empty}")
            return


def _decimal_commas(table: pd.DataFrame) -> bool:
    """True where most text columns of numbers write a decimal comma."""
    commas = points = 0
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name].dtype):
            continue
        sample = table[name].dropna().head(200).astype(str).str.strip()
        commas += int(sample.str.fullmatch(r"[+-]?[\d.]*\d,\d+").sum())
        points += int(sample.str.fullmatch(r"[+-]?\d+\.\d+").sum())
    return commas > 0 and commas > 10 * points


def _with_points(table: pd.DataFrame) -> pd.DataFrame:
    """Decimal commas as points in the columns that hold them, for the looks that follow."""
    return pd.DataFrame(table.apply(lambda s: s if pd.api.types.is_numeric_dtype(s.dtype) else with_points(s)))
