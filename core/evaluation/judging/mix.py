"""The mix: a policy's value as the mean over memories, with a standard error that holds their disagreement.

    difference = mean_k D_k,    D_k = V_k(policy) - V_k(clinicians),    value = mean return + difference
    SE^2 = SE(mean_k influence_k)^2 + (spread x SD_k D_k)^2

V_k(clinicians) is the same estimate of the policy that always defers to them. From memory 1 on it is the mean return
exactly; for the critic alone it takes with it what the critic gets wrong for everyone. So a policy that is the
clinicians' own has difference 0 and the recorded mean as its value, without any noise.

Memory 0 trusts the critic, longer ones the weights; where hidden causes or a wrong critic pull them apart, no number of
stays makes the interval narrow. Standard errors sum influences by person. The default memories and the spread's factor
were chosen on simulated design cohorts; windows 0, 1, 2 are wider and keep less of a gain in the gate, but were less
biased for learned policies on other cohorts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.base.statistics import Z95
from core.base.types import Estimate
from core.evaluation.judging.windows import check_memory

FADING = (0, 0.5, 0.85)


@dataclass(frozen=True)
class MixSettings:
    """memories that are averaged, see `judging.windows`; spread: how many SD of their values are added."""

    memories: tuple[float, ...] = FADING
    spread: float = 1.0

    def __post_init__(self) -> None:
        if not self.memories or len(set(self.memories)) < len(self.memories):
            raise ValueError(f"memories must be distinct and at least one, got {self.memories}")
        for memory in self.memories:
            check_memory(memory)
        if self.spread < 0:
            raise ValueError(f"spread must be at least 0, got {self.spread}")


@dataclass(frozen=True)
class Part:
    """One memory's say in a mix: its value, standard error and effective stays."""

    memory: float
    value: float
    se: float
    ess: float


@dataclass(frozen=True)
class MixEstimate(Estimate):
    """Estimate with its standard error `se`, the SD `spread` between memories, and the parts it is the mean of.

    `ess` is the smallest effective number of stays among the memories that weigh; 0: no recorded stay follows it.
    """

    se: float
    spread: float
    ess: float
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        whole = f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}), n {self.n:,}, ESS {self.ess:,.0f}"
        parts = ", ".join(f"memory {part.memory:g}: {part.value:.2f} ± {part.se:.2f}" for part in self.parts)
        return f"{whole} [{parts}]"


@dataclass(frozen=True)
class Judged:
    """One policy: its value and its difference to the clinicians, both by the mix. unit: SD of the stays' returns."""

    name: str
    value: MixEstimate
    difference: MixEstimate
    unit: float = float("nan")

    def __str__(self) -> str:
        return f"{self.name}: value {self.value}; against the clinicians {self.difference}"


@dataclass(frozen=True, eq=False)
class Remembering:
    """Input of the mix: V under one memory with the influence (n,) of each stay, mean about 0."""

    memory: float
    value: float
    influence: np.ndarray
    ess: float


def clustered_error(influence: np.ndarray, person: np.ndarray) -> float:
    """Standard error of a mean over stays whose influences (n,) of one person (n,) belong together.

    sqrt(P / (P - 1) sum_p (sum_{i in p} influence_i)^2) / n over P persons; NaN for fewer than two.
    """
    _, code = np.unique(person, return_inverse=True)
    sums = np.bincount(code, weights=influence - influence.mean())
    if len(sums) < 2:
        return float("nan")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()) / len(influence))


def mix(
    name: str,
    found: Sequence[Remembering],
    clinicians: Sequence[Remembering],
    returns: np.ndarray,
    person: np.ndarray,
    settings: MixSettings | None = None,
) -> Judged:
    """Put the memories of one policy together.

    clinicians: those of the policy that always defers, in the same order; returns (n,) of the same stays, person (n,)
    their persons' numbers.
    """
    spread = (settings or MixSettings()).spread
    less = [
        Remembering(one.memory, one.value - usual.value, one.influence - usual.influence, one.ess)
        for one, usual in zip(found, clinicians, strict=True)
    ]
    mean = float(returns.mean())
    whole = [Remembering(one.memory, one.value + mean, one.influence + returns - mean, one.ess) for one in less]
    return Judged(name, _mixed(whole, person, spread), _mixed(less, person, spread), float(returns.std()))


def _mixed(found: Sequence[Remembering], person: np.ndarray, factor: float) -> MixEstimate:
    parts = tuple(Part(one.memory, one.value, clustered_error(one.influence, person), one.ess) for one in found)
    values = np.array([part.value for part in parts])
    value, spread = float(values.mean()), float(values.std())
    se = float(np.hypot(clustered_error(np.mean([one.influence for one in found], axis=0), person), factor * spread))
    ess = min((part.ess for part in parts if part.memory > 0), default=parts[0].ess)
    return MixEstimate(value, value - Z95 * se, value + Z95 * se, len(person), se, spread, ess, parts)
