"""Which settings give better policies in truth: epochs x lambda x temperature x soft, greedy or epsilon-soft.

On simulated tuning cohorts whose seeds are not the report's. Only epochs need new training; all else is rolled out in
the simulator from the same agents, every policy on the same fresh patients. Prospective policies alone: retrospective
ones weigh phenotypes by the whole stay, so they cannot act and have no true value.

Columns: seed, epochs (of the phenotype agents), policy, kind (soft, greedy, epsilon E; "own" for policies that the run
itself rolled out), temperature, lambda_, true_value, true_se, true_survival, true_survival_se, gain (over the
clinicians of that seed).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.agents import action_probs
from core.cohort import History, ground_truth, simulate_cohort
from core.errors import RunError
from core.evaluation import epsilon_soft
from core.experiments.parallel import in_parallel
from core.experiments.settings import ChoiceSettings, as_text
from core.files import read_json, read_table, write_json, write_table
from core.fusion import fuse, fusion_weights
from core.pipeline import run_study
from core.rng import derive_seed
from core.runs.config import FOREST, NO_ENCODER, load_preset
from core.runs.stays import PolicyKey
from core.runs.truth import RunPolicy
from core.runs.view import RunView
from core.types import Progress

FOLDER, TABLE, RECORD = "choice", "choices.parquet", "choice.json"
CANDIDATE = ["policy", "kind", "temperature", "lambda_", "epochs"]  # what names one
# True values depend neither on the estimates nor on other K: these are made cheap. The one policy made from a critic,
# the softmax of Q*, is left out, since it would be that of a forest of two trees.
CHEAP = {
    "phenotypes.k_min": 3,
    "phenotypes.k_max": 3,
    "phenotypes.n_bootstrap": 0,
    "fqi.method": "frozen",
    "fqi.n_trees": 2,
    "fqe.n_trees": 2,
    "evaluation.n_bootstrap": 0,
}


class Candidate(RunPolicy):
    """The fused policy of a run at another temperature, soft (epsilon None), greedy (0) or epsilon-soft."""

    def __init__(self, view: RunView, key: PolicyKey, temperature: float, epsilon: float | None) -> None:
        super().__init__(view, key)
        self.temperature, self.epsilon = temperature, epsilon

    def __call__(self, history: History) -> np.ndarray:
        q = self.agents.q_values(self.view.scaler.scale(history.state))  # (K, n, A)
        probs = np.moveaxis(action_probs(q, self.temperature), 0, -2)
        fused = fuse(fusion_weights(self._distances(history), self.key.lambda_), probs)
        return fused if self.epsilon is None else epsilon_soft(fused, self.epsilon)


def run_choice(settings: ChoiceSettings, folder: Path, jobs: int = 0) -> Iterator[Progress]:
    """Compute what is missing of the grid and write choices.parquet; nothing where no tuning seeds are given."""
    if not settings.seeds:
        return
    _open(folder, settings)
    tasks = list(itertools.product(settings.seeds, settings.epochs))
    missing = [task for task in tasks if not _part(folder, *task).is_file()]
    done = len(tasks) - len(missing)
    yield Progress("choice", done, len(tasks), f"{done} of {len(tasks)} tuning runs were there")
    for seed, epochs in in_parallel(tuning_run, [(settings, folder, *task) for task in missing], jobs):
        done += 1
        yield Progress("choice", done, len(tasks), f"tuning seed {seed}, {epochs} epochs done")
    tables = [read_table(_part(folder, *task)) for task in tasks]
    write_table(folder / TABLE, pd.concat(tables, ignore_index=True))


def tuning_run(settings: ChoiceSettings, folder: Path, seed: int, epochs: int) -> tuple[int, int]:
    """One run on one tuning cohort, and the true value of every candidate made from its agents."""
    cohort, _ = simulate_cohort("mimic-iv", settings.patients, seed)
    changed = {**CHEAP, **settings.overrides, "run.seed": seed, "agents.epochs": epochs}
    changed["evaluation.truth_patients"] = settings.truth_patients
    run = folder / FOLDER / f"{seed}-{epochs}"
    for _ in run_study(cohort, load_preset(settings.preset, as_text(changed)), run, name=f"Tuning {seed}, {epochs}"):
        pass
    view = RunView(run)
    table = pd.DataFrame([*_own(view), *_candidates(view, settings)]).assign(seed=seed, epochs=epochs)
    clinicians = table.loc[table["policy"] == "clinician", "true_value"].iloc[0]
    table["gain"] = table["true_value"] - clinicians
    write_table(_part(folder, seed, epochs), table)
    return seed, epochs


def _own(view: RunView) -> Iterator[dict[str, Any]]:
    """Policies that the run rolled out as they are: clinicians, baselines, single agents of the phenotypes."""
    for row in view.truth.to_dict("records"):
        if row["policy"] == "fused":
            continue  # among the candidates
        yield {
            "policy": row["policy"],
            "kind": "own",
            "temperature": view.config.agents.temperature,
            "lambda_": row["lambda_"],
            **{name: row[name] for name in ("true_value", "true_se", "true_survival", "true_survival_se")},
        }


def _candidates(view: RunView, settings: ChoiceSettings) -> Iterator[dict[str, Any]]:
    """Every lambda, temperature and way of choosing, on the fresh patients that the run's own truth met."""
    truth = ground_truth(view.cohort)
    if truth is None:
        raise RunError("settings are chosen by true values, which only a simulated cohort has.")
    truth, seed = replace(truth, study=view.study), derive_seed(view.config.run.seed, "truth")
    kinds: list[float | None] = [None, *settings.epsilons]
    for lambda_, temperature, epsilon in itertools.product(settings.lambdas, settings.temperatures, kinds):
        key = PolicyKey("fused", view.n_clusters, "prospective", lambda_)
        policy = Candidate(view, key, temperature, epsilon)
        result = truth.policy_value(
            policy, settings.truth_patients, seed, spans=view.scaler.spans, gamma=view.config.agents.gamma
        )
        yield {
            "policy": "fused",
            "kind": kind_name(epsilon),
            "temperature": temperature,
            "lambda_": lambda_,
            "true_value": result.value,
            "true_se": result.standard_error,
            "true_survival": result.survival,
            "true_survival_se": result.survival_standard_error,
        }


