"""What a column's values say together: each may be possible, and all of them make no sense.

Every finding is a sentence with its n, a warning, the gravest first. They are set so that plausible cohorts raise none:
a finding needs several stays, and a margin far beyond chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from core.study import Column, OtherUnit, StudySpec
from core.tables.report import Problem
from core.tables.rows import SortedRows
from core.tables.values import Cells

FEWEST_STAYS = 10  # before anything is said of stays
FEWEST_IN_STAY = 3  # values before a stay can tell that a column never changes
FEWEST_OTHER = 4  # stays in another unit
SHARE_OTHER = 0.08  # of the stays
EXPLAINED = 0.85  # share of unusual stays that the other unit must bring home
FEWEST_ZEROS = 3
MOST_ZEROS_BELOW = 0.05  # a measured value this small, in parts of the median, makes a zero credible
SWAPPED = 0.2  # share of rows
SURE = 3.0  # standard errors
ORDER = (("SBP", "DBP"),)  # the first is never below the second
RULES = (  # the gravest first: what turns a result around, what spoils a column, what a column lacks
    "outcome-and-severity",
    "unit",
    "two-units",
    "swapped-columns",
    "sex-and-height",
    "yes-or-no",
    "zeros",
    "constant",
    "constant-in-stays",
)
NOTES = ("constant", "constant-in-stays")  # worth a look once a table can be used


@dataclass(frozen=True, eq=False)
class _Values:
    """One column in the order of the stays: values (n,) with NaN; by stay (P,) their mean, count and spread."""

    column: Column
    values: np.ndarray
    mean: np.ndarray
    count: np.ndarray
    spread: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Recorded values."""
        return np.asarray(self.values[~np.isnan(self.values)])


def sense_warnings(
    stays: SortedRows, cells: Mapping[str, Cells], filled: np.ndarray | None, study: StudySpec
) -> list[Problem]:
    """All findings on the state columns and the outcome of a table, the gravest first.

    filled: (file rows, D) True for values that were filled in before the table was saved; they tell nothing. Below 10
    stays only a median far outside of the healthy and therapeutic ranges is a finding.
    """
    columns = [
        _values(column, cells[column.name], stays, None if filled is None else filled[:, j])
        for j, column in enumerate(study.columns)
        if column.name in cells
    ]
    few = len(stays.keys) < FEWEST_STAYS
    found = [
        problem
        for one in columns
        for problem in _unit(one, _wide_range(one.column) or one.column.plausible if few else None)
    ]
    if few:
        return found
    found += [problem for one in columns if not one.column.binary for problem in _of_column(one)]
    level = {one.column.name: one.mean for one in columns}
    found += _swapped(stays, cells)
    found += _sexes(study, level)
    found += _outcome(stays, cells, study)
    return sorted(found, key=lambda problem: RULES.index(problem.rule))


def without_notes(problems: list[Problem]) -> list[Problem]:
    """The problems, without the least findings where errors are to be mended first."""
    broken = any(problem.severity == "error" for problem in problems)
    return [problem for problem in problems if not broken or problem.rule not in NOTES]


def usual_range(column: Column) -> tuple[float, float] | None:
    """Where the mean of nearly every stay lies: as the study says, else far around its reference and target ranges."""
    return column.usual or _wide_range(column)


def _wide_range(column: Column) -> tuple[float, float] | None:
    ranges = [pair for pair in (column.reference, column.target) if pair is not None]
    if not ranges:
        return None
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return (low / 2 if low > 0 else 2 * low, 2 * high)


def unit_that_fits(column: Column, value: float, usual: tuple[float, float] | None = None) -> OtherUnit | None:
    """The unit in which a value that is unusual as it stands would be usual."""
    usual = usual or usual_range(column) or column.plausible
    if usual[0] <= value <= usual[1]:
        return None
    return next((other for other in column.other_units if usual[0] <= other.ours(value) <= usual[1]), None)


