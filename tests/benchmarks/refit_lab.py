"""Lab of the frozen encoder: does judging change where encoder and phenotypes, too, are learned anew in every fold?

    python -m tests.benchmarks.refit_lab --seeds 3101-3104 [--patients 2000] [--world full] --out ROWS.csv
    python -m tests.benchmarks.refit_lab --summarize ROWS.csv [MORE.csv ...]

Runs learn encoder and phenotypes once, on the training patients, and refit in each fold what reads rewards: steps,
critics, probabilities. Here each fold also trains an encoder and finds phenotypes on the stays outside it. Both ways
use the same folds, fixed policies and dials of the pessimistic step, the estimates of the folds are joined in the same
way, and each is held against the truth of its own policies.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.cohort import Cohort, GroundTruth, History, split_cohort
from core.cohort.split import Split
from core.evaluation.judging.crossfit import Fold, judge
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.gate import DIALS
from core.evaluation.judging.pessimism import pessimistic_step
from core.icu.ask.judge import (
    fitted_clinicians,
    held_out,
    histories_of,
    judge_settings,
    probs_of,
    step_features,
)
from core.icu.config import load_preset
from core.icu.fit.advised import FoldStep, true_gains
from core.icu.study import run_study
from core.icu.view import RunView
from core.trajectories import Scaler, fit_scaler
from tests.benchmarks.lab_rows import lab_parser, lab_rows
from tests.benchmarks.mix_rules import RULES, rule_doses
from tests.benchmarks.mix_worlds import STUDY, WORLDS, LabWorld

FROZEN, REFITTED = "frozen", "refitted"
FIXED_TRUTH, STEP_TRUTH = 4_000, 5_000  # patients rolled out for a fixed policy, and for the steps of all folds
VALID_SHARE = 0.15  # of the stays outside a fold, to choose the encoder's epoch on
ESS_FLOOR = 30.0


def run_seed(world: LabWorld, seed: int, n: int) -> Iterator[dict[str, object]]:
    """One row an estimate of one cohort, by each way."""
    cohort, truth = world.cohort(n, seed)
    scaler = fit_scaler(cohort)  # of all ways, so that they earn the same rewards; no way reads it for more
    with tempfile.TemporaryDirectory() as folder:
        whole = _represented(cohort, scaler, None, seed, Path(folder) / "whole")
        parts = held_out(histories_of(whole, STUDY, whole.n_clusters), seed)
        own = [_represented(cohort, scaler, held, seed, Path(folder) / f"{k}") for k, held in enumerate(parts)]
        fixed = _fixed_truth(truth, scaler, whole, seed)
        for way, views in ((FROZEN, [whole] * len(parts)), (REFITTED, own)):
            for row in _judged(cohort, truth, parts, views, fixed, seed):
                yield {"world": world.name, "patients": n, "seed": seed, "encoder": way, **row}


def _represented(cohort: Cohort, scaler: Scaler, held: np.ndarray | None, seed: int, folder: Path) -> RunView:
    """A run as far as its phenotypes; held: (N,) bool stays that it must not learn from, None for the run's split."""
    config = load_preset("quick", {"run.seed": str(seed)})
    split = None if held is None else _split(held, seed)
    scaled = patch("core.icu.pipeline.fit_scaler", lambda *_: scaler)
    parted = patch("core.icu.pipeline.split_cohort", (lambda *_: split) if split else split_cohort)
    with scaled, parted:
        for progress in run_study(cohort, config, folder, name=folder.name):
            if progress.stage == "phenotypes" and progress.fraction == 1:
                break
    return RunView(folder)


def _split(held: np.ndarray, seed: int) -> Split:
    others = stream(seed, "refit lab").permutation(np.flatnonzero(~held))
    n = int(VALID_SHARE * len(others))
    return Split(np.sort(others[n:]), np.sort(others[:n]), np.flatnonzero(held))


