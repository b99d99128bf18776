"""What experts give: a long-tailed list of combinations for each decision, and how they choose among them.

    pi(c | x) = (1 - treat(x)) [c is no drug] + treat(x) softmax_c(z_c),  z_c = log popularity_c + sum_{d in c}
    leaning_d . x + risk(x) heavier (size_c - 2); where every patient is treated, treat = 1

Experts look at the recorded state and stage and, but in a confounded world (`RegistryWorld`), at nothing else, so their
propensities can be learned without bias. They give more drugs to those at higher risk: confounding by indication.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import softmax

from core.base.rng import stream
from core.registry.simulate.patients import TRAITS
from core.registry.simulate.world import BREADTH
from core.registry.spec import load_registry_spec

Core = tuple[str, float]  # drugs of a usual regimen joined by "+", and its popularity
CORES: dict[str, tuple[Core, ...]] = {
    "conditioning": (
        ("busulfan+cyclophosphamide", 30),
        ("cyclophosphamide+total body irradiation", 28),
        ("busulfan+fludarabine", 14),
        ("fludarabine+melphalan", 9),
        ("fludarabine+total body irradiation", 8),
        ("cyclophosphamide+etoposide+total body irradiation", 5),
        ("cyclophosphamide+fludarabine+total body irradiation", 4),
        ("thiotepa+cyclophosphamide+total body irradiation", 3),
        ("busulfan+melphalan", 3),
        ("busulfan+cyclophosphamide+cytarabine", 2),
        ("etoposide+total body irradiation", 2),
        ("fludarabine+treosulfan", 1.5),
    ),
    "prophylaxis": (
        ("cyclosporine+MTX", 34),
        ("tacrolimus+MTX", 26),
        ("cyclosporine+MMF", 10),
        ("tacrolimus+MMF", 9),
        ("cyclosporine+MTX+ATG", 6),
        ("tacrolimus+MTX+ATG", 5),
        ("T-cell depletion", 4),
        ("cyclosporine", 4),
        ("cyclosporine+MTX+corticosteroids", 3),
        ("tacrolimus+MMF+ATG", 3),
        ("tacrolimus+sirolimus", 3),
        ("cyclosporine+campath", 2),
    ),
    "acute": (
        ("systemic corticosteroids", 26),
        ("systemic corticosteroids+cyclosporine", 20),
        ("systemic corticosteroids+tacrolimus", 18),
        ("systemic corticosteroids+tacrolimus+MMF", 9),
        ("systemic corticosteroids+cyclosporine+MMF", 6),
        ("topical corticosteroids", 6),
        ("tacrolimus+MMF", 8),
        ("systemic corticosteroids+topical corticosteroids+tacrolimus", 5),
        ("systemic corticosteroids+tacrolimus+sirolimus", 4),
        ("systemic corticosteroids+cyclosporine+ATG", 4),
        ("systemic corticosteroids+tacrolimus+infliximab", 3),
        ("tacrolimus+etanercept", 5),
        ("tacrolimus+sirolimus", 5),
        ("systemic corticosteroids+tacrolimus+anti-CD25", 2),
    ),
    "chronic": (
        ("systemic corticosteroids+cyclosporine", 22),
        ("systemic corticosteroids+tacrolimus", 20),
        ("systemic corticosteroids", 18),
        ("systemic corticosteroids+tacrolimus+MMF", 9),
        ("cyclosporine", 7),
        ("tacrolimus", 7),
        ("systemic corticosteroids+MMF", 5),
        ("systemic corticosteroids+cyclosporine+thalidomide", 3),
        ("sirolimus+tacrolimus", 4),
        ("systemic corticosteroids+sirolimus", 3),
        ("topical corticosteroids", 3),
        ("ECP+tacrolimus", 4),
        ("systemic corticosteroids+azathioprine", 2),
        ("rituximab+tacrolimus", 3),
    ),
}
# drug -> trait -> change of the log odds of a combination that holds the drug
LEANINGS: dict[str, dict[str, dict[str, float]]] = {
    "conditioning": {
        "total body irradiation": {"child": 0.6, "older": -1.6},
        "fludarabine": {"older": 2.2, "child": -1.2, "heart_disease": 0.8, "lung_disease": 0.6},
        "busulfan": {"child": -0.4},
        "etoposide": {"older": -0.8},
        "thiotepa": {"mismatch": 0.6},
    },
    "prophylaxis": {
        "tacrolimus": {"unrelated": 1.4, "mismatch": 0.5, "hypertension": 0.3},
        "ATG": {"unrelated": 0.9, "mismatch": 0.9},
        "T-cell depletion": {"mismatch": 1.3, "child": 0.4},
        "MMF": {"older": 1.2},
        "corticosteroids": {"child": 1.0},
        "campath": {"unrelated": 0.8},
    },
    "acute": {
        "tacrolimus": {"unrelated": 1.2},
        "ATG": {"mismatch": 0.7},
        "MMF": {"older": 0.5, "mismatch": 0.3},
        "infliximab": {"mismatch": 0.4},
        "topical corticosteroids": {"child": 1.0},
    },
    "chronic": {
        "tacrolimus": {"unrelated": 1.2},
        "MMF": {"mismatch": 0.4, "older": 0.4},
        "topical corticosteroids": {"child": 0.8},
    },
}
SIZES = {"conditioning": 147, "prophylaxis": 128, "acute": 334, "chronic": 286}  # combinations that experts know
TAIL = {"conditioning": 0.14, "prophylaxis": 0.12, "acute": 0.22, "chronic": 0.20}  # share beyond the usual regimens
HEAVIER = 0.30  # log odds a drug and unit of risk
TREAT = {  # by stage: chance of any drug without and with the disease that the decision treats
    "acute": {1: (0.10, 0.96), 2: (0.06, 0.94)},
    "chronic": {1: (0.60, 0.97), 2: (0.28, 0.96), 3: (0.11, 0.95), 4: (0.08, 0.92)},
}
DISEASE = {"acute": 1, "chronic": 2}  # column of the indicators


@dataclass(frozen=True, eq=False)
class Regimens:
    """Combinations of one decision: matrix (M, n_drugs) uint8, row 0 is no drug where the decision may leave it;
    log_popularity (M,); leaning (M, TRAITS)."""

    matrix: np.ndarray
    log_popularity: np.ndarray
    leaning: np.ndarray


@cache
def regimens(decision: str) -> Regimens:
    """The experts' combinations of one decision; always the same."""
    drugs = load_registry_spec().decision(decision).drugs
    usual = np.zeros((len(CORES[decision]), len(drugs)), dtype=np.uint8)
    for row, (names, _) in zip(usual, CORES[decision], strict=True):
        row[[drugs.index(name) for name in names.split("+")]] = 1
    popularity = np.array([weight for _, weight in CORES[decision]], dtype=np.float64)
    treated = SIZES[decision] - (decision in TREAT)
    rare = _variants(usual, popularity, treated - len(usual), decision)
    weight = 1 / (60 + np.arange(len(rare)))  # rank-frequency law of the rare ones
    tail = TAIL[decision]
    popularity = np.concatenate([(1 - tail) * popularity / popularity.sum(), tail * weight / weight.sum()])
    matrix = np.concatenate([usual, rare])
    lean = np.zeros((len(drugs), len(TRAITS)))
    for drug, changes in LEANINGS[decision].items():
        for trait, change in changes.items():
            lean[drugs.index(drug), TRAITS.index(trait)] = change
    leaning = matrix.astype(np.float64) @ lean
    if decision in TREAT:
        matrix = np.concatenate([np.zeros((1, len(drugs)), dtype=np.uint8), matrix])
        popularity = np.append(1.0, popularity)
        leaning = np.concatenate([np.zeros((1, len(TRAITS))), leaning])
    return Regimens(matrix, np.log(popularity), leaning)


