"""A made-up transplant registry of the form that public tables have, and what every policy is worth in it.

One row a patient, coded categories, pairs of event flag and months to it, one decision at transplant. Risks are
constant in time; the drugs change them by donor, and physicians choose by donor and age, both of which are recorded.
Truth: the same patients without loss to follow-up, put into stages by a loop of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

SPEC = """
schema_version = 2
kind = "registry"
name = "public"
title = "Prophylaxis at transplant"
population = "Adults after a stem-cell transplantation"
gamma = 0.97
rewards = { alive = 1.0, agvhd = 0.7, cgvhd = 0.8, relapse = 0.0, dead = 0.0 }
stages = [
  { name = "transplant", day = 0 }, { name = "100 days", day = 100 }, { name = "1 year", day = 365 },
  { name = "2 years", day = 730 },
]
indicators = [
  { name = "agvhd", title = "Acute GVHD" }, { name = "cgvhd", title = "Chronic GVHD" },
  { name = "relapse", title = "Relapse", ends = true },
]

[[features]]
name = "age"
label = "Age"
unit = "years"
kind = "number"
plausible = [18.0, 90.0]

[[features]]
name = "donor"
label = "Donor"
kind = "category"
categories = ["sibling", "unrelated"]

[[features]]
name = "sex"
label = "Sex"
kind = "category"
categories = ["female", "male"]