def _values(column: Column, cells: Cells, stays: SortedRows, filled: np.ndarray | None) -> _Values:
    usable = cells.usable if filled is None else cells.usable & ~filled
    values = np.where(usable, cells.values, np.nan)[stays.order].astype(np.float64)
    known = ~np.isnan(values)
    count = np.add.reduceat(known.astype(np.int64), stays.starts)
    with np.errstate(invalid="ignore"):
        mean = np.add.reduceat(np.where(known, values, 0), stays.starts) / np.where(count, count, np.nan)
        spread = np.fmax.reduceat(values, stays.starts) - np.fmin.reduceat(values, stays.starts)
    return _Values(column, values, mean, count, spread)


def _of_column(one: _Values) -> Iterator[Problem]:
    known = one.known
    if not len(known):
        return
    if (known == known[0]).all():
        if len(known) >= FEWEST_STAYS:
            message = f"all {len(known):,} values are {known[0]:g}."
            yield _warning("constant", one.column.name, message, "Is it the right column?", len(known))
        return
    if np.isin(known, (0, 1)).all():
        yield from _yes_or_no(one)
        return
    yield from _zeros(one)
    yield from _constant_in_stays(one)


def _unit(one: _Values, wide: tuple[float, float] | None) -> Iterator[Problem]:
    """The whole column, or the values of some stays, would be usual in another unit; `wide` instead of the usual range
    where the stays are few."""
    column, mean = one.column, one.mean[one.count > 0]
    if not len(mean) or not column.other_units:
        return
    median = float(np.median(one.known))
    if (other := unit_that_fits(column, median, wide)) is not None:
        message = (
            f"the median of {len(one.known):,} values, {median:.4g} {column.unit}, is unusual; read as {other.unit} it "
            f"would be {other.ours(median):.4g}."
        )
        remedy = f"If the file holds {other.unit}, name that unit in the mapping, or convert the column."
        yield _warning("unit", column.name, message, remedy, len(one.known), median)
        return
    usual = usual_range(column) or column.plausible
    odd = mean[(mean < usual[0]) | (mean > usual[1])]
    if wide is not None or len(odd) < max(FEWEST_OTHER, SHARE_OTHER * len(mean)):
        return
    for other in column.other_units:
        ours = np.array([other.ours(value) for value in odd])
        if np.mean((ours >= usual[0]) & (ours <= usual[1])) >= EXPLAINED:
            rest = mean[(mean >= usual[0]) & (mean <= usual[1])]
            message = (
                f"{len(odd):,} of {len(mean):,} stays look like {other.unit} beside {column.unit}: their values are "
                f"about {np.median(odd):.3g}, those of the others about {np.median(rest):.3g}."
            )
            remedy = f"Convert those stays to {column.unit}."
            yield _warning("two-units", column.name, message, remedy, len(odd), float(odd[0]))
            return


def _yes_or_no(one: _Values) -> Iterator[Problem]:
    known = one.known
    if len(known) >= FEWEST_STAYS:
        message = f"all {len(known):,} values are 0 or 1, like yes and no, where {one.column.unit} are expected."
        yield _warning("yes-or-no", one.column.name, message, "Is it the right column?", len(known))


def _zeros(one: _Values) -> Iterator[Problem]:
    """Exact zeros in a column that is never near zero otherwise."""
    usual = usual_range(one.column)
    known = one.known
    zeros, positive = int((known == 0).sum()), known[known > 0]
    if usual is None or usual[0] <= 0 or zeros < FEWEST_ZEROS or not len(positive):
        return
    if np.quantile(positive, 0.002) > MOST_ZEROS_BELOW * np.median(positive):
        message = (
            f"{zeros:,} of {len(known):,} values are exactly 0, and no other is near it (the least is "
            f"{positive.min():.3g} {one.column.unit}): they look like 'not measured'."
        )
        remedy = "Say in the mapping that 0 means not measured, or leave those cells empty."
        yield _warning("zeros", one.column.name, message, remedy, zeros, 0.0)


