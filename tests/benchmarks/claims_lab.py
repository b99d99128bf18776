"""Lab of claims: how often is a gain claimed, and the step advised, where the drug does nothing?

    python -m tests.benchmarks.claims_lab --seeds 2001-2040 [--patients 2000] [--memory] --out ROWS.csv
    python -m tests.benchmarks.claims_lab --summarize ROWS.csv [MORE.csv ...]

The steps, folds and gate of `mix_lab` in worlds whose drug does nothing, so that every true difference is 0 and
nothing needs to be rolled out; intervals of shares are Clopper and Pearson's.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import beta

from core.base.statistics import Z95
from core.cohort.simulate import World
from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.gate import DIALS, gate
from tests.benchmarks.lab_rows import lab_parser, lab_rows
from tests.benchmarks.mix_lab import HIGHLIGHTS, learn, make_records
from tests.benchmarks.mix_worlds import LabWorld


def run_seed(world: LabWorld, seed: int, n: int) -> dict[str, object]:
    """One cohort: the gate's choice, and the difference at each dial."""
    records = make_records(world, seed, n)
    histories, folds = records.histories, []
    for one in learn(records):
        step = one.step.policy("pessimistic step", histories, one.behavior)
        folds.append(Fold.by(histories, one.held, [step.toward(share) for share in DIALS], one.behavior))
    judged = judge(histories, folds, JudgeSettings(FeatureSettings(HIGHLIGHTS)))
    advice, row = gate(judged), {"world": world.name, "patients": n, "seed": seed}
    row |= {"advises": advice.chosen is not None, "claims": advice.claims}
    for share, one in zip(DIALS, judged, strict=True):
        row |= {f"value {share:g}": one.difference.value, f"se {share:g}": one.difference.se}
    return row


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Per world and size: how often a gain is claimed and the step advised, how often intervals hold 0, and where
    estimates lie on average, in their own standard errors."""
    found = []
    for (world, patients), part in rows.groupby(["world", "patients"], sort=False):
        n, claims = len(part), int(part["claims"].sum())
        row = {"world": world, "patients": patients, "cohorts": n, "claims": claims}
        low, high = exact_interval(claims, n)
        row |= {"claims, %": 100 * claims / n, "low, %": 100 * low, "high, %": 100 * high}
        row["advises, %"] = 100 * part["advises"].mean()
        for share in DIALS:
            held = part[f"value {share:g}"].abs() <= Z95 * part[f"se {share:g}"]
            row[f"interval holds 0 at {share:g}, %"] = 100 * held.mean()
            told = part[f"value {share:g}"] / part[f"se {share:g}"]
            row |= {f"mean of value / SE at {share:g}": told.mean(), f"its SE at {share:g}": told.std() / np.sqrt(n)}
        found.append(row)
    return pd.DataFrame(found)


def exact_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share, k of n."""
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return low, high


def main() -> None:
    parser = lab_parser(__doc__, "3201-3204")
    parser.add_argument("--memory", action="store_true", help="the simulator's second version")
    asked = parser.parse_args()
    world = LabWorld("none, memory" if asked.memory else "none", World("none", memory=asked.memory))
    table = lab_rows(asked, world.name, lambda seed: [run_seed(world, seed, asked.patients)])
    print(summary(table).T.to_string(header=False))


if __name__ == "__main__":
    main()
