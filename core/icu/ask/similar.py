"""The training states most similar to a step of a stay: what those patients got, and how they went on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.statistics import wilson
from core.cohort.hours import slots_after
from core.icu.ask.names import phenotypes_of
from core.icu.view import RunView

FEWEST_ON_COURSE = 5  # patients still in the record, below which a course is not drawn further


@dataclass(frozen=True, eq=False)
class Similar:
    """Training patients with a state among the most similar ones, nearest first, each once with its nearest state.

    patients (m,) positions in the cohort; steps (m,) the step of each patient's nearest state.
    """

    patients: np.ndarray
    steps: np.ndarray


def neighborhood(view: RunView, patient: int, step: int) -> pd.DataFrame:
    """What the most similar training states got and how those patients did.

    One row a dose: action, n (states), in_band (of these, the ones that meet the same of the study's hazard rules as
    this state: all of them, but in a run from before hazards were matched) and share of n, patients (who got it, each
    once however many of the states are theirs), survival of these with its Wilson interval low, high,
    NaN where the outcome does not tell it.
    """
    states = _states(view, patient, step)
    actions, size = view.trajectories.actions[states[:, 0], states[:, 1]], view.study.n_actions
    n = np.bincount(actions, minlength=size)
    same = view.bands[states[:, 0], states[:, 1]] == view.bands[patient, step]
    pairs = np.unique(np.stack([actions, states[:, 0]]), axis=1)
    patients = np.bincount(pairs[0], minlength=size)
    survived = np.bincount(pairs[0], weights=view.cohort.outcomes[pairs[1]] > 0, minlength=size)
    low, high = wilson(survived, patients)
    with np.errstate(invalid="ignore", divide="ignore"):
        share, survival = n / max(len(actions), 1), survived / patients
    nothing = (n == 0) | (not view.study.tells_survival)
    survival[nothing], low[nothing], high[nothing] = np.nan, np.nan, np.nan
    in_band = np.bincount(actions[same], minlength=size)
    columns = {"action": np.arange(size), "n": n, "in_band": in_band, "share": share, "patients": patients}
    columns["survival"] = survival
    return pd.DataFrame({**columns, "low": low, "high": high})


def similar_patients(view: RunView, patient: int, step: int) -> Similar:
    """The patients behind `neighborhood`; one who has several similar states counts once, at the nearest of them."""
    states = _states(view, patient, step)
    _, first = np.unique(states[:, 0], return_index=True)
    nearest = states[np.sort(first)]
    return Similar(nearest[:, 0], nearest[:, 1])


def later_course(view: RunView, similar: Similar, column: str, minimum: int = FEWEST_ON_COURSE) -> pd.DataFrame:
    """How a measurement went on in similar patients, from their similar state on.

    One row for each step's length after it: hours, n (patients still in the record), low, median, high (quartiles and
    median; NaN where fewer than `minimum` were measured). A record ends with discharge or death, so later rows are of
    those who stayed.
    """
    j, cohort = view.study.index(column), view.cohort
    at = cohort.starts[similar.patients] + similar.steps
    left = cohort.lengths[similar.patients] - similar.steps
    stay = np.repeat(np.arange(len(at)), left)
    rows = np.arange(len(stay)) + np.repeat(at - (np.cumsum(left) - left), left)
    slots, hours = slots_after(cohort.hours[rows] - cohort.hours[at][stay], view.study.step_hours)
    values = np.full((len(at), len(hours)), np.nan)
    values[stay, slots] = cohort.states[rows, j]  # rows are in order, so the last one in a slot stays
    last = slots[np.cumsum(left) - 1]
    n = (np.arange(len(hours)) <= last[:, None]).sum(axis=0)
    enough = np.isfinite(values).sum(axis=0) >= max(minimum, 1)
    quartiles = np.full((3, len(hours)), np.nan)
    if enough.any():
        quartiles[:, enough] = np.nanquantile(values[:, enough], (0.25, 0.5, 0.75), axis=0)
    return pd.DataFrame(
        {
            "hours": hours,
            "n": n,
            "low": quartiles[0],
            "median": quartiles[1],
            "high": quartiles[2],
        }
    )


def similar_table(view: RunView, similar: Similar, columns: list[str], n_clusters: int) -> pd.DataFrame:
    """One row a similar patient, nearest first: key, step, its hour where hours were recorded, dose then, steps that
    followed, outcome, phenotype, and each column at the similar state and at the end of the record."""
    cohort, study = view.cohort, view.study
    at = cohort.starts[similar.patients] + similar.steps
    last = cohort.starts[similar.patients] + cohort.lengths[similar.patients] - 1
    table: dict[str, object] = {
        "patient": cohort.patients[similar.patients],
        "step": similar.steps + 1,
        **({"hours from onset": cohort.hours[at]} if cohort.timed else {}),
        f"{study.actions.drug} then": [study.actions.label(int(a)) for a in cohort.actions[at]],
        "steps after": last - at,
        "outcome": [study.outcome_text(outcome) for outcome in cohort.outcomes[similar.patients]],
        "phenotype": phenotypes_of(view, n_clusters, similar.patients),
    }
    for name in columns:
        j = study.index(name)
        table[f"{name} then"] = cohort.states[at, j].round(2)
        table[f"{name} at the end"] = cohort.states[last, j].round(2)
    return pd.DataFrame(table)


def _states(view: RunView, patient: int, step: int) -> np.ndarray:
    """(m, 2) patient and step of the stored neighbors of a state, nearest first."""
    rows = view.neighbors[patient, step]
    return np.asarray(view.training_states[rows[rows >= 0]])