def kind_name(epsilon: float | None) -> str:
    """soft, greedy, or "epsilon 0.1"."""
    if epsilon is None:
        return "soft"
    return f"epsilon {epsilon:g}" if epsilon else "greedy"


def _comparable(choices: pd.DataFrame) -> pd.DataFrame:
    """Each policy once for each way it was trained: epochs are NaN for those that `agents.epochs` does not train (the
    simple ones, and the baselines, whose epochs are their own), and Q* from a forest made cheap is left out."""
    varied = choices["policy"].str.startswith("phenotype-")
    varied |= choices["policy"].isin(("fused", "single-expert", NO_ENCODER))
    table = choices.assign(epochs=choices["epochs"].where(varied).astype(float))[choices["policy"] != FOREST]
    return table.drop_duplicates(["seed", *CANDIDATE], ignore_index=True)


def choice_table(choices: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean over tuning seeds of every candidate, best first; epochs None where the policy does not depend on them.

    se: of the mean over seeds, from their spread or their roll-outs, whichever is larger.
    """
    rows = []
    for values, part in _comparable(choices).groupby(CANDIDATE, sort=False, dropna=False):
        n, epochs = len(part), part["epochs"].iloc[0]
        rows.append(
            {
                **dict(zip(CANDIDATE, values, strict=True)),
                "epochs": int(epochs) if math.isfinite(epochs) else None,
                "seeds": n,
                "true_value": float(part["true_value"].mean()),
                "se": _se(part["true_value"], part["true_se"]),
                "gain": float(part["gain"].mean()),
                "gain_se": _se(part["gain"], math.sqrt(2) * part["true_se"]),
                "true_survival_percent": float(100 * part["true_survival"].mean()),
            }
        )
    return sorted(rows, key=lambda row: -row["true_value"])


def findings(choices: pd.DataFrame, settings: ChoiceSettings) -> list[str]:
    """Does fusion beat the clinicians, its ingredients and the best single agent? One sentence each, with its basis."""
    defaults, choices = load_preset(settings.preset), _comparable(choices)
    rows = choice_table(choices)
    fused = [row for row in rows if row["policy"] == "fused"]
    n, seeds = settings.truth_patients, len(settings.seeds)
    said = [
        f"Tuning: {seeds} simulated cohorts of {settings.patients:,} patients (seeds {_listed(settings.seeds)}), "
        f"preset {settings.preset}, {n:,} fresh patients behind each true value. The best of {len(fused)} candidates "
        "is the best by chance in part, so its value is too high by an unknown amount. Retrospective fusion cannot be "
        "rolled out and is not among them."
    ]
    if not fused:
        return said
    best = fused[0]
    said.append(f"Best candidate: {_describe(best)}, true value {best['true_value']:.2f} (SE {best['se']:.2f}).")
    own = defaults.agents
    at = [
        row
        for row in fused
        if (row["kind"], row["temperature"], row["lambda_"], row["epochs"])
        == ("soft", own.temperature, defaults.fusion.lambda_, own.epochs)
    ]
    for name, row in (("best candidate", best), *(("preset's default", row) for row in at)):
        said += [f"The {name} {_against(choices, row, other)}" for other in ("clinician", "ingredient", "agent")]
    return said


def _against(choices: pd.DataFrame, row: dict[str, Any], other: str) -> str:
    """One paired comparison over seeds of a fused candidate with the clinicians, its ingredients, or any one agent."""
    mine = choices[_is(choices, row)].set_index("seed")
    same = choices[(choices["kind"] == "own") & ((choices["epochs"] == row["epochs"]) | choices["epochs"].isna())]
    if other == "clinician":
        rivals, name = same[same["policy"] == "clinician"], "the clinicians"
    elif other == "ingredient":
        rivals, name = same[same["policy"].str.startswith("phenotype-")], "the best of its own agents"
    else:
        apart = ("clinician", "random", "zero-drug", "single-expert", NO_ENCODER)
        rivals, name = same[~same["policy"].isin(apart)], "the best single agent of all"
    best = rivals.loc[rivals.groupby("seed")["true_value"].idxmax()].set_index("seed")
    if best.empty:
        return f"was not compared with {name}."
    gap = (mine["true_value"] - best["true_value"]).dropna()
    se = _se(gap, np.sqrt(mine["true_se"] ** 2 + best["true_se"] ** 2).reindex(gap.index))
    far = abs(gap.mean()) > 2 * se
    verdict = ("beats" if gap.mean() > 0 else "loses against") if far else "cannot be told from"
    return f"{verdict} {name}: difference {gap.mean():+.2f} (SE {se:.2f}, {len(gap)} seeds)."


def _is(choices: pd.DataFrame, row: dict[str, Any]) -> pd.Series:
    same = pd.Series(True, index=choices.index)
    for key in CANDIDATE:
        same &= choices[key] == row[key]
    return same


def _describe(row: dict[str, Any]) -> str:
    return f"{row['kind']}, lambda {row['lambda_']:g}, temperature {row['temperature']:g}, {row['epochs']} epochs"


def _se(values: pd.Series, errors: pd.Series) -> float:
    """Standard error of a mean over seeds: from their spread or from their roll-outs, whichever is larger, since the
    spread of few seeds may be small by chance."""
    n = len(values)
    if not n:
        return math.nan
    spread = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    return max(spread, math.sqrt(float((errors**2).sum())) / n)


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))


def _part(folder: Path, seed: int, epochs: int) -> Path:
    return folder / FOLDER / f"{seed}-{epochs}.parquet"


def _open(folder: Path, settings: ChoiceSettings) -> None:
    """Refuse a folder whose choice was made over another grid; more seeds and epochs may be added."""
    given = settings.model_dump(mode="json")
    path = folder / FOLDER / RECORD
    if path.is_file():
        stored = read_json(path)
        changed = [key for key in given if key not in ("seeds", "epochs") and stored.get(key) != given[key]]
        if changed:
            raise RunError(
                f"{path.parent} holds a choice over another grid ({', '.join(changed)}); move that folder away."
            )
    write_json(path, given)
