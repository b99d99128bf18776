"""What a registry holds, as tables to read and draw: features, who is where at each stage, what was given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.registry.cohort.courses import state_rewards
from core.registry.cohort.drugs import Combinations, distinct_rows, prescription
from core.registry.cohort.table import RegistryCohort
from core.registry.spec import DEAD, RegistrySpec

MISSING = "not recorded"


def grave_order(spec: RegistrySpec) -> tuple[str, ...]:
    """Indicators from the mildest to the gravest: by falling reward; of equal ones the later in the definition."""
    names = spec.indicator_names[1:]
    return tuple(sorted(names, key=lambda name: -spec.rewards[name]))


def state_names(spec: RegistrySpec) -> tuple[str, ...]:
    """All states of a patient at a stage: well, the indicators from the mildest on, dead, absent, lost."""
    return ("well", *grave_order(spec), DEAD, "absent", "lost")


def row_states(cohort: RegistryCohort) -> np.ndarray:
    """(rows,) state of each row, the gravest that applies: dead, an indicator, well."""
    spec = cohort.spec
    gravest = grave_order(spec)[::-1]
    columns = [cohort.indicators[:, spec.indicator_names.index(name)] for name in gravest]
    return np.select([~cohort.indicators[:, 0], *columns], [DEAD, *gravest], "well")


def state_table(cohort: RegistryCohort) -> pd.DataFrame:
    """Where every patient is at each stage: stage (name), day, state, patients, share of all; each patient counts
    once a stage.

    Death and what ends the decisions are kept from then on. absent: not recorded at this stage but at a later one;
    lost: neither.
    """
    states, rows = row_states(cohort), []
    ended = np.full(cohort.n_patients, "", dtype=object)
    last = np.where(cohort.row_of >= 0, np.arange(cohort.row_of.shape[1]), -1).max(axis=1, initial=-1)
    for index, stage in enumerate(cohort.spec.stages):
        row = cohort.row_of[:, index]
        missing = np.where(last > index, "absent", "lost")
        here = np.where(row >= 0, states[np.maximum(row, 0)], missing).astype(object)
        here = np.where((ended != "") & (here != DEAD), ended, here)
        for state in state_names(cohort.spec):
            count = int((here == state).sum())
            rows.append((stage.name, stage.day, state, count, count / max(cohort.n_patients, 1)))
        ended = np.where(np.isin(here, (DEAD, *cohort.spec.ending)), here, ended)
    return pd.DataFrame(rows, columns=["stage", "day", "state", "patients", "share"])


def decision_table(cohort: RegistryCohort) -> pd.DataFrame:
    """What was decided when: decision, title, stage (name), day, patients (asked), treated, combinations (different).

    Asked: recorded at the stage, with the decisions not ended. Treated: given at least one drug.
    """
    rows = []
    for decision in cohort.spec.decisions:
        drugs = cohort.drugs(decision.name)
        for index in decision.stages:
            asked = (cohort.stage_index == index) & ~cohort.ended
            given = drugs[asked]
            different = len(distinct_rows(given)[0])
            stage = cohort.spec.stages[index]
            treated = int(given.any(axis=1).sum())
            rows.append((decision.name, decision.title, stage.name, stage.day, int(asked.sum()), treated, different))
    columns = ["decision", "title", "stage", "day", "patients", "treated", "combinations"]
    return pd.DataFrame(rows, columns=columns)


def combination_table(cohort: RegistryCohort) -> pd.DataFrame:
    """How often each combination was chosen, the most used first: decision, rank, combination, uses, share."""
    parts = []
    for decision in cohort.spec.decisions:
        asked = np.isin(cohort.stage_index, decision.stages) & ~cohort.ended
        found = Combinations.fit(cohort.drugs(decision.name)[asked], decision.drugs)
        parts.append(
            pd.DataFrame(
                {
                    "decision": decision.name,
                    "rank": np.arange(1, len(found) + 1),
                    "combination": found.names,
                    "uses": found.counts,
                    "share": found.counts / max(int(asked.sum()), 1),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def feature_counts(cohort: RegistryCohort, feature: str) -> pd.DataFrame:
    """Patients by category of a baseline feature, those without a value last: category, patients, share (0..1)."""
    counts = cohort.baseline[feature].astype(object).where(cohort.baseline[feature].notna(), MISSING).value_counts()
    names = list(cohort.spec.feature(feature).categories)
    names += [MISSING] if MISSING in counts else []
    patients = [int(counts.get(name, 0)) for name in names]
    share = np.asarray(patients) / max(cohort.n_patients, 1)
    return pd.DataFrame({"category": names, "patients": patients, "share": share})


def histogram(cohort: RegistryCohort, feature: str, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges (B + 1,) at multiples of `width` and counts (B,) of a number feature, missing values left out."""
    values = cohort.baseline[feature].to_numpy(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.array([0.0, width]), np.zeros(1, dtype=np.int64)
    low, high = np.floor(values.min() / width), np.floor(values.max() / width) + 1
    edges = width * np.arange(low, high + 1)
    return edges, np.histogram(values, bins=edges)[0]


def patient_table(cohort: RegistryCohort) -> pd.DataFrame:
    """One row a patient: patient, stages (on record), last_stage (name), outcome, the indicators that may pass, reward,
    then the baseline features.

    outcome: the gravest state of the last record, "lost" where that is not the last stage and the decisions had not
    ended; indicators: ever on record; reward: sum of the recorded rewards.
    """
    states, last = row_states(cohort), cohort.starts + cohort.lengths - 1
    outcome = states[last].astype(object)
    unfinished = (cohort.stage_index[last] < cohort.spec.horizon) & ~cohort.ended[last]
    earned = np.where(
        cohort.stage_index > 0, state_rewards(cohort.indicators, cohort.spec), 0.0
    )  # nothing is earned by the transplant itself
    passing = cohort.spec.passing
    seen = cohort.indicators[:, [cohort.spec.indicator_names.index(name) for name in passing]]
    sums = np.add.reduceat(np.column_stack([seen, earned]), cohort.starts, axis=0)
    names = [stage.name for stage in cohort.spec.stages]
    facts = pd.DataFrame(
        {
            "patient": cohort.patients,
            "stages": cohort.lengths,
            "last_stage": [names[i] for i in cohort.stage_index[last]],
            "outcome": np.where(unfinished, "lost", outcome),
            **{name: sums[:, j] > 0 for j, name in enumerate(passing)},
            "reward": sums[:, -1],
        }
    )
    return pd.concat([facts, cohort.baseline], axis=1)


def patient_course(cohort: RegistryCohort, patient: int) -> pd.DataFrame:
    """Stages on record of the patient at this position: stage (index), name, day, state, reward (NaN at stage 0)."""
    rows = cohort.rows(patient)
    index = cohort.stage_index[rows]
    earned = state_rewards(cohort.indicators[rows], cohort.spec)
    return pd.DataFrame(
        {
            "stage": index,
            "name": [cohort.spec.stages[i].name for i in index],
            "day": [cohort.spec.stages[i].day for i in index],
            "state": row_states(cohort)[rows],
            "reward": np.where(index > 0, earned, np.nan),
        }
    )


def patient_given(cohort: RegistryCohort, patient: int) -> pd.DataFrame:
    """What was given to the patient at this position: decision, stage (index), day, drugs (how many), combination."""
    rows, found = cohort.rows(patient), []
    for decision in cohort.spec.decisions:
        drugs = cohort.drugs(decision.name)[rows]
        for i, index in enumerate(cohort.stage_index[rows]):
            if index in decision.stages and not cohort.ended[rows][i]:
                day = cohort.spec.stages[index].day
                found.append(
                    (decision.name, int(index), day, int(drugs[i].sum()), prescription(drugs[i], decision.drugs))
                )
    return pd.DataFrame(found, columns=["decision", "stage", "day", "drugs", "combination"])


def reward_tolerance(spec: RegistrySpec) -> float:
    """Half of the smallest difference between two rewards: what lies closer does not tell two outcomes apart."""
    values = np.unique(list(spec.rewards.values()))
    return float(np.diff(values).min() / 2) if len(values) > 1 else 0.0


def highest_return(spec: RegistrySpec, decision: str, stage: int) -> float:
    """Most that a decision can earn from its stage (index) on: the best reward at each that counts, discounted."""
    left = sum(index >= stage for index in spec.decision(decision).stages) + spec.after_last(decision)
    return float(sum(spec.gamma**i for i in range(left)) * max(spec.rewards.values()))
