"""The options at one step of a stay: what each dose is estimated to be worth, which may be ranked, and when none may.

Advice is a set (Tang and Wiens 2020): doses whose values cannot be told apart stand in one group. A dose that similar
patients hardly ever got is not ranked, and where a state has too few similar patients nothing is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.icu.ask.critics import critic
from core.icu.ask.frontier import as_far_as_supported
from core.icu.ask.similar import neighborhood
from core.icu.view import RunView
from core.policies.doses import equal_options
from core.policies.key import PolicyKey

SUPPORT_FLOOR = 0.05  # states farther from the records than 95 % of the training states get no ranking
FEWEST_SIMILAR = 20
AGENTS, CRITIC, POLICY_CRITIC = "Fused agents (± SD between experts)", "FQI (± SD between trees)", "FQE of the fusion"
SPREADS = {AGENTS: "SD between experts", CRITIC: "SD between trees"}
FEWEST_OF_DOSE = 5  # similar states in the same hazards that got a dose, below which it is not ranked
NOBODY, FEW, RARE = "nobody similar got it", "hardly anybody similar got it", "too few similar patients got it"


def refusal(view: RunView, patient: int, step: int) -> str:
    """Why no options are ranked here, or nothing where the records support a ranking."""
    support, n = float(view.support[patient, step]), int((view.neighbors[patient, step] >= 0).sum())
    return too_few(n) or too_far(support)


def refused_steps(view: RunView) -> np.ndarray:
    """(N, T) the recorded steps at which `refusal` has a reason."""
    similar = (view.neighbors >= 0).sum(axis=-1)
    return np.asarray(view.trajectories.mask & ((similar < FEWEST_SIMILAR) | (view.support < SUPPORT_FLOOR)))


def too_few(n: int) -> str:
    """Why a state with n similar training states gets no recommendation; nothing where they are enough."""
    if n >= FEWEST_SIMILAR:
        return ""
    return (
        f"Too few similar patients: only {n} training states are similar and meet the same hazards, {FEWEST_SIMILAR} "
        "are needed."
    )


def too_far(support: float) -> str:
    """Why a state of this support gets no recommendation; nothing where it is close enough to the records."""
    if support >= SUPPORT_FLOOR:
        return ""
    return (
        f"Too few similar patients: this state lies farther from the records than {100 * (1 - support):.0f} % of the "
        "training states lie from one another."
    )


def step_estimates(view: RunView, patient: int, step: int, key: PolicyKey) -> pd.DataFrame:
    """Q of each dose with its spread: the agents fused (SD between experts), FQI (SD between trees), FQE of the fusion.

    Columns estimate, action, value, low, high, spread; one row an estimate and dose.
    """
    here = view.only(np.array([patient]))
    weights = here.weights(key.n_clusters, key.lambda_, key.mode)[0, step]
    experts = here.agent_q(key.n_clusters)[0, step].astype(float)
    fused = weights @ experts
    between = np.sqrt(weights @ (experts - fused) ** 2)
    star, trees = view.fqi_q[patient, step].astype(float), view.fqi_sd[patient, step].astype(float)
    policy = critic(here, key)[0, step].astype(float)
    actions = np.arange(len(fused))
    parts = [(AGENTS, fused, between), (CRITIC, star, trees), (POLICY_CRITIC, policy, np.full(len(fused), np.nan))]
    return pd.concat(
        [
            pd.DataFrame({"estimate": name, "action": actions, "value": v, "low": v - s, "high": v + s, "spread": s})
            for name, v, s in parts
        ],
        ignore_index=True,
    )


def critic_ties(estimates: pd.DataFrame) -> bool:
    """True where the FQI values of all doses lie within the spread between its own trees."""
    part = estimates[estimates["estimate"] == CRITIC]
    value, spread = part["value"].to_numpy(), part["spread"].to_numpy()
    return bool(np.isfinite(spread).all()) and len(equal_options(value, spread)) == 1


def rank_options(
    view: RunView, patient: int, step: int, key: PolicyKey, estimates: pd.DataFrame, by: str = AGENTS
) -> pd.DataFrame:
    """The doses in groups from best to worst, those that may not be ranked last.

    estimates: of `step_estimates`; by: the estimate that ranks. One row a dose: group (1 is the best; 0: not ranked),
    action, value, spread (the larger of the two, by which groups are made) and its source, clinicians and supported
    (probabilities), similar (of the most similar states, those that got it), in_band (of these, those in the same
    hazards), why (NOBODY, FEW or RARE where not ranked).
    """
    both = np.stack([estimates.loc[estimates["estimate"] == name, "spread"].to_numpy() for name in SPREADS])
    both = np.nan_to_num(both, nan=0.0)  # gradient boosting has no trees of its own kind to disagree
    values = estimates.loc[estimates["estimate"] == by, "value"].to_numpy()
    clinicians, floor = view.behavior[patient, step], view.config.evaluation.probability_floor
    similar, in_band = neighborhood(view, patient, step)[["n", "in_band"]].to_numpy().T
    why = np.select([similar == 0, clinicians < floor, in_band < FEWEST_OF_DOSE], [NOBODY, RARE, FEW], "")
    spread = both.max(axis=0)
    group = _groups(values, spread, np.flatnonzero(why == ""))
    fused = view.only(np.array([patient])).probs(key)[0, step]
    table = pd.DataFrame(
        {
            "group": group,
            "action": np.arange(len(values)),
            "value": values,
            "spread": spread,
            "source": np.array(list(SPREADS.values()))[both.argmax(axis=0)],
            "clinicians": clinicians,
            "supported": as_far_as_supported(view, key, clinicians, fused),
            "similar": similar,
            "in_band": in_band,
            "why": why,
        }
    )
    last = np.where(group == 0, len(values) + 1, group)
    return table.iloc[np.lexsort((-values, last))].reset_index(drop=True)


def _groups(values: np.ndarray, spread: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """(A,) the option of each dose, 1 the best; 0 for the doses that are not among the usable ones."""
    group = np.zeros(len(values), dtype=int)
    groups = equal_options(values[usable], spread[usable]) if len(usable) else []
    for rank, members in enumerate(groups, start=1):
        group[usable[members]] = rank
    return group
