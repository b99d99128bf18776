"""Which settings give better policies in truth: epochs x batch size x lambda x temperature x soft or greedy.

On simulated tuning cohorts whose seeds are not the report's. Only epochs and batch sizes need new training, of the
agents alone: a seed's encoder and the policies to compare with are trained once, in its first variant. All else is
rolled out in the simulator from the same agents, every policy on the same fresh patients. Prospective policies alone:
retrospective ones weigh phenotypes by the whole stay, so they cannot act and have no true value.

Columns: seed, epochs and batch_size (of the phenotype agents), policy, kind (soft, greedy, epsilon E; "own" for
policies that the run itself rolled out), temperature, lambda_, true_value, true_se, true_survival, true_survival_se,
gain (over the clinicians of that seed).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.base.errors import RunError
from core.base.files import read_json, read_table, write_json, write_table
from core.base.rng import derive_seed
from core.base.types import Progress
from core.cohort import ground_truth, simulate_cohort
from core.experiments.parallel import in_parallel
from core.experiments.settings import ChoiceSettings, as_text
from core.icu.config import RunConfig, load_preset
from core.icu.fit.simulated import RunPolicy
from core.icu.fit.truth import TRUE_COLUMNS, true_columns
from core.icu.study import ICU, run_study
from core.icu.view import RunView
from core.policies import NamedPolicy, PolicyKey, Version
from core.policies.key import CLINICIAN, FUSED, PROSPECTIVE
from core.runs.integrity import open_run

FOLDER, TABLE, RECORD = "choice", "choices.parquet", "choice.json"
Variant = tuple[int, int]  # epochs and batch size of the agents
# True values depend neither on the estimates nor on other K: these are made cheap. The one policy made from a critic,
# the softmax of Q*, is not compared, since it would be that of a forest of two trees.
CHEAP = {
    "phenotypes.k_min": 3,
    "phenotypes.k_max": 3,
    "phenotypes.n_bootstrap": 0,
    "fqi.method": "frozen",
    "fqi.n_trees": 2,
    "fqe.n_trees": 2,
    "evaluation.n_bootstrap": 0,
    "evaluation.frontier_patients": 0,
}


def run_choice(settings: ChoiceSettings, folder: Path, jobs: int = 0) -> Iterator[Progress]:
    """Compute what is missing of the grid and write choices.parquet; nothing where no tuning seeds are given."""
    if not settings.seeds:
        return
    _open(folder, settings)
    parts = [_part(folder, seed, variant) for seed in settings.seeds for variant in variants(settings)]
    missing = [seed for seed in settings.seeds if not all(_part(folder, seed, v).is_file() for v in variants(settings))]
    total, done = len(settings.seeds), len(settings.seeds) - len(missing)
    yield Progress("choice", done, total, f"{done} of {total} tuning seeds were there")
    for seed in in_parallel(tune, [(settings, folder, seed) for seed in missing], jobs):
        done += 1
        yield Progress("choice", done, total, f"tuning seed {seed} done")
    write_table(folder / TABLE, pd.concat([read_table(part) for part in parts], ignore_index=True))


def variants(settings: ChoiceSettings) -> list[Variant]:
    """What needs agents of its own; the first also trains the encoder and the policies to compare with."""
    return list(itertools.product(settings.epochs, settings.batch_sizes))


def tune(settings: ChoiceSettings, folder: Path, seed: int) -> int:
    """All variants on one tuning cohort, and the true value of every candidate made from their agents."""
    cohort, _ = simulate_cohort("mimic-iv", settings.patients, seed)
    for variant in variants(settings):
        if _part(folder, seed, variant).is_file():
            continue
        run, name = _run(folder, seed, variant), f"Tuning {seed}, {variant[0]} epochs, batches of {variant[1]}"
        for _ in run_study(cohort, tuning_config(settings, folder, seed, variant), run, name=name):
            pass
        view = open_run(ICU, run)
        table = pd.DataFrame([*_own(view), *_candidates(view, settings)])
        table = table.assign(seed=seed, epochs=variant[0], batch_size=variant[1])
        clinicians = table.loc[table["policy"] == CLINICIAN, "true_value"].iloc[0]
        table["gain"] = table["true_value"] - clinicians
        write_table(_part(folder, seed, variant), table)
    return seed


def tuning_config(settings: ChoiceSettings, folder: Path, seed: int, variant: Variant) -> RunConfig:
    """Settings of one run. Variants after a seed's first take over its encoder, and compare with nothing more."""
    changed = {**CHEAP, **settings.overrides, "run.seed": seed, "evaluation.truth_patients": settings.truth_patients}
    changed |= {"agents.epochs": variant[0], "agents.batch_size": variant[1]}
    first = variants(settings)[0]
    if variant != first:
        encoder = _run(folder, seed, first) / "encoder"
        changed |= {"run.encoder_folder": str(encoder.resolve()), "baselines.enabled": False}
    return load_preset(settings.preset, as_text(changed))


def _own(view: RunView) -> Iterator[dict[str, Any]]:
    """Policies that the run rolled out as they are: clinicians, baselines, single agents of the phenotypes."""
    for row in view.truth.to_dict("records"):
        if row["policy"] == FUSED:
            continue  # among the candidates
        yield {
            "policy": row["policy"],
            "kind": "own",
            "temperature": view.config.agents.temperature,
            "lambda_": row["lambda_"],
            **{name: row[name] for name in TRUE_COLUMNS},
        }


def _candidates(view: RunView, settings: ChoiceSettings) -> Iterator[dict[str, Any]]:
    """Every lambda, temperature and way of choosing, on the fresh patients that the run's own truth met."""
    truth = ground_truth(view.cohort)
    if truth is None:
        raise RunError("settings are chosen by true values, which only a simulated cohort has.")
    truth, seed = replace(truth, study=view.study), derive_seed(view.config.run.seed, "truth")
    kinds: list[float | None] = [None, *settings.epsilons]
    for lambda_, temperature, epsilon in itertools.product(settings.lambdas, settings.temperatures, kinds):
        key = PolicyKey(FUSED, view.n_clusters, lambda_, PROSPECTIVE)
        policy = RunPolicy(view, NamedPolicy(key, Version(temperature, epsilon)))
        result = truth.policy_value(
            policy, settings.truth_patients, seed, spans=view.scaler.spans, gamma=view.config.agents.gamma
        )
        yield {
            "policy": FUSED,
            "kind": kind_name(epsilon),
            "temperature": temperature,
            "lambda_": lambda_,
            **true_columns(result),
        }


def kind_name(epsilon: float | None) -> str:
    """soft, greedy, or "epsilon 0.1"."""
    if epsilon is None:
        return "soft"
    return f"epsilon {epsilon:g}" if epsilon else "greedy"


def _run(folder: Path, seed: int, variant: Variant) -> Path:
    return folder / FOLDER / f"{seed}-{variant[0]}-{variant[1]}"


def _part(folder: Path, seed: int, variant: Variant) -> Path:
    return _run(folder, seed, variant).with_suffix(".parquet")


def _open(folder: Path, settings: ChoiceSettings) -> None:
    """Refuse a folder whose choice was made over another grid; more seeds, epochs and batch sizes may be added."""
    given = settings.model_dump(mode="json")
    path = folder / FOLDER / RECORD
    if path.is_file():
        stored = read_json(path)
        changed = [
            key for key in given if key not in ("seeds", "epochs", "batch_sizes") and stored.get(key) != given[key]
        ]
        if changed:
            raise RunError(
                f"{path.parent} holds a choice over another grid ({', '.join(changed)}); move that folder away."
            )
    write_json(path, given)
