"""Toys about outcomes: survival where patients leave, doses in danger, concordance that only looks like an effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.base.rng import stream
from core.base.statistics import Z95
from core.evaluation import concordant

DAYS, EARLY = 30, 7  # days followed, and those with the early hazard
STAY_STEPS, BASE = 16, 0.03  # steps of a stay, and the chance of danger at each without the drug


@dataclass(frozen=True, eq=False)
class KaplanMeier:
    """By day 0..D, (D + 1,): survival, its standard error, how many were at risk on the day, and its hazard, the share
    of them who died (NaN on day 0 and where nobody is at risk)."""

    survival: np.ndarray
    error: np.ndarray
    at_risk: np.ndarray
    hazard: np.ndarray


def kaplan_meier(day: np.ndarray, died: np.ndarray, days: int) -> KaplanMeier:
    """The product-limit estimate of patients seen until `day` (n,), 1..days, who `died` (n,) then or left.

        S(t) = prod_{s <= t} (1 - d_s / n_s),   Var S(t) = S(t)^2 sum_{s <= t} d_s / (n_s (n_s - d_s))

    Who leaves on a day is still at risk on it. Kaplan and Meier 1958; the variance is Greenwood's.
    """
    at_risk = np.array([(day >= s).sum() for s in range(days + 1)])
    deaths = np.array([(died & (day == s)).sum() for s in range(days + 1)])
    share = np.divide(deaths, at_risk, out=np.zeros(days + 1), where=at_risk > 0)
    left = at_risk - deaths
    terms = np.divide(deaths, at_risk * left, out=np.zeros(days + 1), where=left > 0)
    survival = np.cumprod(1 - share)
    hazard = np.where((at_risk > 0) & (np.arange(days + 1) > 0), share, np.nan)
    return KaplanMeier(survival, survival * np.sqrt(np.cumsum(terms)), at_risk, hazard)


@dataclass(frozen=True, eq=False)
class SurvivalToy:
    """Curves by day 0..30: estimate, truth (31,) exact survival, unseen (31,) the share of all patients who were not
    seen to die, expected (31,) what to expect of that share, hazard (31,) the true one (NaN on day 0)."""

    estimate: KaplanMeier
    truth: np.ndarray
    unseen: np.ndarray
    expected: np.ndarray
    hazard: np.ndarray

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval (31,) of the estimate, within 0..1."""
        half = Z95 * self.estimate.error
        return np.maximum(0.0, self.estimate.survival - half), np.minimum(1.0, self.estimate.survival + half)


def survival_toy(early: float, late: float, leaving: float, n: int, seed: int = 0) -> SurvivalToy:
    """n patients who die on a day with the early hazard in the first week and the late one after it; of those alive a
    share `leaving` leaves after each day, whoever they are.

    Exact: S(t) = prod (1 - h_s); not seen to die 1 - sum_s (1 - leaving)^(s-1) S(s-1) h_s.
    """
    rng = stream(seed, "learn", "survival", n)
    hazard = np.where(np.arange(1, DAYS + 1) <= EARLY, early, late)
    death = np.where(rng.random((n, DAYS)) < hazard, np.arange(1, DAYS + 1), DAYS + 1).min(axis=1)
    leave = np.where(rng.random((n, DAYS)) < leaving, np.arange(1, DAYS + 1), DAYS).min(axis=1)
    died = death <= leave
    estimate = kaplan_meier(np.minimum(death, leave), died, DAYS)
    unseen = 1 - np.array([(died & (death <= t)).mean() for t in range(DAYS + 1)])
    truth = np.append(1.0, np.cumprod(1 - hazard))
    seen = (1 - leaving) ** np.arange(DAYS) * truth[:-1] * hazard
    return SurvivalToy(estimate, truth, unseen, 1 - np.append(0.0, np.cumsum(seen)), np.append(np.nan, hazard))


@dataclass(frozen=True, eq=False)
class DangerToy:
    """Of clinicians and a policy: danger (2, T) share of patients in danger at each step; rate (2,) doses among their
    steps in danger. Hazardous doses in 100 stays: recorded, the policy's on the clinicians' steps; true (2,), on their
    own."""

    danger: np.ndarray
    rate: np.ndarray
    recorded: float
    true: np.ndarray


