"""One case of the estimator lab: recorded stays, policies, truth and critics in; one row an estimate out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.agents import FittedQEvaluation, FittedQIteration
from core.agents.config import FQIConfig
from core.base.rng import stream
from core.base.types import OPEResult
from core.evaluation import (
    METHODS,
    Critic,
    Recorded,
    direct_many,
    propensities,
    state_values,
    unsupported_share,
    weighted_many,
)
from core.trajectories import Trajectories, make_transitions

CRITICS = {"phwdr": ("fqe", "fqi"), "wdr": ("fqe",)}  # which critics each doubly robust estimator is tried with
CLINICIAN = "clinician"  # valued on its own records: its ratios are 1 whatever its probabilities are held to be
PROBABILITY_FLOOR = 0.02  # below it, clinicians hardly ever give a dose
FORESTS = {"estimator": "extra_trees", "n_trees": 20, "shrinkage": 500.0}  # as in preset quick


@dataclass(frozen=True)
class Source:
    """Where the clinicians' probabilities come from: "true", or k nearest neighbors with a pseudo-count."""

    kind: str
    k: int = 0
    pseudo_count: float = 0.0


TRUE = Source("true")
DEFAULT = Source("knn", 300, 1.0)


@dataclass(frozen=True, eq=False)
class Case:
    """Test stays of one seed and P policies whose true values are known.

    data: all N stays, `train` and `test` their positions; probs (P, N, T, A) of each policy; truth and truth_se (P,);
    behaviors: clinicians' probabilities (N, T, A) by source, of the test stays at least.
    """

    study: str
    seed: int
    data: Trajectories
    train: np.ndarray
    test: np.ndarray
    names: Sequence[str]
    probs: np.ndarray
    truth: np.ndarray
    truth_se: np.ndarray
    gamma: float
    behaviors: Mapping[Source, np.ndarray]
    swept: Sequence[Source] = ()  # for the effect of k and pseudo-count alone: fewer estimators, no intervals


def fit_critics(case: Case) -> dict[str, np.ndarray]:
    """Q of the test stays: "fqi" (n, T, A), Q*; "fqe" (P, n, T, A), each policy's own."""
    transitions = make_transitions(case.data, case.train)
    config = FQIConfig.build({**FORESTS, "gamma": case.gamma, "seed": case.seed})
    n_actions, names = case.data.study.n_actions, case.data.study.names
    optimal, own = FittedQIteration(config, n_actions, names), FittedQEvaluation(config, n_actions, names)
    after = case.probs[:, transitions.patient, transitions.next_step].astype(np.float32)
    for steps in (optimal.fit(transitions), own.fit(transitions, after)):
        for _ in steps:
            pass
    some = case.data.subset(case.test)
    grids = {}
    for name, fit in (("fqi", optimal), ("fqe", own)):
        values = fit.q_values(some.states[some.mask])
        grid = np.zeros((*values.shape[:-2], *some.mask.shape, values.shape[-1]), dtype=np.float32)
        grid[..., some.mask, :] = values
        grids[name] = grid
    return grids


def estimate_case(case: Case, n_bootstrap: int) -> pd.DataFrame:
    """Every estimator of every policy under every source of propensities."""
    some, probs, critics = case.data.subset(case.test), case.probs[:, case.test], fit_critics(case)
    taken = {name: propensities(q, some.actions) for name, q in critics.items()}
    values = {name: state_values(probs, q) for name, q in critics.items()}
    rows: list[dict[str, object]] = []
    for source, behavior in case.behaviors.items():
        behavior = behavior[case.test]
        recorded, evaluated, dead = _recorded(case, some, behavior, probs)
        results: dict[tuple[str, str], list[OPEResult]] = {}
        for name, method in METHODS.items():
            if source in case.swept and name == "pdwis":
                continue
            for which in CRITICS[name] if method.critic else ("",):
                if source in case.swept and which == "fqi":
                    continue
                critic = Critic(taken[which], values[which]) if which else None
                rng, draws = stream(case.seed, "estimator lab", "bootstrap"), 0 if source in case.swept else n_bootstrap
                results[name, which] = weighted_many(name, recorded, evaluated, critic, draws, rng)
        if source not in case.swept:
            rng = stream(case.seed, "estimator lab", "bootstrap")
            results["fqe", "fqe"] = direct_many(values["fqe"], some.transition_mask, n_bootstrap, rng)
        rows += _rows(case, source, results, behavior, probs, some, dead)
    return pd.DataFrame(rows)


def _recorded(
    case: Case, some: Trajectories, behavior: np.ndarray, probs: np.ndarray
) -> tuple[Recorded, np.ndarray, float]:
    """Recorded stays, propensities (P, n, T) of the policies, and the share of steps whose action is held impossible.

    Without a pseudo-count an action given can have probability 0; the published choice, ratio 0, is followed there.
    """
    given, chosen = propensities(behavior, some.actions), propensities(probs, some.actions)
    chosen[[name == CLINICIAN for name in case.names]] = given
    dead = some.transition_mask & (given <= 0)
    recorded = Recorded(some.rewards, some.transition_mask, np.where(dead, 1.0, given), case.gamma)
    return recorded, np.where(dead, 0.0, chosen), float(dead.sum() / some.transition_mask.sum())


def _rows(
    case: Case,
    source: Source,
    results: Mapping[tuple[str, str], list[OPEResult]],
    behavior: np.ndarray,
    probs: np.ndarray,
    some: Trajectories,
    dead: float,
) -> list[dict[str, object]]:
    mask, rows = some.transition_mask, []
    for p, policy in enumerate(case.names):
        shared = {
            "study": case.study,
            "seed": case.seed,
            "policy": policy,
            "true_value": float(case.truth[p]),
            "true_se": float(case.truth_se[p]),
            "propensities": source.kind,
            "k": source.k,
            "pseudo_count": source.pseudo_count,
            "swept": source in case.swept,
            "impossible_share": dead,
            "unsupported_share": unsupported_share(probs[p], behavior, mask, PROBABILITY_FLOOR),
            "ess": results["phwis", ""][p].ess,
            "zero_weight": results["phwis", ""][p].zero_weight,
            "max_weight": results["phwis", ""][p].max_weight,
        }
        for (name, which), found in results.items():
            label = f"{name}-fqi" if which == "fqi" else name
            result = found[p]
            rows.append(
                {**shared, "estimator": label, "n": result.n, "value": result.value, "low": result.low}
                | {"high": result.high, "own_ess": result.ess}
            )
    return rows
