"""Convert columns that a file holds in another unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.study import StudySpec
from core.tables.report import Problem
from core.tables.values import Cells


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
            other = known[unit]
            converted[name] = replace(cells[name], values=cells[name].values * other.factor + other.offset)
    return converted, problems
