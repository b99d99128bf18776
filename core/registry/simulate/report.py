"""How close a simulated registry is to the published shape: combinations in use, their tail, predictable choices."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.registry.cohort.decisions import decision_points
from core.registry.cohort.drugs import Combinations
from core.registry.cohort.table import RegistryCohort
from core.registry.simulate.truth import RegistryTruth

PUBLISHED_COMBINATIONS = {"conditioning": 145, "prophylaxis": 127, "acute": 283, "chronic": 271}
COMBINATIONS_TOLERANCE = 0.10  # relative, at the published number of patients
PUBLISHED_ACCURACY = (0.75, 0.90)  # "about 75-90 %", rising with N
ACCURACY_TOLERANCE = 0.03  # at TOP; the published range is given roughly
TOP = 10
RARE = 10  # a combination given to fewer decision points than this


def calibration_report(cohort: RegistryCohort, truth: RegistryTruth) -> pd.DataFrame:
    """Simulated against published, for the published number of patients; smaller registries see fewer combinations.

    Columns: decision, quantity, simulated, low, high (what still counts as met), ok. Rows for each decision: drugs,
    combinations, share of the combinations that are rare (the long tail; at least half), and at each stage the
    share of choices among the TOP combinations most likely by the experts' true propensities, which is what the best
    classifier can reach.
    """
    rows: list[tuple[str, str, float, float, float]] = []
    for decision in cohort.spec.decisions:
        points = decision_points(cohort, decision.name)
        catalog = Combinations.fit(points.drugs, decision.drugs)
        published = PUBLISHED_COMBINATIONS[decision.name]
        low, high = published * (1 - COMBINATIONS_TOLERANCE), published * (1 + COMBINATIONS_TOLERANCE)
        rows.append((decision.name, "combinations", catalog.n_actions, low, high))
        rows.append((decision.name, "share of rare combinations", float((catalog.counts < RARE).mean()), 0.5, 1.0))
        rank = expert_rank(cohort, truth, decision.name)
        least, most = PUBLISHED_ACCURACY[0] - ACCURACY_TOLERANCE, PUBLISHED_ACCURACY[1] + ACCURACY_TOLERANCE
        for stage in decision.stages:
            among = float((rank[points.stage == stage] < TOP).mean()) if (points.stage == stage).any() else float("nan")
            rows.append((decision.name, f"top-{TOP} accuracy, {cohort.spec.stages[stage].name}", among, least, most))
    table = pd.DataFrame(rows, columns=["decision", "quantity", "simulated", "low", "high"])
    table["ok"] = table["simulated"].between(table["low"], table["high"])
    return table


def expert_rank(cohort: RegistryCohort, truth: RegistryTruth, decision: str) -> np.ndarray:
    """(points,) how many combinations the experts were more likely to give than the one they gave: 0 for the likeliest.

    Points in the order of `decision_points`.
    """
    points = decision_points(cohort, decision)
    catalog = Combinations.fit(points.drugs, cohort.spec.decision(decision).drugs)
    given = catalog.encode(points.drugs)
    rank = np.zeros(len(points), dtype=np.int64)
    for stage in np.unique(points.stage):
        here = np.flatnonzero(points.stage == stage)
        probs = truth.expert_probs(decision, cohort.frame.iloc[points.row[here]], int(stage), catalog)
        chosen = probs[np.arange(len(here)), given[here]]
        rank[here] = (probs > chosen[:, None]).sum(axis=1)
    return rank
