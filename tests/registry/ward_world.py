"""A made-up registry of a ward: other stages, indicators and decisions than the transplant registry; nobody is lost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.registry import RegistryCohort, state_rewards

SPEC = """
schema_version = 2
kind = "registry"
name = "ward"
title = "Fever on a ward"
population = "Adults with fever on a ward"
gamma = 0.95
rewards = { alive = 1.0, fever = 0.6, shock = 0.3, withdrawn = 0.0, dead = 0.0 }
stages = [
  { name = "admission", day = 0 }, { name = "day 3", day = 3 }, { name = "day 7", day = 7 },
  { name = "day 28", day = 28 },
]
indicators = [
  { name = "fever", title = "Fever" }, { name = "shock", title = "Shock" },
  { name = "withdrawn", title = "Care withdrawn", ends = true },
]

[[features]]
name = "age"
kind = "number"
unit = "years"
plausible = [18.0, 100.0]

[[features]]
name = "diabetic"
kind = "category"
categories = ["no", "yes"]

[[decisions]]
name = "fluids"
title = "Fluids"
stages = [0]
drugs = ["saline", "balanced"]

[[decisions]]
name = "antibiotics"
title = "Antibiotics"
stages = [0, 1]
drugs = ["penicillin", "meropenem", "vancomycin"]
learned = true
treats = "fever"

[[decisions]]
name = "pressors"
title = "Pressors"
stages = [1, 2]
drugs = ["norepinephrine", "vasopressin"]
learned = true
treats = "shock"
counts = "to the end"
"""
DAYS = (0, 3, 7, 28)
ANTIBIOTICS = ("penicillin", "meropenem", "meropenem + vancomycin", "")
PRESSORS = ("norepinephrine", "norepinephrine+vasopressin", "")


def table(n: int, seed: int) -> pd.DataFrame:
    """Long table of n patients: drugs by the state, states by drugs and chance."""
    rng, rows = np.random.default_rng(seed), []
    for i in range(n):
        fever, shock, age = rng.random() < 0.7, False, float(rng.integers(20, 90))
        patient = {"patient": f"w{i}", "age": age, "diabetic": rng.choice(["no", "yes"])}
        alive, withdrawn = True, False
        for index, day in enumerate(DAYS):
            row = patient | {"stage": day, "alive": int(alive), "fever": int(alive and fever)}
            row |= {"shock": int(alive and shock), "withdrawn": int(withdrawn)}
            row |= {"fluids": "", "antibiotics": "", "pressors": ""}
            going = alive and not withdrawn
            if going and index == 0:
                row["fluids"] = rng.choice(["saline", "balanced"])
            if going and index in (0, 1):
                row["antibiotics"] = ANTIBIOTICS[
                    rng.choice(4, p=[0.4, 0.3, 0.2, 0.1] if fever else [0.1, 0.1, 0.1, 0.7])
                ]
            if going and index in (1, 2):
                row["pressors"] = PRESSORS[rng.choice(3, p=[0.5, 0.4, 0.1] if shock else [0.1, 0.1, 0.8])]
            rows.append(row)
            if not alive:
                break
            helped = 0.3 * ("meropenem" in row["antibiotics"]) + 0.1 * bool(row["antibiotics"])
            fever = rng.random() < (0.7 - helped if fever else 0.1)
            shock = rng.random() < (0.5 if shock else 0.2)
            alive = bool(rng.random() > 0.04 + 0.1 * shock + 0.002 * (age - 20))
            withdrawn = withdrawn or bool(rng.random() < 0.03)
    return pd.DataFrame(rows)


def recorded_value(cohort: RegistryCohort, patients: np.ndarray) -> float:
    """Mean discounted sum of rewards of these patients from the first stage on; nothing after the decisions ended."""
    total = 0.0
    for patient in patients:
        rows = cohort.rows(int(patient))
        rewards, ended = state_rewards(cohort.indicators[rows], cohort.spec), cohort.ended[rows]
        for t in range(len(rewards) - 1):
            if ended[t]:
                break
            total += cohort.spec.gamma**t * float(rewards[t + 1])
    return total / len(patients)
