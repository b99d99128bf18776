"""How decisions and states of a registry are drawn wherever they appear; names come from the registry's definition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from core.figures.theme import NEUTRAL


@dataclass(frozen=True)
class Look:
    """Readable name, color, marker of a decision, a state or a stage."""

    name: str
    color: str
    symbol: str


Mark = tuple[str, str]  # color, symbol
KNOWN_DECISIONS: Mapping[str, Mark] = {
    "conditioning": ("#0072B2", "circle"),
    "prophylaxis": ("#009E73", "square"),
    "acute": ("#D55E00", "diamond"),
    "chronic": ("#B0609A", "triangle-up"),
}
KNOWN_STATES: Mapping[str, Mark] = {
    "well": ("#009E73", "circle"),
    "acute_gvhd": ("#E69F00", "diamond"),
    "chronic_gvhd": ("#CC79A7", "triangle-up"),
    "relapse": ("#0072B2", "star"),
    "dead": ("#5B616B", "x"),
    "absent": ("#E4E7EB", "circle-open"),
    "lost": ("#B8BDC6", "circle-open"),
}
OTHERS: tuple[Mark, ...] = (
    ("#E69F00", "diamond"),
    ("#CC79A7", "triangle-up"),
    ("#0072B2", "star"),
    ("#D55E00", "hexagon"),
    ("#56B4E9", "pentagon"),
    ("#009E73", "square"),
    ("#7B3FA0", "cross"),
)
LIGHT = frozenset(("#E4E7EB", "#B8BDC6", "#E69F00", "#CC79A7", "#56B4E9"))  # fills that dark text is read on
NO_INDICATOR = "Alive, none of these"


@dataclass(frozen=True)
class Looks:
    """Looks of one registry. states: from the mildest to the gravest, then those who are not seen; start: the name of
    its first stage, from which time counts."""

    decisions: Mapping[str, Look]
    states: Mapping[str, Look]
    start: str

    def decision(self, name: str) -> Look:
        """Look of a decision; gray under its own name for what is none ("whole course")."""
        return self.decisions.get(name, Look(name.replace("-", " ").capitalize(), NEUTRAL, "hexagon"))


def make_looks(decisions: Sequence[tuple[str, str]], indicators: Sequence[tuple[str, str]], start: str) -> Looks:
    """Looks of decisions and indicators (name, title), indicators from the mildest to the gravest.

    Well-known names keep their colors in every registry; others take what is left of the palette, in order.
    """
    states = [
        ("well", _without(title for _, title in indicators)),
        *indicators,
        ("dead", "Died"),
        ("absent", "Not seen at this stage"),
        ("lost", "Lost to follow-up"),
    ]
    return Looks(_marked(decisions, KNOWN_DECISIONS), _marked(states, KNOWN_STATES), start)


def _marked(named: Iterable[tuple[str, str]], known: Mapping[str, Mark]) -> dict[str, Look]:
    named = list(named)
    taken = {known[name] for name, _ in named if name in known}
    free = chain((mark for mark in OTHERS if mark not in taken), *([OTHERS] * len(named)))
    return {name: Look(title, *(known[name] if name in known else next(free))) for name, title in named}


def _without(titles: Iterable[str]) -> str:
    """'Alive, no GVHD' where all indicators that share a word at their end do so, as acute and chronic GVHD."""
    ends = [title.split()[-1] for title in titles if len(title.split()) > 1]
    shared = next((word for word in ends if ends.count(word) > 1), "")
    return f"Alive, no {shared}" if shared else NO_INDICATOR
