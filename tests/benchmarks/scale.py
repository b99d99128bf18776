"""One split from the published size to a hundred times as many patients: time and peak memory of each step.

`python -m tests.benchmarks.scale --patients 13355 133550 1335500`, or `make bench-scale`. Each size is simulated to a
Parquet file, then read, encoded, clustered, mapped, fused and valued in a process of its own. Training (encoder,
agents, Q*) takes a stated sample of training patients, as many at every size; everything else takes all patients.
What a step can do piece by piece is asked of it piece by piece, CHUNK stays at a time.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.agents import action_probs
from core.base.threads import set_threads
from core.cohort import load_cohort, reimpute, simulate_cohort, split_cohort
from core.encoder import Encoder
from core.evaluation import Critic, Recorded, knn_behavior_policy, propensities, state_values, weighted_many
from core.fusion import fuse, fusion_weights
from core.icu.config import load_preset
from core.phenotypes import Phenotypes, fit_phenotypes, project
from core.trajectories import Trajectories, fit_scaler, make_trajectories, make_transitions, padded
from tests.benchmarks import split
from tests.benchmarks import workspace as ws
from tests.benchmarks.harness import peak_memory, reset_peak, threads

ROOT = Path(__file__).resolve().parents[2]
PART = 133_550  # patients simulated at once
CHUNK = 5_000  # stays handled at once where a step may: the same pieces at every size
SAMPLE = 9_349  # training patients that the networks and forests learn from: those of the published size
EPOCHS = 3  # of the encoder; its cost does not depend on the number of patients
LAMBDAS = ws.LAMBDAS[::5]
N_BOOTSTRAP = 200


@dataclass
class Record:
    """Seconds and memory of each step, in MB; `extra` is what a step took beyond what was held before it."""

    steps: dict[str, dict[str, float]] = field(default_factory=dict)
    peak: float = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        gc.collect()
        before = reset_peak()
        start = time.perf_counter()
        yield
        spent, peak = time.perf_counter() - start, peak_memory()
        self.peak = max(self.peak, peak)
        self.steps[name] = {"seconds": spent, "before_mb": before, "peak_mb": peak, "extra_mb": max(peak - before, 0.0)}
        print(f"{name:28} {spent:8.1f} s   {before:8,.0f} -> {peak:8,.0f} MB", file=sys.stderr, flush=True)


def simulate(patients: int, path: Path) -> None:
    """Simulate to one Parquet file, PART patients at a time; nothing of one part is held with another."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for seed, start in enumerate(range(0, patients, PART)):
            cohort, _ = simulate_cohort("mimic-iv", min(PART, patients - start), seed)
            table = pa.Table.from_pandas(cohort.frame.assign(traj=cohort.frame["traj"] + start), preserve_index=False)
            writer = writer or pq.ParquetWriter(Path(folder) / "part.parquet", table.schema, compression="zstd")
            writer.write_table(table)
            del cohort, table
        assert writer is not None
        writer.close()
        (Path(folder) / "part.parquet").rename(path)


def chunks(n: int) -> Iterator[np.ndarray]:
    for start in range(0, n, CHUNK):
        yield np.arange(start, min(start + CHUNK, n))