[[decisions]]
name = "prophylaxis"
title = "GVHD prophylaxis"
stages = [0]
drugs = ["tacrolimus", "cyclosporine", "MTX", "MMF", "PTCy"]
learned = true
counts = "to the end"
"""
MAPPING = """
[columns]
patient = "pseudoid"
age = "agey"
donor = "dnrtype"
[codes.donor]
1 = "sibling"
2 = "unrelated"
[codes.sex]
1 = "male"
2 = "female"
[missing]
"*" = [99, -2]
[drugs.prophylaxis]
column = "gvhdgp"
[drugs.prophylaxis.names]
1 = "tacrolimus + MTX"
2 = "cyclosporine + MTX"
3 = "tacrolimus + MMF"
4 = "PTCy"
[follow_up]
column = "dead"
time = "intxsurv"
unit = "months"
[events.agvhd]
column = "agvhd24"
time = "intxagvhd"
lasts = 180
[events.cgvhd]
column = "cgvhd"
time = "intxcgvhd"
[events.relapse]
column = "rel"
time = "intxrel"
"""
ARMS = (("tacrolimus", "MTX"), ("cyclosporine", "MTX"), ("tacrolimus", "MMF"), ("PTCy",))
DRUGS = ("tacrolimus", "cyclosporine", "MTX", "MMF", "PTCy")
DAYS, MONTH = (0, 100, 365, 730), 365.25 / 12
REWARDS = {"alive": 1.0, "agvhd": 0.7, "cgvhd": 0.8, "relapse": 0.0, "dead": 0.0}
GAMMA, LASTS = 0.97, 180
# risks a month: [sibling, unrelated] by arm
ACUTE = np.array([[0.06, 0.16], [0.08, 0.18], [0.07, 0.15], [0.07, 0.04]])
CHRONIC = np.array([[0.02, 0.04], [0.02, 0.04], [0.03, 0.04], [0.02, 0.01]])
DEATH = np.array([[0.010, 0.030], [0.014, 0.034], [0.016, 0.034], [0.022, 0.010]])
RELAPSE = np.array([0.012, 0.012, 0.012, 0.014])
Choice = Callable[[np.ndarray, np.ndarray], np.ndarray]  # ages (n,), unrelated (n,) -> chances of the arms (n, 4)


@dataclass(frozen=True, eq=False)
class People:
    """n patients: age, unrelated (0/1), male (0/1), arm, and months to each event (inf: never)."""

    age: np.ndarray
    unrelated: np.ndarray
    male: np.ndarray
    arm: np.ndarray
    acute: np.ndarray
    chronic: np.ndarray
    relapse: np.ndarray
    death: np.ndarray


def physicians(age: np.ndarray, unrelated: np.ndarray) -> np.ndarray:
    """How the arms are chosen in the record."""
    old = age > 50
    score = np.stack([1.0 - 0.5 * old, 0.6 - 0.4 * unrelated, 0.2 + 0.8 * old, 0.1 + 0.5 * unrelated], axis=1)
    return np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)


def draw(n: int, seed: int, choice: Choice = physicians) -> People:
    """Patients treated as `choice` says; equal seeds give the same patients and the same luck."""
    rng = np.random.default_rng(seed)
    age, unrelated, male = rng.uniform(20, 75, n).round(), rng.integers(0, 2, n), rng.integers(0, 2, n)
    cumulative = choice(age, unrelated).cumsum(axis=1)
    arm = np.minimum((rng.random(n)[:, None] > cumulative).sum(axis=1), 3)
    luck = rng.exponential(1.0, (4, n))
    acute, chronic = luck[0] / ACUTE[arm, unrelated], luck[1] / CHRONIC[arm, unrelated]
    risk = DEATH[arm, unrelated] * np.exp(0.02 * (age - 50))
    early = np.minimum(luck[2] / risk, acute)  # acute GVHD doubles the risk of death from its onset on
    death = np.where(early < acute, early, acute + (luck[2] - risk * acute) / (2 * risk))
    return People(age, unrelated, male, arm, acute, chronic, luck[3] / RELAPSE[arm], death)


def public_table(n: int, seed: int) -> pd.DataFrame:
    """The file: flags and months, cut at the last contact; some donors unknown (99), some flags not recorded (-2)."""
    people, rng = draw(n, seed), np.random.default_rng([seed, 1])
    contact = np.minimum(rng.uniform(3, 80, n), 60)
    follow_up = np.minimum(people.death, contact)
    # GVHD is not sought after relapse
    watched = np.minimum(follow_up, people.relapse)

    def pair(time: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (time < until).astype(int), np.minimum(time, until).round(3)

    table = pd.DataFrame({"pseudoid": [f"P{i:05d}" for i in range(n)], "agey": people.age, "sex": 2 - people.male})
    table["dnrtype"] = np.where(rng.random(n) < 0.03, 99, 1 + people.unrelated)
    table["gvhdgp"] = np.where(rng.random(n) < 0.01, 99, 1 + people.arm)
    table["dead"], table["intxsurv"] = pair(people.death, contact)
    table["agvhd24"], table["intxagvhd"] = pair(people.acute, watched)
    table["cgvhd"], table["intxcgvhd"] = pair(people.chronic, watched)
    table["rel"], table["intxrel"] = pair(people.relapse, follow_up)
    table.loc[rng.random(n) < 0.02, "cgvhd"] = -2
    return table


def true_value(choice: Choice, n: int = 15_000, seed: int = 9) -> tuple[float, float]:
    """Mean discounted sum of rewards and its standard error were everybody treated by `choice`, nobody lost."""
    return value_of(draw(n, seed, choice))


def value_of(people: People) -> tuple[float, float]:
    """The same of these very patients."""
    n = len(people.age)
    totals = np.zeros(n)
    for i in range(n):
        acute, chronic = MONTH * people.acute[i], MONTH * people.chronic[i]
        relapse, death = MONTH * people.relapse[i], MONTH * people.death[i]
        for t, (before, day) in enumerate(pairwise(DAYS)):
            if death <= day or relapse <= day:
                break  # rewards of both are 0, and nothing comes after
            just = before < acute <= day
            value = REWARDS["alive"]
            if acute <= day and (just or day <= acute + LASTS):
                value = min(value, REWARDS["agvhd"])
            if chronic <= day:
                value = min(value, REWARDS["cgvhd"])
            totals[i] += GAMMA**t * value
    return float(totals.mean()), float(totals.std(ddof=1) / np.sqrt(n))
