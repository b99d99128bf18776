"""The reward atlas of a run as its folder keeps it: what it says under every other reasonable choice, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from core.base.config import Config

OUTCOME, DISCOUNT, DOSES, SEVERAL = "weight of the outcome", "discount", "dose bins", "several at once"
BEFORE = "This run was made before other choices were tried; train it again to see whether they say the same."
NOTHING_ELSE = "The study leaves nothing to choose otherwise: one part of the reward, one dose, one discount."


class ChoiceRecord(Config):
    """One choice and what the records say under it.

    cause: what was chosen otherwise ("" for the run's own choice), change: how. factors: of the reward's terms and of
    the outcome, last; gamma: the discount; joined: the lower of two dose bins taken as one, None where all stay apart.
    value, low, high, se, ess, grade: difference to the clinicians of the dial that the run shows, in this reward, whose
    unit is the SD of the stays' returns. recommended: dial that the gate advises, 0 for the clinicians; claims: the
    gain may be called one. same, departs: of the steps at which the step learned anew or the run's own departs from the
    clinicians, how many get the same dose.
    """

    cause: str
    change: str
    factors: tuple[float, ...]
    gamma: float
    joined: int | None
    value: float
    low: float
    high: float
    se: float
    ess: float
    unit: float
    grade: str
    recommended: float
    claims: bool
    same: int
    departs: int

    @property
    def text(self) -> str:
        """The choice in words."""
        return f"{self.cause}: {self.change}" if self.cause else "as the run chose"

    @property
    def scaled(self) -> tuple[float, float, float]:
        """Difference with its interval in SDs of returns, which choices can be compared in."""
        unit = self.unit if self.unit > 0 else 1.0
        return self.value / unit, self.low / unit, self.high / unit

    @property
    def scaled_text(self) -> str:
        value, low, high = self.scaled
        return f"{value:+.2f} ({low:+.2f} to {high:+.2f}, ESS {self.ess:.0f})"


class Headline(Config):
    """said: what the run says; held: in how many of `of` choices it is said too; depends: causes where it is not."""

    said: str
    held: int
    of: int
    depends: tuple[str, ...]

    @property
    def robust(self) -> bool:
        return self.held == self.of

    @property
    def badge(self) -> str:
        """'robust: holds in all 34 choices' or 'depends on: discount; holds in 32 of 34 choices'."""
        if self.robust:
            return f"robust: holds in all {self.of} choices"
        return f"depends on: {', '.join(self.depends)}; holds in {self.held} of {self.of} choices"


class AtlasRecord(Config):
    """share: the dial that is judged; choices: the run's own first. steady, departs: of the steps where the run's own
    step departs from the clinicians, how many get the same dose in every choice."""

    schema_version: Literal[1] = 1
    share: float
    choices: tuple[ChoiceRecord, ...]
    steady: int
    departs: int

    @property
    def own(self) -> ChoiceRecord:
        return self.choices[0]

    @property
    def others(self) -> tuple[ChoiceRecord, ...]:
        return self.choices[1:]

    @property
    def advice(self) -> Headline:
        """Whether the gate leaves the clinicians."""
        said = "departing from clinicians is advised" if self.own.recommended else "no departure is advised"
        return self._headline(said, [bool(one.recommended) for one in self.choices])

    @property
    def claim(self) -> Headline:
        """Whether a gain is claimed."""
        said = "a gain is claimed" if self.own.claims else "no gain is claimed"
        return self._headline(said, [one.claims for one in self.choices])

    @property
    def sign(self) -> Headline:
        """On which side of 0 the estimate of the difference lies; its interval may hold 0 on either."""
        said = "the estimate lies above 0" if self.own.value > 0 else "the estimate does not lie above 0"
        return self._headline(said, [one.value > 0 for one in self.choices])

    @property
    def overall(self) -> Headline:
        """All three at once."""
        told = [(bool(one.recommended), one.claims, one.value > 0) for one in self.choices]
        return self._headline("what the run says", told)

    def _headline(self, said: str, told: Sequence[object]) -> Headline:
        kept = [one == told[0] for one in told[1:]]
        lost = [one.cause for one, same in zip(self.others, kept, strict=True) if not same]
        return Headline(said=said, held=sum(kept), of=len(kept), depends=tuple(dict.fromkeys(lost)))

    @property
    def badge(self) -> str:
        return NOTHING_ELSE if not self.others else self.overall.badge

    def sentences(self) -> list[str]:
        """Each headline with its badge, how far the difference moves, and how many doses stay the same."""
        if not self.others:
            return [NOTHING_ELSE]
        lines = (self.advice, self.claim, self.sign)
        found = [f"{line.said[:1].upper()}{line.said[1:]} ({line.badge})." for line in lines]
        least, most = (pick(self.others, key=lambda one: one.scaled) for pick in (min, max))
        found.append(
            f"The difference, in SDs of the stays' returns, is {self.own.scaled_text} with the run's own choices, and "
            f"from {least.scaled_text} with {least.text} to {most.scaled_text} with {most.text}."
        )
        if self.departs:
            found.append(
                f"Learned anew under each choice, the step gives the same dose in all of them at {self.steady:,} of "
                f"the {self.departs:,} recorded steps where it departs from clinicians."
            )
        return found
