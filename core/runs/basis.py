"""What estimates rest on, in numbers and in a plain sentence: the same words for every study."""

from __future__ import annotations

import math
from typing import Any, Protocol

from core.tables.origin import Origin

SMALL = 100  # fewer patients than this are called few


class Data(Protocol):
    """What the cohort of any study says of itself."""

    @property
    def n_patients(self) -> int: ...
    @property
    def data_hash(self) -> str: ...
    @property
    def origin(self) -> Origin: ...


def evaluated_on(cohort: Data, used: int, own: bool, kind: str) -> dict[str, Any]:
    """How many patients of which data the estimates rest on; `kind` is what the note calls the data."""
    note = f"{used:,} test patients of the run's own {kind}" if own else f"all {used:,} patients of another {kind}"
    note += ", simulated" if cohort.origin.simulated else ""
    note += "; too few for any conclusion" if used < SMALL else ""
    return {
        "patients": cohort.n_patients,
        "data_hash": cohort.data_hash,
        "simulated": cohort.origin.simulated,
        "like": cohort.origin.like,
        "evaluated_patients": used,
        "split": "test" if own else "all",
        "note": f"{note}. Research and teaching only.",
    }


def number(value: float) -> float | None:
    """A JSON number, or null where there is none."""
    return float(value) if math.isfinite(value) else None
