"""State columns from what a file's columns are called and hold: kind, unit, plausible range, each with its evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.cohort.columns import AGES, OPTIONAL
from core.cohort.define.names import known_late, unit_of
from core.cohort.define.roles import Roles
from core.cohort.rules import FEWEST_CODES, NOT_MEASURED
from core.study import RESERVED, Column, load_study
from core.tables.known_names import known_names, loose
from core.tables.recode import plain_codes, with_points
from core.tables.structure import is_time
from core.tables.values import Cells, read_cells

MOST_UNREADABLE = 0.02  # share of cells of a column of numbers
FAR = 3.0  # widths of the middle 90 % beyond which a repeated code may stand for "not measured"
FEWEST_STAYS = 20  # before a column is taken for a key


@dataclass
class States:
    """Columns with evidence by name, what the mapping says of their cells, and what was left out and why."""

    columns: list[Column] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def ordered(self) -> tuple[Column, ...]:
        """Static columns first."""
        return tuple(sorted(self.columns, key=lambda column: column.kind))


def candidates(table: pd.DataFrame, roles: Roles, states: States) -> list[str]:
    """Columns that may be states, texts of two kinds coded 0 and 1; the others are left out, with the reason."""
    found = []
    for name in table.columns:
        if name in roles.used:
            continue
        why = _no_state(table[name], name, roles)
        if why:  # it tells of time or identity
            states.left_out.append((name, why))
        else:
            found.append(name)
    return found


def _no_state(series: pd.Series, name: str, roles: Roles) -> str:
    """Why a column is no state, "" where it may be one."""
    if name in OPTIONAL or name.startswith(AGES):  # an extraction's: the dose of the step itself is among them
        return "kept beside the states"
    if name in RESERVED:
        return "a name that is reserved"
    if known_late(name):
        return "known only once a stay has ended"
    if is_time(series) or loose(name) in {loose(time) for time in known_names()["keys"]["time"]}:
        return "a time"
    coded = roles.sections.get("codes", {}).get(name)
    cells = read_cells(with_points(series) if roles.sections.get("decimal") == "," and _is_text(series) else series)
    if coded is None and cells.unreadable.mean() > MOST_UNREADABLE:
        texts = sorted(set(plain_codes(series).unique()) - {""})
        if len(texts) != 2:
            return f"text of {len(texts):,} kinds"
        roles.sections.setdefault("codes", {})[name] = {texts[0]: 0.0, texts[1]: 1.0}
    if cells.missing.all():
        return "empty"
    return "the same value everywhere" if len(plain_codes(series.dropna().unique()).unique()) < 2 else ""


def _is_text(series: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(series.dtype)


def add_states(table: pd.DataFrame, names: list[str], roles: Roles, states: States) -> None:
    """Columns of the mapped table (with traj and step), by the field's names where known, else by their quantiles."""
    stay = pd.factorize(table["traj"].to_numpy())[0]
    for name in names:
        cells = read_cells(table[name])
        steady = _steady(cells.values, stay)
        why = _is_clock(cells.values, table, stay, steady) if name not in roles.known else ""
        if why:
            states.left_out.append((name, why))
        elif name in roles.known:
            _known(name, cells, steady, roles, states)
        else:
            _unknown(name, cells, steady, roles, states)


def _steady(values: np.ndarray, stay: np.ndarray) -> bool:
    """True where the column holds one value in every stay, and some stay has it more than once."""
    by_stay = pd.Series(values).groupby(stay)
    return bool((by_stay.nunique() <= 1).all() and (by_stay.count() > 1).any())


def _is_clock(values: np.ndarray, table: pd.DataFrame, stay: np.ndarray, steady: bool) -> str:
    """Why a column of numbers tells of time or identity rather than of the patient's state."""
    whole = np.isfinite(values).all() and (values == np.rint(values)).all()
    stays = int(stay.max()) + 1
    if steady and whole and stays >= FEWEST_STAYS and pd.Series(values).groupby(stay).first().nunique() == stays:
        return "another number for each stay: a key"
    order = np.lexsort((read_cells(table["step"]).values, stay))
    moves = np.diff(values[order])[np.diff(stay[order]) == 0]
    if len(moves) and np.isfinite(moves).all() and moves.min() > 0 and np.ptp(moves) <= 1e-6 * moves.max():
        return f"rises by {moves[0]:g} each step: a clock"
    return ""


