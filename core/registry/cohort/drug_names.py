"""How texts of a file become drugs of a decision: separators, other names, and what a mapping says of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from core.base.shipped import shipped
from core.registry.cohort.drugs import NO_DRUG
from core.registry.spec import Decision

NAMES = shipped("reference", "registry_drugs.toml")


@dataclass(frozen=True)
class Words:
    """What a file's own mapping says of one decision: separators beside the registry's, and names {text: drugs}, these
    joined by the registry's separator, "" for none."""

    separators: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Understood:
    """One text. drugs: of the decision; unknown: parts that are none; usual: it took a usual name or separator."""

    drugs: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    usual: bool = False


@cache
def _usual() -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
    """Separators and {drug: other names} of the table of usual names."""
    stored = tomllib.loads(NAMES.read_text(encoding="utf-8"))
    return tuple(stored["separators"]), {drug: tuple(names) for drug, names in stored["names"].items()}


class DrugReader:
    """Reads the texts of one decision; letter case does not matter."""

    def __init__(self, decision: Decision, separator: str, words: Words) -> None:
        self._separators = (separator, *words.separators)
        self._known = {drug.casefold(): drug for drug in decision.drugs}
        self._own = {text.strip().casefold(): drugs for text, drugs in words.names.items()}
        self._usual_separators, others = _usual()
        named = [(name.casefold(), drug) for drug in decision.drugs for name in others.get(drug, ())]
        counts = [name for name, _ in named]
        self._other = {name: drug for name, drug in named if counts.count(name) == 1}

    def read(self, text: str) -> Understood:
        """The drugs of a text: as the mapping has the whole of it, else part by part."""
        whole = self._own.get(text.casefold(), text)
        if whole.casefold() in ("", NO_DRUG):
            return Understood()
        return self._joined(self._part(part) for part in _split(whole, self._separators))

    def _part(self, text: str) -> Understood:
        """One part: a drug, a name of the mapping, a usual name, or several of these behind a usual separator."""
        if (found := self._one(text)) is not None:
            return found
        pieces = [self._one(piece) for piece in _split(text, self._usual_separators)]
        known = [piece for piece in pieces if piece is not None]
        if len(pieces) > 1 and len(known) == len(pieces):
            return Understood(self._joined(known).drugs, usual=True)
        return Understood(unknown=(text,))

    def _one(self, text: str) -> Understood | None:
        plain = text.casefold()
        if plain in self._known:
            return Understood((self._known[plain],))
        if plain in self._own:
            return self._joined(self._one(p) or Understood(unknown=(p,)) for p in self._of_mapping(plain))
        return Understood((self._other[plain],), usual=True) if plain in self._other else None

    def _of_mapping(self, plain: str) -> list[str]:
        """Drugs that the mapping gives a text for; a name that leads back to itself stands for itself."""
        return [part for part in _split(self._own[plain], self._separators[:1]) if part.casefold() not in self._own]

    def _joined(self, parts: Iterable[Understood]) -> Understood:
        found = list(parts)
        return Understood(
            tuple(dict.fromkeys(drug for part in found for drug in part.drugs)),
            tuple(dict.fromkeys(text for part in found for text in part.unknown)),
            any(part.usual for part in found),
        )


def _split(text: str, separators: Iterable[str]) -> list[str]:
    parts = [text]
    for separator in separators:
        parts = [piece for part in parts for piece in part.split(separator)]
    return [part.strip() for part in parts if part.strip()]
