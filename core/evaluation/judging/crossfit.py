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

from collections.abc import Sequence
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
from core.evaluation.judging.windows import Corrected, corrected

N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Fold:
    """held (N,) bool stays of the fold; policies of the other stays, with probabilities at all N (the critic's training
    stays need them too), the same names in every fold; behavior (N, T) propensity of the action taken, by a model of
    the other stays."""

    held: np.ndarray
    policies: Sequence[Deferring]
    behavior: np.ndarray


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
    """Of P policies over all m steps: v, residual delta, delta traced by the critic and log ratio, each (P, m), by the
    fold that held them out."""

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
    _check(histories, folds)
    usual = always_deferring(histories)
    folds = [replace(fold, policies=[*fold.policies, usual]) for fold in folds]
    names, size = [policy.name for policy in folds[0].policies], len(histories.stay)
    pooled = _Pooled(*(np.empty((len(names), size)) for _ in range(4)))
    held = side_by_side(lambda fold: _judge_fold(histories, fold, settings, pooled), folds)
    told = np.any([fold.held for fold in folds], axis=0)
    return [
        _judgments(names, *_judged_alone(histories, folds, held, pooled, told & group), settings) for group in groups
    ]


def _judgments(
    names: Sequence[str],
    histories: Histories,
    folds: Sequence[Fold],
    held: Sequence[_HeldOut],
    pooled: _Pooled,
    settings: JudgeSettings,
) -> list[Judged]:
    """Every policy but the last, which are the clinicians, from all stays of these histories."""
    found = [
        _remembering(histories, held, [fold.policies[p] for fold in folds], p, pooled, settings.mix)
        for p in range(len(names))
    ]
    returns, person = histories.returns[histories.evaluated], histories.person[histories.evaluated]
    judged = [
        mix(name, one, found[-1], returns, person, settings.mix)
        for name, one in zip(names[:-1], found[:-1], strict=True)
    ]
    if not settings.hidden:
        return judged
    return [
        replace(one, hidden=_hidden(histories, folds, p, pooled, settings.mix)) if one.difference.ess > 0 else one
        for p, one in enumerate(judged)
    ]


