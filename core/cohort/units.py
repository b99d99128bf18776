"""Units: convert columns that a file holds in another unit, and notice those that look like one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from core.study import Column, OtherUnit, StudySpec
from core.tables.report import Problem
from core.tables.values import Cells

TOLERANCE = 2.0  # a median beyond twice the healthy range's end, or below half its start, is unusual in any cohort


def convert_units(
    cells: Mapping[str, Cells], units: Mapping[str, str], study: StudySpec
) -> tuple[dict[str, Cells], list[Problem]]:
    """Cells in the study's units, given {column: the file's unit}, and what is wrong with the request."""
    converted, problems = dict(cells), []
    for name, unit in units.items():
        column = study.column(name) if name in study.names else None
        known = {} if column is None else {other.unit: other for other in column.other_units}
        if column is None or (unit not in known and unit != column.unit):
            choice = ", ".join((column.unit, *known)) if column else f"columns of the study: {', '.join(study.names)}"
            problems.append(
                Problem("unknown-unit", f"the unit '{unit}' is not known.", None, name, unit, f"Use {choice}.")
            )
        elif name in cells and unit in known:
            converted[name] = replace(cells[name], values=_convert(cells[name].values, known[unit]))
    return converted, problems


def unit_warning(column: Column, cells: Cells) -> Iterator[Problem]:
    """Warn where the column's median is unusual as it stands and usual when read in another known unit."""
    values = cells.values[cells.usable]
    if not len(values) or not column.other_units:
        return
    median = float(np.median(values))
    low, high = column.plausible
    if column.reference is not None:
        low, high = column.reference[0] / TOLERANCE, column.reference[1] * TOLERANCE
    if low <= median <= high:
        return
    for other in column.other_units:
        after = float(_convert(np.array([median]), other)[0])
        if low <= after <= high:
            message = f"the median, {median:g} {column.unit}, is unusual; read as {other.unit} it would be {after:.4g}."
            remedy = f"If the file holds {other.unit}, say so when loading (units: {column.name} = {other.unit})."
            yield Problem("unit", message, None, column.name, median, remedy, "warning", len(values))
            return


def _convert(values: np.ndarray, other: OtherUnit) -> np.ndarray:
    return values * other.factor + other.offset
