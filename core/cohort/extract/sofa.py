"""SOFA score (0-24) of each step from the worst values of the 24 h up to the step's end.

Six organs, 0-4 points each (Vincent et al. 1996), a missing organ scores 0:
  respiration     PaO2/FiO2 < 400, 300, 200, 100 mmHg; 3 and 4 points only while ventilated
  coagulation     platelets < 150, 100, 50, 20 x 10^9/L
  liver           bilirubin >= 1.2, 2, 6, 12 mg/dL
  cardiovascular  mean pressure < 70 mmHg 1; dobutamine or dopamine <= 5: 2; dopamine > 5 or pressor: 3; dopamine > 15
                  or pressor > 0.1 ug/kg/min: 4. Pressor is norepinephrine equivalent, so that phenylephrine and
                  vasopressin, which the score of 1996 does not name, count as the support they are.
  nervous system  Glasgow Coma Scale < 15, 13, 10, 6
  kidney          creatinine >= 1.2, 2, 3.5, 5 mg/dL; urine < 500, 200 mL in 24 h: 3, 4, once 24 h were observed
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OrganValues:
    """Worst values of each step, (stays, steps) each, NaN where not measured; drugs 0 where not given.

    observed_hours: hours in the unit up to the step's end.
    """

    ratio_ventilated: np.ndarray  # lowest PaO2/FiO2 while ventilated, mmHg
    ratio_breathing: np.ndarray  # lowest PaO2/FiO2 without a ventilator, mmHg
    platelets: np.ndarray
    bilirubin: np.ndarray
    pressure: np.ndarray  # lowest mean arterial pressure, mmHg
    pressor: np.ndarray  # norepinephrine equivalent without dopamine, ug/kg/min
    dopamine: np.ndarray
    dobutamine: np.ndarray
    coma: np.ndarray  # lowest Glasgow Coma Scale
    creatinine: np.ndarray
    urine: np.ndarray  # mL in the step
    observed_hours: np.ndarray


def sofa_scores(values: OrganValues, step_hours: float) -> np.ndarray:
    """SOFA of every step, (stays, steps) float32; earlier steps than the array holds count as not measured."""
    steps = max(round(24 / step_hours), 1)
    respiration = np.maximum(
        _below(values.ratio_breathing, (400, 300)), _below(values.ratio_ventilated, (400, 300, 200, 100))
    )
    step_points = (
        respiration,
        _below(values.platelets, (150, 100, 50, 20)),
        _at_least(values.bilirubin, (1.2, 2, 6, 12)),
        _circulation(values),
        _below(values.coma, (15, 13, 10, 6)),
        _at_least(values.creatinine, (1.2, 2, 3.5, 5)),
    )
    points = [trailing(part, steps, np.max) for part in step_points]
    points[-1] = np.maximum(points[-1], _low_urine(values, steps))
    return np.stack(points).sum(axis=0).astype(np.float32)


def trailing(values: np.ndarray, steps: int, reduce: Callable[..., np.ndarray]) -> np.ndarray:
    """`reduce` over each step and the `steps` - 1 before it (zeros before the first), same shape."""
    padded = np.pad(values, ((0, 0), (steps - 1, 0)))
    return reduce(np.lib.stride_tricks.sliding_window_view(padded, steps, axis=1), axis=-1)


def _below(values: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    """Points for values below falling cuts; NaN compares false, so a missing value scores 0."""
    return np.sum([values < cut for cut in cuts], axis=0)


def _at_least(values: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    return np.sum([values >= cut for cut in cuts], axis=0)


def _circulation(values: OrganValues) -> np.ndarray:
    points = [
        np.where(values.pressure < 70, 1, 0),
        np.where((values.dobutamine > 0) | (values.dopamine > 0), 2, 0),
        np.where((values.dopamine > 5) | (values.pressor > 0), 3, 0),
        np.where((values.dopamine > 15) | (values.pressor > 0.1), 4, 0),
    ]
    return np.max(points, axis=0)


def _low_urine(values: OrganValues, steps: int) -> np.ndarray:
    day = trailing(np.nan_to_num(values.urine), steps, np.sum)
    points = np.where(day < 200, 4, np.where(day < 500, 3, 0))
    return np.where(values.observed_hours >= 24, points, 0)
