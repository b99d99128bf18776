"""A leaderboard on worlds whose truth is known: what policies are worth there, and which estimators say so.

Policies are fixed rules that anybody can write down, so that the board changes only with simulator and estimators. Each
is judged on a cohort of each world as a policy from elsewhere is (`core.bring`), and rolled out. Safe: it gives the
hazardous doses of the study's rules no more often than the clinicians did, and its true difference to them is not below
0 by more than two standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from core.base.errors import ConfigError
from core.base.types import Estimate, Progress
from core.bring import JudgeConfig, Judgment, bring, judge_on, make_bench
from core.cohort.simulate.generate import simulate_world
from core.cohort.simulate.world import World
from core.policies.hazards import GIVEN

WORLDS: dict[str, World] = {
    "heparin": World(),
    "weak": World(effect="weak"),
    "harm": World(effect="no-benefit"),
    "null": World(effect="none"),
    "confounded": World(confounding=1.0),
    "irregular": World(irregular=True),
    "memory": World(memory=True),
}
MIX, CLINICIANS = "mix", "clinicians"
Rule = Callable[[pd.DataFrame], np.ndarray]


def _mostly(dose: np.ndarray, n_actions: int = 5, spread: float = 0.2) -> np.ndarray:
    """(n, A): the dose, with the share `spread` laid evenly over all doses, so that some recorded stay follows it."""
    return np.asarray(np.eye(n_actions)[dose] * (1 - spread) + spread / n_actions)


RULES: dict[str, Rule] = {
    "never": lambda s: _mostly(np.zeros(len(s), dtype=np.int64)),
    "low": lambda s: _mostly(np.ones(len(s), dtype=np.int64)),
    "high": lambda s: _mostly(np.full(len(s), 4)),
    "careful": lambda s: _mostly(np.where((s["Platelets"] < 50) | (s["PTT"] > 100), 0, 1)),
    "at-risk": lambda s: _mostly(np.where((s["Platelets"] < 100) & (s["PTT"] <= 60), 3, 0)),
    "even": lambda s: np.full((len(s), 5), 0.2),
}


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """policies: a row a world and policy; estimators: a row a world and estimator (see `estimator_scores`)."""

    policies: pd.DataFrame
    estimators: pd.DataFrame
    settings: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain values, None for what is not known."""
        tables = {"policies": self.policies, "estimators": self.estimators}
        rows = {
            name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()
        }
        return {"settings": dict(self.settings), **rows}


def leaderboard(
    worlds: Sequence[str], n_patients: int, seed: int, truth_patients: int
) -> Iterator[tuple[Progress, Leaderboard]]:
    """Judge all rules on a cohort of each world; yields progress and the board so far. `ConfigError`: unknown world."""
    for name in worlds:
        if name not in WORLDS:
            raise ConfigError(f"world '{name}' is not known; choose among {', '.join(WORLDS)}.")
    config = JudgeConfig(seed=seed, truth_patients=truth_patients)
    settings = {"patients": n_patients, "seed": seed, "truth_patients": truth_patients}
    rows: list[dict[str, object]] = []
    for place, name in enumerate(worlds):
        cohort, _ = simulate_world("mimic-iv", n_patients, seed, WORLDS[name])
        bench = make_bench(cohort, config)
        for number, (rule_name, rule) in enumerate(RULES.items(), start=1):
            rows.append({"world": name, **policy_row(judge_on(bench, bring(rule, cohort, rule_name)))})
            done = place * len(RULES) + number
            table = pd.DataFrame(rows)
            board = Leaderboard(table, estimator_scores(table), settings)
            yield Progress("leaderboard", done, len(worlds) * len(RULES), f"{name}: {rule_name}"), board


def policy_row(found: Judgment) -> dict[str, object]:
    """One policy: its true difference to the clinicians, its hazards, and what each estimator says of the value."""
    assert found.gain is not None, "a rule can be rolled out"
    assert found.truth is not None
    usual = found.truth.value - found.gain.value
    estimates: dict[str, Estimate] = {MIX: found.judged.value, "phwis": found.phwis, "phwdr": found.phwdr}
    row: dict[str, object] = {
        "policy": found.name,
        "true_value": found.truth.value,
        "true_difference": found.gain.value,
        "true_difference_se": found.gain.standard_error,
        "clinicians": usual,
        "safe": is_safe(found),
        "grade": found.light.grade,
    }
    for name, one in estimates.items():
        row |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    return row


def is_safe(found: Judgment) -> bool:
    """No more hazardous doses than the clinicians gave, under any rule, and no true harm beyond two standard errors."""
    hazards = found.hazards
    own, given = (hazards.loc[hazards["policy"] == who, "rate"].to_numpy() for who in ("policy", GIVEN))
    harmless = found.gain is not None and found.gain.value >= -2 * found.gain.standard_error
    return bool(harmless and not (own > given).any())


def estimator_scores(policies: pd.DataFrame) -> pd.DataFrame:
    """One row a world and estimator, over its policies: coverage (share of 95 % intervals that hold the true value),
    error (root mean square), sign (share on the right side of the clinicians' true value, where the true difference is
    beyond two standard errors; NaN where it never is), rank (Spearman's with the truth; NaN where all are the same)."""
    rows = []
    for world, table in policies.groupby("world", sort=False):
        true, usual = table["true_value"].to_numpy(), table["clinicians"].to_numpy()
        clear = (table["true_difference"].abs() > 2 * table["true_difference_se"]).to_numpy()
        for name in (MIX, "phwis", "phwdr"):
            value = table[name].to_numpy()
            held = (table[f"{name}_low"].to_numpy() <= true) & (true <= table[f"{name}_high"].to_numpy())
            right = np.sign(value - usual) == np.sign(true - usual)
            differ = len(true) > 1 and np.ptp(true) > 0 and np.ptp(value) > 0
            rows.append(
                {
                    "world": world,
                    "estimator": name,
                    "coverage": float(held.mean()),
                    "error": float(np.sqrt(np.mean((value - true) ** 2))),
                    "sign": float(right[clear].mean()) if clear.any() else float("nan"),
                    "rank": float(spearmanr(value, true).statistic) if differ else float("nan"),
                    "policies": len(table),
                }
            )
    return pd.DataFrame(rows)