def _hidden(histories: Histories, folds: Sequence[Fold], p: int, pooled: _Pooled, settings: MixSettings) -> Hidden:
    """What hidden causes could do to the difference of policy p, by its fading memories."""
    fixed, moved = np.zeros((2, len(histories.stay)))
    for fold in folds:
        steps = fold.held[histories.stay]
        parts = fold.policies[p].tilted(histories, histories.flat(fold.behavior).astype(np.float64))
        fixed[steps], moved[steps] = (part[steps] for part in parts)
    logs, delta, alive = pooled.log_ratios[p], pooled.delta[p], _grid(histories, np.ones(len(histories.stay)))
    tilted = Tilted(1 - alive + _grid(histories, fixed), _grid(histories, moved), _grid(histories, logs))
    kept = 1.0 if histories.follow_up is None else histories.flat(histories.follow_up)
    rest = traced(histories, delta, histories.gamma * kept * np.minimum(np.exp(logs), 1))
    memories = [memory for memory in settings.memories if memory > 0] or [1]
    followed = histories.log_followed[histories.evaluated]
    lasting, passing = (
        bounds(tilted, _grid(histories, errors), memories, histories.gamma, followed) for errors in (rest, delta)
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


def _judged_alone(
    histories: Histories, folds: Sequence[Fold], held: Sequence[_HeldOut], pooled: _Pooled, chosen: np.ndarray
) -> tuple[Histories, list[Fold], list[_HeldOut], _Pooled]:
    """All of it of the chosen stays alone, (N,) bool; the others only taught."""
    kept = chosen[histories.stay]
    place = np.cumsum(kept) - 1
    held = [_kept(one, kept[one.steps], place) for one in held]
    alone = [
        Fold(fold.held[chosen], [policy.only(chosen) for policy in fold.policies], fold.behavior[chosen])
        for fold in folds
    ]
    arrays = (pooled.v, pooled.delta, pooled.traced, pooled.log_ratios)
    return histories.only(chosen), alone, held, _Pooled(*(array[:, kept] for array in arrays))


def _kept(one: _HeldOut, kept: np.ndarray, place: np.ndarray) -> _HeldOut:
    """A fold's steps that are kept (bool), at their new places."""
    situations = Situations(one.situations.base[kept], one.situations.modifiers[kept])
    return replace(one, steps=place[one.steps[kept]], phi=one.phi[kept], situations=situations)


def _judge_fold(histories: Histories, fold: Fold, settings: JudgeSettings, pooled: _Pooled) -> _HeldOut:
    """Fit the fold's critics on the other stays, and fill in its own steps of `pooled`."""
    steps = np.flatnonzero(fold.held[histories.stay])
    features = FeatureMap.fit(histories, ~fold.held[histories.stay], settings.features)
    lstd = Lstd.prepare(histories, features, ~fold.held, settings.lstd)
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
    here = Situations(lstd.situations.base[steps], lstd.situations.modifiers[steps])
    return _HeldOut(steps, lstd.phi[steps], features, here, critics)


def _remembering(
    histories: Histories,
    held: Sequence[_HeldOut],
    policies: Sequence[Deferring],
    p: int,
    pooled: _Pooled,
    settings: MixSettings,
) -> list[Remembering]:
    """Value of policy p under each memory, with the whole influence of every stay."""
    residuals, log_ratios = _grid(histories, pooled.delta[p]), _grid(histories, pooled.log_ratios[p])
    alive = _grid(histories, np.ones(len(histories.stay))) > 0
    first = pooled.v[p][histories.time == 0]
    followed = histories.log_followed[histories.evaluated]
    found = [
        corrected(first, residuals, log_ratios, alive, k, histories.gamma, followed) for k in settings.all_memories
    ]
    through = _through_critic(histories, held, policies, p, pooled.traced[p], found, alive)
    return [
        Remembering(k, one.value + float(more.mean()), one.influence + more - more.mean(), one.ess)
        for k, one, more in zip(settings.all_memories, found, through, strict=True)
    ]


def _through_critic(
    histories: Histories,
    held: Sequence[_HeldOut],
    policies: Sequence[Deferring],
    p: int,
    error: np.ndarray,
    found: Sequence[Corrected],
    alive: np.ndarray,
) -> np.ndarray:
    """(K, n) influence of each stay on each V_k by way of the critic's weights; error (m,) is the traced residual."""
    discount = histories.gamma**histories.time
    omega = np.stack([discount * one.omega[alive] for one in found])  # (K, m), weights of delta in V_k
    start = (histories.time == 0) / len(histories.evaluated)
    # dV/dw = phi^pi by the weights of v less phi by those of q; v enters at the start and from the step before
    on_v = start + histories.gamma * histories.before(omega.T).T
    gradient = np.zeros((len(found), held[0].phi.shape[1]))
    for fold, policy in zip(held, policies, strict=True):
        weights = policy.weights(histories)[fold.steps]
        expected = np.concatenate([fold.situations.base, fold.features.action_part(fold.situations, weights)], axis=1)
        gradient += on_v[:, fold.steps] @ expected - omega[:, fold.steps] @ fold.phi
    weighed = np.zeros((len(found), len(error)))
    for fold in held:
        critic = fold.critics[p]
        direction = np.linalg.solve(critic.matrix.T / critic.n, gradient.T)  # (d, K)
        weighed[:, fold.steps] = (fold.phi @ direction).T * error[fold.steps]
    return np.stack([histories.total(row)[histories.evaluated] for row in weighed])


def _grid(histories: Histories, steps: np.ndarray) -> np.ndarray:
    """(m,) -> (n, T), left-aligned, 0 after the last step."""
    grid = np.zeros(histories.mask.shape)
    grid[histories.stay, histories.time] = steps
    return np.asarray(grid[histories.evaluated])
