"""Lab of the mix: estimates of the difference to the clinicians, and gated advice, against the truth of simulations.

    python -m tests.benchmarks.mix_lab --seeds 3101-3106 [--patients 2000] [--effect none]

Fixed policies (dosing rules and oracles, part of the way from the clinicians) and the pessimistic step are valued by
the mix, by windows as plain alternatives, and by PHWDR with nearest neighbors and a forest critic as runs do today.
Design seeds were 3001-3012; report on others. Rows stand for the estimates with at least `ESS_FLOOR` effective stays.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from unittest import mock

import numpy as np
import pandas as pd

from core.base.statistics import Z95
from core.cohort import History, simulate_cohort
from core.cohort.simulate import mechanism
from core.evaluation.crossfit import Fold, JudgeSettings, assign_folds, judge
from core.evaluation.deferring import Deferring
from core.evaluation.features import FeatureSettings
from core.evaluation.gate import CLINICIANS, DIALS, gate
from core.evaluation.histories import Histories
from core.evaluation.mix import Judged, MixSettings
from core.evaluation.pessimism import PessimisticStep, pessimistic_step
from core.evaluation.policies import propensities
from core.evaluation.stacked import Propensities, fit_propensities
from core.experiments.estimator_truth import (
    LIKE,
    clinician_value,
    reference_scaler,
    true_clinicians,
    true_value,
)
from core.study import load_study
from core.trajectories import Trajectories, make_trajectories
from tests.benchmarks.mix_rules import RULES, rule_doses
from tests.benchmarks.mix_today import today

STUDY = load_study()
HIGHLIGHTS = tuple(STUDY.index(name) for name in STUDY.highlights)
ESS_FLOOR, N_FOLDS, CLEAR = 30.0, 5, 0.3
FIXED_TRUTH, STEP_TRUTH = 20_000, 2_000  # patients rolled out for a fixed policy, and for each fold's own
MIXES = {
    "mix, fading 0 .5 .85": MixSettings(),
    "windows 0 1 2 + spread": MixSettings((0, 1, 2)),
    "windows 0 1 2 4 + spread": MixSettings((0, 1, 2, 4)),
}


@dataclass(frozen=True, eq=False)
class World:
    """A simulated cohort: padded arrays, histories, hidden phenotype (N,), physical states (N, T, D), folds (N,)."""

    data: Trajectories
    histories: Histories
    phenotype: np.ndarray
    physical: np.ndarray
    fold: np.ndarray


def make_world(seed: int, n: int) -> World:
    cohort, truth = simulate_cohort(LIKE, n, seed)
    data = make_trajectories(cohort, reference_scaler())
    physical = np.zeros(data.states.shape, dtype=np.float32)
    physical[data.mask] = cohort.states
    doses = np.array(STUDY.actions.representative)
    grids = data.states, data.actions, data.rewards, data.transition_mask
    histories = Histories(*grids, doses, memberships(data.states, data.mask))
    return World(data, histories, truth.phenotype, physical, assign_folds(np.arange(n), N_FOLDS, seed))


def memberships(states: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(N, T, 3) soft groups by restlessness so far: what a run's phenotypes mostly tell, at no cost."""
    scale = _reference_spread()
    change = np.zeros(mask.shape)
    change[:, 1:] = np.abs(np.diff(states / scale, axis=1)).mean(axis=2)
    restless = np.cumsum(change, axis=1) / np.maximum(np.arange(mask.shape[1]), 1)
    weight = np.exp(-0.5 * ((restless[..., None] - [0.38, 0.52, 0.68]) / 0.07) ** 2) + 1e-6
    weight[:, 0] = 1.0
    return weight / weight.sum(axis=2, keepdims=True)


@cache
def _reference_spread() -> np.ndarray:
    cohort, _ = simulate_cohort(LIKE, 2_000, 3_000)
    return reference_scaler().scale(cohort.states).std(axis=0)


def fixed_policies(world: World) -> list[Deferring]:
    """The dosing rules at their dials."""
    mask, found = world.data.mask, []
    who = np.repeat(world.phenotype, world.data.lengths)
    for name, share in RULES:
        own = np.zeros((*mask.shape, STUDY.n_actions))
        own[mask] = rule_doses(name, world.physical[mask], who)
        found.append(Deferring(name, own).toward(share))
    return found


