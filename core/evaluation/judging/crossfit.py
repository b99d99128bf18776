"""Cross-fitting: every stay is judged by the policies, critics and probabilities of a fold that never saw it.

For each fold, policies, propensities and critic come from the stays outside it; residuals and ratios of its own stays
are then pooled over folds, so that all N stays count. The standard error includes the critic's own noise: stay i
influences V_k by

    psi_ik + sum_t z_it' A^-T g_k delta_it,   g_k = dV_k / dw,   z the critic's traces

psi from `windows.corrected` (starts, weights, residuals), the rest through the critic's weights w; for k = 0 the second
part is LSTD's own weighting, omega = z' A^-T mu_0. Its mean over the held-out stays is added to V_k: one Newton step
from the training stays' critic to their own. A policy and its critic learn from the same stays, whose luck both take
for an effect; the step takes that back, and leaves the influences as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.base.rng import stream
from core.base.threads import side_by_side
from core.evaluation.judging.deferring import Deferring, always_deferring
from core.evaluation.judging.features import FeatureMap, FeatureSettings, Situations
from core.evaluation.judging.hidden import Hidden, Tilted, bounds
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import LinearCritic, Lstd, LstdSettings, traced
from core.evaluation.judging.mix import Judged, MixSettings, Remembering, mix
from core.evaluation.judging.terms import JudgedTerms
from core.evaluation.judging.windows import Corrected, corrected
from core.evaluation.policies import propensities

N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Fold:
    """held (N,) bool stays of the fold; policies of the other stays, with probabilities at all N (the critic's training
    stays need them too), the same names in every fold; behavior (N, T) propensity of the action taken, by a model of
    the other stays, and chances (N, T, A) of every action, by which critics center actions (None: they do not)."""

    held: np.ndarray
    policies: Sequence[Deferring]
    behavior: np.ndarray
    chances: np.ndarray | None = None

    @classmethod
    def by(
        cls,
        histories: Histories,
        held: np.ndarray,
        policies: Sequence[Deferring],
        chances: np.ndarray,
        centered: bool = True,
    ) -> Fold:
        """With the clinicians' probabilities of every action, (N, T, A)."""
        taken = np.where(histories.mask, propensities(chances, histories.actions), 1.0)
        return cls(held, policies, taken.astype(np.float64), chances if centered else None)


@dataclass(frozen=True)
class JudgeSettings:
    """Of features, critic and mix; hidden: whether to bound what hidden causes could do, at the cost of some time."""

    features: FeatureSettings = field(default_factory=FeatureSettings)
    lstd: LstdSettings = field(default_factory=LstdSettings)
    mix: MixSettings = field(default_factory=MixSettings)
    hidden: bool = False


def assign_folds(persons: np.ndarray, n_folds: int = N_FOLDS, seed: int = 0) -> np.ndarray:
    """(N,) fold 0..n_folds - 1 of each stay, all stays of a person in one. persons (N,) keys.

    ValueError where there are fewer persons than folds.
    """
    keys, code = np.unique(persons, return_inverse=True)
    if not 2 <= n_folds <= len(keys):
        raise ValueError(f"n_folds must lie between 2 and the {len(keys)} persons, got {n_folds}")
    return (stream(seed, "folds").permutation(len(keys)) % n_folds)[code]


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """What one fold says of its own steps: their flat positions, phi, situations, and each policy's critic."""

    steps: np.ndarray
    phi: np.ndarray
    features: FeatureMap
    situations: Situations
    critics: list[LinearCritic]


@dataclass(frozen=True, eq=False)
class _Pooled:
    """Of P policies over all m steps and J rewards: v, residual delta and delta traced by the critic, each (P, m, J),
    and the log ratio (P, m), by the fold that held them out."""

    v: np.ndarray
    delta: np.ndarray
    traced: np.ndarray
    log_ratios: np.ndarray


