"""The mix: a policy's value as the mean over memories, with a standard error that holds what short memories miss.

    difference = mean_k D_k,    D_k = V_k(policy) - V_k(clinicians),    value = mean return + difference
    SE(difference)^2 = u SE(mean_k influence_k)^2 + f^2 sum_w (D_w - difference)^2 / (W - 1)

V_k(clinicians) is the same estimate of the policy that always defers to them. From memory 1 on it is the mean return
exactly; for the critic alone it takes with it what the critic gets wrong for everyone. So a policy that is the
clinicians' own has difference 0 and the recorded mean as its value, without any noise.

A longer memory leaves out less of what a policy would have changed, and rests on fewer stays: where weights of a few
stays are all of it, its value is theirs, its standard error does not see it, and a mean with it is worse than without.
So a memory longer than one action is heard only where enough effective stays follow the policy that long. The mix is
then the critic alone and one action for a policy far from the clinicians, and nearly the whole course for one near them
or in a large record. The memories k that are averaged and the witnesses w, one of them longer than all that are
averaged, tell by their distances from the mix how far it may be off: where they differ no number of stays makes the
interval narrow, and where only the two short ones are heard it rests on those. Of memories that reach over the whole
course the shortest speaks for all. u stands for what influences do not see: that the clinicians' probabilities are
estimated, and that few stays carry the largest weights. Standard errors sum influences by person. Memories, witnesses,
f, u and how many stays are enough were chosen on simulated design cohorts, and reported on others (docs/evidence.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.base.statistics import Z95
from core.base.types import Estimate
from core.evaluation.judging.hidden import Hidden
from core.evaluation.judging.windows import check_memory

AVERAGED, WITNESSES = (0, 1, 2, 4), (0, 1, 2, 4, 8)
FEWEST = 30.0  # effective stays that no memory longer than one action is heard without
ALWAYS = (0, 1)  # heard whoever follows: the critic alone and one action are what is left where nothing longer is


@dataclass(frozen=True)
class MixSettings:
    """memories that are averaged and witnesses to their error, see `core.evaluation.judging.windows`; spread: f, how
    much of the witnesses' distance is added; unseen: u, by which the variance of the influences is enlarged; heard:
    effective stays that have to follow a memory longer than one action, or heard_share of the stays judged where that
    is less, but `FEWEST`; else it neither counts nor bears witness."""

    memories: tuple[float, ...] = AVERAGED
    witnesses: tuple[float, ...] = WITNESSES
    spread: float = 0.9
    unseen: float = 1.5
    heard: float = 300.0
    heard_share: float = 0.15

    def __post_init__(self) -> None:
        for name in ("memories", "witnesses"):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given):
                raise ValueError(f"{name} must be distinct and at least one, got {given}")
            for memory in given:
                check_memory(memory)
        if not set(ALWAYS) & set(self.memories):
            raise ValueError(f"memories must hold 0 or 1, which are always heard, got {self.memories}")
        if not set(ALWAYS) <= set(self.witnesses):
            raise ValueError(f"witnesses must hold 0 and 1, which are always heard, got {self.witnesses}")
        if self.spread < 0 or self.unseen < 1 or min(self.heard, self.heard_share) < 0:
            got = f"{self.spread}, {self.unseen}, {self.heard} and {self.heard_share}"
            raise ValueError(f"spread, heard and heard_share must be at least 0 and unseen at least 1, got {got}")

    def all_memories(self, horizon: int) -> tuple[float, ...]:
        """Those averaged, then the witnesses that are not among them; of those that reach over a whole course of
        `horizon` steps the shortest alone, as they are one estimate."""
        given = (*self.memories, *(memory for memory in self.witnesses if memory not in self.memories))
        whole = min((memory for memory in given if memory >= horizon), default=horizon)
        return tuple(memory for memory in given if memory <= whole)

    def of(self, memories: Sequence[float], found: Sequence[Remembering]) -> list[Remembering]:
        """Those of `found` that are among these memories and are heard."""
        return [one for one in found if one.memory in memories and self._heard(one)]

    def _heard(self, one: Remembering) -> bool:
        enough = max(min(self.heard, self.heard_share * len(one.influence)), min(self.heard, FEWEST))
        return one.memory in ALWAYS or one.ess >= enough


@dataclass(frozen=True)
class Part:
    """One memory's say in a mix: its value, standard error and effective stays; heard: whether it is averaged or bears
    witness here."""

    memory: float
    value: float
    se: float
    ess: float
    heard: bool = True


@dataclass(frozen=True)
class MixEstimate(Estimate):
    """Estimate with its standard error `se`, the part `spread` of it that the witnesses' distance makes, and what each
    memory says, heard or not, those that are averaged first.

    `ess` is the effective number of stays that follow it for two actions in a row (by the shortest averaged memory
    longer than one action, heard or not, so that it falls as a policy leaves the clinicians); 0: no recorded stay does.
    """

    se: float
    spread: float
    ess: float
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        whole = f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}), n {self.n:,}, ESS {self.ess:,.0f}"
        heard = [part for part in self.parts if part.heard]
        parts = ", ".join(f"memory {part.memory:g}: {part.value:.2f} ± {part.se:.2f}" for part in heard)
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


def _followers(found: Sequence[Remembering]) -> float:
    """Effective stays by the shortest memory longer than one action, by the longest where all are short."""
    longer = [one for one in found if one.memory not in ALWAYS]
    if longer:
        return min(longer, key=lambda one: one.memory).ess
    return max(found, key=lambda one: one.memory).ess


def _noise(found: Sequence[Remembering], person: np.ndarray, settings: MixSettings) -> float:
    """Standard error of the averaged memories by their influences."""
    averaged = [one.influence for one in settings.of(settings.memories, found)]
    return clustered_error(np.mean(averaged, axis=0), person)


def _mixed(found: Sequence[Remembering], person: np.ndarray, unseen: float, settings: MixSettings) -> MixEstimate:
    """unseen: standard error that influences do not see; of the difference, as the recorded mean is what it is."""
    averaged, witnesses = (settings.of(memories, found) for memories in (settings.memories, settings.witnesses))
    value = float(np.mean([one.value for one in averaged]))
    away = np.array([one.value - value for one in witnesses])
    spread = settings.spread * float(np.sqrt((away**2).sum() / (len(away) - 1)))
    se = float(np.linalg.norm([_noise(found, person, settings), unseen, spread]))
    ess = _followers([one for one in found if one.memory in settings.memories])
    parts = tuple(
        Part(one.memory, one.value, clustered_error(one.influence, person), one.ess, one in (*averaged, *witnesses))
        for one in found
    )
    return MixEstimate(value, value - Z95 * se, value + Z95 * se, len(person), se, spread, ess, parts)
