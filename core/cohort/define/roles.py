"""Which columns of a file are its keys, its times, its outcome and its dose: the mapping's part of a proposed study."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.cohort.define.names import drug_of, names, tells_survival, tells_the_outcome, unit_of
from core.study import load_study
from core.tables.known_names import known_names, loose
from core.tables.propose import Proposed, propose_mapping
from core.tables.recode import plain_codes
from core.tables.values import read_cells

MISFIT = "its values do not fit"  # in the evidence for a column that bears a study's own name alone
FEWEST_ZEROS = 0.05  # share of zeros of a column that may be a dose
YES_OR_NO = {"0", "1", "yes", "no", "y", "n", "true", "false"}  # codes whose sense is the column's name
NAMED_AT_MOST = 6  # candidates in one message


@dataclass(frozen=True)
class Told:
    """What a person says about a file, by column names of the file; empty: to be found."""

    drug: str = ""
    dose: str = ""
    outcome: str = ""
    stay: str = ""
    step_hours: float | None = None


@dataclass
class Roles:
    """Sections of the mapping, evidence by their place in the study's file, and what is left for states.

    known: file's column -> column of the ICU heparin study that it is; dose: the file's column, "" where the file
    holds bins; doubts: why names that are known were not taken.
    """

    sections: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    used: set[str] = field(default_factory=set)
    dose: str = ""
    drug: str = ""
    unit: str = ""

    def name(self, target: str, source: str, evidence: str) -> None:
        """A column of the study's form is this one of the file."""
        self.used.add(source)
        if source != target:
            self.sections.setdefault("columns", {})[target] = source
        self.evidence[f"mapping.columns.{target}"] = evidence

    @property
    def stay(self) -> str:
        return str(self.sections.get("columns", {}).get("traj", "traj"))


def find_roles(table: pd.DataFrame, told: Told) -> Roles:
    """`ConfigError` where a role cannot be found, or a column that a person names is not there."""
    for given in (told.dose, told.outcome, told.stay):
        if given and given not in table.columns:
            close = difflib.get_close_matches(given, list(table.columns), n=1)
            raise ConfigError(f"the file has no column '{given}'{f'; is it {close[0]!r}?' if close else '.'}")
    roles = Roles()
    _dose(table, told, roles)
    rest = table.drop(columns=[c for c in (roles.dose, told.outcome) if c])
    if told.stay and told.stay != "traj":
        rest = rest.drop(columns="traj", errors="ignore").rename(columns={told.stay: "traj"})
    found = propose_mapping(rest, load_study())
    _keys(found, told, roles)
    _outcome(table, found, told, roles)
    _states(found, roles)
    if found.mapping.decimal == ",":
        roles.sections["decimal"] = ","
        roles.evidence["mapping.decimal"] = "numbers are written with a decimal comma"
    return roles


def _dose(table: pd.DataFrame, told: Told, roles: Roles) -> None:
    """Bins where a column `action` holds them; else the raw dose, by the name of a known drug."""
    named = [(drug, c) for drug in names().drugs for c in table.columns if drug_of(c) == drug]
    plain = {loose(name) for name in known_names()["roles"]["dose"]}
    named += [("", c) for c in table.columns if loose(c) in plain or "dose" in loose(c)]
    source = told.dose or next((c for _, c in named if _is_dose(table[c])), "")
    if not told.dose and "action" in table.columns and _are_bins(table["action"]):
        roles.name("action", "action", "dose bins")
        roles.drug, roles.unit = told.drug or "drug", "bin"
        return
    if not source or not _is_dose(table[source]):
        raise ConfigError(_no_dose(table, source))
    roles.dose, roles.drug = source, told.drug or drug_of(source) or "drug"
    roles.used.add(source)
    known = names().drugs.get(roles.drug)
    roles.unit = unit_of(source) or (known.unit if known else "unknown")
    cells = read_cells(table[source])
    roles.sections["action"] = {"dose": source}
    if cells.missing.any():
        roles.sections["action"]["empty"] = "no drug"
    share = 100 * np.mean(np.nan_to_num(cells.values) > 0)
    empty = f"; {int(cells.missing.sum()):,} empty cells are read as no drug" if cells.missing.any() else ""
    roles.evidence["mapping.action"] = f"raw doses: {share:.1f} % of {len(cells.values):,} rows above 0{empty}"
    told_unit = "as its name says" if unit_of(source) else "usual for the drug, not stated in the file: look it up"
    roles.evidence["actions.unit"] = told_unit if roles.unit != "unknown" else "not stated in the file: write it here"
    others = [c for _, c in named if c != source and c in table.columns and _is_dose(table[c])]
    kept = f"; {', '.join(dict.fromkeys(others))} stay states" if others else ""
    why = "as asked" if told.dose else "the first column that is named as a dose"
    roles.evidence["actions"] = f"column '{source}': {why}{kept}"


def _are_bins(series: pd.Series) -> bool:
    """Whole numbers from 0."""
    values = read_cells(series).values
    return bool(len(values) and np.isfinite(values).all() and values.min() >= 0 and (values == np.rint(values)).all())


def _is_dose(series: pd.Series) -> bool:
    """Numbers from 0, some of them above 0, empty or not."""
    cells = read_cells(series)
    values = cells.values[~cells.missing]
    return bool(len(values) and not cells.unreadable.any() and values.min() >= 0 and values.max() > 0)


