"""Fit the simulator's constants to the published tables: `python -m core.cohort.simulate.calibrate`.

The mechanism is rolled out, its latent signals are mapped to the published means and standard deviations, the
intercepts of clinicians and hazards are moved toward the published shares, and again, until nothing moves: heparin
changes platelets and aPTT, and the clinicians look at both, so one pass is not enough.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from core.base.rng import stream
from core.cohort.simulate import hazard, measurement, mechanism
from core.cohort.simulate.clinicians import MARGINAL
from core.cohort.simulate.constants import LIKES, REFERENCE, Constants
from core.cohort.simulate.fitting import fit, fit_spiked, guess, solve
from core.cohort.simulate.measurement import Values
from core.cohort.simulate.patients import static_latents
from core.cohort.simulate.published import Targets, load_targets
from core.cohort.simulate.rollout import Rollout, roll_out
from core.cohort.simulate.transforms import Transform
from core.cohort.simulate.world import World
from core.study import load_study

ROUNDS = 6
PACE = 0.4  # of the clinicians' intercepts with memory
LATE_STARTS = {"mimic-iv": 0.6, "eicu": 0.25}  # with memory; more of them than this and no stay is as long as published
CALIBRATION_PATIENTS = 20_000
WINDOW_DEATHS = 0.2  # share of all deaths that happen inside the window
NONZERO = {  # share of steps with any input or vasopressor; the tables do not give it
    "mimic-iv": {"Total Input": 0.25, "Vasopressor": 0.18},
    "eicu": {"Total Input": 0.55, "Vasopressor": 0.12},
}
SPIKED = {("eicu", "Vasopressor"): 30.0}  # charted value of the rare entries in mixed units
STATICS = {
    "Age": Transform(kind="linear", low=18, high=100),
    "Weight": Transform(kind="exp", low=30, high=300),
    "Height": Transform(kind="linear", low=120, high=220),
}
DERIVED_LIMITS = {"Chloride": (60, 165), "Hematocrit": (8, 65), "PH": (6.7, 7.8), "BaseExcess": (-35, 35)}
MAP_FRACTION_SD = 0.05
HEMATOCRIT_ERROR_SD = 1.2


def fit_signal(like: str, name: str, x: np.ndarray, mean: float, sd: float) -> Transform:
    """Transform of one signal that has its own published row."""
    transform = _empty(name)
    if transform.kind == "binary":
        return transform.model_copy(update={"threshold": float(np.quantile(x, 1 - mean))})
    if transform.kind == "zero_exp":
        threshold = float(np.quantile(x, 1 - NONZERO[like][name]))
        transform = transform.model_copy(update={"threshold": threshold})
    if (like, name) in SPIKED:
        return fit_spiked(transform.model_copy(update={"high": SPIKED[like, name]}), x, mean, sd)
    transform = guess(transform, x, mean, sd)
    return fit(transform, x, mean, sd)


def fit_transforms(
    like: str, targets: Targets, signals: np.ndarray, from_onset: np.ndarray | None = None
) -> dict[str, Transform]:
    """All temporal transforms from the latent signals of real steps (rows, J), in order of dependence.

    from_onset: (rows,) steps since onset with memory, where platelets are first low at onset; None without.
    """
    x = measurement.prepare(signals)
    row = {str(name): targets.moments(str(name)) for name in targets.features.index}
    pressure = row["SBP"][0] - row["DBP"][0]
    row["MapFraction"] = ((row["MBP"][0] - row["DBP"][0]) / pressure, MAP_FRACTION_SD)
    row["HematocritError"] = (0.0, HEMATOCRIT_ERROR_SD)
    known = [name for name in mechanism.NAMES if name in row]
    fitted = {name: fit_signal(like, name, x[name], *row[name]) for name in known}
    if from_onset is not None:
        fitted["Platelets"] = solve(
            fitted["Platelets"],
            lambda t: measurement.platelets_by_onset(x["Platelets"], t(x["Platelets"]), from_onset),
            *row["Platelets"],
        )
    y: Values = {name: fitted[name](x[name]) for name in known}
    if from_onset is not None:
        y["Platelets"] = measurement.platelets_by_onset(x["Platelets"], y["Platelets"], from_onset)
    start = _empty("PulsePressure")
    start = guess(start, x["PulsePressure"], pressure, 0.8 * row["SBP"][1])
    fitted["PulsePressure"] = solve(start, lambda t: y["DBP"] + t(x["PulsePressure"]), *row["SBP"])
    y["PulsePressure"] = fitted["PulsePressure"](x["PulsePressure"])
    y["MBP"] = y["DBP"] + y["MapFraction"] * y["PulsePressure"]
    for name in measurement.DERIVED:
        source = measurement.derived_input(name, y)
        low, high = DERIVED_LIMITS[name]
        start = guess(Transform(kind="linear", low=low, high=high), source, *row[name])
        fitted[name] = fit(start, source, *row[name])
        y[name] = fitted[name](source)
    points, burden = measurement.organ_points(y), x["Burden"]
    fitted["Burden"] = solve(_empty("Burden"), lambda t: measurement.total_points(points, t(burden)), *row["SOFA"])
    return fitted


def _empty(name: str) -> Transform:
    signal = mechanism.SIGNALS[name]
    return Transform(kind=signal.kind, low=signal.low, high=signal.high, floor=signal.floor)


def fit_statics(targets: Targets, rng: np.random.Generator) -> dict[str, Transform]:
    """Transforms of age, weight and height."""
    female_share = targets.moments("Gender")[0]
    _, latent = static_latents(rng, CALIBRATION_PATIENTS, female_share)
    fitted = {}
    for name, transform in STATICS.items():
        mean, sd = targets.moments(name)
        start = guess(transform, latent[name], mean, sd)
        fitted[name] = fit(start, latent[name], mean, sd)
    return fitted


def fit_intercepts(
    constants: Constants, stays: Rollout, targets: Targets, horizon: int, pace: float = 1.0
) -> Constants:
    """One move of the clinicians' and the hazards' intercepts toward the published shares.

    pace: how far the clinicians' move at once; where courses persist a small move changes many steps.
    """
    mask = stays.mask
    given = np.bincount(stays.actions[mask], minlength=len(MARGINAL)) / mask.sum()
    wanted = np.asarray(targets.actions)
    moved = np.asarray(constants.action_intercepts) + pace * np.log(wanted / np.maximum(given, 1e-5))
    last = stays.lengths - 1
    level = stays.risk[np.arange(len(last)), last]
    late = []
    for k, mortality in enumerate(targets.phenotype_mortality):
        rows = stays.patients.phenotype == k
        early = stays.died[rows].mean()
        wanted_late = max((mortality - early) / (1 - early), 0.005)
        tail = hazard.LATE_SLOPE * level[rows & ~stays.died]
        late.append(brentq(lambda c, x=tail, p=wanted_late: expit(c + x).mean() - p, -15, 10))
    deaths = WINDOW_DEATHS * targets.mortality / max(stays.died.mean(), 1e-4)
    most = horizon - stays.entry.mean()
    exits = (most - targets.steps) / max(most - stays.lengths.mean(), 0.05)
    return constants.model_copy(
        update={
            "action_intercepts": tuple(float(v) for v in moved - moved[0]),
            "late_death_intercepts": tuple(late),
            "death_intercept": constants.death_intercept + float(np.log(deaths)),
            "discharge_intercept": constants.discharge_intercept + 1.2 * float(np.log(exits)),
        }
    )


def initial(like: str, targets: Targets) -> Constants:
    """Constants before the first roll-out: transforms for standard normal latents, published action shares."""
    rng = stream(0, "calibrate", like)
    normal = rng.standard_normal((CALIBRATION_PATIENTS, len(mechanism.NAMES)))
    logits = np.log(np.asarray(targets.actions) / targets.actions[0])
    return Constants(
        female_share=targets.moments("Gender")[0],
        transforms=fit_statics(targets, rng) | fit_transforms(like, targets, normal),
        action_intercepts=tuple(float(v) for v in logits),
        discharge_intercept=-3.3,
        death_intercept=-6.0,
        late_death_intercepts=(-2.0, -1.0, -1.5),
    )


def calibrate(
    like: str,
    n_patients: int = CALIBRATION_PATIENTS,
    rounds: int = ROUNDS,
    start: Constants | None = None,
    memory: bool = False,
) -> Constants:
    """Constants for one data set, from scratch or from `start`; deterministic."""
    study, targets, world = load_study(), load_targets(like), World(memory=memory)
    constants = start or initial(like, targets)
    if memory:
        constants = constants.model_copy(update={"late_starts": LATE_STARTS[like]})
    for _ in range(rounds):
        stays = roll_out(constants, study, n_patients, 0, f"calibrate {like}", keep_signals=True, world=world)
        assert stays.signals is not None
        from_onset = stays.entry[:, None] + np.arange(study.horizon) - mechanism.ONSET
        temporal = fit_transforms(like, targets, stays.signals[stays.mask], from_onset[stays.mask] if memory else None)
        constants = constants.model_copy(update={"transforms": constants.transforms | temporal})
        constants = fit_intercepts(constants, stays, targets, study.horizon, pace=PACE if memory else 1.0)
    return constants


def main() -> int:
    """Write data/reference/simulator.json."""
    first = {like: calibrate(like) for like in LIKES}
    second = {like: calibrate(like, rounds=2 * ROUNDS, start=first[like], memory=True) for like in LIKES}
    stored = {like: constants.model_dump(mode="json") for like, constants in first.items()}
    stored["memory"] = {like: constants.model_dump(mode="json") for like, constants in second.items()}
    path = REFERENCE / "simulator.json"
    path.write_text(json.dumps({"schema_version": 1} | stored, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
