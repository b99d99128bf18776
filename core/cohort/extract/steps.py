"""From values on steps to the cohort layout, as of the start or the end of each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.cohort.columns import AGES
from core.cohort.extract.drugs import EQUIVALENT, IN_THE_SCORE
from core.cohort.extract.grid import Values
from core.cohort.extract.options import HEPARIN_KINDS, ExtractOptions, Window
from core.cohort.extract.sofa import OrganValues, sofa2_scores, sofa_scores
from core.study import StudySpec

BODY = ("Age", "Gender", "Weight", "Height")
CARE = ("Total Input", "Total Output", "Vasopressor", "Ventilation", "SOFA")
DRUGS = {"heparin": "units", "vasopressor": "ug/kg/min", "norepinephrine": "ug/kg/min", "fluid": "mL"}


@dataclass(frozen=True)
class Grid:
    """S stays on the window's steps and the `lead` steps before them.

    stays: one row a stay with stay_id, subject_id, age, gender, weight, height, died; inside: (S, n_steps) bool, steps
    of
    the window that the patient spends in the unit.
    """

    stays: pd.DataFrame
    values: Values
    inside: np.ndarray

    def select(self, keep: np.ndarray) -> Grid:
        """The stays where `keep` (S,) is true."""
        at = {name: array[keep] for name, array in self.values.at.items()}
        latest = {name: array[keep] for name, array in self.values.latest.items()}
        return Grid(self.stays[keep].reset_index(drop=True), Values(at, latest), self.inside[keep])


@dataclass(frozen=True)
class Assembled:
    """The cohort layout, the age of each value in hours, and how many derived values were implausible by column."""

    frame: pd.DataFrame
    ages: pd.DataFrame
    refused: dict[str, int]


def assemble(grid: Grid, study: StudySpec, window: Window, options: ExtractOptions) -> Assembled:
    """Step numbers start at 0 in each stay; `hours` is the start of the step from onset. NaN where not measured."""
    values = derived(grid.values, grid.stays, options, window.step)
    stay, k = np.nonzero(grid.inside)
    first = np.searchsorted(stay, np.arange(len(grid.stays)))
    seen = k - (options.as_of == "start")  # the step whose values a state holds
    back = int(options.lookback_hours // window.step)
    columns: dict[str, np.ndarray] = {"traj": grid.stays["stay_id"].to_numpy()[stay], "step": k - k[first][stay]}
    ages, refused = {}, {}
    for column in study.columns:
        name = column.name
        if name in BODY:
            array = grid.stays[name.lower()].to_numpy(np.float64)[stay]
        else:
            array = values[name][stay, window.lead + seen].astype(np.float64)
            array[first] = _look_back(values[name], seen[first], window.lead, back)
        outside = ~np.isnan(array) & ((array < column.plausible[0]) | (array > column.plausible[1]))
        if outside.any():
            refused[f"{name} (per step)"] = int(outside.sum())
        columns[name] = np.where(outside, np.nan, array)
        if name in grid.values.latest and name not in BODY:
            newest = grid.values.latest[name][stay, window.lead + seen].astype(np.float64)
            newest[first] = _look_back(grid.values.latest[name], seen[first], window.lead, back)
            at = window.start + window.step * (k + (options.as_of == "end"))
            ages[AGES + name] = np.where(outside, np.nan, at - newest).astype(np.float32)
    # Rounded as the bins' borders are, so that 4 h of 900 units/h are 3600 and not a rounding error more.
    dose = values[f"drug {study.actions.drug}"][stay, window.lead + k].astype(np.float64).round(2)
    columns["action"] = study.actions.bin(dose)
    columns["outcome"] = np.zeros(len(stay), dtype=np.int64)
    columns["outcome"][np.append(first[1:], len(stay)) - 1] = np.where(grid.stays["died"], -1, 1)
    columns |= {
        "dose": dose,
        "hours": window.start + window.step * k,
        "subject": grid.stays["subject_id"].to_numpy()[stay],
    }
    for kind in HEPARIN_KINDS:
        columns[f"dose_{kind}"] = values[f"dose {kind}"][stay, window.lead + k].astype(np.float64).round(2)
    return Assembled(pd.DataFrame(columns), pd.DataFrame(ages), refused)


def derived(values: Values, stays: pd.DataFrame, options: ExtractOptions, step_hours: float) -> dict[str, np.ndarray]:
    """All arrays, 0 where nothing was given, with SOFA and the dose of each drug."""
    at = dict(values.at)
    for name in ("Total Input", "Total Output", "Ventilation", *(f"dose {kind}" for kind in HEPARIN_KINDS)):
        at[name] = np.nan_to_num(at[name])
    unknown = np.nan_to_num(at["unresolved pressor"]) > 0
    at["Vasopressor"] = np.where(unknown, np.float32(np.nan), np.nan_to_num(at["Vasopressor"]))
    score = sofa2_scores if options.sofa == "sofa-2" else sofa_scores
    at["SOFA"] = score(organs(at, stays, options), step_hours)
    at["drug heparin"] = sum((at[f"dose {kind}"] for kind in options.kinds), np.zeros_like(at["SOFA"]))
    at["drug vasopressor"] = at["drug norepinephrine"] = np.nan_to_num(at["Vasopressor"])
    at["drug fluid"] = at["Total Input"]
    return at


def organs(at: dict[str, np.ndarray], stays: pd.DataFrame, options: ExtractOptions) -> OrganValues:
    """What the score needs; pressors beyond norepinephrine and epinephrine only in the standard score."""
    counted = IN_THE_SCORE if options.sofa == "reference" else tuple(a for a in EQUIVALENT if a != "dopamine")
    if options.sofa == "reference":  # the higher of the two, as each is compared alone
        pressor = np.maximum.reduce([np.nan_to_num(at[f"peak {agent}"]) for agent in counted])
    else:
        pressor = sum(
            (np.nan_to_num(at[f"peak {agent}"]) * EQUIVALENT[agent] for agent in counted), np.zeros_like(at["coma"])
        )
    return OrganValues(
        ratio_ventilated=at["ratio ventilated"],
        ratio_breathing=at["ratio breathing"],
        platelets=at["lowest Platelets"],
        bilirubin=at["Bilirubin"],
        pressure=at["lowest MBP"],
        pressor=pressor,
        dopamine=at["peak dopamine"],
        dobutamine=at["peak dobutamine"],
        coma=at["coma"],
        creatinine=at["highest Creatinine"],
        urine=at["urine"],
        dialysis=at.get("fluid removed"),
        weight=stays["weight"].to_numpy(np.float64)[:, None],
    )


def _look_back(values: np.ndarray, first: np.ndarray, lead: int, steps: int) -> np.ndarray:
    """Value of each stay's first step (S,), or where it has none the latest of the `steps` steps before it."""
    row = np.arange(len(values))
    found = values[row, lead + first].astype(np.float64)
    for back in range(1, steps + 1):
        at = lead + first - back
        earlier = np.where(at >= 0, values[row, np.maximum(at, 0)], np.nan)
        found = np.where(np.isnan(found), earlier, found)
    return np.asarray(found)
