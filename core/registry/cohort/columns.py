"""From a file's columns to the registry's: keys, features, indicators, and drugs in either of two layouts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.registry.spec import KEYS, Decision, RegistrySpec
from core.tables.report import Problem
from core.tables.values import safe_text

LISTED = 10  # names quoted in one message


@dataclass(frozen=True)
class Found:
    """positions: our column name -> position in the file; in_text: decisions whose drugs stand in one text column,
    found under the decision's name; problems: what is wrong with the names."""

    positions: Mapping[str, int]
    in_text: frozenset[str]
    problems: tuple[Problem, ...]


def find_columns(names: Iterable[object], spec: RegistrySpec) -> Found:
    """Find every column by its exact name, else without regard to case and outer blanks."""
    labels = [safe_text(name) for name in names]
    problems: list[Problem] = []
    positions: dict[str, int] = {}
    claimed: set[int] = set()
    texts = tuple(decision.name for decision in spec.decisions)
    for target in (*KEYS, *spec.feature_names, *spec.indicator_names, *texts, *spec.drug_columns):
        hits = _hits(labels, target)
        claimed.update(hits)
        if len(hits) == 1:
            positions[target] = hits[0]
        elif hits:
            remedy = "Keep one of them."
            problems.append(
                Problem("duplicate-column", f"{len(hits)} columns have this name.", None, target, None, remedy)
            )
    blamed = {problem.column for problem in problems}
    for target in (*KEYS, *spec.feature_names, *spec.indicator_names):
        if target not in positions and target not in blamed:
            problems.append(_missing(target, labels, positions))
    in_text = frozenset(name for name in texts if name in positions)
    for decision in spec.decisions:
        problems += _layout_problems(decision, positions, blamed)
    unknown = [label for i, label in enumerate(labels) if i not in claimed and _names_a_drug(label, texts)]
    problems += [_unknown_drug(label, spec) for label in unknown]
    ignored = [label for i, label in enumerate(labels) if i not in claimed and label not in unknown]
    if ignored:
        problems.append(_ignored(ignored))
    return Found(positions, in_text, tuple(problems))


def _plain(name: str) -> str:
    return name.strip().casefold()


def _hits(labels: list[str], target: str) -> list[int]:
    exact = [i for i, label in enumerate(labels) if label == target]
    return exact or [i for i, label in enumerate(labels) if _plain(label) == _plain(target)]


def _missing(target: str, labels: list[str], positions: Mapping[str, int]) -> Problem:
    free = [label for i, label in enumerate(labels) if i not in positions.values()]
    close = difflib.get_close_matches(target, free, n=1, cutoff=0.75)
    hint = f"Is it '{close[0]}'? Then rename that column." if close else "Add it."
    return Problem("missing-column", "the column is missing.", None, target, None, hint)


def _layout_problems(decision: Decision, positions: Mapping[str, int], blamed: set[str | None]) -> list[Problem]:
    """The drugs of a decision stand in one text column, or in one column for each drug; all of them, not both."""
    there = [column for column in decision.columns if column in positions or column in blamed]
    name = decision.name
    if name in positions or name in blamed:
        if not there:
            return []
        message = f"the drugs are given twice: as text, and in {len(there)} columns such as '{there[0]}'."
        return [Problem("two-layouts", message, None, name, None, "Keep the text column or the drug columns.")]
    if not there:
        remedy = (
            f"Add a text column '{name}', or one column of 0 and 1 for each drug, '{decision.columns[0]}' and so on."
        )
        return [Problem("missing-column", "the drugs of this decision are missing.", None, name, None, remedy)]
    remedy = "Add it, with 0 in all rows where nobody was given the drug."
    lacking = [column for column in decision.columns if column not in there]
    return [Problem("missing-column", "the column is missing.", None, column, None, remedy) for column in lacking]


def _names_a_drug(label: str, decisions: tuple[str, ...]) -> bool:
    return _plain(label.partition(":")[0]) in decisions and ":" in label


def _unknown_drug(label: str, spec: RegistrySpec) -> Problem:
    decision, _, drug = label.partition(":")
    remedy = unknown_drug_remedy(drug.strip(), spec.decision(_plain(decision)))
    message = f"'{drug.strip()[:60]}' is not a drug of this decision."
    return Problem("unknown-drug", message, None, label[:80], None, remedy)


def unknown_drug_remedy(drug: str, decision: Decision) -> str:
    """What may be meant by a drug that the decision does not know."""
    close = difflib.get_close_matches(drug, decision.drugs, n=1, cutoff=0.7)
    meant = f"Is it '{close[0]}'? " if close else ""
    return (
        f"{meant}Correct it, say what it means in a mapping ([drugs.{decision.name}.names]), or add it to the registry."
    )


def _ignored(labels: list[str]) -> Problem:
    shown = ", ".join(f"'{label[:40]}'" for label in labels[:LISTED])
    more = f" and {len(labels) - LISTED} more" if len(labels) > LISTED else ""
    return Problem("ignored-column", f"columns that the registry does not use: {shown}{more}.", severity="warning")