def _no_dose(table: pd.DataFrame, source: str) -> str:
    if source:
        return f"'{source}' is no dose: it must hold numbers from 0, some of them above 0."
    maybe = [
        c
        for c in table.columns
        if _is_dose(table[c])
        and np.mean(read_cells(table[c]).values == 0) >= FEWEST_ZEROS
        and table[c].nunique() > 2
        and not tells_the_outcome(c)
    ]
    hint = f", for example {', '.join(maybe[:NAMED_AT_MOST])}" if maybe else ""
    return f"no column is named as the dose of a drug; name the one to learn from{hint} (on the command line: --dose)."


def _keys(found: Proposed, told: Told, roles: Roles) -> None:
    """Stay, step or time, and person, as `core.tables.propose` finds them."""
    by_target = {proposal.target: proposal for proposal in found.proposals}
    if "traj" not in by_target:
        raise ConfigError("no column names the stays; name it (on the command line: --stay).")
    if "step" not in by_target:
        raise ConfigError(
            "no column counts the steps of a stay (0, 1, 2, ... or 1, 2, 3, ...) or holds times; add one, or name the "
            "key of the stays (on the command line: --stay)."
        )
    for target in ("traj", "subject"):
        if target in by_target:
            source = told.stay if target == "traj" and told.stay else by_target[target].source
            roles.name(target, source, by_target[target].evidence)
    step = by_target["step"]
    if found.mapping.time is None:
        roles.name("step", step.source, step.evidence)
        return
    roles.used.add(step.source)
    roles.sections["time"] = found.mapping.time.model_dump(exclude_defaults=True)
    roles.evidence["mapping.time"] = step.evidence


def _states(found: Proposed, roles: Roles) -> None:
    """Columns of the file that are known, with their units and codes, under their own names."""
    study = load_study()
    roles.doubts = found.doubts
    for proposal in found.proposals:
        source = proposal.source
        if proposal.target not in study.names or source in roles.used or MISFIT in proposal.evidence:
            continue
        roles.known[source] = proposal.target
        roles.evidence[f"known.{source}"] = proposal.evidence
        for section in ("units", "codes"):
            given = found.mapping.model_dump(exclude_defaults=True).get(section, {})
            if proposal.target in given:
                roles.sections.setdefault(section, {})[source] = given[proposal.target]


def _outcome(table: pd.DataFrame, found: Proposed, told: Told, roles: Roles) -> None:
    """Who died: as `core.tables.propose` finds it, else a two-coded column whose name tells how a stay ended."""
    proposal = next((p for p in found.proposals if p.target == "outcome"), None)
    if not told.outcome and proposal is not None:
        source = proposal.source
        if found.mapping.outcome is not None and not tells_survival(source):
            roles.used.add(source)
            roles.sections["outcome"] = found.mapping.outcome.model_dump(exclude_defaults=True)
            roles.evidence["mapping.outcome"] = proposal.evidence
            return
        if found.mapping.outcome is None and "-1" in set(plain_codes(table[source])):
            roles.name("outcome", source, proposal.evidence)
            return
    free = [c for c in table.columns if c not in roles.used]
    named = [c for c in free if tells_the_outcome(c) and len(_codes(table[c])) == 2]
    sources = [told.outcome] if told.outcome else named or [c for c in free if _died_or_survived(table[c])]
    if not sources:
        raise ConfigError("no column with two codes tells how a stay ended; name it (on the command line: --outcome).")
    _rule(table, sources[0], roles)


def _codes(series: pd.Series) -> list[str]:
    return sorted(set(plain_codes(series).unique()) - {""})


def _died_or_survived(series: pd.Series) -> bool:
    """True where the column holds a word for died and one for survived, and nothing else."""
    if pd.api.types.is_numeric_dtype(series.dtype):
        return False
    codes, words = {code.casefold() for code in _codes(series)} - YES_OR_NO, names().after
    return len(codes) == 2 and len(codes & set(words.died)) == len(codes & set(words.survived)) == 1


def _rule(table: pd.DataFrame, source: str, roles: Roles) -> None:
    """The mapping's [outcome] for a column of two codes; where no word says which means died, the rarer one does."""
    codes, words = _codes(table[source]), names().after
    if set(codes) == {"-1", "0", "1"}:
        roles.name("outcome", source, "0, and +1 or -1 on each stay's last row")
        return
    if len(codes) != 2:
        raise ConfigError(f"'{source}' holds {len(codes)} codes; the outcome of a stay has two, died and survived.")
    neutral = {code.casefold() for code in codes} <= YES_OR_NO
    bad = words.survived if tells_survival(source) and neutral else words.died
    died = [code for code in codes if code.casefold() in bad] if "-1" not in codes else ["-1"]
    by_stay = table.groupby(roles.stay, sort=False)[source]
    last = plain_codes(by_stay.last())
    share = {code: float((last == code).mean()) for code in codes}
    why = "by its name"
    if len(died) != 1:
        died, why = [min(codes, key=lambda code: share[code])], "the rarer code: look whether that is so"
    every = bool((by_stay.nunique(dropna=False) == 1).all())
    place = "every row" if every else "last row"
    survived = [code for code in codes if code not in died]
    roles.used.add(source)
    roles.sections["outcome"] = {"column": source, "died": died, "survived": survived, "place": place}
    found = f"two codes, {codes[0]} and {codes[1]}, on {place}"
    roles.evidence["mapping.outcome"] = f"{found}; {died[0]} = died ({100 * share[died[0]]:.1f} % of stays), {why}"
