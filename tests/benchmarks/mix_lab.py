"""Lab of the mix: estimates of the difference to the clinicians, and gated advice, against the truth of simulations.

    python -m tests.benchmarks.mix_lab --seeds 3101-3106 [--patients 2000] [--world none] --out ROWS.csv
    python -m tests.benchmarks.mix_lab --summarize ROWS.csv [MORE.csv ...]

Fixed policies (dosing rules and oracles, part of the way from the clinicians) and the pessimistic step are valued by
the mix, by mixes that weigh memories alike (`mix_equal`), and by PHWDR with nearest neighbors and a forest critic.
Design seeds were 3001-3012; report on others. Tables: `mix_summary`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from core.cohort import History
from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds, judge_terms
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.gate import CLINICIANS, DIALS, gate
from core.evaluation.judging.grade import grade
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.pessimism import PessimisticStep, pessimistic_step
from core.evaluation.judging.stacked import Propensities, fit_propensities
from core.trajectories import Scaler, Trajectories, make_trajectories
from tests.benchmarks.lab_rows import lab_parser, lab_rows
from tests.benchmarks.mix_equal import EqualMix
from tests.benchmarks.mix_rules import RULES, rule_doses
from tests.benchmarks.mix_summary import publish, summaries
from tests.benchmarks.mix_today import today
from tests.benchmarks.mix_worlds import STUDY, WORLDS, LabWorld

HIGHLIGHTS = tuple(STUDY.index(name) for name in STUDY.highlights)
N_FOLDS = 5
FIXED_TRUTH, STEP_TRUTH = 20_000, 2_000  # patients rolled out for a fixed policy, and for each fold's own
EQUAL = {  # mixes of before, and of the method card; the card's spreads are root mean squares, without the -1
    "equal mix": EqualMix((0, 1, 2, 4), (0, 1, 2, 4, 8), 0.9, 1.5, 300.0, 0.15),
    "mix of 0 1 2 + spread": EqualMix((0, 1, 2), (0, 1, 2), (2 / 3) ** 0.5),
    "mix of 0 1 2 4 + spread": EqualMix((0, 1, 2, 4), (0, 1, 2, 4), (3 / 4) ** 0.5),
}


@dataclass(frozen=True, eq=False)
class Records:
    """A simulated cohort: padded arrays, histories, hidden phenotype (N,), physical states (N, T, D), folds (N,)."""

    data: Trajectories
    histories: Histories
    phenotype: np.ndarray
    physical: np.ndarray
    fold: np.ndarray


def make_records(world: LabWorld, seed: int, n: int) -> Records:
    cohort, truth = world.cohort(n, seed)
    data = make_trajectories(cohort, world.scaler)
    physical = np.zeros(data.states.shape, dtype=np.float32)
    physical[data.mask] = cohort.states
    doses = np.array(STUDY.actions.representative)
    grids = data.states, data.actions, data.rewards, data.transition_mask
    histories = Histories(*grids, doses, memberships(data.states, data.mask, world.scaler))
    return Records(data, histories, truth.phenotype, physical, assign_folds(np.arange(n), N_FOLDS, seed))


def memberships(states: np.ndarray, mask: np.ndarray, scaler: Scaler) -> np.ndarray:
    """(N, T, 3) soft groups by restlessness so far: what a run's phenotypes mostly tell, at no cost."""
    change = np.zeros(mask.shape)
    change[:, 1:] = np.abs(np.diff(states / _reference_spread(scaler), axis=1)).mean(axis=2)
    restless = np.cumsum(change, axis=1) / np.maximum(np.arange(mask.shape[1]), 1)
    weight = np.exp(-0.5 * ((restless[..., None] - [0.38, 0.52, 0.68]) / 0.07) ** 2) + 1e-6
    weight[:, 0] = 1.0
    return weight / weight.sum(axis=2, keepdims=True)


@cache
def _reference_spread(scaler: Scaler) -> np.ndarray:
    cohort, _ = WORLDS["full"].cohort(2_000, 3_000)
    return scaler.scale(cohort.states).std(axis=0)


def fixed_policies(records: Records) -> list[Deferring]:
    """The dosing rules at their dials."""
    mask, found = records.data.mask, []
    who = np.repeat(records.phenotype, records.data.lengths)
    for name, share in RULES:
        own = np.zeros((*mask.shape, STUDY.n_actions))
        own[mask] = rule_doses(name, records.physical[mask], who)
        found.append(Deferring(name, own).toward(share))
    return found


@cache
def fixed_truth(world: LabWorld, name: str, share: float) -> float:
    """True difference of a fixed policy to the clinicians."""

    def policy(history: History) -> np.ndarray:
        own = rule_doses(name, history.state, history.phenotype)
        return (1 - share) * world.clinicians(history) + share * own

    return world.gain(policy, FIXED_TRUTH)[0]


@dataclass(frozen=True, eq=False)
class Learned:
    """What one fold learns from the stays outside it."""

    held: np.ndarray
    clinicians: Propensities
    behavior: np.ndarray  # (N, T, A)
    step: PessimisticStep


