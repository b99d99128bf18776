"""Does a policy's difference survive other reasonable choices of the study? The reward atlas, for one from elsewhere.

The policy stays as it is; the reward's weights, the discount and the dose bins change as in a run's own atlas
(`core.icu.ask.atlas.choices_of`). Differences are in SDs of the stays' returns, so that choices can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.base.config import Config
from core.base.statistics import Z95
from core.evaluation.judging.atlas import Records, judged_under
from core.evaluation.judging.grade import GradeSettings, grade
from core.icu.ask.atlas import choices_of
from core.icu.atlas import NOTHING_ELSE, Headline
from core.study import StudySpec


class ChoiceLine(Config):
    """One choice: what is chosen otherwise ("" for the study's own) and how; the difference in SDs of the stays'
    returns, its interval, effective stays and grade; claims: its interval lies above 0."""

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
        return f"{self.cause}: {self.change}" if self.cause else "as the study has it"


class PolicyChoices(Config):
    """All choices, the study's own first."""

    lines: tuple[ChoiceLine, ...]

    @property
    def headlines(self) -> list[Headline]:
        """Whether a gain is claimed, and on which side of 0 the estimate lies."""
        own = self.lines[0]
        claim = "a gain is claimed" if own.claims else "no gain is claimed"
        sign = "the estimate lies above 0" if own.value > 0 else "the estimate does not lie above 0"
        told = ((claim, [one.claims for one in self.lines]), (sign, [one.value > 0 for one in self.lines]))
        return [_headline(said, each, self.lines) for said, each in told]

    @property
    def badge(self) -> str:
        """'robust: holds in all 34 choices' or 'depends on: discount; holds in 32 of 34 choices', of both headlines."""
        if len(self.lines) == 1:
            return NOTHING_ELSE
        return _headline("what the card says", [(one.claims, one.value > 0) for one in self.lines], self.lines).badge

    @property
    def sentences(self) -> list[str]:
        """Each headline with its badge, and between which ends the difference moves."""
        if len(self.lines) == 1:
            return [NOTHING_ELSE]
        found = [f"{line.said[:1].upper()}{line.said[1:]} ({line.badge})." for line in self.headlines]
        least, most = (pick(self.lines[1:], key=lambda one: one.value) for pick in (min, max))
        return [
            *found,
            f"In SDs of the stays' returns the difference is {_told(self.lines[0])} with the study's own choices, and "
            f"from {_told(least)} with {least.text} to {_told(most)} with {most.text}.",
        ]


def policy_choices(records: Records, study: StudySpec, ess_floor: float, seed: int) -> PolicyChoices:
    """The one policy of the records' folds under every choice."""
    named, lines = choices_of(study, records.histories.gamma, seed), list[ChoiceLine]()
    for choice, (judged,) in zip(named, judged_under(records, [one.choice for one in named]), strict=True):
        found, unit = judged.difference, judged.unit if judged.unit > 0 else 1.0
        line = ChoiceLine(
            cause=choice.cause,
            change=choice.change,
            value=found.value / unit,
            low=found.low / unit,
            high=found.high / unit,
            ess=found.ess,
            grade=grade(judged, GradeSettings(ess=ess_floor)).grade,
            claims=bool(found.value - Z95 * found.se > 0),
        )
        lines.append(line)
    return PolicyChoices(lines=tuple(lines))


def _headline(said: str, told: Sequence[object], lines: Sequence[ChoiceLine]) -> Headline:
    """What is said, and in how many of the other choices it is said too."""
    kept = [one == told[0] for one in told[1:]]
    lost = [one.cause for one, same in zip(lines[1:], kept, strict=True) if not same]
    return Headline(said=said, held=sum(kept), of=len(kept), depends=tuple(dict.fromkeys(lost)))


def _told(one: ChoiceLine) -> str:
    return f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f}, ESS {one.ess:.0f})"
