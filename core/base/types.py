"""Small frozen results that every stage shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Progress:
    """Where a long computation stands.

    `done` of `total` units in `stage`; `metrics` are numbers to plot (losses); `seconds_left` is an estimate for the
    stage, or None while too little is known.
    """

    stage: str
    done: int
    total: int
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds_left: float | None = None

    @property
    def fraction(self) -> float:
        """Share of the stage that is done, 0..1."""
        return self.done / self.total if self.total else 1.0


@dataclass(frozen=True)
class Estimate:
    """A number with its basis: 95 % interval (NaN where none was asked for) and n patients."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """ "5.42 [4.80, 6.11], n = 300"."""
        return f"{self._text()}, n = {self.n:,}"

    def _text(self) -> str:
        interval = f" [{self.low:.2f}, {self.high:.2f}]" if math.isfinite(self.low) else ", no interval"
        return f"{self.value:.2f}{interval}"


@dataclass(frozen=True)
class OPEResult(Estimate):
    """Off-policy estimate of a policy's value with its support.

    `ess` is the Kish effective sample size 1 / sum_i w_i^2 of the normalised trajectory weights (n when on-policy);
    `zero_weight` is the share of trajectories whose final ratio is 0; `max_weight` the largest normalised weight.
    """

    ess: float
    zero_weight: float
    max_weight: float
    estimator: str

    def __str__(self) -> str:
        """ "PHWDR 5.42 [4.80, 6.11], ESS 61.3 of 300 stays"."""
        return self.of("stays")

    @property
    def known(self) -> OPEResult:
        """Itself; no value with an ESS of 0 where no record agrees with the policy to its end, and all weigh alike."""
        if self.zero_weight < 1:
            return self
        return replace(self, value=math.nan, low=math.nan, high=math.nan, ess=0.0, max_weight=math.nan)

    def of(self, records: str) -> str:
        """In a sentence; records: what it was estimated from."""
        if self.ess == 0:
            return f"{self.estimator.upper()}: none of {self.n:,} {records} agrees with it to its end"
        return f"{self.estimator.upper()} {self._text()}, ESS {self.ess:.1f} of {self.n:,} {records}"
