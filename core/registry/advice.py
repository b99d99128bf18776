"""What a registry run advises by default, as its folder keeps it: the gate's choice along the dials of one policy."""

from __future__ import annotations

from typing import Literal

from core.base.config import Config
from core.evaluation.judging.left_out import ColumnOdds
from core.registry.atlas import SetAtlas

EXPERTS = "experts"  # what is recommended where no dial is


class RegistryAdvice(Config):
    """recommended: "experts", or the policy with its dial; policy, dial and setting: the one that is advised, or that
    came nearest to it.

    claims: the gain may be called one, at claim_z standard errors, which is more than it takes to advise (advise_z).
    n: patients who judged; text: the advice in a sentence; left_out: how far leaving out each recorded column moves the
    odds of what was given, strongest first; atlas: the same under other rewards and discounts; None in a run from
    before they were asked.
    """

    schema_version: Literal[1] = 1
    recommended: str
    policy: str
    dial: str
    setting: float
    claims: bool
    advise_z: float
    claim_z: float
    n: int
    text: str
    left_out: tuple[ColumnOdds, ...] | None = None
    atlas: SetAtlas | None = None

    @property
    def advised(self) -> bool:
        """True where a dial is advised."""
        return self.recommended != EXPERTS
