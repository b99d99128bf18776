"""What a check of a cohort found: problems by row and column, attrition, and a summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Problem:
    """One broken rule.

    `row` is the data row (1 = first row below the header), None where a whole column or file is meant. `remedy` says
    what to do. `severity`: an "error" refuses the file, a "warning" was mended as stated (imputed, patient dropped).
    `count` is how many rows break the same rule in the same column; the first ones are listed.
    """

    rule: str
    message: str
    row: int | None = None
    column: str | None = None
    value: Any = None
    remedy: str = ""
    severity: Literal["error", "warning"] = "error"
    count: int = 1

    @property
    def place(self) -> tuple[str, str | None, int | None, str]:
        """What makes two findings the same one."""
        return self.rule, self.column, self.row, self.message

    def __str__(self) -> str:
        place = f"row {self.row}, " if self.row is not None else ""
        place += f"column '{self.column}': " if self.column else ""
        return f"{place}{self.message} {self.remedy}".strip()


@dataclass(frozen=True)
class Exclusion:
    """One step of the attrition chart: how many patients and rows a reason removed, and how many remain."""

    reason: str
    patients: int
    rows: int
    patients_left: int
    rows_left: int

    @property
    def left(self) -> tuple[int, int]:
        """Patients and rows that remain."""
        return self.patients_left, self.rows_left


def attrition_chart(patients: int, rows: int, *removed: tuple[str, int, int]) -> tuple[Exclusion, ...]:
    """From what was read to what is left, given (reason, patients, rows) of each removal in turn."""
    chart = [Exclusion("rows read", 0, 0, patients, rows)]
    for reason, fewer_patients, fewer_rows in removed:
        patients, rows = patients - fewer_patients, rows - fewer_rows
        chart.append(Exclusion(reason, fewer_patients, fewer_rows, patients, rows))
    return tuple(chart)


@dataclass(frozen=True)
class CohortReport:
    """Outcome of `check_cohort`; never an exception.

    `notes`: where an extract comes from, and by which rules. `mapping`: the document, as TOML, through which the file
    was read; empty where it was in the study's form.
    """

    problems: tuple[Problem, ...] = ()
    attrition: tuple[Exclusion, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    mapping: str = ""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "warning")

    @property
    def ok(self) -> bool:
        """True where the cohort can be used (warnings allowed)."""
        return not self.errors

    def following(self, earlier: CohortReport) -> CohortReport:
        """This report with what was noted before the stays were saved in front of it.

        Its warnings come first, and its attrition goes on with the exclusions of this check. An attrition that does
        not end with the stays that this check began with belongs to another table and is left out.
        """
        found = {problem.place for problem in self.problems}
        noted = tuple(problem for problem in earlier.warnings if problem.place not in found)
        attrition = self.attrition
        if earlier.attrition and attrition and earlier.attrition[-1].left == attrition[0].left:
            attrition = (*earlier.attrition, *(step for step in attrition[1:] if step.patients or step.rows))
        notes, mapping = earlier.notes + self.notes, self.mapping or earlier.mapping
        return CohortReport(noted + self.problems, attrition, self.summary, notes, mapping)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a run folder; example values are kept as text."""
        problems = [{**asdict(p), "value": None if p.value is None else str(p.value)} for p in self.problems]
        values: dict[str, Any] = {"problems": problems, "attrition": [asdict(step) for step in self.attrition]}
        values |= {"notes": list(self.notes)} if self.notes else {}
        return values | ({"mapping": self.mapping} if self.mapping else {})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CohortReport:
        """Rebuild what `to_json` wrote."""
        problems = tuple(Problem(**problem) for problem in values.get("problems", ()))
        attrition = tuple(Exclusion(**step) for step in values.get("attrition", ()))
        notes = tuple(map(str, values.get("notes", ())))
        return cls(problems, attrition, notes=notes, mapping=str(values.get("mapping", "")))