def _known(name: str, cells: Cells, steady: bool, roles: Roles, states: States) -> None:
    """A column of the field, with the unit and the ranges that the ICU heparin study has for it."""
    known = load_study().column(roles.known[name])
    unit = roles.sections.get("units", {}).get(name)
    other = next((u for u in known.other_units if u.unit == unit), None)
    ours = cells.values if other is None else other.factor * cells.values + other.offset
    low, high = known.plausible
    outside = np.isfinite(ours) & ((ours < low) | (ours > high))
    codes = _codes(cells.values[outside])
    outside &= ~np.isin(cells.values, codes)
    kind = known.kind if known.kind == "temporal" or steady else "temporal"
    states.columns.append(known.model_copy(update={"name": name, "kind": kind, "behavior_weight": 1.0}))
    said = f"named as {known.label or known.name}; {roles.evidence[f'known.{name}']}"
    if kind != known.kind:
        said += "; it changes within stays"
    if outside.any():
        said += f"; {int(outside.sum()):,} values lie outside and will be refused: correct or empty them"
    states.evidence[name] = said + _missing(name, codes, states)


def _unknown(name: str, cells: Cells, steady: bool, roles: Roles, states: States) -> None:
    """A column that the field's names do not tell of: kind by its changes, range by its quantiles."""
    values = cells.values[cells.usable]
    kind, changes = ("static", "one value in each stay") if steady else ("temporal", "changes within stays")
    coded = roles.sections.get("codes", {}).get(name)
    if np.isin(values, (0, 1)).all():
        meaning = ", ".join(f"{number:g} = {text}" for text, number in coded.items()) if coded else "0 or 1"
        given = Column(name=name, unit=meaning, kind=kind, binary=True, plausible=(0.0, 1.0))
        states.columns.append(given)
        states.evidence[name] = f"not a name that is known here; holds 0 and 1 alone; {changes}"
        return
    middle = np.quantile(values, [0.05, 0.95])
    far = np.abs(values - np.clip(values, *middle)) > FAR * max(float(np.ptp(middle)), 1e-12)
    if not (negative := np.unique(values[values < 0]))[1:].size:
        far |= np.isin(values, negative)  # the only value below 0
    codes = _codes(values[far])
    kept = values[~np.isin(values, codes)]
    q1, q99 = np.quantile(kept, [0.01, 0.99])
    unit = unit_of(name)
    plausible = _range(kept, float(q1), float(q99))
    states.columns.append(Column(name=name, unit=unit or "unknown", kind=kind, plausible=plausible))
    stated = "unit as the name ends" if unit else "the file states no unit: write it here"
    states.evidence[name] = (
        f"not a name that is known here; {changes}; {stated}; the middle 98 % is {q1:.4g} to {q99:.4g}, widened by its "
        f"width on either side" + _missing(name, codes, states)
    )


def _codes(values: np.ndarray) -> list[float]:
    """Codes for "not measured" among values that no patient has: each repeats exactly."""
    found, counts = np.unique(values, return_counts=True)
    return [float(v) for v, n in zip(found, counts, strict=True) if v in NOT_MEASURED and n >= FEWEST_CODES]


def _missing(name: str, codes: list[float], states: States) -> str:
    if not codes:
        return ""
    states.missing[name] = [f"{code:g}" for code in codes]
    return f"; {' and '.join(states.missing[name])} read as not measured"


def _range(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The quantiles widened by their distance, to hold every value, not below 0 where none is."""
    width = max(high - low, float(np.ptp(values)) / 10, 1e-9)
    bottom = min(low - width, float(values.min()))
    bottom = max(bottom, 0.0) if values.min() >= 0 else bottom
    return _outward(bottom, -1), _outward(max(high + width, float(values.max())), 1)


def _outward(value: float, sign: int) -> float:
    """To two significant digits, away from the middle."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    rounded = (math.ceil if sign > 0 else math.floor)(value / unit) * unit
    return float(f"{rounded:.6g}")
