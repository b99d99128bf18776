"""The two-step recommendation: Q ranks the combinations, the screen says which of them may be recommended.

A combination that experts would hardly choose for this patient has an unreliable Q, so it is never recommended; it
stays in the table, with the reason.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.registry.cohort.drugs import Combinations
from core.registry.fit.intervals import ratio_of_sums
from core.registry.fit.screening import ranks, screened

MIN_PATIENTS = 5  # fewer patients have no interval: their resamples know too little of what else could have happened


def screened_q(q: np.ndarray, probs: np.ndarray, n: int | None, threshold: float | None) -> np.ndarray:
    """(n, A) Q of the combinations that may be recommended, -inf of the others. q, probs (n, A)."""
    return np.where(screened(probs, n, threshold), q, -np.inf)


def recommendation_table(
    q: np.ndarray,
    probs: np.ndarray,
    catalog: Combinations,
    recorded: pd.DataFrame,
    n: int | None,
    threshold: float | None,
    chance: np.ndarray | None = None,
) -> pd.DataFrame:
    """All combinations for one patient: the screened ones by Q, then the others by probability.

    q, probs (A,); recorded: `combination_rewards` of the decision; chance (A,): how likely the policy gives each as far
    as the records support it (None: not at all known). Columns: rank (1 is recommended; NA where screened out), action,
    name, q, probability, chance, place (by probability, 1 the likeliest), count, reward, low, high (mean recorded
    reward of training decisions for it, 95 % interval), screened (True: may be recommended), reason (why not).
    """
    allowed, place = screened(probs[None], n, threshold)[0], ranks(probs[None])[0] + 1
    table = pd.DataFrame(
        {
            "action": np.arange(len(q)),
            "name": catalog.names,
            "q": q,
            "probability": probs,
            "chance": np.full(len(q), np.nan) if chance is None else chance,
            "place": place,
            "count": catalog.counts,
            "screened": allowed,
            "reason": [
                "" if ok else _reason(int(at), float(p), n, threshold)
                for ok, at, p in zip(allowed, place, probs, strict=True)
            ],
        }
    )
    table = table.merge(recorded[["action", "reward", "low", "high"]], on="action", how="left")
    table["order"] = np.where(table["screened"] & table["q"].notna(), -table["q"], table["place"])
    table = table.sort_values(["screened", "order"], ascending=[False, True], kind="stable", ignore_index=True)
    rank = pd.Series(np.arange(1, len(table) + 1), dtype="Int64").where(table["screened"])
    table.insert(0, "rank", rank)
    return table.drop(columns="order")


def _reason(place: int, probability: float, n: int | None, threshold: float | None) -> str:
    reasons = []
    if n is not None and place > n:
        reasons.append(f"number {place} by expert probability, the screen keeps {n}")
    if threshold is not None and probability < threshold:
        reasons.append(f"expert probability {100 * probability:.2f} % is below {100 * threshold:.2f} %")
    return "; ".join(reasons)


def combination_rewards(
    patient: np.ndarray, actions: np.ndarray, rewards: np.ndarray, n_actions: int, n_bootstrap: int, seed: int
) -> pd.DataFrame:
    """What followed each combination in the record: action, decisions, patients, reward, low, high (95 %, by patient).

    patient, actions (-1 are left out), rewards (n,), NaN where not followed. NaN without decisions; no interval below
    MIN_PATIENTS patients. No effect of the drugs: patients who were given them differ.
    """
    used = (actions >= 0) & np.isfinite(rewards)
    who, what = patient[used], actions[used]
    given = what[:, None] == np.arange(n_actions)
    found = ratio_of_sums(who, given * rewards[used, None], given, n_bootstrap, seed)
    pairs = np.unique(np.stack([who, what], axis=1), axis=0)
    patients = np.bincount(pairs[:, 1], minlength=n_actions) if len(pairs) else np.zeros(n_actions, dtype=np.int64)
    few = patients < MIN_PATIENTS
    return pd.DataFrame(
        {
            "action": np.arange(n_actions),
            "decisions": given.sum(axis=0),
            "patients": patients,
            "reward": found.value,
            "low": np.where(few, np.nan, found.low),
            "high": np.where(few, np.nan, found.high),
        }
    )
