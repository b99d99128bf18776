"""Two studies cut down to seconds, patients whose every recorded value is corrupted, and what two run folders share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd

from core.cohort import make_cohort, simulate_cohort
from core.registry.cohort.load import make_registry
from core.registry.simulate import simulate_registry

STAYS, PATIENTS = 96, 240
BOOKKEEPING = ("manifest.json", "progress.json", ".lock")  # hash of the data, times; no result


# The ICU study


def icu_frame() -> pd.DataFrame:
    """Recorded stays of 48 persons, two each; a third of the first values and a tenth of the later ones are missing.

    About half of the persons die, in their second stay.
    """
    cohort, _ = simulate_cohort("mimic-iv", STAYS, seed=1)
    frame, rng = cohort.frame.copy(), np.random.default_rng(0)
    names = list(cohort.study.names)
    missing = rng.random((len(frame), len(names))) < np.where(frame["step"] == 0, 1 / 3, 1 / 10)[:, None]
    frame[names] = frame[names].mask(missing)
    frame["subject"] = _position(frame) // 2
    dies = np.zeros(STAYS, dtype=bool)
    dies[1::2] = rng.random(STAYS // 2) < 0.5
    return _with_outcomes(frame, np.where(dies, -1, 1))


def poisoned_stays(frame: pd.DataFrame, stays: np.ndarray) -> pd.DataFrame:
    """The cohort with every state, action and outcome of these stays (of whole persons) replaced by another valid one.

    States are drawn anew from all that is plausible, missing ones stay missing; actions become another dose. The two
    stays of a person exchange their outcomes: the split is stratified by persons with a death, and so does not move.
    """
    rng, cohort = np.random.default_rng(1), make_cohort(frame)
    frame, study, traj = frame.copy(), cohort.study, _position(frame)
    here = np.isin(traj, stays)
    for column in study.columns:
        low, high = column.plausible
        drawn = rng.uniform(low, high, len(frame))
        drawn = drawn[cohort.starts][traj] if column.kind == "static" else drawn
        drawn = np.round((drawn - low) / (high - low)) if column.binary else drawn
        frame[column.name] = frame[column.name].mask(here & frame[column.name].notna(), drawn)
    shift = rng.integers(1, study.n_actions, len(frame))
    frame["action"] = np.where(here, (frame["action"] + shift) % study.n_actions, frame["action"])
    outcomes = cohort.outcomes.astype(int)
    exchanged = outcomes.reshape(-1, 2)[:, ::-1].reshape(-1)
    outcomes[stays] = exchanged[stays]
    return _with_outcomes(frame, outcomes)


def _with_outcomes(frame: pd.DataFrame, outcomes: np.ndarray) -> pd.DataFrame:
    last = ~frame["traj"].duplicated(keep="last")
    return frame.assign(outcome=np.where(last, outcomes[_position(frame)], 0))


def _position(frame: pd.DataFrame) -> np.ndarray:
    """(rows,) position of each row's stay: simulated stays are named by theirs."""
    return frame["traj"].astype(int).to_numpy()


# The registry study


def registry_frame() -> pd.DataFrame:
    """Recorded patients of a transplant registry."""
    return simulate_registry(PATIENTS, seed=0)[0].frame


def poisoned_patients(frame: pd.DataFrame, patients: np.ndarray) -> pd.DataFrame:
    """The registry with every feature, indicator and drug of these patients (positions) replaced by another valid one.

    Half of them are lost to follow-up at the stage before their last one; drugs are any combination.
    """
    rng, cohort = np.random.default_rng(1), make_registry(frame)
    frame, owner, spec = cohort.frame.copy(), cohort.patient_index, cohort.spec
    here = np.isin(owner, patients)
    for feature in spec.features:
        if feature.plausible is not None:
            drawn = rng.uniform(*feature.plausible, cohort.n_patients)
        else:
            drawn = rng.choice(feature.categories, cohort.n_patients)
        frame[feature.name] = frame[feature.name].mask(here, pd.Series(drawn[owner], index=frame.index))
    last = np.append(owner[1:] != owner[:-1], True)
    dead = last & (rng.random(len(frame)) < 0.5)
    relapsed = pd.Series(rng.random(len(frame)) < 0.2).groupby(owner).cummax().to_numpy()
    ill = rng.random((2, len(frame))) < 0.5
    for name, value in zip(spec.indicator_names, (~dead, *(ill & ~dead), relapsed), strict=True):
        frame[name] = np.where(here, value, frame[name])
    for decision in spec.decisions:
        posed = np.isin(cohort.stage_index, decision.stages) & ~dead & ~relapsed
        given = (rng.random((len(frame), len(decision.columns))) < 0.5) & posed[:, None]
        frame[list(decision.columns)] = np.where(here[:, None], given, frame[list(decision.columns)])
    lost = here & last & (cohort.lengths[owner] > 2) & (owner % 2 == 0)
    return frame[~lost]


def exchanged_patients(frame: pd.DataFrame, patients: np.ndarray) -> pd.DataFrame:
    """The registry with the drugs of these patients (positions) exchanged among them at every stage, and their states
    at the last stage too: what is known before a decision, and which combinations there are, stays as it is."""
    rng, cohort = np.random.default_rng(1), make_registry(frame)
    frame, spec = cohort.frame.copy(), cohort.spec
    drugs = [name for decision in spec.decisions for name in decision.columns]
    here = np.isin(cohort.patient_index, patients)
    for stage in range(len(spec.stages)):
        final = stage == len(spec.stages) - 1
        rows = np.flatnonzero(here & (cohort.stage_index == stage) & (final | ~cohort.ended))
        columns = list(spec.indicator_names) if final else drugs
        frame.loc[rows, columns] = frame.loc[rng.permutation(rows), columns].to_numpy()
    return frame


# Run folders


def files_of(folder: Path, patterns: Iterable[str]) -> list[str]:
    """Result files of a run that match one of the patterns, sorted."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(n for n in names if n not in BOOKKEEPING and any(fnmatch(n, pattern) for pattern in patterns))


def differing(one: Path, other: Path, patterns: Iterable[str]) -> list[str]:
    """Files of these patterns that are not the same, byte for byte, in both runs."""
    names = set(files_of(one, patterns)) & set(files_of(other, patterns))
    lacking = set(files_of(one, patterns)) ^ set(files_of(other, patterns))
    return sorted(lacking | {name for name in names if (one / name).read_bytes() != (other / name).read_bytes()})


def differing_rows(one: Path, other: Path, axes: Mapping[str, int], rows: np.ndarray) -> list[str]:
    """Arrays of these patterns that are not the same, bit for bit, at these stays; axes: that of the stays in each."""
    found = []
    for pattern, axis in axes.items():
        for name in files_of(one, [pattern]):
            arrays = [np.load(folder / name).take(rows, axis) for folder in (one, other)]
            if arrays[0].tobytes() != arrays[1].tobytes():
                found.append(name)
    return found
