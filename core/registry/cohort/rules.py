"""Rules that rows of a registry must obey, alone and beside the other rows of their patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from core.registry.cohort.cells import Drugs
from core.registry.cohort.columns import unknown_drug_remedy
from core.registry.cohort.drugs import prescription
from core.registry.spec import ALIVE, Decision, Feature, RegistrySpec
from core.tables.report import Problem
from core.tables.rows import SortedRows, order_warning
from core.tables.rules import listed, number_problems, warned
from core.tables.values import Cells

WORDS = 8  # texts quoted in one message


def stage_problems(cells: Cells, spec: RegistrySpec) -> Iterator[Problem]:
    """A stage is one of the registry's days."""
    yield from number_problems("stage", cells, required=True)
    days = ", ".join(str(day) for day in spec.days)
    unknown = np.flatnonzero(cells.usable & ~np.isin(cells.values, spec.days))
    remedy = f"Give the day of the stage: {days}."
    yield from listed(
        "unknown-stage", "stage", unknown, lambda r: f"{cells.values[r]:g} is no stage.", remedy, cells.at
    )


def feature_problems(feature: Feature, cells: Cells) -> Iterator[Problem]:
    """A feature is a number within its bounds, or one of its categories; a missing one is left open."""
    name, total = feature.name, len(cells.values)
    if total and cells.missing.all():
        remedy = "Record at least some values, or leave the feature out of the registry's definition."
        yield Problem("empty-column", "the column holds no value at all.", None, name, None, remedy, count=total)
        return
    if feature.kind == "category":
        shown = ", ".join(feature.categories)
        other = np.flatnonzero(cells.unreadable)
        remedy = f"The categories are {shown}: write them, or say what each code means in a mapping, [codes.{name}]."
        yield from _counted(
            "unknown-category", name, {row: str(cells.at(row)) for row in other.tolist()}, "no category", remedy
        )
    else:
        assert feature.plausible is not None
        low, high = feature.plausible
        yield from number_problems(name, cells, required=False)
        outside = np.flatnonzero(cells.usable & ((cells.values < low) | (cells.values > high)))
        message = f"is impossible: plausible values are {low:g} to {high:g} {feature.unit}".rstrip()
        remedy = "Correct it, or leave it empty."
        yield from listed(
            "impossible-value", name, outside, lambda r: f"{cells.values[r]:g} {message}.", remedy, cells.at
        )
    missing = np.flatnonzero(cells.missing)
    share = 100 * len(missing) / max(total, 1)
    how = "left open; models read the mean of the training patients, or no category"
    yield from warned(
        "missing-value", name, missing, f"missing values: {len(missing):,} of {total:,} ({share:.1f} %); {how}."
    )


def _counted(rule: str, column: str, texts: Mapping[int, str], what: str, remedy: str) -> Iterator[Problem]:
    """One error for all cells {row: text} of a column that cannot be read: each text with how often it is there."""
    if not texts:
        return
    first = min(texts)
    if len(texts) == 1:
        yield Problem(rule, f"'{texts[first]}' is {what}.", first + 1, column, texts[first], remedy)
        return
    often = Counter(texts[row] for row in sorted(texts)).most_common()
    shown = ", ".join(f"'{text}' ({n:,})" for text, n in often[:WORDS])
    more = f" and {len(often) - WORDS} more" if len(often) > WORDS else ""
    message = f"{len(texts):,} cells are {what}: {shown}{more}."
    yield Problem(rule, message, first + 1, column, texts[first], remedy, "error", len(texts))


def indicator_problems(name: str, cells: Cells) -> Iterator[Problem]:
    """An indicator is 0 or 1 in every row."""
    yield from number_problems(name, cells, required=True)
    other = np.flatnonzero(cells.usable & ~np.isin(cells.values, (0, 1)))
    remedy = "Write 1 (yes) or 0 (no); leave out the row of a stage that was not observed."
    yield from listed("not-binary", name, other, lambda r: f"{cells.values[r]:g} is neither 0 nor 1.", remedy, cells.at)


def kept_after_death(indicators: Mapping[str, Cells], spec: RegistrySpec) -> Iterator[Problem]:
    """What passes is over with death; a flag that a table carries on into the row of the dead is read as 0."""
    if ALIVE not in indicators:
        return
    dead = indicators[ALIVE].values == 0
    for name in spec.passing:
        if name in indicators:
            rows = np.flatnonzero(dead & (indicators[name].values == 1))
            message = f"rows that keep the flag at the stage of death: {len(rows):,}; read as 0, since it is over then."
            yield from warned("flag-after-death", name, rows, message, "Correct 'alive' if the patient lived.")


def drug_cell_problems(column: str, cells: Cells) -> Iterator[Problem]:
    """A cell of a drug column is 0 or 1."""
    wrong = np.flatnonzero(~cells.missing & ~np.isin(cells.values, (0, 1)))
    remedy = "Write 1 where the drug was given and 0 where it was not."
    yield from listed("not-binary", column, wrong, lambda r: f"'{cells.at(r)}' is neither 0 nor 1.", remedy, cells.at)


