"""What a state of a cohort may know: values from before the dose of its step, or also from after it."""

from __future__ import annotations

from core.tables.origin import Origin
from core.tables.report import CohortReport

AS_OF = {
    "start": "As of the start: a state holds what was measured before its step, so before the dose of the step; the "
    "first measurement after the dose is in the next state.",
    "end": "As of the end: values of a step are those measured within it, so a laboratory value may follow a dose of "
    "the same step, and part of what the dose did may be in the state it is judged from.",
}
UNTOLD = (
    "The file does not tell whether a state holds what was measured before the dose of its step; where it holds what "
    "came after, part of what the dose did is in the state it is judged from."
)


def what_a_state_knows(report: CohortReport, origin: Origin) -> str:
    """The sentence that an extraction left in the report; for a file without one, that it does not tell.

    "" for simulated stays: their states come before their doses.
    """
    told = [note for note in report.notes if note in AS_OF.values()]
    if told:
        return told[0]
    return "" if origin.simulated else UNTOLD