def _constant_in_stays(one: _Values) -> Iterator[Problem]:
    """A column that should vary in time, and never does within a stay."""
    told = one.count >= FEWEST_IN_STAY
    if one.column.kind == "static" or told.sum() < FEWEST_STAYS or one.spread[told].any():
        return
    message = f"the value never changes within a stay, in none of {int(told.sum()):,} stays with several values."
    remedy = "Is it the right column, or one value a stay that was copied to all steps?"
    yield _warning("constant-in-stays", one.column.name, message, remedy, int(told.sum()))


def _swapped(stays: SortedRows, cells: Mapping[str, Cells]) -> Iterator[Problem]:
    """Pairs of columns of which one is never below the other."""
    for upper, lower in ORDER:
        if upper in cells and lower in cells:
            first, second = (cells[name].values[stays.order] for name in (upper, lower))
            both = int((~np.isnan(first) & ~np.isnan(second)).sum())
            below = int((first < second).sum())
            if both and below > SWAPPED * both:
                message = f"is below {lower} in {below:,} of {both:,} rows that have both."
                remedy = f"Are {upper} and {lower} swapped?"
                yield _warning("swapped-columns", upper, message, remedy, below)


def _sexes(study: StudySpec, level: Mapping[str, np.ndarray]) -> Iterator[Problem]:
    """Men who are shorter than women: the coding of the sex is turned around."""
    sex = next((column for column in study.columns if column.binary and "female" in column.unit.casefold()), None)
    height = next((column for column in study.columns if column.name.casefold() == "height"), None)
    if sex is None or height is None or sex.name not in level or height.name not in level:
        return
    women = level[sex.name] == (1 if "1 = female" in sex.unit.casefold() else 0)
    men = level[sex.name] == (0 if "1 = female" in sex.unit.casefold() else 1)
    taller, n_men, n_women = _difference(level[height.name], men, women)
    if taller < -SURE:
        message = (
            f"{n_men:,} men are shorter than {n_women:,} women, by the median "
            f"{np.nanmedian(level[height.name][men]):.0f} and {np.nanmedian(level[height.name][women]):.0f} "
            f"{height.unit}."
        )
        yield _warning("sex-and-height", sex.name, message, f"Is the coding {sex.unit}?", n_men + n_women)


def _outcome(stays: SortedRows, cells: Mapping[str, Cells], study: StudySpec) -> Iterator[Problem]:
    """Survivors who were sicker at the end than those who died: the coding of the outcome is turned around."""
    if not study.tells_survival or "outcome" not in cells or study.severity not in cells:
        return
    last = stays.order[stays.starts + stays.lengths - 1]
    outcome, severity = cells["outcome"].values[last], cells[study.severity].values[last]
    sicker, n_died, n_survived = _difference(severity, outcome == -1, outcome == 1)
    if sicker < -SURE:
        message = (
            f"{n_died:,} who died had a lower {study.severity} in the end than {n_survived:,} who survived, by the "
            f"mean {np.nanmean(severity[outcome == -1]):.3g} and {np.nanmean(severity[outcome == 1]):.3g}."
        )
        remedy = f"Is +1 {study.survived_label} and -1 {study.died_label}?"
        yield _warning("outcome-and-severity", "outcome", message, remedy, n_died + n_survived)


def _difference(values: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, int, int]:
    """Mean difference of two groups of stays in standard errors, 0 where either has fewer than 5, and their sizes."""
    one, other = (values[group & np.isfinite(values)] for group in (first, second))
    if min(len(one), len(other)) < 5:
        return 0.0, len(one), len(other)
    error = np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))
    difference = one.mean() - other.mean()
    return float(difference / error) if error > 0 else 0.0, len(one), len(other)


def _warning(rule: str, column: str, message: str, remedy: str, n: int, value: object = None) -> Problem:
    return Problem(rule, message, None, column, value, remedy, "warning", n)