def judge(histories: Histories, folds: Sequence[Fold], settings: JudgeSettings | None = None) -> list[Judged]:
    """Value and difference to the clinicians of every policy, from all stays that a fold holds out, each by that fold.

    Stays that no fold holds out teach critics and are not judged: the patients that a policy was learned from, say.
    ValueError where a stay is held out twice or none is, and where folds part a person or differ in their policies.
    """
    return judge_groups(histories, folds, [np.ones(len(histories.mask), dtype=bool)], settings)[0]


def judge_groups(
    histories: Histories, folds: Sequence[Fold], groups: Sequence[np.ndarray], settings: JudgeSettings | None = None
) -> list[list[Judged]]:
    """`judge` from the held-out stays of each group alone, (N,) bool; critics are fitted once for all of them."""
    settings = settings or JudgeSettings()
    everything = _judge_all(histories, folds, settings)
    return [_judgments(_judged_alone(everything, group), settings) for group in groups]


def judge_terms(
    histories: Histories, folds: Sequence[Fold], terms: np.ndarray, settings: JudgeSettings | None = None
) -> JudgedTerms:
    """`judge` of J rewards at once, terms (N, T, J), and so of every sum that they are weighed into.

    The rewards of the histories are not read. Hidden causes are not asked about: their bounds are not linear in it.
    """
    settings = settings or JudgeSettings()
    everything = _judge_all(replace(histories, rewards=terms), folds, settings)
    alone = _judged_alone(everything, np.ones(len(histories.mask), dtype=bool))
    told = alone.histories
    each = [replace(told, rewards=told.rewards[..., j]).returns for j in range(terms.shape[-1])]
    returns, person = np.stack(each)[:, told.evaluated], told.person[told.evaluated]
    found = [_remembering(alone, p, settings.mix) for p in range(len(alone.names))]
    return JudgedTerms(tuple(alone.names[:-1]), found[:-1], found[-1], returns, person, alone.teachers, settings.mix)


@dataclass(frozen=True, eq=False)
class _Everything:
    """What all judgments of the same policies share; of the policies the last are the clinicians. teachers: persons who
    teach a fold's critics, in the mean."""

    histories: Histories
    folds: Sequence[Fold]
    held: Sequence[_HeldOut]
    pooled: _Pooled
    teachers: float

    @property
    def names(self) -> list[str]:
        return [policy.name for policy in self.folds[0].policies]


def _judge_all(histories: Histories, folds: Sequence[Fold], settings: JudgeSettings) -> _Everything:
    """Critics and residuals of all held-out stays. Rewards (N, T) or (N, T, J)."""
    _check(histories, folds)
    if histories.rewards.ndim == 2:
        histories = replace(histories, rewards=histories.rewards[..., None])
    usual = always_deferring(histories)
    folds = [replace(fold, policies=[*fold.policies, usual]) for fold in folds]
    shape = len(folds[0].policies), len(histories.stay)
    v, delta, error = (np.empty((*shape, histories.rewards.shape[-1])) for _ in range(3))
    pooled = _Pooled(v, delta, error, np.empty(shape))
    held = side_by_side(lambda fold: _judge_fold(histories, fold, settings, pooled), folds)
    taught = [np.unique(histories.person[~fold.held & histories.mask.any(axis=1)]) for fold in folds]
    return _Everything(histories, folds, held, pooled, float(np.mean([len(persons) for persons in taught])))


def _judgments(alone: _Everything, settings: JudgeSettings) -> list[Judged]:
    """Every policy but the clinicians, from all stays of these histories, in the one reward that was asked about."""
    histories = replace(alone.histories, rewards=alone.histories.rewards[..., 0])
    (*found, usual) = [_remembering(alone, p, settings.mix)[0] for p in range(len(alone.names))]
    returns, person = histories.returns[histories.evaluated], histories.person[histories.evaluated]
    judged = [
        mix(name, one, usual, returns, person, alone.teachers, settings.mix)
        for name, one in zip(alone.names, found, strict=False)
    ]
    if not settings.hidden:
        return judged
    return [
        replace(one, hidden=_hidden(histories, alone.folds, p, alone.pooled, _weighing(one)))
        if one.difference.ess > 0
        else one
        for p, one in enumerate(judged)
    ]


