"""Who a patient is, in a line: what does not change during the stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.base.text import markdown

if TYPE_CHECKING:
    from core.icu.view import RunView


def who(run: RunView, patient: int) -> str:
    """'**Patient 7** · male, age 64 years' as Markdown."""
    first, study = run.cohort.states[run.cohort.starts[patient]], run.study
    static = []
    for j, column in enumerate(study.columns[: study.n_static]):
        if column.binary:
            static.append(column.word(first[j]) or f"{column.label or column.name} {first[j]:.0f}")
        else:
            static.append(f"{(column.label or column.name).lower()} {first[j]:.0f} {column.unit}")
    return " · ".join(
        [f"**Patient {markdown(run.cohort.patients[patient])}**", *([", ".join(static)] if static else [])]
    )
