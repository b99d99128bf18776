"""Cases of the stage table: one split of the published size, against the published scripts' time and our target."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from functools import partial

import numpy as np

from core.encoder import train_encoder
from core.evaluation import BehaviorPolicy
from core.phenotypes import Projection, project
from core.runs.manifest import read_manifest
from tests.benchmarks import split
from tests.benchmarks import workspace as ws
from tests.benchmarks.harness import SUITE, Task

STAGES = "stages"
PROOF_STATES = 200  # whose neighbors are searched again in double precision
MAP_SAMPLE = 5_000  # patients that trustworthiness is computed on


@SUITE.case("read", "File (Parquet) to tensors and transitions", STAGES, published=62, target=1.5, repeats=5)
def read_parquet(work: ws.Workspace) -> Task:
    return Task(partial(split.read, work.parquet), facts=_sizes)


@SUITE.case("read-csv", "The same from CSV", STAGES, target=1.5, repeats=5)
def read_csv(work: ws.Workspace) -> Task:
    return Task(partial(split.read, work.csv), facts=_sizes)


def _sizes(tensors: split.Tensors) -> dict[str, int]:
    return {
        "patients": tensors.data.n,
        "states": int(tensors.data.mask.sum()),
        "training_transitions": len(tensors.transitions),
    }


@SUITE.case(
    "encoder",
    "Encoder, to the published recipe's validation error",
    STAGES,
    published=505,
    target=40,
    repeats=1,
    warmup=0,
    note="the published model and loss with another batch size and learning rate",
)
def encoder(work: ws.Workspace) -> Task:
    """Timed to the first epoch whose validation error is the published recipe's or lower; the schedule goes on."""
    config, goal = ws.fast_encoder(work.size), ws.published_error(work.size)
    train, valid = (work.trajectories.subset(part) for part in (work.split.train, work.split.valid))

    def run() -> list[tuple[float, float]]:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            steps = train_encoder(config, train, valid, folder)
            return [(time.perf_counter() - start, step.metrics["valid_loss"]) for step in steps]

    def reached(epochs: list[tuple[float, float]]) -> int:
        """Epochs that it took; all of them where the error was not reached."""
        return next((i for i, (_, error) in enumerate(epochs, start=1) if error <= goal), len(epochs))

    def facts(epochs: list[tuple[float, float]]) -> dict[str, object]:
        return {
            **{name: getattr(config, name) for name in ws.RECIPE},
            "reached": any(error <= goal for _, error in epochs),
            "epochs_needed": reached(epochs),
            "validation_error": min(error for _, error in epochs),
            "published_error": goal,
            "whole_schedule_s": epochs[-1][0],
        }

    return Task(run, facts=facts, clock=lambda epochs: epochs[reached(epochs) - 1][0])


@SUITE.case("represent", "Representations of all stays and prefixes", STAGES, note="with the next line 14 s")
def represent(work: ws.Workspace) -> Task:
    from core.encoder import build_encoder

    model, data = build_encoder(ws.published_encoder(), work.study), work.trajectories
    return Task(lambda: (model.encode(data), model.encode_prefixes(data)))


@SUITE.case("phenotypes", "KMeans and all indices, K = 2..9", STAGES, published=14, target=1)
def phenotypes(work: ws.Workspace) -> Task:
    z, lengths = work.array("z"), work.trajectories.lengths
    return Task(partial(split.cluster, z, work.split, lengths, ws.phenotype_config()))


@SUITE.case("phenotypes-indices", "The same without resampling for stability", STAGES)
def phenotypes_indices(work: ws.Workspace) -> Task:
    """What the published scripts compute: their indices have no bootstrap."""
    z, lengths = work.array("z"), work.trajectories.lengths
    config = ws.phenotype_config().model_copy(update={"n_bootstrap": 0})
    return Task(partial(split.cluster, z, work.split, lengths, config))


@SUITE.case("map", "Map of the patients (UMAP)", STAGES, published=42, target=3, note="compiled beforehand")
def patient_map(work: ws.Workspace) -> Task:
    z, config = work.array("z"), ws.phenotype_config()

    def facts(found: Projection) -> dict[str, float]:
        return {"fitted_on": int(found.fitted.sum()), "trustworthiness": map_trust(z, found.umap)}

    return Task(partial(project, z, config), facts=facts)