def learn(records: Records) -> list[Learned]:
    histories, found = records.histories, []
    columns, actions = histories.propensity_columns(), histories.flat(histories.actions)
    for k in range(N_FOLDS):
        held = records.fold == k
        others = ~held[histories.stay]
        fitted = fit_propensities(columns[others], actions[others], histories.stay[others], STUDY.n_actions)
        behavior = np.zeros((*histories.mask.shape, STUDY.n_actions))
        behavior[histories.mask] = fitted.probs(columns)
        step = pessimistic_step(histories, ~held, FeatureSettings(HIGHLIGHTS, history=True), chances=behavior)
        found.append(Learned(held, fitted, behavior, step))
    return found


def step_truth(world: LabWorld, learned: Sequence[Learned], share: float) -> float:
    """True difference of the dial of the pessimistic steps, averaged over their folds."""
    return float(np.sum([world.gain(_forward(world, one, share), STEP_TRUTH)[0] * one.held.mean() for one in learned]))


def _forward(world: LabWorld, one: Learned, share: float) -> Callable[[History], np.ndarray]:
    """A fold's policy as the simulator calls it: where it defers, the simulator's own clinicians act."""

    def act(history: History) -> np.ndarray:
        states = world.scaler.scale(history.states)
        mask = np.ones(states.shape[:2], dtype=bool)
        given = np.concatenate([history.actions, np.zeros((len(history), 1), dtype=np.int64)], axis=1)
        doses = np.array(STUDY.actions.representative)
        groups = memberships(states, mask, world.scaler)
        so_far = Histories(states, given, np.zeros(mask.shape), mask, doses, groups)
        behavior = np.full((*mask.shape, STUDY.n_actions), 1 / STUDY.n_actions)
        behavior[:, -1] = one.clinicians.probs(so_far.propensity_columns()[so_far.time == history.step])
        policy = one.step.policy("step", so_far, behavior).toward(share)
        assert policy.deferred is not None
        d = policy.deferred[:, -1:]
        return d * world.clinicians(history) + (1 - d) * policy.own[:, -1]

    return act


def run_seed(world: LabWorld, seed: int, n: int, slow: bool) -> Iterator[dict[str, object]]:
    """One row an estimate of one cohort."""
    records = make_records(world, seed, n)
    histories, learned, fixed = records.histories, learn(records), fixed_policies(records)
    folds = []
    for one in learned:
        step = one.step.policy("pessimistic step", histories, one.behavior)
        folds.append(Fold.by(histories, one.held, [*fixed, *(step.toward(a) for a in DIALS)], one.behavior))
    truth = [fixed_truth(world, *rule) for rule in RULES] + [step_truth(world, learned, a) for a in DIALS]
    names = [policy.name for policy in folds[0].policies]
    ess, cell = whole_ess(histories, folds), {"world": world.name, "patients": n, "seed": seed}
    shared = [{**cell, "policy": m, "truth": t, "ess": e} for m, t, e in zip(names, truth, ess, strict=True)]
    terms = judge_terms(histories, folds, histories.rewards[..., None], JudgeSettings(FeatureSettings(HIGHLIGHTS)))
    mixes = {"mix": terms.judged(np.ones(1))} | {label: one.judged(terms) for label, one in EQUAL.items()}
    for label, judged in mixes.items():
        for row, one in zip(shared, judged, strict=True):
            found = one.difference
            parts = {f"part {part.memory}": part.value for part in found.parts}
            parts |= {f"weight {part.memory}": part.weight for part in found.parts}
            told = {"value": found.value, "se": found.se, "spread": found.spread, "grade": grade(one).grade}
            yield {**row, "estimator": label, **told, **parts}
        yield {**cell, **advised(label, judged[-len(DIALS) :], truth[-len(DIALS) :])}
    if slow:
        for row, (value, se) in zip(shared, today(records.data, fixed, seed), strict=False):
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


def advised(label: str, judged: Sequence[Judged], truth: Sequence[float]) -> dict[str, object]:
    """What the gate's choice among the dials is worth in truth."""
    advice = gate(judged)
    gains = dict(zip([one.name for one in judged], truth, strict=True))
    gain = 0.0 if advice.recommended == CLINICIANS else gains[advice.recommended]
    row = {"policy": "gate", "truth": gain, "ess": np.nan, "estimator": label, "value": np.nan}
    return {**row, "se": np.nan, "falls_back": advice.chosen is None, "claims": advice.claims, "ungated": truth[-1]}


def main() -> None:
    parser = lab_parser(__doc__, "3101-3106")
    parser.add_argument("--world", choices=tuple(WORLDS), default="full")
    parser.add_argument("--without-today", action="store_true", help="leave out PHWDR with its forest critic")
    parser.add_argument("--publish", action="store_true", help="with --summarize: keep the tables for the pages")
    asked = parser.parse_args()
    world, today = WORLDS[asked.world], not asked.without_today
    table = lab_rows(asked, asked.world, lambda seed: run_seed(world, seed, asked.patients, today))
    if asked.summarize and asked.publish:
        publish(table)
    for title, found in summaries(table).items():
        print(title, found.to_string(index=False), "", sep="\n")


if __name__ == "__main__":
    main()
