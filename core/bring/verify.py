"""Recompute an evidence card: is it sealed, made of these files, and do the numbers come out again?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ArtifactError
from core.bring.card import Card, make_card, read_card
from core.bring.judgment import judge_on, make_bench
from core.bring.policy import bring
from core.cohort import Cohort

CLOSE = 1e-6  # relative; another machine may add in another order


@dataclass(frozen=True)
class Verdict:
    """What held. lines: a sentence a check; recomputed: False where only the seal could be looked at."""

    lines: tuple[str, ...]
    recomputed: bool

    def __str__(self) -> str:
        return "\n".join(self.lines)


def verify_card(path: str | Path, cohort: Cohort | None = None, policy: Any = None) -> Verdict:
    """Check a card, with its cohort and policy (as `bring` takes it) by computing it anew.

    Raises `ArtifactError` where the seal, the data, the policy or a number differs, saying which and how.
    """
    card = read_card(Path(path))
    sealed = "The seal fits: nothing was changed since the card was made."
    if cohort is None or policy is None:
        return Verdict((sealed, "Nothing was recomputed: that takes the cohort and the policy."), False)
    if cohort.data_hash != card.data_hash:
        raise ArtifactError(f"the card was made on other data ({card.data_hash}) than this ({cohort.data_hash}).")
    brought = bring(policy, cohort, card.policy)
    if brought.digest != card.policy_digest:
        raise ArtifactError("the card was made of another policy: the probabilities' digests differ.")
    again = make_card(judge_on(make_bench(cohort, card.config), brought), brought, cohort, card.config)
    different = _differences(card, again)
    if different:
        raise ArtifactError("the card's numbers do not come out again: " + "; ".join(different[:5]) + ".")
    return Verdict((sealed, "Data and policy are those of the card.", "Every number comes out again."), True)


def _differences(card: Card, again: Card) -> list[str]:
    """Which numbers differ, in words."""
    before, after = _flat(card.numbers), _flat(again.numbers)
    return [
        f"{name} is {before.get(name)} in the card and {after.get(name)} now"
        for name in sorted(before.keys() | after.keys())
        if not _same(before.get(name), after.get(name))
    ]


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """{"difference.low": -1.2, "hazards.0.text": ...}"""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {name: value}
    return {key: found for k, v in items for key, found in _flat(v, f"{name}.{k}".lstrip(".")).items()}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)