def _weighing(judged: Judged) -> dict[int, float]:
    """What each memory that weighs stays counts in a difference, of sum 1; one action alone where none of them does."""
    weights = {part.memory: part.weight for part in judged.difference.parts if part.memory > 0 and part.weight > 0}
    total = sum(weights.values())
    return {memory: weight / total for memory, weight in weights.items()} or {1: 1.0}


def _hidden(
    histories: Histories, folds: Sequence[Fold], p: int, pooled: _Pooled, weights: Mapping[int, float]
) -> Hidden:
    """What hidden causes could do to the difference of policy p, over memories above 0 by their weights."""
    fixed, moved = np.zeros((2, len(histories.stay)))
    for fold in folds:
        steps = fold.held[histories.stay]
        parts = fold.policies[p].tilted(histories, histories.flat(fold.behavior).astype(np.float64))
        fixed[steps], moved[steps] = (part[steps] for part in parts)
    logs, delta, alive = pooled.log_ratios[p], pooled.delta[p, :, 0], _grid(histories, np.ones(len(histories.stay)))
    tilted = Tilted(1 - alive + _grid(histories, fixed), _grid(histories, moved), _grid(histories, logs))
    kept = 1.0 if histories.follow_up is None else histories.flat(histories.follow_up)
    rest = traced(histories, delta, histories.gamma * kept * np.minimum(np.exp(logs), 1))
    followed = histories.log_followed[histories.evaluated]
    lasting, passing = (
        bounds(tilted, _grid(histories, errors), weights, histories.gamma, followed) for errors in (rest, delta)
    )
    return Hidden(lasting, passing)


def _check(histories: Histories, folds: Sequence[Fold]) -> None:
    times = np.sum([fold.held for fold in folds], axis=0)
    if times.shape != (len(histories.mask),) or (times > 1).any() or not times.any():
        raise ValueError("every stay must be held out by at most one fold, and some stay by one")
    number = np.where(times > 0, np.argmax([fold.held for fold in folds], axis=0), len(folds))
    first = np.zeros(histories.person.max() + 1, dtype=np.int64)
    first[histories.person] = number
    if (first[histories.person] != number).any():
        raise ValueError("stays of one person are in different folds; assign folds by person (`assign_folds`)")
    if any([p.name for p in fold.policies] != [p.name for p in folds[0].policies] for fold in folds):
        raise ValueError("every fold must hold the same policies by name, in the same order")


def _judged_alone(everything: _Everything, group: np.ndarray) -> _Everything:
    """All of it of the held-out stays of a group alone, (N,) bool; the others only taught."""
    histories, folds, pooled = everything.histories, everything.folds, everything.pooled
    chosen = np.any([fold.held for fold in folds], axis=0) & group
    kept = chosen[histories.stay]
    place = np.cumsum(kept) - 1
    held = [_kept(one, kept[one.steps], place) for one in everything.held]
    alone = [
        replace(
            fold,
            held=fold.held[chosen],
            policies=[policy.only(chosen) for policy in fold.policies],
            behavior=fold.behavior[chosen],
            chances=None if fold.chances is None else fold.chances[chosen],
        )
        for fold in folds
    ]
    arrays = (pooled.v, pooled.delta, pooled.traced, pooled.log_ratios)
    pooled = _Pooled(*(array[:, kept] for array in arrays))
    return _Everything(histories.only(chosen), alone, held, pooled, everything.teachers)


def _kept(one: _HeldOut, kept: np.ndarray, place: np.ndarray) -> _HeldOut:
    """A fold's steps that are kept (bool), at their new places."""
    return replace(one, steps=place[one.steps[kept]], phi=one.phi[kept], situations=one.situations.at(kept))


