"""A made-up table of another drug: norepinephrine in shock, under names that no study here has."""

from __future__ import annotations

import numpy as np
import pandas as pd

HOURS = 2.0  # between rows


def norepinephrine_table(n_stays: int = 60, seed: int = 0, n_most: int = 9) -> pd.DataFrame:
    """One row a stay and two hours: keys, times, statics, measurements known and unknown, rates, mortality.

    Pressure follows the rate, and the sick die more often. Some lactates are missing, some crp are coded -9.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n_stays):
        sick, start = rng.normal(), pd.Timestamp("2150-01-01") + pd.Timedelta(days=float(rng.integers(0, 900)))
        age, sex, weight = rng.integers(20, 90), rng.choice(["M", "F"]), rng.normal(80, 15)
        died, rate = int(rng.random() < 1 / (1 + np.exp(1.2 - sick))), 0.0
        for t in range(int(rng.integers(4, n_most + 1))):
            pressure = 72 - 6 * sick + 40 * rate + rng.normal(0, 5)
            rows.append(
                {
                    "encounter_id": f"E{i:04d}",
                    "person_id": f"P{i // 2:04d}",
                    "charttime": start + pd.Timedelta(hours=HOURS * t + rng.uniform(0, 0.3)),
                    "age_years": age,
                    "sex": sex,
                    "weight_kg": round(weight, 1),
                    "map": round(pressure, 1),
                    "heart_rate": round(95 + 6 * sick + rng.normal(0, 8)),
                    "arterial_lactate": round(float(np.exp(0.7 + 0.4 * sick + rng.normal(0, 0.3))), 2)
                    if rng.random() > 0.1
                    else None,
                    "crp_mg_l": -9 if rng.random() < 0.05 else max(1, round(120 + 40 * sick + rng.normal(0, 20))),
                    "capillary_refill_s": round(max(0.5, 2.5 + sick + rng.normal(0, 0.5)), 1),
                    "on_ecmo": int(sick > 1.5),
                    "ward": rng.choice(["A", "B", "C"]),
                    "norad_mcg_kg_min": rate,
                    "hospital_mortality": died,
                    "length_of_stay_d": 9,
                }
            )
            rate = round(float(max(0.0, rate + 0.02 * (65 - pressure) / 5 + rng.normal(0, 0.03))), 3)
    return pd.DataFrame(rows)
