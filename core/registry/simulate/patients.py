"""Simulated recipients and donors: ages of children and adults, comorbidities, relationship and matching."""

from __future__ import annotations

import numpy as np
import pandas as pd

CHILD_SHARE = 0.16
ADULT_AGE = (43.0, 13.5)  # mean and SD, cut to 18..75 years
RELATIONS = ("sibling", "other relative", "unrelated")
RELATION_SHARES = (0.46, 0.07, 0.47)
MATCHES = ("matched", "partly matched", "mismatched")
MATCH_SHARES = {"sibling": (0.96, 0.03, 0.01), "other relative": (0.25, 0.35, 0.40), "unrelated": (0.58, 0.29, 0.13)}
COMORBIDITIES = {  # logit at 45 years, and its slope a decade of age
    "diabetes": (-2.6, 0.35),
    "seizure": (-4.0, 0.0),
    "hypertension": (-1.5, 0.45),
    "lung_disease": (-2.0, 0.20),
    "heart_disease": (-2.8, 0.35),
}
TRAITS = (
    "age",
    "child",
    "older",
    "unrelated",
    "mismatch",
    "female_to_male",
    "diabetes",
    "seizure",
    "hypertension",
    "lung_disease",
    "heart_disease",
)


def draw_patients(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Baseline features of n patients, as the shipped registry names them."""
    child = rng.random(n) < CHILD_SHARE
    young = 0.5 + 17.4 * rng.beta(1.3, 1.0, n)
    low, high = 18.0, 75.0
    grown = ADULT_AGE[0] + ADULT_AGE[1] * rng.standard_normal(n)
    grown = np.where((grown < low) | (grown > high), rng.uniform(low, 65.0, n), grown)
    age = np.round(np.where(child, young, grown), 1)
    frame = pd.DataFrame({"age": age, "gender": _pick(rng, n, ("female", "male"), (0.46, 0.54))})
    for name, (level, slope) in COMORBIDITIES.items():
        chance = 1 / (1 + np.exp(-(level + slope * (age - 45) / 10)))
        frame[name] = np.where(rng.random(n) < chance, "yes", "no").astype(object)
    frame["donor_relation"] = _pick(rng, n, RELATIONS, RELATION_SHARES)
    frame["donor_gender"] = _pick(rng, n, ("female", "male"), (0.45, 0.55))
    shares = np.array([MATCH_SHARES[relation] for relation in RELATIONS])
    position = (rng.random(n)[:, None] >= np.cumsum(shares, axis=1)[_codes(frame["donor_relation"], RELATIONS)]).sum(1)
    frame["hla_match"] = np.asarray(MATCHES, dtype=object)[np.minimum(position, len(MATCHES) - 1)]
    texts = [name for name in frame if name != "age"]
    return frame.astype(dict.fromkeys(texts, "str"))


def traits(frame: pd.DataFrame) -> np.ndarray:
    """(n, TRAITS) what drugs, risks and experts depend on; age in 20 years from 40, matching 0, 1, 2, the rest 0/1."""
    age = frame["age"].to_numpy(np.float64)
    columns = {
        "age": (age - 40) / 20,
        "child": age < 18,
        "older": age >= 50,
        "unrelated": (frame["donor_relation"] == "unrelated").to_numpy(),
        "mismatch": _codes(frame["hla_match"], MATCHES),
        "female_to_male": ((frame["donor_gender"] == "female") & (frame["gender"] == "male")).to_numpy(),
    }
    columns |= {name: (frame[name] == "yes").to_numpy() for name in COMORBIDITIES}
    return np.stack([np.asarray(columns[name], dtype=np.float64) for name in TRAITS], axis=1)


def _pick(rng: np.random.Generator, n: int, values: tuple[str, ...], shares: tuple[float, ...]) -> np.ndarray:
    position = np.searchsorted(np.cumsum(shares), rng.random(n) * sum(shares), side="right")
    return np.asarray(values, dtype=object)[np.minimum(position, len(values) - 1)]


def _codes(column: pd.Series, values: tuple[str, ...]) -> np.ndarray:
    """(n,) position of each cell among the values."""
    return pd.Categorical(column, categories=list(values)).codes.astype(np.int64)