def _judge_fold(histories: Histories, fold: Fold, settings: JudgeSettings, pooled: _Pooled) -> _HeldOut:
    """Fit the fold's critics on the other stays, and fill in its own steps of `pooled`."""
    steps = np.flatnonzero(fold.held[histories.stay])
    features = FeatureMap.fit(histories, ~fold.held[histories.stay], settings.features)
    chances = None if fold.chances is None else histories.flat(fold.chances)
    lstd = Lstd.prepare(histories, features, ~fold.held, settings.lstd, chances)
    behavior = histories.flat(fold.behavior).astype(np.float64)
    critics = []
    for p, policy in enumerate(fold.policies):
        expected = lstd.expected(policy.weights(histories))
        logs = policy.log_ratios(histories, behavior)
        critic = lstd.fit(expected, np.exp(logs))
        v = lstd.v(critic, expected)
        delta = lstd.residual(critic, v)
        pooled.v[p, steps], pooled.delta[p, steps] = v[steps], delta[steps]
        pooled.traced[p, steps] = traced(histories, delta, lstd.decay(np.exp(logs)))[steps]
        pooled.log_ratios[p, steps] = logs[steps]
        critics.append(critic)
    return _HeldOut(steps, lstd.phi[steps], features, lstd.situations.at(steps), critics)


def _remembering(alone: _Everything, p: int, settings: MixSettings) -> list[list[Remembering]]:
    """Value of policy p in each reward under each memory, with the whole influence of every stay."""
    histories, pooled = alone.histories, alone.pooled
    log_ratios, alive = _grid(histories, pooled.log_ratios[p]), _grid(histories, np.ones(len(histories.stay))) > 0
    followed, memories = histories.log_followed[histories.evaluated], settings.all_memories(histories.time.max() + 1)
    said: list[list[Remembering]] = []
    leverage = None
    for v, delta, error in zip(pooled.v[p].T, pooled.delta[p].T, pooled.traced[p].T, strict=True):
        first, residuals = v[histories.time == 0], _grid(histories, delta)
        found = [corrected(first, residuals, log_ratios, alive, k, histories.gamma, followed) for k in memories]
        if leverage is None:  # weights of steps are the same in every reward
            leverage = _leverage(alone, p, found, alive)
        through = [histories.total(row * error)[histories.evaluated] for row in leverage]
        said.append(
            [
                Remembering(k, one.value + float(more.mean()), one.influence + more - more.mean(), one.ess)
                for k, one, more in zip(memories, found, through, strict=True)
            ]
        )
    return said


def _leverage(alone: _Everything, p: int, found: Sequence[Corrected], alive: np.ndarray) -> np.ndarray:
    """(K, m) how far the traced residual of each step moves each V_k of policy p by way of the critic's weights."""
    histories, held = alone.histories, alone.held
    discount = histories.gamma**histories.time
    omega = np.stack([discount * one.omega[alive] for one in found])  # (K, m), weights of delta in V_k
    start = (histories.time == 0) / len(histories.evaluated)
    # dV/dw = phi^pi by the weights of v less phi by those of q; v enters at the start and from the step before
    on_v = start + histories.gamma * histories.before(omega.T).T
    gradient = np.zeros((len(found), held[0].phi.shape[1]))
    for fold, told in zip(held, alone.folds, strict=True):
        weights = told.policies[p].weights(histories)[fold.steps]
        expected = np.concatenate([fold.situations.base, fold.features.action_part(fold.situations, weights)], axis=1)
        gradient += on_v[:, fold.steps] @ expected - omega[:, fold.steps] @ fold.phi
    leverage = np.zeros(omega.shape)
    for fold in held:
        critic = fold.critics[p]
        direction = np.linalg.solve(critic.matrix.T / critic.n, gradient.T)  # (d, K)
        leverage[:, fold.steps] = (fold.phi @ direction).T
    return leverage


def _grid(histories: Histories, steps: np.ndarray) -> np.ndarray:
    """(m,) -> (n, T), left-aligned, 0 after the last step."""
    grid = np.zeros(histories.mask.shape)
    grid[histories.stay, histories.time] = steps
    return np.asarray(grid[histories.evaluated])