def map_trust(z: np.ndarray, points: np.ndarray) -> float:
    """Trustworthiness (15 neighbors) of a map on a random sample of its patients, the same for every map."""
    from sklearn.manifold import trustworthiness

    rows = np.random.default_rng(0).permutation(len(z))[:MAP_SAMPLE]
    return float(trustworthiness(z[rows], points[rows], n_neighbors=min(15, len(rows) // 2 - 1)))


@SUITE.case(
    "agents",
    "Agents: every K in 2..9 (44 agents), 3 epochs, batch 32",
    STAGES,
    published=68,
    target=15,
    repeats=1,
    warmup=0,
    note="the published time is that of K = 3 alone",
)
def agents(work: ws.Workspace) -> Task:
    z, fitted = work.array("z"), work.phenotypes
    labels = {k: fitted.labels(z, k) for k in fitted.k_values}
    return Task(partial(split.train, work.transitions, labels, work.study), facts=lambda stack: {"agents": len(stack)})


@SUITE.case(
    "fqi",
    "Fitted Q iteration, to convergence (100 iterations at most)",
    STAGES,
    published=5030,
    target=8,
    note="published forest (80 trees, depth 6, joint) grown twice, each tree on 5,000 transitions, frozen in between",
)
def fqi(work: ws.Workspace) -> Task:
    run = partial(split.optimal, work.transitions, work.study, work.size)
    return Task(run, facts=lambda fit: {"iterations": len(fit.history)})


@SUITE.case("clinicians", "Clinician policy (kNN 300) at the test states", STAGES, published=7, target=3)
def clinicians(work: ws.Workspace) -> Task:
    transitions, test = work.transitions, work.trajectories.subset(work.split.test)

    def facts(policy: BehaviorPolicy) -> dict[str, float]:
        states = test.states[test.mask]
        rows = np.random.default_rng(0).permutation(len(states))[:PROOF_STATES]
        weights = np.array([column.behavior_weight for column in work.study.columns])
        bank, queries = transitions.states * weights, states[rows] * weights
        exact = np.stack([np.sort(np.square(bank - query).sum(axis=1))[: policy.n_neighbors] for query in queries])
        apart = np.abs(np.sqrt(exact).mean(axis=1) - policy.mean_distance[rows]).max()
        return {
            "states": len(states),
            "training_states": len(bank),
            "largest_error_of_mean_distance": float(apart),
        }

    return Task(partial(split.clinicians, transitions, test), facts=facts)


@SUITE.case(
    "values",
    "All policies of K = 3: PHWIS, PHWDR and ESS, 50 lambdas, 1,000 bootstrap samples",
    STAGES,
    target=5,
)
def values(work: ws.Workspace) -> Task:
    recorded, distances = recorded_of(work), work.phenotypes.distances(work.array("z_prefix_test"), ws.K)
    q, n_bootstrap = work.array(f"agent_q_{ws.K}"), work.size.n_bootstrap

    def facts(found: dict) -> dict[str, int]:
        return {"policies": len(found["phwis"]), "test_patients": found["phwis"][0].n}

    return Task(partial(split.values, recorded, distances, q, n_bootstrap), facts=facts)


@SUITE.case("values-every-k", "The same for every K in 2..9", STAGES, repeats=1, warmup=0)
def values_every_k(work: ws.Workspace) -> Task:
    recorded, z, n_bootstrap = recorded_of(work), work.array("z_prefix_test"), work.size.n_bootstrap
    fitted = work.phenotypes
    each = [(fitted.distances(z, k), work.array(f"agent_q_{k}")) for k in fitted.k_values]

    def run() -> int:
        return sum(len(split.values(recorded, *one, n_bootstrap)["phwis"]) for one in each)

    return Task(run, facts=lambda policies: {"policies": policies})


def recorded_of(work: ws.Workspace) -> split.Recorded:
    """Test patients, their clinicians' policy and Q*."""
    test = work.trajectories.subset(work.split.test)
    return split.Recorded(test, work.array("behavior"), work.array("fqi_q"))


@SUITE.case(
    "whole-split",
    "Whole split: file to the values of all policies of K = 3",
    STAGES,
    published=6000,
    target=60,
    repeats=1,
    warmup=0,
    note="one run in one process, without warm-up",
)
def whole_split(work: ws.Workspace) -> Task:
    return Task(partial(split.one_split, work), facts=lambda found: {"policies": len(found["phwis"])})


@SUITE.case("simulate", "Simulate the cohort, with its truth", STAGES)
def simulate(work: ws.Workspace) -> Task:
    from core.cohort.simulate import calibration_report, simulate_cohort

    run = partial(simulate_cohort, "mimic-iv", work.size.patients, ws.SEED)
    return Task(run, facts=lambda made: {"calibrated": calibration_report(*made).ok})


@SUITE.case(
    "standard-run",
    "A whole run as the app makes it: preset standard, all rivals, both critics, truth by roll-outs",
    STAGES,
    repeats=1,
    warmup=0,
)
def standard_run(work: ws.Workspace) -> Task:
    from core.cohort import simulate_cohort
    from core.icu.study import run_study

    cohort, _ = simulate_cohort("mimic-iv", work.size.patients, ws.SEED)
    preset = "standard" if work.size.name == "published" else "quick"

    def run() -> dict[str, float]:
        shutil.rmtree(work.run_folder, ignore_errors=True)
        split.finish(run_study(cohort, preset, work.run_folder))
        return {stage: record.seconds for stage, record in read_manifest(work.run_folder).stages.items()}

    return Task(run, facts=seconds_by_stage)


def seconds_by_stage(seconds: Mapping[str, float]) -> dict[str, str]:
    return {"stages": ", ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items())}
