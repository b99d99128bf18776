"""Lab of survival: what default runs say of every policy that they judge, against the truth of fresh cohorts.

    python -m tests.benchmarks.survival_lab --seeds 2041-2060 [--patients 2000] --out ROWS.csv
    python -m tests.benchmarks.survival_lab --summarize ROWS.csv

Each cohort is simulated and learned as the default run is (world with memory, preset quick), as far as a policy needs;
every policy that can act forward in time, and the advice at each dial, is judged by the run's own judges, in survival
and in reward, and rolled out. True survival is that of the clinicians over many patients, and the policy's difference
to them over patients who meet both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from core.base.rng import derive_seed
from core.base.worlds import EFFECTS
from core.cohort import GroundTruth
from core.cohort.simulate import World
from core.cohort.simulate.generate import simulate_world
from core.cohort.simulate.truth import TrueValue
from core.evaluation.judging.gate import DIALS
from core.evaluation.judging.grade import GradeSettings, judged_row
from core.evaluation.judging.mix import Judged
from core.icu.ask.judge import advise, make_jury, survival_columns
from core.icu.config import load_preset
from core.icu.fit.advised import TrueGain, true_gains
from core.icu.fit.simulated import RunPolicy
from core.icu.fit.values import fit_optimal
from core.icu.pipeline import judged_keys
from core.icu.study import run_study
from core.icu.view import RunView
from core.policies import NamedPolicy
from core.policies.key import CLINICIAN, PROSPECTIVE
from core.trajectories import make_transitions
from tests.benchmarks.lab_rows import lab_parser, lab_rows

LAST_STAGE = "clinicians"  # what comes after values policies and changes none, but for Q*
SETTINGS = {  # one number of phenotypes, and no map: neither changes a policy at the default K
    "run.threads": "1",
    "phenotypes.k_min": "3",
    "phenotypes.k_max": "3",
    "phenotypes.umap_epochs": "10",
    "phenotypes.n_bootstrap": "2",
}
ROLLED_OUT, USUAL = 1_000, 20_000  # patients who meet a policy and the clinicians, and the clinicians alone
ADVICE = "advice"
TOLD = ("difference", "difference_low", "difference_high", "difference_se", "ess", "spread", "grade")


def run_seed(world: World, seed: int, n: int) -> Iterator[dict[str, object]]:
    """One row a policy of one cohort."""
    cohort, truth = simulate_world("mimic-iv", n, seed, world)
    usual, drawn = _usual(world), derive_seed(seed, "survival lab")
    with tempfile.TemporaryDirectory() as folder:
        config = load_preset("quick", {**SETTINGS, "run.seed": str(seed)})
        for progress in run_study(cohort, config, Path(folder) / "run"):
            if progress.stage == LAST_STAGE and progress.fraction == 1:
                break
        view = RunView(Path(folder) / "run")
        for _ in fit_optimal(view, make_transitions(view.trajectories, view.split.train)):
            pass
        for row in [*_policies(view, truth, usual, drawn), *_dials(view, truth, usual, drawn)]:
            yield {"effect": world.effect, "patients": n, "seed": seed, **row}


@cache
def _usual(world: World) -> float:
    """Share of the clinicians' patients who survive in this world."""
    _, truth = simulate_world("mimic-iv", 100, 0, world)
    return truth.policy_value(CLINICIAN, USUAL, derive_seed(0, "survival lab")).survival


def _policies(view: RunView, truth: GroundTruth, usual: float, seed: int) -> Iterator[dict[str, object]]:
    """The run's own policies, judged on its test patients as the run judges them."""
    keys = judged_keys(view, view.n_clusters, view.config.fusion.lambda_, [PROSPECTIVE])
    learners = np.concatenate([view.split.train, view.split.valid])
    bench = make_jury(view, view.study, view.n_clusters, view.split.test, learners).bench_of(keys)
    own = [CLINICIAN if key.policy == CLINICIAN else RunPolicy(view, NamedPolicy(key)) for key in keys]
    gains = truth.policy_gains(own, ROLLED_OUT, seed, view.scaler.spans, view.config.agents.gamma)
    for key, gain, one, lives in zip(keys, gains, bench.reward(), bench.survival(), strict=True):
        yield {"policy": key.policy, **_told(view, one, lives), **_true(gain, usual)}


