"""SOFA score (0-24) of each step from the worst values of the 24 h up to the step's end.

Six organs, 0-4 points each (Vincent et al. 1996), a missing organ scores 0:
  respiration     PaO2/FiO2 < 400, 300, 200, 100 mmHg; 3 and 4 points only while ventilated
  coagulation     platelets < 150, 100, 50, 20 x 10^9/L
  liver           bilirubin >= 1.2, 2, 6, 12 mg/dL
  cardiovascular  mean pressure < 70 mmHg 1; dobutamine or dopamine <= 5: 2; dopamine > 5 or pressor: 3; dopamine > 15
                  or pressor > 0.1 ug/kg/min: 4
  nervous system  Glasgow Coma Scale < 15, 13, 10, 6
  kidney          creatinine >= 1.2, 2, 3.5, 5 mg/dL; urine < 500, 200 mL in 24 h: 3, 4
`sofa2_scores`: the score of 2025 (SOFA-2, Ranzani et al.), as far as records tell: oxygen support beyond a ventilator,
mechanical circulatory support, delirium drugs and the hours of low urine are not known here; urine counts over 24 h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Cuts = tuple[float, ...]


@dataclass(frozen=True)
class OrganValues:
    """Worst values of each step, (stays, steps) each, NaN where not measured; drugs NaN or 0 where not given."""

    ratio_ventilated: np.ndarray  # lowest PaO2/FiO2 while ventilated, mmHg
    ratio_breathing: np.ndarray  # lowest PaO2/FiO2 without a ventilator, mmHg
    platelets: np.ndarray
    bilirubin: np.ndarray
    pressure: np.ndarray  # lowest mean arterial pressure, mmHg
    pressor: np.ndarray  # norepinephrine and epinephrine, or what counts as such, ug/kg/min
    dopamine: np.ndarray
    dobutamine: np.ndarray
    coma: np.ndarray  # lowest Glasgow Coma Scale
    creatinine: np.ndarray
    urine: np.ndarray  # lowest urine in mL of the 24 h up to a reading of the step, scaled to 24 h
    dialysis: np.ndarray | None = None  # above 0 while fluid is removed by dialysis; SOFA-2 alone asks
    weight: np.ndarray | None = None  # (stays, 1) kg; SOFA-2 alone asks


def sofa_scores(values: OrganValues, step_hours: float) -> np.ndarray:
    """SOFA of every step, (stays, steps) float32; earlier steps than the array holds count as not measured."""
    return _total(tuple(organ_points(values).values()), step_hours)


def organ_points(values: OrganValues) -> dict[str, np.ndarray]:
    """Points of each organ by each step's own values, (stays, steps) each; the score takes the highest of a day."""
    respiration = np.maximum(
        _below(values.ratio_breathing, (400, 300)), _below(values.ratio_ventilated, (400, 300, 200, 100))
    )
    return {
        "respiration": respiration,
        "coagulation": _below(values.platelets, (150, 100, 50, 20)),
        "liver": _at_least(values.bilirubin, (1.2, 2, 6, 12)),
        "circulation": _circulation(values),
        "nervous system": _below(values.coma, (15, 13, 10, 6)),
        "kidney": np.maximum(_at_least(values.creatinine, (1.2, 2, 3.5, 5)), _low_urine(values.urine)),
    }


def sofa2_scores(values: OrganValues, step_hours: float) -> np.ndarray:
    """SOFA-2 of every step, (stays, steps) float32."""
    at_most = {"low": (300, 225), "high": (300, 225, 150, 75)}
    respiration = np.maximum(
        _at_most(values.ratio_breathing, at_most["low"]), _at_most(values.ratio_ventilated, at_most["high"])
    )
    pressor = np.nan_to_num(values.pressor)
    other = (np.nan_to_num(values.dopamine) > 0) | (np.nan_to_num(values.dobutamine) > 0)
    dose = np.where(pressor > 0.4, 3, np.where(pressor > 0.2, 2, np.where(pressor > 0, 1, 0)))
    support = np.where(dose > 0, np.minimum(dose + 1 + other, 4), np.where(other, 2, 0))
    dialysis = np.zeros_like(pressor) if values.dialysis is None else np.nan_to_num(values.dialysis)
    per_hour = values.urine / 24 / (np.nan if values.weight is None else values.weight)  # mL/kg/h
    urine = np.where(per_hour < 0.3, 3, np.where(per_hour < 0.5, 2, 0))
    kidney = np.maximum.reduce([_above(values.creatinine, (1.2, 2, 3.5)), urine, np.where(dialysis > 0, 4, 0)])
    organs = (
        respiration,
        _at_most(values.platelets, (150, 100, 80, 50)),
        _above(values.bilirubin, (1.2, 3, 6, 12)),
        np.maximum(np.where(values.pressure < 70, 1, 0), support),
        _below(values.coma, (15, 13, 9, 6)),
        kidney,
    )
    return _total(organs, step_hours)


def _total(organs: tuple[np.ndarray, ...], step_hours: float) -> np.ndarray:
    steps = max(round(24 / step_hours), 1)
    total = np.zeros_like(organs[0], dtype=np.float32)
    for points in organs:
        total += trailing_max(points, steps)
    return total


def trailing_max(points: np.ndarray, steps: int) -> np.ndarray:
    """Highest of each step and the `steps` - 1 before it, same shape; twice as many steps each time."""
    highest, covered = points, 1
    while covered < steps:
        shift = min(covered, steps - covered)
        later = np.maximum(highest[:, shift:], highest[:, :-shift])
        highest, covered = np.concatenate([highest[:, :shift], later], axis=1), covered + shift
    return highest


def _below(values: np.ndarray, cuts: Cuts) -> np.ndarray:
    """Points for values below falling cuts; NaN compares false, so a missing value scores 0."""
    return np.asarray(np.sum([values < cut for cut in cuts], axis=0))


def _at_most(values: np.ndarray, cuts: Cuts) -> np.ndarray:
    return np.asarray(np.sum([values <= cut for cut in cuts], axis=0))


def _at_least(values: np.ndarray, cuts: Cuts) -> np.ndarray:
    return np.asarray(np.sum([values >= cut for cut in cuts], axis=0))


def _above(values: np.ndarray, cuts: Cuts) -> np.ndarray:
    return np.asarray(np.sum([values > cut for cut in cuts], axis=0))


def _low_urine(day: np.ndarray) -> np.ndarray:
    return np.where(day < 200, 4, np.where(day < 500, 3, 0))


def _circulation(values: OrganValues) -> np.ndarray:
    points = [
        np.where(values.pressure < 70, 1, 0),
        np.where((values.dobutamine > 0) | (values.dopamine > 0), 2, 0),
        np.where((values.dopamine > 5) | (values.pressor > 0), 3, 0),
        np.where((values.dopamine > 15) | (values.pressor > 0.1), 4, 0),
    ]
    return np.asarray(np.max(points, axis=0))
