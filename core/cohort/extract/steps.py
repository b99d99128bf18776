"""From worst and representative values per stay and step to the cohort layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.cohort.extract.options import Window
from core.cohort.extract.sofa import OrganValues, sofa_scores
from core.study import StudySpec

BODY = ("Age", "Gender", "Weight", "Height")
CARE = ("Total Input", "Total Output", "Vasopressor", "Ventilation", "SOFA")
ZERO_WHERE_ABSENT = ("Total Input", "Total Output", "Vasopressor")


@dataclass(frozen=True)
class Grid:
    """Values of S stays on the window's steps and the `lead` steps before them (G = lead + n_steps).

    stays: one row a stay with stay_id, age, gender, weight, height, died; values: (S, G) arrays, NaN where not
    measured, by name; inside: (S, n_steps) bool, steps of the window that the patient spends in the unit.
    """

    stays: pd.DataFrame
    values: Mapping[str, np.ndarray]
    inside: np.ndarray

    def select(self, keep: np.ndarray) -> Grid:
        """The stays where `keep` (S,) is true."""
        values = {name: array[keep] for name, array in self.values.items()}
        return Grid(self.stays[keep].reset_index(drop=True), values, self.inside[keep])


def assemble(
    grid: Grid, study: StudySpec, window: Window, lookback_hours: float
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The cohort layout of all stays, and how many derived values fell outside the study's plausible range.

    Step numbers start at 0 in each stay; `hours` is the start of the step relative to onset. NaN where not measured.
    """
    values = dict(grid.values)
    for name in (*ZERO_WHERE_ABSENT, "dose", "ventilated"):
        values[name] = np.nan_to_num(values[name])
    values["Ventilation"] = values.pop("ventilated")
    values["SOFA"] = _sofa(values, grid, window)
    stay, k = np.nonzero(grid.inside)
    first = np.searchsorted(stay, np.arange(len(grid.stays)))
    body = {name: grid.stays[name.lower()].to_numpy(np.float64)[stay] for name in BODY}
    columns: dict[str, np.ndarray] = {"traj": grid.stays["stay_id"].to_numpy()[stay], "step": k - k[first][stay]}
    refused = {}
    for column in study.columns:
        name = column.name
        if name in BODY:
            array = body[name]
        else:
            array = values[name][stay, window.lead + k].astype(np.float64)
            array[first] = _look_back(values[name], k[first], window, lookback_hours)
        outside = ~np.isnan(array) & ((array < column.plausible[0]) | (array > column.plausible[1]))
        if outside.any():
            refused[f"{name} (per step)"] = int(outside.sum())
        columns[name] = np.where(outside, np.nan, array)
    # Rounded as the bins' borders are, so that 4 h of 900 units/h are 3600 and not a rounding error more.
    dose = values["dose"][stay, window.lead + k].astype(np.float64).round(2)
    columns["action"] = study.actions.bin(dose)
    columns["outcome"] = np.zeros(len(stay), dtype=np.int64)
    columns["outcome"][np.append(first[1:], len(stay)) - 1] = np.where(grid.stays["died"], -1, 1)
    columns["dose"] = dose
    columns["hours"] = window.start + window.step * k
    columns["subject"] = grid.stays["subject_id"].to_numpy()[stay]
    return pd.DataFrame(columns), refused


def _look_back(values: np.ndarray, first: np.ndarray, window: Window, lookback_hours: float) -> np.ndarray:
    """Value of each stay's first step (S,), or the latest one of the hours before it where the step has none."""
    row = np.arange(len(values))
    found = values[row, window.lead + first].astype(np.float64)
    for back in range(1, int(lookback_hours // window.step) + 1):
        found = np.where(np.isnan(found), values[row, window.lead + first - back], found)
    return found


def _sofa(values: Mapping[str, np.ndarray], grid: Grid, window: Window) -> np.ndarray:
    """SOFA of every step (S, lead + n_steps)."""
    ventilated = values["Ventilation"] > 0
    ratio, nan = values["PaO2/FiO2"], np.float32(np.nan)
    end_of_step = window.read_from + window.step * np.arange(1, ratio.shape[1] + 1)
    organs = OrganValues(
        ratio_ventilated=np.where(ventilated, ratio, nan),
        ratio_breathing=np.where(ventilated, nan, ratio),
        platelets=values["lowest Platelets"],
        bilirubin=values["Bilirubin"],
        pressure=values["lowest MBP"],
        pressor=values["peak pressor"],
        dopamine=values["peak dopamine"],
        dobutamine=values["peak dobutamine"],
        # An intubated patient cannot speak: a verbal response of 1 says nothing about the brain then.
        coma=np.where(ventilated, values["coma, speaking"], values["coma"]),
        creatinine=values["highest Creatinine"],
        urine=values["urine"],
        observed_hours=end_of_step - grid.stays["entry"].to_numpy()[:, None],
    )
    return sofa_scores(organs, window.step)
