"""What a run advises by default, as its folder keeps it: the gate's choice, and every dial that stood before it."""

from __future__ import annotations

from typing import Literal

from core.base.config import Config


class DialRecord(Config):
    """The pessimistic step with probability `share`, else the clinicians: its difference to them, in reward."""

    share: float
    value: float
    low: float
    high: float
    se: float
    ess: float
    grade: str
    doubts: str


class AdviceRecord(Config):
    """recommended: "clinicians", or the policy's name with its dial; share: that dial, 0 for the clinicians.

    claims: the gain may be called one, at claim_z standard errors, which is more than it takes to advise (advise_z).
    """

    schema_version: Literal[1] = 1
    recommended: str
    share: float
    claims: bool
    advise_z: float
    claim_z: float
    n: int
    text: str
    dials: tuple[DialRecord, ...]