def measure(path: Path) -> dict[str, Any]:
    """All steps of one split of the cohort in `path`."""
    record = Record()
    with record.step("read"):
        cohort = load_cohort(path)
    table = cohort.frame.memory_usage(deep=True).sum() + (0 if cohort.imputed is None else cohort.imputed.nbytes)
    with record.step("split and impute"):
        parts = split_cohort(cohort, ws.SEED)
        cohort = reimpute(cohort, parts.train)
    with record.step("tensors"):
        data = make_trajectories(cohort, fit_scaler(cohort, parts.train))
    del cohort
    arrays = sum(array.nbytes for array in (data.states, data.actions, data.rewards, data.mask, data.outcomes))
    sample = np.sort(np.random.default_rng(0).permutation(parts.train)[:SAMPLE])
    with record.step("transitions of the sample"):
        transitions = make_transitions(data, sample)
    with record.step("train the encoder (sample)"):
        config = ws.published_encoder().model_copy(update={**ws.RECIPE, "epochs": EPOCHS})
        few = parts.valid[: len(sample) // 5]
        encoder = split.encode(config, data, type(parts)(sample, few, parts.test))
    with record.step("encode whole stays"):
        z = encoder.encode(data)
    with record.step("cluster, K = 2..9"):
        config = load_preset("standard").phenotypes
        phenotypes = fit_phenotypes(z[parts.train], config, data.lengths[parts.train])
    with record.step("map"):
        project(z, config)
    labels = {ws.K: phenotypes.labels(z, ws.K)}
    del z
    with record.step("train the agents (sample)"):
        agents = split.train(transitions, labels, data.study)
    with record.step("fitted Q iteration (sample)"):
        fqi = split.optimal(transitions, data.study, ws.SIZES["published"])
    with record.step("encode prefixes, distances"):
        distances = prefix_distances(encoder, phenotypes, data)
    with record.step("agents' Q and fusion"):
        fused = fuse_all(agents, distances, data)
    test = parts.test
    with record.step("clinician policy, test"):
        behavior = clinicians(transitions, data, test)
    with record.step("values, test"):
        results = values(data, test, distances, agents, fqi, behavior)
    print(f"{fused.shape[0]:,} stays fused; PHWDR {results[-1].value:.2f}, ESS {results[-1].ess:.0f}", file=sys.stderr)
    return {
        "patients": data.n,
        "states": int(data.mask.sum()),
        "table_mb": table / 1e6,
        "tensors_mb": arrays / 1e6,
        "file_mb": path.stat().st_size / 1e6,
        "peak_mb": record.peak,
        "threads": threads(),
        "steps": record.steps,
    }


def prefix_distances(encoder: Encoder, phenotypes: Phenotypes, data: Trajectories) -> np.ndarray:
    """Distance of every prefix to each phenotype, (N, T, K) float32, without holding the representations."""
    result = np.empty((*data.mask.shape, ws.K), dtype=np.float32)
    for rows in chunks(data.n):
        result[rows] = phenotypes.distances(encoder.encode_prefixes(data.subset(rows)), ws.K)
    return result


def fuse_all(agents: Any, distances: np.ndarray, data: Trajectories) -> np.ndarray:
    """The fused policy at every state of every stay, (N, T, A) float32."""
    result = np.empty((*data.mask.shape, data.study.n_actions), dtype=np.float32)
    for rows in chunks(data.n):
        experts = action_probs(split.of_k(agents, ws.K, data.states[rows]))
        result[rows] = fuse(fusion_weights(distances[rows], 15.0), experts)
    return result


def clinicians(transitions: Any, data: Trajectories, test: np.ndarray) -> np.ndarray:
    """The clinician policy at the test states from the sample's transitions, (n, T, A)."""
    weights = np.array([column.behavior_weight for column in data.study.columns])
    result = np.zeros((len(test), data.mask.shape[1], data.study.n_actions), dtype=np.float32)
    for rows in chunks(len(test)):
        some, mask = data.states[test[rows]], data.mask[test[rows]]
        found = knn_behavior_policy(
            transitions.states, transitions.actions, some[mask], data.study.n_actions, weights=weights
        )
        result[rows] = padded(found.action_probs, mask)
    return result


def values(
    data: Trajectories, test: np.ndarray, distances: np.ndarray, agents: Any, fqi: Any, behavior: np.ndarray
) -> list[Any]:
    """PHWIS and PHWDR of the fused policy at 10 lambdas on all test patients, the policies' arrays piece by piece."""
    shape = (len(LAMBDAS), len(test), data.mask.shape[1])
    chosen, v = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    q_taken = np.empty(shape[1:], dtype=np.float32)
    for rows in chunks(len(test)):
        stays = test[rows]
        states, mask, actions = data.states[stays], data.mask[stays], data.actions[stays]
        critic = padded(fqi.q_values(states[mask]), mask)
        experts = action_probs(split.of_k(agents, ws.K, states))
        q_taken[rows] = propensities(critic, actions)
        for index, value in enumerate(LAMBDAS):
            policy = fuse(fusion_weights(distances[stays], value), experts)
            chosen[index, rows], v[index, rows] = propensities(policy, actions), state_values(policy, critic)
    some = data.subset(test)
    given = propensities(behavior, some.actions)
    what = Recorded(some.rewards, some.transition_mask, given, ws.GAMMA), chosen
    phwis = weighted_many("phwis", *what, None, N_BOOTSTRAP)
    return phwis + weighted_many("phwdr", *what, Critic(q_taken, v), N_BOOTSTRAP)


def main() -> None:
    from tests.benchmarks.scale_report import write_report

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--patients", type=int, nargs="+", default=[13_355, 133_550, 1_335_500])
    parser.add_argument("--work", type=Path, default=ROOT / "data" / "benchmarks" / "scale", help="folder for cohorts")
    parser.add_argument("--out", type=Path, help="folder for scale.json and scale.md; the plot goes beside them")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_threads(0)
    if options.child:
        print(json.dumps(measure(options.child)))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    found = []
    for patients in options.patients:
        path = options.work / f"{patients}.parquet"
        if not path.exists():
            simulate(patients, path)
        command = [sys.executable, "-m", "tests.benchmarks.scale", "--child", str(path)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
        if done.returncode:  # out of memory, say: smaller sizes keep their numbers
            print(f"{patients:,} patients failed with exit status {done.returncode}", file=sys.stderr)
            break
        found.append(json.loads(done.stdout))
    write_report(found, options.out)


if __name__ == "__main__":
    main()
