"""Sensitivity to what is not recorded: how far hidden causes of a dose could move a difference to the clinicians.

Marginal sensitivity model (Tan 2006): the odds of the dose given, by all that clinicians knew, and by the record alone,
differ at every step by at most a factor Gamma. The importance ratio of a policy that defers with probability d then is

    rho(l) = d + (1 - d) own (1 + l (1/b - 1)),    1/Gamma <= l <= Gamma,    l = 1: nothing is hidden

where it defers nothing moves: the dose is the clinicians' own, whatever they knew. Of each step the bounds are the
extremes over all l, one a stay, of the normalized mean of what followed beyond the critic's word (Zhao, Small and
Bhattacharya 2019, a linear fractional program whose solution is a threshold):

    s_t(Gamma) = extreme_l sum_i m_it rho_it(l_i) e_it / sum_i m_it rho_it(l_i)  -  the same at l = 1
    difference(Gamma) = difference + sum_t gamma^t s_t(Gamma)

m: ratios of the steps before, as the memories that the mix weighs take them, by their weights; the critic alone weighs
no stays, so its share falls to them: it learned from records with the same causes, and is taken to move as they do; e:
what a stay earned beyond the critic:

    lasting   e_t = delta_t + gamma min(1, rho_{t+1}) e_{t+1}, the rest of the stay: the cause may last, as a phenotype
              that clinicians see and the chart does not, and show in the outcome alone
    passing   e_t = delta_t, the next row: the cause is drawn afresh at every step and acts through that row alone, as
              in robust fitted iteration (Kallus and Zhou 2020; Bruns-Smith and Zhou 2023)

Each step's extreme is taken apart, the others' ratios held at l = 1: exact for one step, first order in log Gamma for
more. How strongly a cause moves the rewards is not limited, so an unrecorded prognosis that moves the dose by Gamma is
covered, however ill it makes; the price is that a cause may know all that chance will bring, and the bounds are wide
(sharper ones balance quantiles of e, Dorn and Guo 2022). What is bounded is the estimate: its standard error stays what
it was. Not covered: recorded columns that models fit badly, causes of which stays are recorded or lost to follow-up
(those who are followed stand for the lost as the record says), and rewards that do not measure what matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.evaluation.judging.windows import carried

MOST = 20.0  # Gamma up to which bounds are told
GAMMAS = np.exp(np.log(MOST) * np.linspace(0, 1, 61) ** 2)  # dense near 1, where claims die
MOST_STEPS = 100  # of the search for a threshold, which takes fewer than ten


@dataclass(frozen=True, eq=False)
class Bounds:
    """What hidden causes of strength Gamma could take from a difference and add to it: low (G,) <= 0 <= high (G,) at
    `GAMMAS`, 0 at Gamma = 1, ever further from it."""

    low: np.ndarray
    high: np.ndarray

    def at(self, gamma: float) -> tuple[float, float]:
        """Both at a Gamma from 1 to `MOST`, linear in log Gamma between those that were solved. ValueError outside."""
        if not 1 <= gamma <= MOST:
            raise ValueError(f"gamma must lie between 1 and {MOST:g}, got {gamma}")
        place = np.log(gamma), np.log(GAMMAS)
        return float(np.interp(*place, self.low)), float(np.interp(*place, self.high))

    def reaches(self, margin: float) -> float:
        """The smallest Gamma at which hidden causes could take `margin` away: 1 where it is not above 0, `MOST` where
        none up to it could."""
        if margin <= 0:
            return 1.0
        if -self.low[-1] <= margin:
            return MOST
        after = int(np.argmax(-self.low > margin))
        ends = -self.low[after - 1 : after + 1]
        return float(np.exp(np.interp(margin, ends, np.log(GAMMAS[after - 1 : after + 1]))))


def factor_text(gamma: float) -> str:
    """'1.35', 'less than 1.01' for the faintest, or 'more than 20' where none that was tried was strong enough."""
    if gamma < 1.005:
        return "less than 1.01"
    return f"more than {MOST:g}" if gamma >= MOST else f"{gamma:.2f}"


@dataclass(frozen=True, eq=False)
class Hidden:
    """Bounds for causes that last and for passing ones."""

    lasting: Bounds
    passing: Bounds


@dataclass(frozen=True, eq=False)
class Tilted:
    """Ratios of n stays at T steps as the hidden cause tilts them, rho(l) = fixed + l moved, and log_ratios at l = 1,
    each (n, T), 1, 0 and 0 after a stay's last step."""

    fixed: np.ndarray
    moved: np.ndarray
    log_ratios: np.ndarray


def bounds(
    tilted: Tilted,
    errors: np.ndarray,
    weights: Mapping[int, float],
    gamma: float,
    followed: np.ndarray | None = None,
) -> Bounds:
    """Bounds from errors e (n, T), 0 after a stay's last step; weights: of each memory above 0, of sum 1; gamma: the
    discount; followed (n, T): log weights of those who are not lost, as `windows.corrected` takes them."""
    low, high = np.zeros((2, len(GAMMAS)))
    for memory, weight in weights.items():
        before = carried(tilted.log_ratios, memory) + (0.0 if followed is None else followed)
        top = before.max(axis=0)
        reached = np.exp(before - np.where(np.isneginf(top), 0.0, top))
        for t in range(errors.shape[1]):
            parts = errors[:, t], reached[:, t] * tilted.fixed[:, t], reached[:, t] * tilted.moved[:, t]
            share = gamma**t * weight
            low -= share * highest_gain(-parts[0], *parts[1:], GAMMAS)
            high += share * highest_gain(*parts, GAMMAS)
    return Bounds(low, high)


def highest_gain(values: np.ndarray, fixed: np.ndarray, moved: np.ndarray, gammas: np.ndarray) -> np.ndarray:
    """(G,) how far the largest weighted mean of values lies above that at l = 1, over weights fixed + l moved with
    1/Gamma <= l <= Gamma, each (n,) at least 0 and its own l for every entry; 0 where all weights are 0.

    The solution gives the values above a threshold l = Gamma and the others 1/Gamma, the threshold being the mean that
    results: found from below in a few steps (Dinkelbach), all Gamma at once, after one sorting.
    """
    order = np.argsort(-values, kind="stable")
    ranked, f, m = values[order], fixed[order], moved[order]
    top_m, top_mv = (np.concatenate([[0.0], np.cumsum(x)]) for x in (m, m * ranked))
    constant, constant_v = f.sum(), (f * ranked).sum()
    if constant + top_m[-1] <= 0:
        return np.zeros(len(gammas))

    def mean(above: np.ndarray) -> np.ndarray:
        """With the first `above` entries at Gamma and the others at 1/Gamma."""
        apart, least = gammas - 1 / gammas, 1 / gammas
        return np.asarray(
            (constant_v + least * top_mv[-1] + apart * top_mv[above])
            / (constant + least * top_m[-1] + apart * top_m[above])
        )

    usual = (constant_v + top_mv[-1]) / (constant + top_m[-1])
    found = np.full(len(gammas), usual)
    for _ in range(MOST_STEPS):
        better = np.maximum(found, mean(np.searchsorted(-ranked, -found, side="left")))
        if np.array_equal(better, found):
            break
        found = better
    return np.where(gammas > 1, found - usual, 0.0)
