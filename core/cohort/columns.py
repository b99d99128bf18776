"""From a file's column names to the study's: explicit mapping, exact names, outcome labels, then case and blanks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.study import StudySpec
from core.tables.known_names import known_as
from core.tables.report import Problem
from core.tables.values import safe_text

# Kept beside the states when a file has them: units given in the step, its start in hours from onset, a number for the
# person, where one person has several stays (a split never parts them), and what an extraction gave by kind of drug.
OPTIONAL = (
    "dose", "hours", "subject",
    "dose_drip", "dose_bolus", "dose_subcutaneous", "dose_flush", "dose_circuit", "dose_emar",
)  # fmt: skip
AGES = "age: "  # columns of an extract with the hours since each value was measured; kept in the file alone
IMPUTED = "_imputed"  # packed imputation flags that `save_cohort` writes into Parquet
LISTED = 10  # names quoted in one message


@dataclass(frozen=True)
class Resolution:
    """Where each needed column sits in a file, and what is wrong with the names.

    positions: our name -> column position in the file; renamed: file's name -> our name where they differ.
    """

    positions: Mapping[str, int]
    renamed: Mapping[str, str]
    problems: tuple[Problem, ...]


def needed_columns(study: StudySpec) -> tuple[str, ...]:
    """Names that a cohort file must have, in the order of `Cohort.frame`."""
    outcome = () if study.outcome == "none" else ("outcome",)
    return ("traj", "step", *study.names, "action", *given_reward(study), *outcome)


def given_reward(study: StudySpec) -> tuple[str, ...]:
    """The column of the reward as given, where the study names one."""
    return (study.reward_column,) if study.reward_column else ()


def resolve_columns(names: Iterable[object], study: StudySpec, columns: Mapping[str, str] | None) -> Resolution:
    """Find every needed and optional column among a file's names.

    An explicit `columns` mapping wins, then the exact name (for the outcome also the study's outcome labels), then
    the name without regard to case and outer blanks where only one column fits.
    """
    labels = [safe_text(name) for name in names]
    wanted = (*needed_columns(study), *OPTIONAL, IMPUTED)
    problems, positions = _mapped(labels, wanted, dict(columns or {}))
    claimed: set[int] = set()
    for target in wanted:
        if target in positions:
            continue
        hits = _hits(labels, target, study, set(positions.values()))
        if len(hits) == 1:
            positions[target] = hits[0]
        elif len(hits) > 1:
            claimed.update(hits)
            problems.append(_ambiguous(target, [labels[i] for i in hits]))
    blamed = {problem.column for problem in problems}
    for target in needed_columns(study):
        if target not in positions and target not in blamed:
            problems.append(_missing(target, labels, positions, study))
    used = claimed.union(positions.values())
    ignored = [label for i, label in enumerate(labels) if i not in used and not label.startswith(AGES)]
    if ignored:
        problems.append(_ignored(ignored))
    renamed = {labels[i]: target for target, i in positions.items() if labels[i] != target}
    return Resolution(positions, renamed, tuple(problems))


def _mapped(
    labels: list[str], wanted: tuple[str, ...], columns: dict[str, str]
) -> tuple[list[Problem], dict[str, int]]:
    """Positions from the explicit mapping, and what is wrong with it."""
    problems: list[Problem] = []
    positions: dict[str, int] = {}
    for given, target in columns.items():
        rule, remedy = "column-mapping", ""
        if target not in wanted:
            message, remedy = (
                f"'{given}' is mapped to '{target}', which the study does not have.",
                "Correct the mapping.",
            )
        elif given not in labels:
            message, remedy = f"'{given}' is mapped to '{target}' but is not in the file.", "Correct the mapping."
        elif target in positions:
            message, remedy = f"two columns are mapped to '{target}'.", "Map one of them."
        else:
            positions[target] = labels.index(given)
            continue
        problems.append(Problem(rule, message, column=target, remedy=remedy))
    return problems, positions


def _hits(labels: list[str], target: str, study: StudySpec, taken: set[int]) -> list[int]:
    """Positions that may stand for the target: exact names first, then the forgiving comparison."""
    free = [i for i in range(len(labels)) if i not in taken]
    exact = [i for i in free if labels[i] == target]
    if exact or target == IMPUTED:
        return exact
    accepted = (target, *study.outcome_labels) if target == "outcome" else (target,)
    aliases = [i for i in free if labels[i] in accepted]
    plain = {_plain(name) for name in accepted}
    exact_names = {*study.names, *given_reward(study), *OPTIONAL, "traj", "step", "action"} - {target}
    return aliases or [i for i in free if _plain(labels[i]) in plain and labels[i] not in exact_names]


def _plain(name: str) -> str:
    return name.strip().casefold()


def _ambiguous(target: str, found: list[str]) -> Problem:
    if len(set(found)) == 1:
        message = f"the name appears {len(found)} times in the header."
        return Problem("duplicate-column", message, column=target, remedy="Keep one of them.")
    names = ", ".join(f"'{name}'" for name in found)
    remedy = f"Say in the mapping which of them is '{target}'."
    return Problem("ambiguous-column", f"several columns fit: {names}.", column=target, remedy=remedy)


def _missing(target: str, labels: list[str], positions: dict[str, int], study: StudySpec) -> Problem:
    also = f" (or {', '.join(study.outcome_labels)})" if target == "outcome" and study.outcome_labels else ""
    free = [label for i, label in enumerate(labels) if i not in positions.values()]
    usual = known_as(target, free)
    without = ", or say there that the study goes without it" if target in study.names else ""
    remedy = f"Add it{also}, or name your own column for it in the mapping{without}."
    if usual:
        remedy = f"Is it '{usual[0][:60]}', as other tools call it? Then say so in the mapping."
    return Problem("missing-column", "the column is missing.", column=target, remedy=remedy)


def _ignored(names: list[str]) -> Problem:
    listed = ", ".join(f"'{name[:60]}'" for name in names[:LISTED])
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    message = f"columns that the study does not use were ignored: {listed}{more}."
    return Problem("ignored-column", message, severity="warning", count=len(names))
