"""The mix: a policy's value as the mean over memories, with a standard error that holds what short memories miss.

    difference = mean_k D_k,    D_k = V_k(policy) - V_k(clinicians),    value = mean return + difference
    SE(difference)^2 = u SE(mean_k influence_k)^2 + f^2 mean_w (D_w - difference)^2

V_k(clinicians) is the same estimate of the policy that always defers to them. From memory 1 on it is the mean return
exactly; for the critic alone it takes with it what the critic gets wrong for everyone. So a policy that is the
clinicians' own has difference 0 and the recorded mean as its value, without any noise.

The memories k that are averaged are those with the smallest error: the critic alone, and one that fades. Both lean on
the critic, and where hidden causes or what a chart does not show pull them from the truth they err together. So others
bear witness, w: the critic alone, one action and four actions whole, whose distance from the mix is part of its error,
and where they differ no number of stays makes the interval narrow. u stands for what influences do not see: that the
clinicians' probabilities are estimated, and that few stays carry the largest weights. Standard errors sum influences by
person. Memories, witnesses, f and u were chosen on simulated design cohorts, and reported on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.base.statistics import Z95
from core.base.types import Estimate
from core.evaluation.judging.hidden import Hidden
from core.evaluation.judging.windows import check_memory

AVERAGED, WITNESSES = (0, 0.7), (0, 1, 4)


@dataclass(frozen=True)
class MixSettings:
    """memories that are averaged and witnesses to their error, see `core.evaluation.judging.windows`; spread: f, how
    much of the witnesses' distance is added; unseen: u, by which the variance of the influences is enlarged."""

    memories: tuple[float, ...] = AVERAGED
    witnesses: tuple[float, ...] = WITNESSES
    spread: float = 0.75
    unseen: float = 1.3

    def __post_init__(self) -> None:
        for name in ("memories", "witnesses"):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given):
                raise ValueError(f"{name} must be distinct and at least one, got {given}")
            for memory in given:
                check_memory(memory)
        if self.spread < 0 or self.unseen < 1:
            raise ValueError(f"spread must be at least 0 and unseen at least 1, got {self.spread} and {self.unseen}")

    @property
    def all_memories(self) -> tuple[float, ...]:
        """Those averaged, then the witnesses that are not among them."""
        return (*self.memories, *(memory for memory in self.witnesses if memory not in self.memories))


@dataclass(frozen=True)
class Part:
    """One memory's say in a mix: its value, standard error and effective stays."""

    memory: float
    value: float
    se: float
    ess: float


@dataclass(frozen=True)
class MixEstimate(Estimate):
    """Estimate with its standard error `se`, the part `spread` of it that the witnesses' distance makes, and what each
    memory says, those that are averaged first.

    `ess` is the smallest effective number of stays among the averaged memories that weigh; 0: no recorded stay follows
    it.
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
    """One policy: its value and its difference to the clinicians, both by the mix. unit: SD of the stays' returns;
    hidden: what causes that are not recorded could do to the difference, None where it was not asked or nobody follows.
    """

    name: str
    value: MixEstimate
    difference: MixEstimate
    unit: float = float("nan")
    hidden: Hidden | None = None

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

    found: one for each of `all_memories`; clinicians: those of the policy that always defers, in the same order;
    returns (n,) of the same stays, person (n,) their persons' numbers.
    """
    settings = settings or MixSettings()
    less = [
        Remembering(one.memory, one.value - usual.value, one.influence - usual.influence, one.ess)
        for one, usual in zip(found, clinicians, strict=True)
    ]
    mean = float(returns.mean())
    whole = [Remembering(one.memory, one.value + mean, one.influence + returns - mean, one.ess) for one in less]
    unseen = (settings.unseen - 1) ** 0.5 * _noise(less, person, settings)
    value, difference = (_mixed(one, person, unseen, settings) for one in (whole, less))
    return Judged(name, value, difference, float(returns.std()))


def _noise(found: Sequence[Remembering], person: np.ndarray, settings: MixSettings) -> float:
    """Standard error of the averaged memories by their influences."""
    averaged = [one.influence for one in found if one.memory in settings.memories]
    return clustered_error(np.mean(averaged, axis=0), person)


def _mixed(found: Sequence[Remembering], person: np.ndarray, unseen: float, settings: MixSettings) -> MixEstimate:
    """unseen: standard error that influences do not see; of the difference, as the recorded mean is what it is."""
    by_memory = {one.memory: one for one in found}
    averaged = [by_memory[memory] for memory in settings.memories]
    value = float(np.mean([one.value for one in averaged]))
    away = np.array([by_memory[memory].value - value for memory in settings.witnesses])
    spread = settings.spread * float(np.sqrt((away**2).mean()))
    se = float(np.linalg.norm([_noise(found, person, settings), unseen, spread]))
    ess = min((one.ess for one in averaged if one.memory > 0), default=averaged[0].ess)
    parts = tuple(Part(one.memory, one.value, clustered_error(one.influence, person), one.ess) for one in found)
    return MixEstimate(value, value - Z95 * se, value + Z95 * se, len(person), se, spread, ess, parts)