def _variants(usual: np.ndarray, popularity: np.ndarray, wanted: int, decision: str) -> np.ndarray:
    """(wanted, n_drugs) different combinations: usual ones with drugs added, and sometimes one left out."""
    rng = stream(0, "regimens", decision)
    seen = {row.tobytes() for row in usual} | {bytes(usual.shape[1])}
    found: list[np.ndarray] = []
    chance = 1 / (2 + np.arange(usual.shape[1]))
    while len(found) < wanted:
        row = usual[rng.choice(len(usual), p=popularity / popularity.sum())].copy()
        added = rng.choice(len(row), size=int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])), p=chance / chance.sum())
        row[added] = 1
        if rng.random() < 0.3:
            row[rng.choice(np.flatnonzero(row))] = 0
        if row.tobytes() not in seen:
            seen.add(row.tobytes())
            found.append(row)
    return np.array(found)


def risk_of(trait: np.ndarray, indicators: np.ndarray) -> np.ndarray:
    """(n,) how sick a patient looks to the experts."""
    part = {name: trait[:, j] for j, name in enumerate(TRAITS)}
    ill = part["diabetes"] + part["hypertension"] + part["lung_disease"] + part["heart_disease"]
    both = indicators[:, 1] & indicators[:, 2]
    return np.asarray(0.6 * part["age"] + 0.6 * part["mismatch"] + 0.5 * ill + 1.0 * both - 0.6)


def expert_probs(
    decision: str, trait: np.ndarray, indicators: np.ndarray, stage: int, seen: np.ndarray | None = None
) -> np.ndarray:
    """(n, M) probabilities of the experts' combinations for patients at one stage.

    seen: (n,) what only the experts see, S times frailty (`RegistryWorld`): it adds to the log odds of any drug, and
    `BREADTH` of it to those of a combination for each drug beyond two.
    """
    known = regimens(decision)
    beyond = known.matrix.sum(axis=1) - 2.0
    logits = known.log_popularity + trait @ known.leaning.T + risk_of(trait, indicators)[:, None] * (HEAVIER * beyond)
    if seen is not None:
        logits += BREADTH * seen[:, None] * beyond
    if decision not in TREAT:
        return np.asarray(softmax(logits, axis=1))
    without, with_disease = TREAT[decision][stage]
    treat = np.where(indicators[:, DISEASE[decision]], with_disease, without)[:, None]
    if seen is not None:
        odds = treat / (1 - treat) * np.exp(seen[:, None])
        treat = odds / (1 + odds)
    return np.concatenate([1 - treat, treat * softmax(logits[:, 1:], axis=1)], axis=1)
