"""What a model card is made of: items that answer a guideline's question, or say that the run does not answer it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Literal

import pandas as pd
from pydantic import Field

from core.base.config import Config
from core.figures.theme import fmt_count, fmt_percent

FEWEST_SHOWN = 11  # people; a card is passed on, and a smaller count could point at somebody
FEW, NOT_SHOWN = f"fewer than {FEWEST_SHOWN}", "not shown"


class Reference(Config):
    """Where an item is asked for. item: its number, "" where the guideline is named by topic alone."""

    guideline: str
    item: str = ""
    topic: str

    def __str__(self) -> str:
        return f"{self.guideline} {self.item}, {self.topic}" if self.item else f"{self.guideline}, {self.topic}"


class CardTable(Config):
    """A table as text."""

    caption: str
    columns: list[str]
    rows: list[list[str]]

    @classmethod
    def of(cls, caption: str, frame: pd.DataFrame) -> CardTable:
        rows = [[str(cell) for cell in row] for row in frame.itertuples(index=False)]
        return cls(caption=caption, columns=[str(name) for name in frame.columns], rows=rows)


class CardItem(Config):
    """One question. said: the answer in sentences; unanswered: what of it the run does not know, in sentences."""

    key: str
    title: str
    references: list[Reference]
    said: list[str] = Field(default_factory=list)
    tables: list[CardTable] = Field(default_factory=list)
    unanswered: list[str] = Field(default_factory=list)

    @property
    def answered(self) -> Literal["yes", "in part", "no"]:
        if not self.unanswered:
            return "yes"
        return "in part" if self.said or self.tables else "no"


class ModelCard(Config):
    """The whole card. run_digest: over all files of the run; digest: over everything else in the card."""

    schema_version: Literal[1] = 1
    run: str
    study: str
    simulated: bool
    made: str
    data_hash: str
    run_digest: str
    items: list[CardItem]
    digest: str = ""

    @property
    def right_digest(self) -> str:
        """64 hex digits over the card without its digest, as JSON with sorted keys."""
        content = json.dumps(self.model_dump(mode="json", exclude={"digest"}), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def open_questions(self) -> list[CardItem]:
        """Items that are not answered, or in part."""
        return [item for item in self.items if item.unanswered]


def tripod(item: str, topic: str) -> Reference:
    """An item of TRIPOD+AI (Collins et al. 2024)."""
    return Reference(guideline="TRIPOD+AI", item=item, topic=topic)


def decide(topic: str) -> Reference:
    """A topic of DECIDE-AI (Vasey et al. 2022)."""
    return Reference(guideline="DECIDE-AI", topic=topic)


def hti(topic: str) -> Reference:
    """A group of source attributes of predictive decision support in the rule HTI-1 (45 CFR 170.315(b)(11))."""
    return Reference(guideline="HTI-1 source attributes", topic=topic)


def reinforcement(topic: str) -> Reference:
    """A question of the guidelines for reinforcement learning in healthcare (Gottesman et al. 2019)."""
    return Reference(guideline="RL in healthcare (Gottesman 2019)", topic=topic)


def shown_count(number: int) -> str:
    """A count of people, without those of 1 to 10."""
    return FEW if 0 < number < FEWEST_SHOWN else fmt_count(number)


def shown_share(number: int, total: int) -> str:
    """A share of all people, left out where it, or the rest of them, is 1 to 10: beside the total it would tell."""
    hidden = shown_counts([number, total - number])[0] == NOT_SHOWN
    return NOT_SHOWN if hidden else fmt_percent(number / max(total, 1))


def shown_counts(numbers: Sequence[int]) -> list[str]:
    """Counts of a division; where one alone is left out, the next smallest goes with it, or the total would tell."""
    hidden = [0 < number < FEWEST_SHOWN for number in numbers]
    shown = [place for place, hide in enumerate(hidden) if not hide and numbers[place] > 0]
    if sum(hidden) == 1 and shown:
        hidden[min(shown, key=lambda place: numbers[place])] = True
    return [NOT_SHOWN if hide else fmt_count(number) for hide, number in zip(hidden, numbers, strict=True)]
