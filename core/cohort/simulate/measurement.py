"""From latent signals to the 36 charted columns, keeping the physics between columns.

SBP = DBP + pulse pressure;  MBP = DBP + fraction * pulse pressure
Chloride ~ Na - HCO3 - AnionGap;  Hematocrit ~ 3 Hb
pH ~ 6.1 + log10(HCO3 / (0.0307 PaCO2))  (Henderson-Hasselbalch);  BaseExcess ~ HCO3 - 24.4 + 14.8 (pH - 7.4)
SOFA = points of platelets, creatinine, pressure and vasopressor, PaO2/FiO2, and a latent burden (liver, brain)

"~" is an affine fit whose two constants come from the published tables. PaCO2 follows HCO3 (compensation).
"""

from __future__ import annotations

import numpy as np

from core.cohort.simulate import mechanism
from core.cohort.simulate.transforms import Transform

COMPENSATION = 0.7  # correlation of the latent PaCO2 with the latent HCO3
FIO2 = (0.21, 0.45)  # inspired oxygen without and with ventilation
LOW_PLATELETS, MOST_PLATELETS = 150.0, 450.0  # onset is the first count below
NORMAL_PLATELETS = (3.5, 0.5, 0.2)  # a, b and c of the counts before onset
PLATELET_POINTS = (150.0, 100.0, 50.0, 20.0)  # below: 1, 2, 3, 4 points
CREATININE_POINTS = (1.2, 2.0, 3.5, 5.0)  # at or above
VASOPRESSOR_POINTS = (0.01, 0.1)  # at or below the second: 3 points, above: 4
OXYGEN_POINTS = (400.0, 300.0, 200.0, 100.0)  # PaO2/FiO2 below; 3 and 4 need ventilation

Values = dict[str, np.ndarray]


def prepare(signals: np.ndarray) -> Values:
    """Latent signals by name from (..., J), with the chemistry that couples two latents."""
    x = {name: signals[..., j] for j, name in enumerate(mechanism.NAMES)}
    own = np.sqrt(1 - COMPENSATION**2)
    x["PaCO2"] = COMPENSATION * x["HCO3"] + own * x["PaCO2"]
    return x


def derived_input(name: str, y: Values) -> np.ndarray:
    """What the affine transform of a derived column is applied to, from the physical columns so far."""
    if name == "Chloride":
        return y["Sodium"] - y["HCO3"] - y["AnionGap"]
    if name == "Hematocrit":
        return 2.9 * y["Hb"] + y["HematocritError"]
    if name == "PH":
        return 6.1 + np.log10(y["HCO3"] / (0.0307 * y["PaCO2"]))
    if name == "BaseExcess":
        return y["HCO3"] - 24.4 + 14.8 * (y["PH"] - 7.4)
    raise KeyError(name)


DERIVED = ("Chloride", "Hematocrit", "PH", "BaseExcess")  # in order of dependence


def measure(x: Values, transforms: dict[str, Transform], from_onset: np.ndarray | None = None) -> Values:
    """Physical values of every temporal column (and the auxiliary signals) from the latents of `prepare`.

    from_onset: steps since onset (negative before it) where onset is the first low platelet count; None: it is not.
    """
    y = {name: transforms[name](x[name]) for name in mechanism.NAMES}
    if from_onset is not None:
        y["Platelets"] = platelets_by_onset(x["Platelets"], y["Platelets"], from_onset)
    y["SBP"] = y["DBP"] + y["PulsePressure"]
    y["MBP"] = y["DBP"] + y["MapFraction"] * y["PulsePressure"]
    for name in DERIVED:
        y[name] = transforms[name](derived_input(name, y))
    y["SOFA"] = total_points(organ_points(y), y["Burden"])
    return y


def platelets_by_onset(x: np.ndarray, counts: np.ndarray, from_onset: np.ndarray) -> np.ndarray:
    """Platelet counts that are first below 150 at onset, from the latents x, the `counts` they tend to, and the step.

        before onset   150 + exp(a + b x - c (4 + step))
        at and after   150 + (1 - exp(-(step + 1) / 2)) (counts - 150), at onset below 150

    In each step a monotone transform of the latent: counts fall toward 150, pass it at onset and reach their own level.
    """
    a, b, c = NORMAL_PLATELETS
    before = np.minimum(LOW_PLATELETS + np.exp(a + b * x - c * (from_onset + mechanism.ONSET)), MOST_PLATELETS)
    after = LOW_PLATELETS - np.expm1(-(np.maximum(from_onset, 0) + 1) / 2) * (counts - LOW_PLATELETS)
    at = np.minimum(after, LOW_PLATELETS - 1.0)
    return np.where(from_onset < 0, before, np.where(from_onset == 0, at, after))


def organ_points(y: Values) -> np.ndarray:
    """SOFA points of the four charted organs, 0..16."""
    platelets = sum((y["Platelets"] < limit).astype(np.int64) for limit in PLATELET_POINTS)
    renal = sum((y["Creatinine"] >= limit).astype(np.int64) for limit in CREATININE_POINTS)
    low, high = VASOPRESSOR_POINTS
    dose = y["Vasopressor"]
    vessels = np.where(dose > high, 4, np.where(dose > low, 3, (y["MBP"] < 70).astype(np.int64)))
    ventilated = y["Ventilation"] > 0.5
    ratio = y["PaO2"] / np.where(ventilated, FIO2[1], FIO2[0])
    oxygen = sum((ratio < limit).astype(np.int64) for limit in OXYGEN_POINTS)
    oxygen = np.where(ventilated, oxygen, np.minimum(oxygen, 2))
    return platelets + renal + vessels + oxygen


def total_points(points: np.ndarray, burden: np.ndarray) -> np.ndarray:
    """SOFA score, an integer in 0..24: charted organs plus the latent burden of liver and brain (0..8 points)."""
    return np.asarray(np.clip(points + np.clip(np.floor(burden), 0, 8), 0, 24))