@cache
def fixed_truth(name: str, share: float, effect: str) -> float:
    """True difference of a fixed policy to the clinicians; `effect` keeps worlds apart."""

    def policy(history: History) -> np.ndarray:
        return (1 - share) * true_clinicians(history) + share * rule_doses(name, history.state, history.phenotype)

    return true_value(policy, FIXED_TRUTH).value - clinician_value().value


@dataclass(frozen=True, eq=False)
class Learned:
    """What one fold learns from the stays outside it."""

    held: np.ndarray
    clinicians: Propensities
    behavior: np.ndarray  # (N, T, A)
    step: PessimisticStep


def learn(world: World) -> list[Learned]:
    histories, found = world.histories, []
    columns, actions = histories.propensity_columns(), histories.flat(histories.actions)
    for k in range(N_FOLDS):
        held = world.fold == k
        others = ~held[histories.stay]
        fitted = fit_propensities(columns[others], actions[others], histories.stay[others], STUDY.n_actions)
        behavior = np.zeros((*histories.mask.shape, STUDY.n_actions))
        behavior[histories.mask] = fitted.probs(columns)
        step = pessimistic_step(histories, ~held, FeatureSettings(HIGHLIGHTS, history=True))
        found.append(Learned(held, fitted, behavior, step))
    return found


def step_truth(learned: Sequence[Learned], share: float) -> float:
    """True difference of the dial of the pessimistic steps, averaged over their folds."""
    gains = []
    for one in learned:
        value = true_value(_forward(one, share), STEP_TRUTH).value
        gains.append((value - clinician_value().value) * one.held.mean())
    return float(np.sum(gains))


def _forward(one: Learned, share: float) -> Callable[[History], np.ndarray]:
    """A fold's policy as the simulator calls it: where it defers, the simulator's own clinicians act."""

    def act(history: History) -> np.ndarray:
        states = reference_scaler().scale(history.states)
        mask = np.ones(states.shape[:2], dtype=bool)
        given = np.concatenate([history.actions, np.zeros((len(history), 1), dtype=np.int64)], axis=1)
        doses = np.array(STUDY.actions.representative)
        so_far = Histories(states, given, np.zeros(mask.shape), mask, doses, memberships(states, mask))
        behavior = np.full((*mask.shape, STUDY.n_actions), 1 / STUDY.n_actions)
        behavior[:, -1] = one.clinicians.probs(so_far.propensity_columns()[so_far.time == history.step])
        policy = one.step.policy("step", so_far, behavior).toward(share)
        assert policy.deferred is not None
        d = policy.deferred[:, -1:]
        return d * true_clinicians(history) + (1 - d) * policy.own[:, -1]

    return act


def run_seed(seed: int, n: int, effect: str, slow: bool) -> Iterator[dict[str, object]]:
    """One row an estimate of one cohort."""
    world = make_world(seed, n)
    histories, learned, fixed = world.histories, learn(world), fixed_policies(world)
    folds = []
    for one in learned:
        given = propensities(one.behavior, histories.actions)
        step = one.step.policy("pessimistic step", histories, one.behavior)
        folds.append(Fold(one.held, [*fixed, *(step.toward(a) for a in DIALS)], np.where(histories.mask, given, 1.0)))
    truth = [fixed_truth(*rule, effect) for rule in RULES] + [step_truth(learned, a) for a in DIALS]
    names = [policy.name for policy in folds[0].policies]
    ess = whole_ess(histories, folds)
    shared = [{"seed": seed, "policy": m, "truth": t, "ess": e} for m, t, e in zip(names, truth, ess, strict=True)]
    for label, mixed in MIXES.items():
        judged = judge(histories, folds, JudgeSettings(FeatureSettings(HIGHLIGHTS), mix=mixed))
        for row, one in zip(shared, judged, strict=True):
            yield {**row, "estimator": label, "value": one.difference.value, "se": one.difference.se}
        yield advised(seed, label, judged[-len(DIALS) :], truth[-len(DIALS) :])
    if slow:
        for row, (value, se) in zip(shared, today(world.data, fixed, seed), strict=False):
            yield {**row, "estimator": "PHWDR, neighbors", "value": value, "se": se}


