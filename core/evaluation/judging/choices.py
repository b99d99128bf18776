"""What a run or a card keeps of the reward atlas: what it says under every other reasonable choice, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from core.base.config import Config

OUTCOME, DISCOUNT, DOSES, SEVERAL = "weight of the outcome", "discount", "dose bins", "several at once"
BEFORE = "This run was made before other choices were tried; train it again to see whether they say the same."
NOTHING_ELSE = "The study leaves nothing to choose otherwise: one part of the reward, one dose, one discount."


class ChoiceLine(Config):
    """One choice: what was chosen otherwise ("" for the study's own) and how; the difference to those who treated in
    SDs of the recorded returns, its interval, effective stays and grade; claims: a gain may be called one."""

    cause: str
    change: str
    value: float
    low: float
    high: float
    ess: float
    grade: str
    claims: bool

    @property
    def text(self) -> str:
        """The choice in words."""
        return f"{self.cause}: {self.change}" if self.cause else "as the study has it"

    @property
    def scaled(self) -> tuple[float, float, float]:
        """Difference with its interval in SDs of returns, which choices can be compared in."""
        return self.value, self.low, self.high

    @property
    def scaled_text(self) -> str:
        value, low, high = self.scaled
        return f"{value:+.2f} ({low:+.2f} to {high:+.2f}, ESS {self.ess:.0f})"


class ChoiceRecord(ChoiceLine):
    """One choice of a run's own atlas, its difference in the choice's own reward.

    factors: of the reward's terms and of the outcome, last (of a registry: the reward of each state, as
    `RegistrySpec.rewards` names them); gamma: the discount; joined: the lower of two dose bins taken as one, None where
    all stay apart. se: of the difference of the dial that the run shows, in this reward, whose unit is the SD of the
    stays' returns. recommended: setting of the dial that the gate advises, 0 for those who treated; advised: that dial
    in words, where it is not the share a. same, departs: of the steps at which what is learned anew or the run's own
    departs from those who treated, how many get the same dose.
    """

    factors: tuple[float, ...]
    gamma: float
    joined: int | None
    se: float
    unit: float
    recommended: float
    advised: str = ""
    same: int
    departs: int

    @property
    def scaled(self) -> tuple[float, float, float]:
        unit = self.unit if self.unit > 0 else 1.0
        return self.value / unit, self.low / unit, self.high / unit


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

    @property
    def sentence(self) -> str:
        return f"{self.said[:1].upper()}{self.said[1:]} ({self.badge})."


class _Tried(Config):
    """What is said of choices, the study's own first, by whoever tried them."""

    @property
    def tried(self) -> Sequence[ChoiceLine]:
        raise NotImplementedError

    @property
    def headlines(self) -> list[Headline]:
        """Whether a gain is claimed, and on which side of 0 the estimate of the difference lies; its interval may hold
        0 on either."""
        own = self.tried[0]
        claim = "a gain is claimed" if own.claims else "no gain is claimed"
        sign = "the estimate lies above 0" if own.value > 0 else "the estimate does not lie above 0"
        told = ((claim, [one.claims for one in self.tried]), (sign, [one.value > 0 for one in self.tried]))
        return [self._headline(said, each) for said, each in told]

    @property
    def overall(self) -> Headline:
        """All headlines at once."""
        return self._headline("what is said", [(one.claims, one.value > 0) for one in self.tried])

    @property
    def badge(self) -> str:
        return NOTHING_ELSE if len(self.tried) == 1 else self.overall.badge

    def sentences(self) -> list[str]:
        """Each headline with its badge, and between which ends the difference moves."""
        own, *others = self.tried
        if not others:
            return [NOTHING_ELSE]
        least, most = (pick(others, key=lambda one: one.scaled) for pick in (min, max))
        return [
            *(line.sentence for line in self.headlines),
            f"The difference, in SDs of the recorded returns, is {own.scaled_text} with the study's own choices, and "
            f"from {least.scaled_text} with {least.text} to {most.scaled_text} with {most.text}.",
        ]

    def _headline(self, said: str, told: Sequence[object]) -> Headline:
        """What is said, and in how many of the other choices it is said too."""
        kept = [one == told[0] for one in told[1:]]
        lost = [one.cause for one, same in zip(self.tried[1:], kept, strict=True) if not same]
        return Headline(said=said, held=sum(kept), of=len(kept), depends=tuple(dict.fromkeys(lost)))


class PolicyChoices(_Tried):
    """One policy as it is, under all choices."""

    lines: tuple[ChoiceLine, ...]

    @property
    def tried(self) -> Sequence[ChoiceLine]:
        return self.lines


class AtlasRecord(_Tried):
    """share: the dial that is judged; choices: the run's own first. steady, departs: of the steps where the run's own
    step departs from the clinicians, how many get the same dose in every choice."""

    WHO: ClassVar[str] = "clinicians"

    schema_version: Literal[1] = 1
    share: float
    choices: tuple[ChoiceRecord, ...]
    steady: int
    departs: int

    @property
    def tried(self) -> Sequence[ChoiceLine]:
        return self.choices

    @property
    def own(self) -> ChoiceRecord:
        return self.choices[0]

    @property
    def others(self) -> tuple[ChoiceRecord, ...]:
        return self.choices[1:]

    @property
    def headlines(self) -> list[Headline]:
        """Whether the gate leaves those who treated, then as of any policy."""
        said = f"departing from {self.WHO} is advised" if self.own.recommended else "no departure is advised"
        return [self._headline(said, [bool(one.recommended) for one in self.choices]), *super().headlines]

    @property
    def overall(self) -> Headline:
        """All three at once."""
        told = [(bool(one.recommended), one.claims, one.value > 0) for one in self.choices]
        return self._headline("what the run says", told)

    def sentences(self) -> list[str]:
        """As of any policy, and how many doses stay the same."""
        return [*super().sentences(), *([self.steady_text] if self.others and self.departs else [])]

    @property
    def steady_text(self) -> str:
        return (
            f"Learned anew under each choice, the step gives the same dose in all of them at {self.steady:,} of the "
            f"{self.departs:,} recorded steps where it departs from clinicians."
        )
