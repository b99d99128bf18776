"""The reward atlas of a registry run as its folder keeps it: the record of an ICU run, in a registry's words."""

from __future__ import annotations

from typing import ClassVar

from core.evaluation.judging.choices import AtlasRecord, PolicyChoices


class SetAtlas(AtlasRecord):
    """Of the dial that the gate advises, or that came nearest; share: its setting.

    policies: every compared policy as it is, by name. steady, departs: of the decisions of test patients who have what
    is treated, where the random forest departs from the experts' likeliest combination, how many keep its choice.
    """

    WHO: ClassVar[str] = "experts"

    policies: dict[str, PolicyChoices]

    @property
    def steady_text(self) -> str:
        return (
            f"Its leaves averaged anew under each choice, the random forest gives the same combination in all of them "
            f"at {self.steady:,} of the {self.departs:,} decisions of ill test patients where it departs from the "
            "experts' likeliest one. The Q-networks are not learned anew."
        )