def in_danger(dose: float, harm: float, recovery: float, steps: int = STAY_STEPS) -> np.ndarray:
    """(T,) exact share of patients in danger at each step, who begin safe.

        d_{t+1} = (1 - recovery) d_t + (BASE + harm dose) (1 - d_t)

    dose: how often those who are safe get the drug; harm: what a dose adds to the chance of danger.
    """
    entry = BASE + harm * dose
    rest = entry / (entry + recovery)
    return rest * (1 - (1 - entry - recovery) ** np.arange(steps))


def danger_toy(clinicians: tuple[float, float], policy: tuple[float, float], harm: float, recovery: float) -> DangerToy:
    """Each of the two gives the drug with one probability to patients who are safe, with another in danger."""
    danger = np.stack([in_danger(safe, harm, recovery) for safe, _ in (clinicians, policy)])
    rate = np.array([clinicians[1], policy[1]])
    return DangerToy(danger, rate, 100 * rate[1] * float(danger[0].sum()), 100 * rate * danger.sum(axis=1))


POLICIES = {"nobody": (0, 0), "everybody": (1, 1), "the sick": (0, 1)}  # whom it gives the drug: well, sick
GROUPS = ("all", "well", "sick")


@dataclass(frozen=True, eq=False)
class ConcordanceToy:
    """Survival of patients treated as the policy would (row 0) and otherwise (row 1), by `GROUPS`: share, half (95 %),
    n and exact, each (2, 3), NaN where there is nobody. crude and within: the difference as it stands and with the two
    kinds weighed as in all patients; half of each; true_gain: survival under the policy minus under the clinicians, in
    truth."""

    share: np.ndarray
    half: np.ndarray
    n: np.ndarray
    exact: np.ndarray
    crude: float
    crude_half: float
    within: float
    within_half: float
    true_gain: float


def concordance_toy(
    policy: tuple[int, int], dosed: tuple[float, float], survival: tuple[float, float], effect: float, sick: float,
    n: int, seed: int = 0,
) -> ConcordanceToy:  # fmt: skip
    """n patients of whom a share is sick; pairs are of the well and the sick.

    policy: the dose it would give, 0 or 1; dosed: how often clinicians give the drug; survival without the drug;
    effect: what the drug adds to it (held within 0..1).
    """
    rng = stream(seed, "learn", "concordance", n)
    kind = (rng.random(n) < sick).astype(np.int64)
    given = (rng.random(n) < np.array(dosed)[kind]).astype(np.int64)
    chance = np.clip(np.array(survival)[:, None] + effect * np.arange(2), 0, 1)  # (kind, dose)
    alive = rng.random(n) < chance[kind, given]
    as_told = concordant(np.eye(2)[np.array(policy)[kind]], given) > 0
    masks = np.array([[c & g for g in (kind >= 0, kind == 0, kind == 1)] for c in (as_told, ~as_told)])
    count = masks.sum(axis=-1)
    share = np.divide((masks & alive).sum(axis=-1), count, out=np.full((2, 3), np.nan), where=count > 0)
    half = Z95 * np.sqrt(share * (1 - share) / np.maximum(count, 1))
    mix, gaps = np.array([1 - sick, sick]), share[0] - share[1]
    both = np.hypot(half[0], half[1])
    gain = float(mix @ ((np.array(policy) - np.array(dosed)) * (chance[:, 1] - chance[:, 0])))
    within, within_half = float(mix @ gaps[1:]), float(np.sqrt(mix**2 @ both[1:] ** 2))
    exact = _exact(policy, dosed, chance, mix)
    return ConcordanceToy(share, half, count, exact, float(gaps[0]), float(both[0]), within, within_half, gain)


def _exact(policy: tuple[int, int], dosed: tuple[float, float], chance: np.ndarray, mix: np.ndarray) -> np.ndarray:
    """Exact survival, as `ConcordanceToy.share`."""
    rows = []
    for dose in (np.array(policy), 1 - np.array(policy)):
        mass = mix * np.where(dose == 1, dosed, 1 - np.array(dosed))
        own = chance[[0, 1], dose]
        rows.append([mass @ own / mass.sum() if mass.sum() > 0 else np.nan, *np.where(mass > 0, own, np.nan)])
    return np.array(rows)
