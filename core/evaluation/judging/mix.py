"""The mix: a policy's value as a weighted mean over memories, and a standard error that holds what short ones miss.

    difference = sum_k w_k D_k,    D_k = V_k(policy) - V_k(clinicians),    value = mean return + difference
    w minimizes w'S w over w >= 0, sum w = 1,    S = noise + diag(bias_k^2)
    noise_kl = u C_kl sqrt((1 + c / (n e_k)) (1 + c / (n e_l))),    bias_k = beta SD(returns) sqrt(1 - e) / (1 + k)^2
    SE(difference)^2 = w'S w + f^2 sum_k w_k (D_k - difference)^2

V_k(clinicians) is the same estimate of the policy that always defers to them. From memory 1 on it is the mean return,
exactly where nobody is lost; for the critic alone it takes with it what the critic gets wrong for everyone. So a policy
that is the clinicians' own has difference 0 and the recorded mean as its value, without any noise.

A longer memory leaves out less of what a policy would have changed, and rests on fewer stays. C, the covariance of the
memories by their stays' influences, tells the second as far as influences see it: they do not see that clinicians'
probabilities and critics are estimated, the worse the fewer persons m teach them (u = unseen + few / m), nor that a few
of n stays with the largest weights carry a memory (c; e_k: its effective stays as a share of all). bias_k tells the
first: what is expected of a memory of k actions before its number is seen, the less the larger the share e of stays
that follow the policy as far back as any memory looks (the smallest e_k beside the clinicians' own). Biases count as
independent, and a memory of a whole short course has its share too, though it leaves out nothing: beta and f were
chosen with both. So a policy far from the clinicians is judged by the critic and one action, and one near them, or in a
large record, by nearly the whole course.

What the memories then say apart widens the interval by f. Where they disagree by more than noise and bias explain, as
where causes are hidden or a critic is much too plain, biases are enlarged alike until they do (`AGREED`; the way in
which Paule and Mandel 1982 find a variance between laboratories), so that long memories speak and no number of stays
makes the interval narrow. Of memories that reach over the whole course the shortest speaks for all. Standard errors sum
influences by person. Memories, beta, u, c and f were chosen on simulated design cohorts, and reported on others
(docs/evidence.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, nnls
from scipy.special import chdtri

from core.base.statistics import Z95
from core.base.types import Estimate
from core.evaluation.judging.hidden import Hidden
from core.evaluation.judging.windows import check_memory

MEMORIES = (0, 1, 2, 4, 8)
AGREED = 0.95  # of cases in which noise and bias alone part the memories no further than is taken for agreement
JITTER = 1e-10  # of the mean variance: estimates that are one and the same share their weight, and rounding parts none


@dataclass(frozen=True)
class MixSettings:
    """memories that are averaged, see `core.evaluation.judging.windows`; bias: beta, of the critic alone, in SDs of the
    stays' returns; unseen and few: u of ever more teachers, and what is added to it over their number; followers: c,
    effective stays with which a memory's variance counts twice; spread: f, how much of the memories' distances is
    added."""

    memories: tuple[int, ...] = MEMORIES
    bias: float = 0.09
    unseen: float = 1.4
    few: float = 160.0
    followers: float = 30.0
    spread: float = 0.5

    def __post_init__(self) -> None:
        if not self.memories or len(set(self.memories)) < len(self.memories):
            raise ValueError(f"memories must be distinct and at least one, got {self.memories}")
        for memory in self.memories:
            check_memory(memory)
        numbers = {name: getattr(self, name) for name in ("bias", "few", "followers", "spread")}
        if self.unseen < 1 or min(numbers.values()) < 0:
            said = ", ".join(f"{name} {number}" for name, number in numbers.items())
            raise ValueError(f"unseen must be at least 1 and the others at least 0, got unseen {self.unseen}, {said}")

    def all_memories(self, horizon: int) -> tuple[int, ...]:
        """Those to ask about: of memories that reach over a whole course of `horizon` steps the shortest alone, as they
        are one estimate."""
        whole = min((memory for memory in self.memories if memory >= horizon), default=horizon)
        return tuple(memory for memory in self.memories if memory <= whole)


@dataclass(frozen=True)
class Part:
    """One memory's say in a mix: its value, standard error and effective stays, and its weight in the mean."""

    memory: int
    value: float
    se: float
    ess: float
    weight: float