def _dials(view: RunView, truth: GroundTruth, usual: float, seed: int) -> Iterator[dict[str, object]]:
    """The advice at every dial, judged on all patients by folds that never saw them."""
    advised = advise(view, view.study, view.n_clusters)
    gains = true_gains(view, truth, advised.learned, DIALS, ROLLED_OUT, seed)
    for share, one, lives, gain in zip(DIALS, advised.judged, advised.survival, gains, strict=True):
        chosen = advised.advice.recommended == one.name
        told = {"advised": chosen, "claimed": chosen and advised.advice.claims}
        yield {"policy": f"{ADVICE} at {share:g}", **_told(view, one, lives), **_true(gain, usual), **told}


def _told(view: RunView, judged: Judged, lives: Judged) -> dict[str, object]:
    row = judged_row(judged, GradeSettings(ess=view.config.evaluation.ess_floor))
    return {name: row[name] for name in TOLD} | survival_columns(lives)


def _true(gain: TrueValue | TrueGain, usual: float) -> dict[str, float]:
    return {
        "true_difference": gain.value,
        "true_survival": usual + gain.survival,
        "true_survival_difference": gain.survival,
    }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """In survival points, by grade and over all: mean absolute error and bias of survival and of its difference to the
    clinicians', shares of intervals that hold the truth with standard errors by cohort, and mean widths."""
    groups = {
        "clinicians": rows["policy"] == CLINICIAN,
        "advice, every dial": rows["policy"].str.startswith(ADVICE),
        "advice, as given": rows["advised"] == True,  # noqa: E712 - missing for other policies
        **{grade: _own(rows) & (rows["grade"] == grade) for grade in ("supported", "weak", "not supported")},
        "all": rows["policy"] != "",
    }
    parts = [{"rows": name} | _scores(rows[chosen]) for name, chosen in groups.items() if chosen.any()]
    return pd.DataFrame(parts)


def _own(rows: pd.DataFrame) -> pd.Series:
    """Policies that a run learned, or that are as simple as "no heparin"."""
    return (rows["policy"] != CLINICIAN) & ~rows["policy"].str.startswith(ADVICE)


def _scores(rows: pd.DataFrame) -> dict[str, float]:
    found: dict[str, float] = {"cohorts": rows["seed"].nunique(), "estimates": len(rows)}
    for name in ("survival", "survival_difference"):
        error, true = 100 * (rows[name] - rows[f"true_{name}"]), rows[f"true_{name}"]
        held = (rows[f"{name}_low"] <= true) & (true <= rows[f"{name}_high"])
        by_cohort = (held - held.mean()).groupby(rows["seed"]).sum()
        spread = np.sqrt((by_cohort**2).sum() * len(by_cohort) / max(len(by_cohort) - 1, 1)) / len(rows)
        width = 100 * (rows[f"{name}_high"] - rows[f"{name}_low"]).mean()
        label = name.replace("survival_", "")
        found |= {f"{label}: error": error.abs().mean(), "bias " + label: error.mean(), "width " + label: width}
        found |= {"holds " + label: 100 * held.mean(), "SE " + label: 100 * spread}
    return found


def main() -> None:
    parser = lab_parser(__doc__, "3201-3202")
    parser.add_argument("--effect", choices=tuple(EFFECTS), default="full")
    asked = parser.parse_args()
    world = World(asked.effect, memory=True)
    table = lab_rows(asked, asked.effect, lambda seed: run_seed(world, seed, asked.patients))
    print(summary(table).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
