"""The weighted estimators as plain loops over patients and steps: slow, readable, no logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Stay = tuple[list[float], list[float], list[float], list[float]]  # rewards, ratios, q, v of the evaluated steps


def stays_of(rewards, mask, evaluation, behavior, q, v) -> list[Stay]:
    stays = []
    for i in range(len(mask)):
        steps = [t for t in range(mask.shape[1]) if mask[i, t]]
        if steps:
            ratios = [evaluation[i, t] / behavior[i, t] for t in steps]
            stays.append(([rewards[i, t] for t in steps], ratios, [q[i, t] for t in steps], [v[i, t] for t in steps]))
    return stays


def _groups(stays: Sequence[Stay]) -> dict[int, list[Stay]]:
    groups: dict[int, list[Stay]] = {}
    for stay in stays:
        groups.setdefault(len(stay[0]), []).append(stay)
    return groups


def _normalized(weights: list[float]) -> list[float]:
    total = sum(weights)
    return [w / total for w in weights] if total > 0 else [1 / len(weights)] * len(weights)


def slow_phwis(stays: Sequence[Stay], gamma: float) -> float:
    value = 0.0
    for group in _groups(stays).values():
        omega = _normalized([float(np.prod(ratios)) for _, ratios, _, _ in group])
        returns = [sum(gamma**t * r for t, r in enumerate(rewards)) for rewards, _, _, _ in group]
        value += len(group) / len(stays) * sum(w * g for w, g in zip(omega, returns, strict=True))
    return value


def slow_phwdr(stays: Sequence[Stay], gamma: float) -> float:
    value = 0.0
    for length, group in _groups(stays).items():
        before = [1 / len(group)] * len(group)
        for t in range(length):
            omega = _normalized([float(np.prod(ratios[: t + 1])) for _, ratios, _, _ in group])
            for i, (rewards, _, q, v) in enumerate(group):
                term = omega[i] * rewards[t] - (omega[i] * q[t] - before[i] * v[t])
                value += len(group) / len(stays) * gamma**t * term
            before = omega
    return value


def slow_bootstrap(estimator, stays: Sequence[Stay], gamma: float, counts: np.ndarray) -> np.ndarray:
    """The estimator on each resample, given how often each stay is drawn."""
    values = []
    for row in counts:
        drawn = [stay for stay, times in zip(stays, row, strict=True) for _ in range(int(times))]
        values.append(estimator(drawn, gamma))
    return np.array(values)


def slow_isotonic(y: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Pool adjacent violators."""
    blocks: list[list[float]] = []
    for value, weight in zip(y, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, wa, na), (b, wb, nb) = blocks[-2], blocks[-1]
            blocks[-2:] = [[(a * wa + b * wb) / (wa + wb), wa + wb, na + nb]]
    return [value for value, _, n in blocks for _ in range(int(n))]


def slow_wis(stays: Sequence[Stay], gamma: float) -> float:
    omega = _normalized([float(np.prod(ratios)) for _, ratios, _, _ in stays])
    returns = [sum(gamma**t * r for t, r in enumerate(rewards)) for rewards, _, _, _ in stays]
    return sum(w * g for w, g in zip(omega, returns, strict=True))


def slow_wdr(stays: Sequence[Stay], gamma: float) -> float:
    """A stay that has ended keeps its last ratio and has nothing more to earn: r = Q = V = 0."""
    value, before = 0.0, [1 / len(stays)] * len(stays)
    for t in range(max(len(rewards) for rewards, _, _, _ in stays)):
        omega = _normalized([float(np.prod(ratios[: t + 1])) for _, ratios, _, _ in stays])
        for i, (rewards, _, q, v) in enumerate(stays):
            if t < len(rewards):
                value += gamma**t * (omega[i] * rewards[t] - (omega[i] * q[t] - before[i] * v[t]))
        before = omega
    return value


def slow_per_decision_wis(stays: Sequence[Stay], gamma: float) -> float:
    value = 0.0
    for t in range(max(len(rewards) for rewards, _, _, _ in stays)):
        omega = _normalized([float(np.prod(ratios[: t + 1])) for _, ratios, _, _ in stays])
        value += gamma**t * sum(w * s[0][t] for w, s in zip(omega, stays, strict=True) if t < len(s[0]))
    return value
