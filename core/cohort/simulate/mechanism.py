"""The mechanism's fixed tables: three phenotypes, nine hidden organ factors, and what each measurement reads.

A stay is driven by hidden factors f (one value near N(0, 1) per organ system). In phenotype k

    f_t = m_i + path_k(t) + d_t + h_t
    d_{t+1} = A_k d_t + noise         the patient's own fluctuation; memory and coupling differ by phenotype
    h_t = B_k E_t / (E50 + E_t)       heparin's effect, E_{t+1} = memory * E_t + intensity(a_t)

and every measurement is a fixed monotone transform of a loading on f plus its own fluctuation. The phenotypes differ
in path, memory, coupling and response; their means overlap. The numbers here are the authors' choices, made so that the
published shapes (He et al. 2025) come out; the constants that fit the published tables are in `constants.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.cohort.simulate.transforms import Kind

PHENOTYPES = ("recovering", "microthrombotic", "bleeding")
SHARES = np.array([4143, 4482, 4730]) / 13355  # published phenotype sizes

FACTORS = ("shock", "perfusion", "platelets", "coagulation", "renal", "lungs", "liver", "inflammation", "blood")
ONSET = 4  # step of the window
_KNOTS = (0, ONSET, 9, 15)  # steps
_PATHS = {  # value of path_k at the knots: recovering, microthrombotic, bleeding
    "shock": ((-0.3, 0.6, -0.5, -1.0), (-0.5, 0.6, 0.7, 0.7), (-0.4, 0.6, 0.2, -0.3)),
    "perfusion": ((1.0, 0.4, -0.6, -0.9), (0.9, 0.7, 0.3, 0.1), (1.2, 0.2, -0.4, -0.5)),
    "platelets": ((0.5, -0.7, 0.1, 1.0), (1.1, 0.3, -0.5, -1.1), (0.5, -0.6, -0.3, 0.2)),
    "coagulation": ((0.2, 0.2, -0.3, -0.6), (-0.7, -0.2, 0.5, 0.9), (0.9, 0.5, -0.4, -0.7)),
    "renal": ((0.5, 0.6, -0.4, -0.9), (-0.7, 0.1, 0.5, 0.8), (-0.4, 0.4, 0.2, -0.2)),
    "lungs": ((0.5, 0.7, -0.5, -1.1), (-0.8, 0.2, 0.5, 0.6), (-0.5, 0.5, 0.1, -0.3)),
    "liver": ((0.0, 0.5, -0.4, -0.8), (-0.4, 0.4, 0.5, 0.6), (-0.3, 0.4, 0.0, -0.3)),
    "inflammation": ((0.8, 0.6, -0.5, -0.9), (-0.3, 0.3, 0.0, 0.1), (-0.8, -0.1, 0.5, 0.8)),
    "blood": ((-0.4, -0.5, 0.2, 0.6), (0.3, 0.1, -0.1, -0.2), (1.1, 0.4, -0.5, -1.0)),
}
SEVERITY_OFFSET = np.array([-0.70, 0.75, -0.10])  # mean severity by phenotype, in SD of a patient's level
LEVEL_OFFSET = {  # mean of m_i by phenotype beyond severity: enough for means to hint at the phenotype, no more
    "platelets": (0.15, -0.15, 0.0),
    "coagulation": (-0.2, 0.0, 0.2),
    "renal": (-0.1, 0.25, -0.15),
    "liver": (-0.1, 0.2, -0.1),
    "blood": (0.1, 0.15, -0.25),
    "inflammation": (0.0, -0.15, 0.15),
}
SEVERITY_LOADING = {  # how the patient's level of severity enters each factor's level m_i
    "shock": 0.6,
    "perfusion": 0.55,
    "platelets": -0.35,
    "coagulation": 0.45,
    "renal": 0.5,
    "lungs": 0.5,
    "liver": 0.65,
    "inflammation": 0.35,
    "blood": -0.3,
}
LEVEL_SD = 0.6  # SD of m_i
FLUCTUATION_SD = 0.5  # stationary SD of d
MEMORY = np.array([0.88, 0.70, 0.40])  # lag-1 memory of d by phenotype
OWN_MEMORY = np.array([0.85, 0.65, 0.35])  # lag-1 memory of a measurement's own fluctuation
_COUPLING = {  # (phenotype, from, to): how much of one factor's fluctuation moves another's next step
    (1, "platelets", "renal"): -0.20,
    (1, "platelets", "liver"): -0.20,
    (1, "coagulation", "shock"): 0.15,
    (2, "blood", "shock"): -0.30,
    (2, "blood", "perfusion"): -0.25,
    (0, "inflammation", "shock"): 0.08,
}

# Heparin. A dose adds to the exposure E of four channels, E fades, and the organs respond with Emax E / (E50 + E).
CHANNELS = ("benefit", "bleeding", "overdose", "anticoagulation")
DOSE_INTENSITY = np.array(  # (channels, A): the benefit peaks at moderate doses, anticoagulation saturates
    [
        [0.0, 0.75, 1.0, 0.95, 0.15],
        [0.0, 0.35, 0.60, 0.70, 1.0],
        [0.0, 0.0, 0.0, 0.1, 1.0],
        [0.0, 0.35, 0.60, 0.70, 1.0],
    ]
)
CHANNEL_MEMORY = np.array([0.93, 0.93, 0.93, 0.35])  # aPTT follows the current infusion; organs remember
HALF_EXPOSURE = np.array([2.5, 6.0, 4.0, 2.0])  # E50: exposure with half the full effect
_FULL_EFFECT = {  # (phenotype, factor): Emax of benefit, bleeding, overdose, anticoagulation, in SD of the factor
    (0, "coagulation"): (0.0, 0.0, 0.3, 2.2),
    (0, "blood"): (0.0, -0.15, -1.2, 0.0),
    (0, "shock"): (0.0, 0.0, 0.8, 0.0),
    (0, "platelets"): (0.0, 0.0, -1.0, 0.0),
    (1, "coagulation"): (0.0, 0.0, 0.3, 1.6),
    (1, "platelets"): (1.4, 0.0, -1.0, 0.0),
    (1, "shock"): (-1.4, 0.0, 0.8, 0.0),
    (1, "perfusion"): (-1.2, 0.0, 0.0, 0.0),
    (1, "renal"): (-1.2, 0.0, 0.0, 0.0),
    (1, "lungs"): (-0.8, 0.0, 0.0, 0.0),
    (1, "liver"): (-1.2, 0.0, 0.0, 0.0),
    (1, "blood"): (0.0, -0.15, -1.2, 0.0),
    (2, "coagulation"): (0.0, 0.0, 0.5, 3.4),
    (2, "blood"): (0.0, -2.2, -1.2, 0.0),
    (2, "shock"): (0.0, 2.0, 0.8, 0.0),
    (2, "perfusion"): (0.0, 1.7, 0.6, 0.0),
    (2, "platelets"): (0.0, -1.2, -1.0, 0.0),
    (2, "renal"): (0.0, 0.9, 0.0, 0.0),
    (2, "liver"): (0.0, 0.9, 0.0, 0.0),
}
LETHALITY = {  # the hazard's weights on the factors
    "shock": 0.35,
    "perfusion": 0.30,
    "renal": 0.20,
    "lungs": 0.20,
    "liver": 0.30,
    "platelets": -0.15,
    "blood": -0.20,
}


@dataclass(frozen=True)
class Signal:
    """One measured or auxiliary quantity: x = sum_f loading_f f + own, own being part patient level, part fluctuation.

    kind: its transform (see `transforms.py`); floor, low, high: physical limits; level: share of the own variance that
    stays with the patient.
    """

    kind: Kind
    loading: dict[str, float]
    low: float
    high: float
    floor: float = 0.0
    level: float = 0.5


SIGNALS: dict[str, Signal] = {
    "DBP": Signal("linear", {"shock": -0.65}, 15, 150),
    "PulsePressure": Signal("exp", {"shock": -0.25, "blood": 0.1}, 8, 150),
    "MapFraction": Signal("linear", {}, 0.08, 0.6),
    "HR": Signal("linear", {"shock": 0.45, "inflammation": 0.4, "blood": -0.15}, 25, 220),
    "Temperature": Signal("linear", {"inflammation": 0.55, "shock": -0.15}, 31, 42),
    "RR": Signal("exp", {"lungs": 0.5, "perfusion": 0.3}, 4, 65, 5.0),
    "SpO2": Signal("deficit", {"lungs": 0.6, "shock": 0.2}, 50, 100),
    "Hb": Signal("linear", {"blood": 0.9}, 3.5, 20, level=0.8),
    "HematocritError": Signal("linear", {}, -5, 5, level=0.2),
    "Platelets": Signal("exp", {"platelets": 0.93}, 3, 450, -60.0, level=0.8),
    "WBC": Signal("exp", {"inflammation": 0.6}, 0.1, 150),
    "RDW": Signal("exp", {"blood": -0.3, "liver": 0.2}, 11, 40, 11.0, level=0.95),
    "PTT": Signal("exp", {"coagulation": 0.85}, 16, 180, 18.0),
    "INR": Signal("exp", {"coagulation": 0.65, "liver": 0.45}, 0.75, 14, 0.8),
    "PaO2": Signal("exp", {"lungs": -0.45}, 25, 600, 20.0, level=0.3),
    "PaCO2": Signal("exp", {"lungs": 0.3}, 12, 140),
    "Lactate": Signal("exp", {"perfusion": 0.88, "shock": 0.15}, 0.3, 28, 0.3),
    "HCO3": Signal("linear", {"perfusion": -0.45, "renal": -0.35}, 4, 55, level=0.7),
    "Sodium": Signal("linear", {"renal": -0.1}, 105, 175, level=0.8),
    "Potassium": Signal("linear", {"renal": 0.4}, 1.8, 9),
    "Glucose": Signal("exp", {"inflammation": 0.25, "shock": 0.15}, 25, 1000, 40.0),
    "AnionGap": Signal("linear", {"perfusion": 0.4, "renal": 0.4}, -5, 50, level=0.7),
    "BUN": Signal("exp", {"renal": 0.75}, 2, 250, level=0.9),
    "Creatinine": Signal("exp", {"renal": 0.88}, 0.15, 25, 0.1, level=0.9),
    "Total Input": Signal("zero_exp", {"shock": 0.35, "perfusion": 0.2}, 0, 6000, level=0.3),
    "Total Output": Signal("exp", {"renal": -0.5}, 0, 8000, -20.0, level=0.3),
    "Vasopressor": Signal("zero_exp", {"shock": 0.8}, 0, 20, level=0.4),
    "Ventilation": Signal("binary", {"lungs": 0.75, "liver": 0.5}, 0, 1, level=0.97),
    "Burden": Signal("exp", {"liver": 0.95}, 0, 12, level=0.6),  # liver and brain points of SOFA
}
NAMES = tuple(SIGNALS)


def index(factor: str) -> int:
    """Position of a hidden factor."""
    return FACTORS.index(factor)


def factor_vector(values: dict[str, float], default: float = 0.0) -> np.ndarray:
    """(F,) vector from values by factor name."""
    return np.array([values.get(name, default) for name in FACTORS])


def paths(horizon: int, straight: bool = False) -> np.ndarray:
    """(3, T, F) mean path of each factor in each phenotype; beyond the last knot it stays.

    straight: all begin at the mean start of the phenotypes and go straight to their own change over the window.
    """
    steps, knots = np.arange(horizon), np.array([_PATHS[f] for f in FACTORS])  # (F, 3, knots)
    at: tuple[int, ...] = _KNOTS
    if straight:
        start, change = (SHARES @ knots[..., 0].T)[:, None], knots[..., -1] - knots[..., 0]
        at, knots = (_KNOTS[0], _KNOTS[-1]), np.stack([np.broadcast_to(start, change.shape), start + change], axis=-1)
    rows = [[np.interp(steps, at, knots[f, k]) for f in range(len(FACTORS))] for k in range(len(PHENOTYPES))]
    return np.asarray(rows).transpose(0, 2, 1)


def level_offsets() -> np.ndarray:
    """(3, F) mean of the factor levels of each phenotype, beyond severity."""
    return np.stack([factor_vector({f: values[k] for f, values in LEVEL_OFFSET.items()}) for k in range(3)])


def memories(alike: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(3,) lag-1 memory of the factors' and of the measurements' fluctuation; alike: the middle phenotype's for all."""
    if not alike:
        return MEMORY, OWN_MEMORY
    return np.full_like(MEMORY, np.median(MEMORY)), np.full_like(OWN_MEMORY, np.median(OWN_MEMORY))


def dynamics(alike: bool = False) -> np.ndarray:
    """(3, F, F) matrices A_k: d_{t+1} = A_k d_t + noise; alike: one memory for all, and no coupling."""
    matrices = np.stack([memory * np.eye(len(FACTORS)) for memory in memories(alike)[0]])
    for (k, source, target), weight in ({} if alike else _COUPLING).items():
        matrices[k, index(target), index(source)] = weight
    return matrices


def full_effects() -> np.ndarray:
    """(3, C, F) full effect of each channel of heparin on the factors."""
    effect = np.zeros((len(PHENOTYPES), len(CHANNELS), len(FACTORS)))
    for (k, factor), channels in _FULL_EFFECT.items():
        effect[k, :, index(factor)] = channels
    return effect


def loadings() -> np.ndarray:
    """(J, F) loading of each signal on each factor."""
    return np.stack([factor_vector(signal.loading) for signal in SIGNALS.values()])
