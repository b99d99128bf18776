"""Lab of hidden causes: do the bounds hold the truth where what clinicians know is hidden from the record?

    python -m tests.benchmarks.hidden_lab --seeds 931-936 --confounding 0.5 [--effect none] --out ROWS.csv
    python -m tests.benchmarks.hidden_lab --summarize ROWS.csv [MORE.csv ...]

In a confounded world clinicians know the phenotype, which no column holds and which lasts through the stay. The true
Gamma of every step is the odds ratio of the dose given by the simulator's own clinicians and by the estimated ones; its
quantiles over a cohort's steps are the strengths at which the bounds are held against the truth, with the difference's
own interval around them. needed: Gamma at which bounds and interval first hold the truth. Policies, and their truth,
are those of `mix_lab`, without the two that know the phenotype.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.cohort.simulate import World
from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.gate import DIALS
from core.evaluation.judging.hidden import MOST, Bounds
from core.evaluation.judging.mix import Judged
from tests.benchmarks.lab_rows import lab_parser, lab_rows
from tests.benchmarks.mix_lab import HIGHLIGHTS, fixed_policies, fixed_truth, learn, make_records, step_truth
from tests.benchmarks.mix_rules import RULES
from tests.benchmarks.mix_worlds import LabWorld

QUANTILES = (50, 80, 90, 95)
KINDS = ("lasting", "passing")
KNOWING = ("oracle", "harm")  # rules that know the phenotype
ESS_FLOOR = 30.0


def run_seed(world: LabWorld, seed: int, n: int) -> Iterator[dict[str, object]]:
    """One row a policy of one cohort."""
    _, truth = world.cohort(n, seed)
    records = make_records(world, seed, n)
    histories, learned, fixed = records.histories, learn(records), fixed_policies(records)
    folds, nominal = [], np.ones(histories.mask.shape)
    for one in learned:
        step = one.step.policy("pessimistic step", histories, one.behavior)
        folds.append(Fold.by(histories, one.held, [*fixed, *(step.toward(a) for a in DIALS)], one.behavior))
        nominal[one.held] = folds[-1].behavior[one.held]
    ratio = _odds(truth.propensities[histories.mask]) / _odds(nominal[histories.mask])
    gammas = {q: float(np.quantile(np.maximum(ratio, 1 / ratio), q / 100)) for q in QUANTILES}
    true = [fixed_truth(world, *rule) for rule in RULES] + [step_truth(world, learned, a) for a in DIALS]
    judged = judge(histories, folds, JudgeSettings(FeatureSettings(HIGHLIGHTS), hidden=True))
    for one, difference in zip(judged, true, strict=True):
        if one.hidden is not None and not one.name.startswith(KNOWING):
            yield {"world": world.name, "seed": seed, "policy": one.name, **_row(one, difference, gammas)}


def _odds(p: np.ndarray) -> np.ndarray:
    return np.asarray(p / (1 - p))


def _row(one: Judged, truth: float, gammas: dict[int, float]) -> dict[str, float]:
    """Estimate, truth, and under each kind of cause the bounds at every true Gamma and the Gamma needed."""
    found, row = one.difference, {f"g{q}": gamma for q, gamma in gammas.items()}
    row |= {"truth": truth, "value": found.value, "se": found.se, "ess": found.ess}
    for kind in KINDS:
        bounds: Bounds = getattr(one.hidden, kind)
        for q, gamma in gammas.items():
            row[f"{kind} low q{q}"], row[f"{kind} high q{q}"] = bounds.at(min(gamma, MOST))
        above = Bounds(-bounds.high, -bounds.low)
        row[f"{kind} needed"] = max(bounds.reaches(found.low - truth), above.reaches(truth - found.high))
    return row


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Per world: shares of estimates with enough effective stays whose interval and bounds hold the truth."""
    rows = []
    for world, found in table[table["ess"] >= ESS_FLOOR].groupby("world"):
        error, half = found["truth"] - found["value"], 1.96 * found["se"]
        row = {"world": world, "cohorts": found["seed"].nunique(), "estimates": len(found)}
        row |= {f"true Gamma, {q} %": found[f"g{q}"].mean() for q in QUANTILES}
        row["interval alone"] = (error.abs() <= half).mean()
        for kind in KINDS:
            for q in QUANTILES:
                low, high = found[f"{kind} low q{q}"], found[f"{kind} high q{q}"]
                row[f"{kind}, Gamma {q} %"] = ((error >= low - half) & (error <= high + half)).mean()
            row[f"{kind}, most needed"] = found[f"{kind} needed"].max()
            row[f"{kind}, widens at 90 %"] = (
                (found[f"{kind} high q90"] - found[f"{kind} low q90"]) / half / 2
            ).median()
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = lab_parser(__doc__, "931-936")
    parser.add_argument("--confounding", type=float, default=0.5)
    parser.add_argument("--effect", choices=("full", "weak", "no-benefit", "none"), default="full")
    asked = parser.parse_args()
    world = LabWorld(f"{asked.effect}, S = {asked.confounding:g}", World(asked.effect, asked.confounding))
    table = lab_rows(asked, world.name, lambda seed: run_seed(world, seed, asked.patients))
    print(summary(table).T.to_string(header=False))


if __name__ == "__main__":
    main()