def drug_problems(decision: Decision, drugs: Drugs) -> Iterator[Problem]:
    """Names that are no drug of the decision; cells without a value."""
    column = decision.name
    if drugs.unknown:
        remedy = unknown_drug_remedy(drugs.unknown[min(drugs.unknown)], decision)
        yield from _counted("unknown-drug", column, drugs.unknown, "no drug of this decision", remedy)
    if drugs.usual:
        shown = [f"'{text}' as {given} ({n:,})" for text, (given, n) in drugs.usual.items()]
        more = f" and {len(shown) - WORDS} more" if len(shown) > WORDS else ""
        message = f"texts read by usual names or separators of drugs: {', '.join(shown[:WORDS])}{more}."
        count = sum(n for _, n in drugs.usual.values())
        remedy = "Say in a mapping what they mean if that is wrong."
        yield Problem("usual-drug-name", message, None, column, None, remedy, "warning", count)
    rows = np.flatnonzero(drugs.missing)
    yield from warned("missing-drug", column, rows, f"rows with empty cells: {len(rows):,}; taken as not given.")


def place_problems(
    decision: Decision, drugs: Drugs, stage: np.ndarray, indicators: Mapping[str, Cells], spec: RegistrySpec
) -> Iterator[Problem]:
    """Drugs are given to the living, at the stages of their decision; stage: (rows,) index, -1 where unknown."""
    column, any_drug = decision.name, drugs.given.any(axis=1)

    def words(row: int) -> str:
        return prescription(drugs.given[row], decision.drugs)[:60]

    if ALIVE in indicators:
        after = np.flatnonzero(any_drug & (indicators[ALIVE].values == 0))
        remedy = "Leave the drugs of the dead empty, or correct 'alive'."
        yield from listed(
            "drug-after-death", column, after, lambda r: f"{words(r)} is given to a dead patient.", remedy, words
        )
    days = ", ".join(str(spec.stages[index].day) for index in decision.stages)
    other = np.flatnonzero(any_drug & (stage >= 0) & ~np.isin(stage, decision.stages))
    remedy = f"Move it to a row of day {days}, or leave it empty."

    def misplaced(row: int) -> str:
        return f"{words(row)} is given on day {spec.stages[int(stage[row])].day}; this decision is made on day {days}."

    yield from listed("drug-outside-stage", column, other, misplaced, remedy, words)
    for name in spec.ending:
        if name in indicators and ALIVE in indicators:
            rows = np.flatnonzero(any_drug & (indicators[name].values == 1) & (indicators[ALIVE].values == 1))
            message = f"rows with drugs after {name}: {len(rows):,}; kept, but {name} ends the decisions."
            yield from warned(f"drug-after-{name}", column, rows, message)


def order_problems(patients: SortedRows, stage: np.ndarray, spec: RegistrySpec) -> Iterator[Problem]:
    """One row a stage (errors); rows in order of patient and stage (warning). stage: (n,) index of sorted rows."""
    same = np.append(False, patients.patient[1:] == patients.patient[:-1]) if len(stage) else np.zeros(0, dtype=bool)
    twice = same & (np.append(0, np.diff(stage)) == 0) if len(stage) else same

    def repeated(row: int) -> str:
        at = patients.sorted_row(row)
        day = spec.stages[int(stage[at])].day
        return f"patient {patients.key(at)} has the stage of day {day} twice (also row {patients.order[at - 1] + 1})."

    yield from listed("duplicate-stage", "stage", patients.order[twice], repeated, "Keep one row a stage.")
    yield from order_warning(patients, "stage", "stage")


def history_problems(patients: SortedRows, indicators: Mapping[str, Cells], spec: RegistrySpec) -> Iterator[Problem]:
    """Nobody lives after death, and nothing that ends the decisions is undone."""
    alive = indicators[ALIVE].values[patients.order]
    died_before = before(alive == 0, patients)

    def who(row: int) -> str:
        return f"patient {patients.key(patients.sorted_row(row))}"

    again = patients.order[died_before & (alive == 1)]
    remedy = "Correct 'alive' in this row or the one before."
    yield from listed("alive-after-death", "alive", again, lambda r: f"{who(r)} is alive after death.", remedy)
    for name in spec.ending:
        value = indicators[name].values[patients.order]
        undone = patients.order[before(value == 1, patients) & (value == 0) & (alive == 1)]
        remedy = f"'{name}' stays 1 from the stage at which it is first seen; correct this row or the one before."
        yield from listed(f"{name}-undone", name, undone, lambda r: f"{who(r)} had it before.", remedy)


def before(event: np.ndarray, patients: SortedRows) -> np.ndarray:
    """(n,) bool of sorted rows: the event (n,) bool has happened at an earlier row of the same patient."""
    count = np.cumsum(event) - event
    return np.asarray(count > np.repeat(count[patients.starts], patients.lengths))


def follow_up_warnings(
    patients: SortedRows, stage: np.ndarray, ended: np.ndarray, spec: RegistrySpec
) -> Iterator[Problem]:
    """Patients without a first row, with gaps, and lost before the last stage; ended: (n,) no more is decided."""
    if not len(stage):
        return
    first, last = patients.starts, patients.starts + patients.lengths - 1
    without = stage[first] > 0
    gaps = (stage[last] - stage[first] + 1) > patients.lengths
    lost = ~ended[last] & (stage[last] < spec.horizon)
    without_ending = f" and without {' or '.join(spec.ending)}" if spec.ending else ""
    for rule, found, text in (
        ("no-first-stage", without, f"patients without a row of day {spec.days[0]}"),
        ("stage-gap", gaps, "patients with a stage missing between others; the step over the gap is not used"),
        ("lost-to-follow-up", lost, f"patients lost before day {spec.days[-1]}, alive{without_ending}"),
    ):
        yield from warned(rule, "stage", patients.order[first[found]], f"{text}: {int(found.sum()):,}.")