@dataclass(frozen=True)
class MixEstimate(Estimate):
    """Estimate with its standard error `se`, the part `spread` of it that the distances between memories make, whether
    these `disagree` by more than chance and the bias that is expected of them explain, and what each says.

    `ess` is the effective number of stays that follow it for two actions in a row (by the shortest memory longer than
    one action, whatever it weighs, so that it falls as a policy leaves the clinicians); 0: no recorded stay does.
    """

    se: float
    spread: float
    ess: float
    parts: tuple[Part, ...]
    disagree: bool = False

    def __str__(self) -> str:
        whole = f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}), n {self.n:,}, ESS {self.ess:,.0f}"
        parts = ", ".join(
            f"memory {part.memory}: {part.value:.2f} ± {part.se:.2f}, weight {part.weight:.2f}" for part in self.parts
        )
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

    memory: int
    value: float
    influence: np.ndarray
    ess: float


def clustered_covariance(influences: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(K, K) covariance of K means over stays whose influences (K, n) of one person (n,) belong together.

    P / (P - 1) sum_p s_p s_p' / n^2, s_p = sum_{i in p} influence_i, over P persons; NaN for fewer than two.
    """
    centered = influences - influences.mean(axis=1, keepdims=True)
    _, code = np.unique(person, return_inverse=True)
    sums = np.stack([np.bincount(code, weights=row) for row in centered])
    n, persons = influences.shape[1], sums.shape[1]
    if persons < 2:
        return np.full((len(influences),) * 2, np.nan)
    return np.asarray(persons / (persons - 1) * (sums @ sums.T) / n**2)


def clustered_error(influence: np.ndarray, person: np.ndarray) -> float:
    """Standard error of a mean over stays by their influences (n,), see `clustered_covariance`."""
    return float(np.sqrt(clustered_covariance(influence[None], person)[0, 0]))


def mix(
    name: str,
    found: Sequence[Remembering],
    clinicians: Sequence[Remembering],
    returns: np.ndarray,
    person: np.ndarray,
    teachers: float,
    settings: MixSettings | None = None,
) -> Judged:
    """Put the memories of one policy together.

    found: one for each of `all_memories`; clinicians: those of the policy that always defers, in the same order;
    returns (n,) of the same stays, person (n,) their persons' numbers; teachers: persons who taught a fold's critics.
    """
    settings = settings or MixSettings()
    less = [
        Remembering(one.memory, one.value - usual.value, one.influence - usual.influence, one.ess)
        for one, usual in zip(found, clinicians, strict=True)
    ]
    unit, mean = float(returns.std()), float(returns.mean())
    # nobody follows the clinicians themselves where all are lost at once
    follow = min(one.ess / usual.ess if usual.ess else 0.0 for one, usual in zip(found, clinicians, strict=True))
    away = max(1 - follow, 0.0)
    chance = clustered_covariance(np.stack([one.influence for one in less]), person)
    noise, bias = _noise(less, chance, person, teachers, settings), away * _bias(less, unit, settings)
    enlarged = enlargement(noise, bias, np.array([one.value for one in less]))
    covariance = noise + enlarged * np.diag(bias)
    weights = least_variance(covariance)
    # of the value the influences' own error is the whole stays'; what they do not see is of the difference alone
    counts = weights > 0
    unseen = float(weights[counts] @ (covariance - chance)[np.ix_(counts, counts)] @ weights[counts])
    whole = [Remembering(one.memory, one.value + mean, one.influence + returns - mean, one.ess) for one in less]
    of_whole = clustered_covariance(np.stack([one.influence for one in whole]), person)
    value, difference = (
        _mixed(one, sampling, weights, unseen, settings.spread, enlarged > 1)
        for one, sampling in ((whole, of_whole), (less, chance))
    )
    return Judged(name, value, difference, unit)


def _noise(
    found: Sequence[Remembering], chance: np.ndarray, person: np.ndarray, teachers: float, settings: MixSettings
) -> np.ndarray:
    """(K, K) covariance of the memories by chance, with what their influences do not see."""
    persons = len(np.unique(person))
    # a person's stay that is kept twice is no more evidence
    followed = persons * np.array([one.ess / len(one.influence) for one in found])
    with np.errstate(divide="ignore", invalid="ignore"):
        carried = np.sqrt(1 + settings.followers / followed)
        return np.asarray((settings.unseen + settings.few / teachers) * chance * np.outer(carried, carried))


def _bias(found: Sequence[Remembering], unit: float, settings: MixSettings) -> np.ndarray:
    """(K,) squares of the biases that memories are expected to have of a policy far from the clinicians."""
    return np.asarray((settings.bias * unit / (1 + np.array([one.memory for one in found])) ** 2) ** 2)


def enlargement(noise: np.ndarray, bias: np.ndarray, values: np.ndarray) -> float:
    """The smallest factor >= 1 of the squared biases (K,) that explains how far the values (K,) are apart beside their
    noise (K, K): 1 where they explain it as they are, and where there is no bias or no second value."""
    told = np.isfinite(np.diag(noise))
    noise, bias, values = noise[np.ix_(told, told)], bias[told], values[told]
    if len(values) < 2 or not bias.all():
        return 1.0
    noise = noise + JITTER * np.diag(noise).mean() * np.eye(len(noise))
    most = float(chdtri(len(values) - 1, 1 - AGREED))

    def beyond(factor: float) -> float:
        precision = np.linalg.inv(noise + factor * np.diag(bias))
        residual = values - precision.sum(axis=0) @ values / precision.sum()
        return float(residual @ precision @ residual) - most

    if beyond(1.0) <= 0:
        return 1.0
    highest = 2.0
    while beyond(highest) > 0:
        highest *= 2
    return float(brentq(beyond, highest / 2, highest))


def least_variance(covariance: np.ndarray) -> np.ndarray:
    """(K,) weights w >= 0 of sum 1 with the smallest w'S w for a covariance S (K, K): 0 for an estimate of no finite
    variance, equal ones where none has any.

    w is proportional to the x >= 0 with the smallest x'S x / 2 - sum x, a least squares problem in S = L L'.
    """
    told = np.isfinite(np.diag(covariance))
    weights = told.astype(np.float64) if told.any() else np.ones(len(covariance))
    scale = np.diag(covariance)[told].mean() if told.any() else 0.0
    if scale > 0:
        among = covariance[np.ix_(told, told)] / scale
        root = np.linalg.cholesky(among + JITTER * np.eye(len(among)))
        weights[told] = nnls(root.T, np.linalg.solve(root, np.ones(len(among))))[0]
    return np.asarray(weights / weights.sum())


def _mixed(
    found: Sequence[Remembering], sampling: np.ndarray, weights: np.ndarray, unseen: float, f: float, disagree: bool
) -> MixEstimate:
    """sampling (K, K): covariance of the memories by their influences; unseen: variance that these do not see."""
    said, n = np.array([one.value for one in found]), len(found[0].influence)
    value = float(weights @ said)
    spread = f * float(np.sqrt(weights @ (said - value) ** 2))
    chance = max(float(weights @ sampling @ weights), 0.0)  # rounding alone makes it less
    se = float(np.sqrt(chance + unseen + spread**2))
    parts = tuple(
        Part(one.memory, one.value, float(error), one.ess, float(weight))
        for one, error, weight in zip(found, np.sqrt(np.diag(sampling)), weights, strict=True)
    )
    return MixEstimate(value, value - Z95 * se, value + Z95 * se, n, se, spread, _followers(found), parts, disagree)


def _followers(found: Sequence[Remembering]) -> float:
    """Effective stays by the shortest memory longer than one action, by the longest where all are short."""
    longer = [one for one in found if one.memory > 1]
    if longer:
        return min(longer, key=lambda one: one.memory).ess
    return max(found, key=lambda one: one.memory).ess