def whole_ess(histories: Histories, folds: Sequence[Fold]) -> list[float]:
    """Effective stays of each policy by the ratio of whole stays, as runs report it."""
    found = []
    for p in range(len(folds[0].policies)):
        logs = np.full(len(histories.mask), -np.inf)
        for fold in folds:
            ratio = fold.policies[p].log_ratios(histories, histories.flat(fold.behavior))
            logs[fold.held] = histories.total(np.maximum(ratio, -1e6))[fold.held]
        weights = np.exp(logs - logs.max())[histories.evaluated]
        found.append(float(weights.sum() ** 2 / (weights**2).sum()))
    return found


def advised(seed: int, label: str, judged: Sequence[Judged], truth: Sequence[float]) -> dict[str, object]:
    advice = gate(judged)
    gains = dict(zip([one.name for one in judged], truth, strict=True))
    gain = 0.0 if advice.recommended == CLINICIANS else gains[advice.recommended]
    row = {"seed": seed, "policy": "gate", "truth": gain, "ess": np.nan, "estimator": label, "value": np.nan}
    return {**row, "se": np.nan, "falls_back": advice.chosen is None, "claims": advice.claims, "ungated": truth[-1]}


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Error, coverage, width, signs and order of each estimator of the difference."""
    found, rows = [], rows[(rows["policy"] != "gate") & (rows["ess"] >= ESS_FLOOR)]
    for label, part in rows.groupby("estimator", sort=False):
        error, clear = part["value"] - part["truth"], part["truth"].abs() > CLEAR
        cohorts = [cohort for _, cohort in part.groupby("seed")]
        found.append(
            {
                "estimator": label,
                "n": len(part),
                "rmse": float(np.sqrt((error**2).mean())),
                "bias": error.mean(),
                "covers": (error.abs() <= Z95 * part["se"]).mean(),
                "width": 2 * Z95 * part["se"].mean(),
                "sign": (np.sign(part["value"]) == np.sign(part["truth"]))[clear].mean(),
                "rank": np.mean([cohort["value"].corr(cohort["truth"], method="spearman") for cohort in cohorts]),
                "pairs": np.mean([concordance(cohort) for cohort in cohorts]),
            }
        )
    return pd.DataFrame(found).round(3)


def concordance(cohort: pd.DataFrame) -> float:
    """Share of clearly different pairs of policies in their true order."""
    truth, value = cohort["truth"].to_numpy(), cohort["value"].to_numpy()
    apart, order = truth[:, None] - truth, value[:, None] - value
    return float((np.sign(apart) == np.sign(order))[apart > CLEAR].mean())


def gates(rows: pd.DataFrame) -> pd.DataFrame:
    """What the gated advice is worth in truth, per mix."""
    part = rows[rows["policy"] == "gate"].astype({"falls_back": float, "claims": float, "ungated": float})
    table = part.groupby("estimator", sort=False).agg(
        ungated=("ungated", "mean"), gain=("truth", "mean"), worst=("truth", "min"),
        falls_back=("falls_back", "mean"), claims=("claims", "mean"),
    )  # fmt: skip
    return table.round(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="3101-3106", help="first-last")
    parser.add_argument("--patients", type=int, default=2_000)
    parser.add_argument("--effect", choices=("full", "none"), default="full", help="none: the drug does nothing")
    parser.add_argument("--out", help="CSV of all rows, written after every seed")
    parser.add_argument("--without-today", action="store_true", help="leave out PHWDR with its forest critic")
    asked = parser.parse_args()
    first, last = (int(part) for part in asked.seeds.split("-"))
    effects = mechanism.full_effects() * (asked.effect == "full")
    with mock.patch.object(mechanism, "full_effects", return_value=effects):
        rows: list[dict[str, object]] = []
        for seed in range(first, last + 1):
            rows += run_seed(seed, asked.patients, asked.effect, not asked.without_today)
            print(f"seed {seed} done", flush=True)
            if asked.out:
                pd.DataFrame(rows).to_csv(asked.out, index=False)
    table = pd.DataFrame(rows)
    print(summarize(table).to_string(index=False), gates(table).to_string(), sep="\n\n")


if __name__ == "__main__":
    main()