def _judged(
    cohort: Cohort,
    truth: GroundTruth,
    parts: Sequence[np.ndarray],
    views: Sequence[RunView],
    fixed: Sequence[float],
    seed: int,
) -> Iterator[dict[str, object]]:
    """Every fold's stays by a representation of its own; value and variance joined by the folds' stays."""
    shares, found, gains = np.array([held.mean() for held in parts]), [], []
    for held, view in zip(parts, views, strict=True):
        histories = histories_of(view, STUDY, view.n_clusters)
        clinicians = fitted_clinicians(histories, ~held, seed)
        behavior = probs_of(histories, clinicians)
        learned = pessimistic_step(histories, ~held, step_features(STUDY), chances=behavior)
        step = learned.policy("pessimistic step", histories, behavior)
        policies = [*_fixed(cohort, truth, view), *(step.toward(share) for share in DIALS)]
        judged = judge(histories, [Fold.by(histories, held, policies, behavior)], judge_settings(STUDY))
        found.append([(one.difference.value, one.difference.se, one.difference.ess) for one in judged])
        one = [FoldStep(clinicians, learned, int(held.sum()))]
        gains.append([gain.value for gain in true_gains(view, truth, one, DIALS, STEP_TRUTH // len(parts), seed)])
    value, se, ess = np.moveaxis(np.array(found), 2, 0)
    for p, true in enumerate([*fixed, *(shares @ np.array(gains))]):
        joined = {"value": shares @ value[:, p], "se": np.sqrt(shares**2 @ se[:, p] ** 2), "ess": ess[:, p].sum()}
        yield {"policy": policies[p].name, "truth": float(true), **joined}


def _fixed(cohort: Cohort, truth: GroundTruth, view: RunView) -> list[Deferring]:
    """The dosing rules at their dials."""
    mask, found = view.trajectories.mask, []
    who = np.repeat(truth.phenotype, cohort.lengths)
    for name, share in RULES:
        own = np.zeros((*mask.shape, STUDY.n_actions))
        own[mask] = rule_doses(name, cohort.states, who)
        found.append(Deferring(name, own).toward(share))
    return found


def _fixed_truth(truth: GroundTruth, scaler: Scaler, view: RunView, seed: int) -> list[float]:
    """True differences of the dosing rules to the clinicians."""

    def dialed(name: str, share: float) -> Callable[[History], np.ndarray]:
        return lambda history: (
            (1 - share) * truth.clinicians(history) + share * rule_doses(name, history.state, history.phenotype)
        )

    policies = [dialed(name, share) for name, share in RULES]
    gamma = view.config.agents.gamma
    return [gain.value for gain in truth.policy_gains(policies, FIXED_TRUTH, seed, scaler.spans, gamma)]


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Per world and way, of estimates with enough effective stays: coverage, width, error, rank; the steps' gain."""
    rows = []
    for (world, way), found in table.groupby(["world", "encoder"]):
        kept = found[found["ess"] >= ESS_FLOOR]
        error = kept["value"] - kept["truth"]
        ranks = [one["value"].corr(one["truth"], method="spearman") for _, one in kept.groupby("seed")]
        whole = found[found["policy"] == found["policy"].iloc[-1]]
        rows.append(
            {
                "world": world,
                "encoder": way,
                "cohorts": found["seed"].nunique(),
                "estimates": len(kept),
                "holds": (error.abs() <= 1.96 * kept["se"]).mean(),
                "width": (2 * 1.96 * kept["se"]).median(),
                "error": np.sqrt((error**2).mean()),
                "rank": np.mean(ranks),
                "gain of the whole step": whole["truth"].mean(),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = lab_parser(__doc__, "3101-3104")
    parser.add_argument("--world", choices=tuple(WORLDS), default="full")
    asked = parser.parse_args()
    table = lab_rows(asked, asked.world, lambda seed: run_seed(WORLDS[asked.world], seed, asked.patients))
    print(summary(table).to_string(index=False))


if __name__ == "__main__":
    main()
