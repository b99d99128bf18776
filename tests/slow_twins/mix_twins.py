"""The mix as plain loops over stays and steps: LSTD-Q with traces, one memory's correction, errors by person."""

from __future__ import annotations

import numpy as np


def slow_lstd(stays, gamma: float, trace: float, ridge: np.ndarray):
    """Weights and matrix from stays of (phi, phi_pi, reward, ratio) steps; phi_pi is the policy's mean phi there."""
    size = len(ridge)
    matrix, response = np.diag(ridge).astype(float), np.zeros(size)
    for stay in stays:
        z = np.zeros(size)
        for t, (phi, _, reward, ratio) in enumerate(stay):
            after = stay[t + 1][1] if t + 1 < len(stay) else np.zeros(size)
            z = phi + gamma * trace * min(1.0, ratio) * z
            matrix += np.outer(z, phi - gamma * after)
            response += z * reward
    return np.linalg.solve(matrix, response), matrix


def slow_weight(ratios, t: int, memory: int) -> float:
    """Weight at step t of a stay whose ratios end with it: 1 for the steps that it lacks."""
    known = [ratios[u] if u < len(ratios) else 1.0 for u in range(t + 1)]
    return float(np.prod(known[max(0, t + 1 - memory) :]))


def slow_followed(followed, t: int) -> float:
    """Product of the follow-up ratios up to step t, of those that the stay has."""
    return float(np.prod(followed[: t + 1]))


def slow_value(stays, gamma: float, memory: int, followed=None) -> float:
    """Value from stays of (v of the first step, [(ratio, delta), ...]); followed: of each stay, [ratio, ...]."""
    followed = followed or [[1.0] * len(steps) for _, steps in stays]
    value = sum(first for first, _ in stays) / len(stays)
    if memory == 0:
        return value
    for t in range(max(len(steps) for _, steps in stays)):
        weights = [
            slow_weight([ratio for ratio, _ in steps], t, memory) * slow_followed(kept, t)
            for (_, steps), kept in zip(stays, followed, strict=True)
        ]
        total = sum(weights)
        for weight, (_, steps) in zip(weights, stays, strict=True):
            if t < len(steps) and total > 0:
                value += gamma**t * weight / total * steps[t][1]
    return value


def slow_clustered_error(influence, person) -> float:
    mean, sums = sum(influence) / len(influence), {}
    for value, owner in zip(influence, person, strict=True):
        sums[owner] = sums.get(owner, 0.0) + value - mean
    persons = len(sums)
    return (persons / (persons - 1) * sum(s**2 for s in sums.values())) ** 0.5 / len(influence)


def slow_influence(stays, gamma: float, memory: int, step: float = 1e-6) -> list[float]:
    """n times the change of the value as one stay's mass grows, the others' shrinking alike: 1 + e on stay i."""

    def weighted(mass) -> float:
        mass = np.asarray(mass) / sum(mass)
        value = sum(m * first for m, (first, _) in zip(mass, stays, strict=True))
        for t in range(max(len(steps) for _, steps in stays)) if memory > 0 else ():
            weights = [m * slow_weight([r for r, _ in s], t, memory) for m, (_, s) in zip(mass, stays, strict=True)]
            for weight, (_, steps) in zip(weights, stays, strict=True):
                if t < len(steps):
                    value += gamma**t * weight / sum(weights) * steps[t][1]
        return value

    n, found = len(stays), []
    for i in range(n):
        more, less = np.ones(n), np.ones(n)
        more[i] += step
        less[i] -= step
        found.append(n * (weighted(more) - weighted(less)) / (2 * step))
    return found
