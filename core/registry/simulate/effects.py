"""What each drug does in the mechanism, and in whom.

Every drug has an efficacy (against relapse for conditioning, against GVHD otherwise), a toxicity (raises the risk of
death) and an immune suppression (raises the risk of relapse). Some of them depend on a trait of the patient, which is
what a policy can learn and experts do not know. The numbers are invented; they follow the direction of what is known.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from core.base.worlds import WEAK, Effect
from core.registry.simulate.patients import TRAITS
from core.registry.spec import load_registry_spec

Row = tuple[float, float, float]  # efficacy, toxicity, immune suppression
UNLISTED: Row = (0.05, 0.15, 0.05)
BASE: dict[str, dict[str, Row]] = {
    "conditioning": {
        "busulfan": (0.60, 0.20, 0.0),
        "cyclophosphamide": (0.35, 0.15, 0.0),
        "total body irradiation": (0.75, 0.40, 0.0),
        "fludarabine": (0.35, 0.02, 0.0),
        "thiotepa": (0.35, 0.20, 0.0),
        "melphalan": (0.50, 0.20, 0.0),
        "cytarabine": (0.25, 0.15, 0.0),
        "etoposide": (0.30, 0.25, 0.0),
        "treosulfan": (0.60, 0.05, 0.0),
        "total lymphoid irradiation": (0.10, 0.05, 0.0),
    },
    "prophylaxis": {
        "tacrolimus": (0.65, 0.05, 0.10),
        "cyclosporine": (0.45, 0.05, 0.08),
        "MTX": (0.40, 0.10, 0.05),
        "MMF": (0.30, 0.02, 0.10),
        "ATG": (0.50, 0.20, 0.25),
        "corticosteroids": (0.10, 0.15, 0.10),
        "sirolimus": (0.45, 0.05, 0.05),
        "campath": (0.70, 0.30, 0.45),
        "T-cell depletion": (0.90, 0.25, 0.55),
    },
    "acute": {
        "systemic corticosteroids": (0.80, 0.15, 0.12),
        "topical corticosteroids": (0.20, 0.00, 0.00),
        "tacrolimus": (0.50, 0.05, 0.08),
        "cyclosporine": (0.20, 0.25, 0.08),
        "MMF": (0.35, 0.05, 0.08),
        "sirolimus": (0.60, 0.05, 0.02),
        "ATG": (0.50, 0.60, 0.25),
        "MTX": (0.25, 0.15, 0.05),
        "anti-CD25": (0.45, 0.35, 0.12),
        "infliximab": (0.40, 0.45, 0.10),
        "etanercept": (0.75, 0.00, 0.05),
        "ECP": (0.50, 0.00, 0.00),
        "campath": (0.60, 0.70, 0.40),
        "ursodiol": (0.10, -0.05, 0.00),
        "pentostatin": (0.35, 0.45, 0.15),
    },
    "chronic": {
        "systemic corticosteroids": (0.70, 0.18, 0.12),
        "topical corticosteroids": (0.20, 0.00, 0.00),
        "tacrolimus": (0.45, 0.05, 0.08),
        "cyclosporine": (0.15, 0.22, 0.08),
        "MMF": (0.25, 0.15, 0.10),
        "sirolimus": (0.65, 0.05, 0.00),
        "ATG": (0.30, 0.60, 0.25),
        "ECP": (0.80, 0.00, 0.00),
        "rituximab": (0.60, 0.05, 0.05),
        "azathioprine": (0.10, 0.25, 0.10),
        "thalidomide": (0.20, 0.20, 0.05),
        "hydroxychloroquine": (0.25, 0.02, 0.02),
        "imatinib": (0.35, 0.10, -0.10),
        "PUVA": (0.25, 0.02, 0.02),
        "ursodiol": (0.10, -0.05, 0.00),
    },
}
# decision, drug, trait: change of (efficacy, toxicity) for each unit of the trait
INTERACTIONS: tuple[tuple[str, str, str, float, float], ...] = (
    ("conditioning", "total body irradiation", "older", 0.0, 0.70),
    ("conditioning", "total body irradiation", "child", 0.25, -0.20),
    ("conditioning", "busulfan", "older", 0.0, 0.30),
    ("conditioning", "cyclophosphamide", "heart_disease", 0.0, 0.50),
    ("conditioning", "fludarabine", "older", 0.20, -0.05),
    ("prophylaxis", "ATG", "mismatch", 0.35, 0.0),
    ("prophylaxis", "ATG", "older", 0.0, 0.25),
    ("prophylaxis", "sirolimus", "unrelated", 0.35, 0.0),
    ("prophylaxis", "cyclosporine", "hypertension", 0.0, 0.35),
    ("prophylaxis", "MTX", "lung_disease", 0.0, 0.40),
    ("acute", "systemic corticosteroids", "diabetes", 0.0, 0.90),
    ("acute", "systemic corticosteroids", "hypertension", 0.00, 0.50),
    ("acute", "systemic corticosteroids", "older", -0.25, 0.80),
    ("acute", "systemic corticosteroids", "child", 0.35, -0.10),
    ("acute", "cyclosporine", "hypertension", 0.0, 0.45),
    ("acute", "tacrolimus", "unrelated", 0.40, 0.00),
    ("acute", "MMF", "older", 0.50, -0.20),
    ("acute", "MMF", "child", -0.25, 0.20),
    ("acute", "sirolimus", "mismatch", 0.35, 0.00),
    ("acute", "infliximab", "older", 0.0, 0.50),
    ("acute", "ATG", "older", 0.0, 0.50),
    ("acute", "anti-CD25", "lung_disease", 0.0, 0.50),
    ("acute", "etanercept", "lung_disease", 0.30, 0.0),
    ("acute", "cyclosporine", "unrelated", -0.20, 0.15),
    ("chronic", "systemic corticosteroids", "diabetes", 0.0, 0.90),
    ("chronic", "systemic corticosteroids", "hypertension", 0.00, 0.45),
    ("chronic", "systemic corticosteroids", "older", -0.25, 0.60),
    ("chronic", "systemic corticosteroids", "child", 0.30, -0.10),
    ("chronic", "cyclosporine", "hypertension", 0.0, 0.40),
    ("chronic", "MMF", "older", 0.45, -0.10),
    ("chronic", "sirolimus", "unrelated", 0.40, 0.00),
    ("chronic", "rituximab", "female_to_male", 0.60, 0.00),
    ("chronic", "thalidomide", "seizure", 0.0, 0.60),
)


@cache
def _tables(decision: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """base (n_drugs, 3), and efficacy and toxicity a unit of each trait (n_drugs, TRAITS)."""
    drugs = load_registry_spec().decision(decision).drugs
    base = np.array([BASE[decision].get(drug, UNLISTED) for drug in drugs])
    efficacy, toxicity = np.zeros((2, len(drugs), len(TRAITS)))
    for where, drug, trait, more_efficacy, more_toxicity in INTERACTIONS:
        if where == decision:
            efficacy[drugs.index(drug), TRAITS.index(trait)] += more_efficacy
            toxicity[drugs.index(drug), TRAITS.index(trait)] += more_toxicity
    return base, efficacy, toxicity


def drug_effects(
    decision: str, given: np.ndarray, trait: np.ndarray, effect: Effect = "full"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Efficacy, toxicity and immune suppression (n,) of drugs (n, n_drugs) in patients with traits (n, TRAITS).

    The efficacies of drugs do not add up without end: their sum s counts as 1.5 tanh(s / 1.5). effect: the world's.
    """
    given = given.astype(np.float64)
    work, harm, suppression = _single(decision, trait, effect)
    return 1.5 * np.tanh((given * work).sum(axis=1) / 1.5), (given * harm).sum(axis=1), given @ suppression


def _single(decision: str, trait: np.ndarray, effect: Effect) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Efficacy and toxicity (n, n_drugs), and immune suppression (n_drugs,), of each drug alone."""
    base, efficacy, toxicity = _tables(decision)
    work, harm, suppression = base[:, 0] + trait @ efficacy.T, base[:, 1] + trait @ toxicity.T, base[:, 2]
    if effect == "no-benefit":
        return 0.0 * work, np.maximum(harm, 0.0), np.maximum(suppression, 0.0)
    if effect == "full":
        return work, harm, suppression
    kept = WEAK if effect == "weak" else 0.0
    return kept * work, kept * harm, kept * suppression
