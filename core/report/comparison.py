"""Two runs beside each other: the settings that differ, the values of policies that both hold, and their phenotypes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.base.rng import derive_seed, stream
from core.base.statistics import adjusted_rand
from core.evaluation import Critic, Recorded, propensities, state_values, weighted_draws
from core.evaluation.resampling import percentile_interval
from core.icu.ask.critics import control_variate
from core.icu.view import RunView
from core.policies.key import PolicyKey
from core.report.policies import policy_rows
from core.runs.manifest import JUDGED_BY

PARTS = {"value": "value", "low": "low", "high": "high", "ess": "ess", "support": "support", "true": "true_value"}
PATHS = ("encoder_folder",)  # settings that tell of the machine and its users


@dataclass(frozen=True)
class Agreement:
    """How far two runs group the same n patients alike: adjusted Rand index, 1 is full agreement, 0 is chance."""

    ari: float
    n: int
    n_clusters: tuple[int, int]


def differing_settings(first: RunView, second: RunView) -> pd.DataFrame:
    """Settings whose values differ, one row each: setting, first, second; data, preset and judging among them."""
    rows: list[tuple[str, str, str]] = []
    facts: dict[str, Callable[[RunView], str]] = {
        "data hash": lambda view: view.manifest.data_hash,
        "preset": lambda view: view.config.preset,
        "study": lambda view: view.study.title,
        "judging": lambda view: view.manifest.versions.get(JUDGED_BY, "unknown"),
    }
    rows += [(name, of(first), of(second)) for name, of in facts.items() if of(first) != of(second)]
    settings = [view.config.model_dump() for view in (first, second)]
    for group, values in settings[0].items():
        if not isinstance(values, dict):
            continue
        others = settings[1][group]  # weights of a study's own terms stand in one run alone
        for key in dict.fromkeys((*values, *others)):
            value, other = values.get(key), others.get(key)
            if value != other and key not in PATHS:
                rows.append((f"{group}.{key}", _text(value), _text(other)))
    return pd.DataFrame(rows, columns=["setting", "first", "second"])


def _text(value: Any) -> str:
    if value is None:
        return "the study's"
    return ", ".join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)


def shared_values(first: RunView, second: RunView, estimator: str) -> pd.DataFrame:
    """Values of the policies that both runs hold, each at its own K, lambda and mode.

    Columns: policy, then value_, low_, high_, ess_, support_, true_ with a and b for the runs, and difference (b - a).
    """
    tables = []
    for view, letter in ((first, "a"), (second, "b")):
        rows = policy_rows(view)
        rows = rows[rows["estimator"] == estimator].set_index("policy")
        tables.append(pd.DataFrame({f"{name}_{letter}": rows[column] for name, column in PARTS.items()}))
    joined = tables[0].join(tables[1], how="inner").reset_index()
    return joined.assign(difference=joined["value_b"] - joined["value_a"])


def incomparable(first: RunView, second: RunView) -> tuple[str, ...]:
    """In what two runs differ that values of both are counted in; a difference of values means nothing then."""
    counted = {
        "study": lambda view: (view.study.name, view.study.actions),
        "reward": lambda view: (
            (view.study.rewards, view.study.terminal_coeff),
            (view.study.reward_column, view.study.outcome),
        ),
        "discount": lambda view: view.config.agents.gamma,
        "horizon": lambda view: (view.study.horizon, view.study.step_hours),
    }
    return tuple(name for name, of in counted.items() if of(first) != of(second))


def shared_policies(first: RunView, second: RunView, estimator: str) -> list[str]:
    """Names of the policies that both runs hold."""
    return list(shared_values(first, second, estimator)["policy"])


def value_differences(first: RunView, second: RunView, policies: list[str], estimator: str) -> pd.DataFrame:
    """Values of the second run minus those of the first, with 95 % intervals: policy, difference, low, high, paired.

    Where both test on the same patients, each resample of persons values both runs (paired); else the resamples of each
    run are its own, which makes the interval too wide where the test parts overlap, never too narrow. `ConfigError` for
    runs that are `incomparable`.
    """
    if apart := incomparable(first, second):
        raise ConfigError(
            f"values of runs that differ in {', '.join(apart)} are not subtracted: they are not counted in the same "
            "unit. Compare runs of one study with the same reward weights, discount and horizon."
        )
    paired = same_test_patients(first, second)
    draws, values = [], []
    for view, letter in ((first, "a"), (second, "b")):
        seed = derive_seed(0, "comparison", "both" if paired else letter)
        draws.append(_draws(view, policies, estimator, seed))
        rows = policy_rows(view)
        values.append(rows[rows["estimator"] == estimator].set_index("policy")["value"].loc[policies].to_numpy())
    n = min(len(draws[0]), len(draws[1]))
    low, high = percentile_interval(draws[1][:n] - draws[0][:n])
    return pd.DataFrame(
        {"policy": policies, "difference": values[1] - values[0], "low": low, "high": high, "paired": paired}
    )


def same_test_patients(first: RunView, second: RunView) -> bool:
    """True where both runs are on the same data and test the same patients."""
    return first.manifest.data_hash == second.manifest.data_hash and np.array_equal(first.split.test, second.split.test)


def _draws(view: RunView, policies: list[str], estimator: str, seed: int) -> np.ndarray:
    """Values of the policies in each resample of the test part, (B, P)."""
    fusion, settings = view.config.fusion, view.config.evaluation
    some = view.only(view.split.test)
    data = some.trajectories
    keys = [PolicyKey.at(policy, view.n_clusters, fusion.lambda_, fusion.mode) for policy in policies]
    probs = [some.probs(key) for key in keys]
    critic = None
    if estimator == "phwdr":
        q = [control_variate(some, key) for key in keys]
        v = np.stack([state_values(p, own) for p, own in zip(probs, q, strict=True)])
        critic = Critic(np.stack([propensities(own, data.actions) for own in q]), v)
    given = propensities(some.behavior, data.actions)
    recorded = Recorded(data.rewards, data.transition_mask, given, view.config.agents.gamma, some.persons)
    evaluated = np.stack([propensities(p, data.actions) for p in probs])
    return weighted_draws(estimator, recorded, evaluated, critic, settings.n_bootstrap, stream(seed, "bootstrap"))


def phenotype_agreement(first: RunView, second: RunView) -> Agreement | None:
    """Adjusted Rand index of the two runs' phenotypes on all patients; None where they are on different data."""
    if first.manifest.data_hash != second.manifest.data_hash:
        return None
    k = first.n_clusters, second.n_clusters
    labels = first.labels(k[0]), second.labels(k[1])
    return Agreement(adjusted_rand(*labels), len(labels[0]), k)
