"""One split of the study, step by step: what the published scripts do for one split, by this project's engine.

File -> tensors -> encoder -> representations -> phenotypes -> map -> agents -> Q* -> clinician policy -> values. Each
step is a function of its inputs; the stage cases time them one by one, and `one_split` calls them in order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.agents import AgentStack, FittedQIteration, action_probs, train_agents
from core.base.types import OPEResult
from core.cohort import Cohort, Split
from core.encoder import Encoder, EncoderConfig, load_encoder, train_encoder
from core.evaluation import (
    BehaviorPolicy,
    Critic,
    knn_behavior_policy,
    propensities,
    random_policy,
    state_values,
    weighted_many,
    zero_drug_policy,
)
from core.evaluation import Recorded as Weighable
from core.fusion import fuse, fusion_weights
from core.phenotypes import PhenotypeConfig, Phenotypes, fit_phenotypes, project, save_phenotypes
from core.study import StudySpec
from core.trajectories import Trajectories, Transitions, fit_scaler, make_trajectories, make_transitions, padded
from tests.benchmarks import workspace as ws


@dataclass(frozen=True, eq=False)
class Tensors:
    """A cohort as the engine works on it."""

    cohort: Cohort
    split: Split
    data: Trajectories
    transitions: Transitions


@dataclass(frozen=True, eq=False)
class Recorded:
    """Test patients and what policies are valued from: arrays of n stays."""

    data: Trajectories
    behavior: np.ndarray  # (n, T, A)
    critic: np.ndarray  # Q* (n, T, A)


def read(path: Path) -> Tensors:
    """File to tensors and transitions of the training patients."""
    cohort, split = ws.read_cohort(path)
    data = make_trajectories(cohort, fit_scaler(cohort, split.train))
    return Tensors(cohort, split, data, make_transitions(data, split.train))


def encode(config: EncoderConfig, data: Trajectories, split: Split) -> Encoder:
    """The encoder of the best epoch, trained to the end of the recipe; its `history` says what it reached."""
    with tempfile.TemporaryDirectory() as folder:
        finish(train_encoder(config, data.subset(split.train), data.subset(split.valid), folder))
        return load_encoder(folder, data.study)


def cluster(z: np.ndarray, split: Split, lengths: np.ndarray, config: PhenotypeConfig) -> Phenotypes:
    """KMeans and all indices, K = 2..9, of the training patients."""
    return fit_phenotypes(z[split.train], config, lengths[split.train])


def train(transitions: Transitions, labels: Mapping[int, np.ndarray], study: StudySpec) -> AgentStack:
    """One agent for each phenotype of each K; labels[K] (N,)."""
    keys = [(k, index) for k in labels for index in range(k)]
    memberships = [np.flatnonzero(labels[k][transitions.patient] == index) for k, index in keys]
    names = [f"K{k}/{index}" for k, index in keys]
    return finish(train_agents(ws.agent_config(), transitions, memberships, n_actions=study.n_actions, keys=names))


def optimal(transitions: Transitions, study: StudySpec, size: ws.Size) -> FittedQIteration:
    """Q* by fitted Q iteration."""
    fit = FittedQIteration(ws.fqi_config(size), study.n_actions)
    finish(fit.fit(transitions))
    return fit


def clinicians(transitions: Transitions, data: Trajectories) -> BehaviorPolicy:
    """The clinician policy at every state of the given stays, from the training patients' transitions."""
    weights = np.array([column.behavior_weight for column in data.study.columns])
    states, n_actions = data.states[data.mask], data.study.n_actions
    return knn_behavior_policy(transitions.states, transitions.actions, states, n_actions, weights=weights)


def policies(distances: np.ndarray, agent_q: np.ndarray, behavior: np.ndarray) -> np.ndarray:
    """All policies of one K, (P, n, T, A): the simple ones, the phenotypes', and fused by 50 lambdas and by none."""
    experts = action_probs(agent_q, 1.0)
    shape = behavior.shape
    simple = [behavior, random_policy(shape[:-1], shape[-1]), zero_drug_policy(shape[:-1], shape[-1])]
    fused = [fuse(fusion_weights(distances, value), experts) for value in (*ws.LAMBDAS, np.inf)]
    return np.stack([*simple, *np.moveaxis(experts, -2, 0), *fused]).astype(np.float32)


def values(
    recorded: Recorded, distances: np.ndarray, agent_q: np.ndarray, n_bootstrap: int
) -> dict[str, list[OPEResult]]:
    """PHWIS and PHWDR, with effective sample size and interval, of all policies of one K."""
    data, given = recorded.data, propensities(recorded.behavior, recorded.data.actions)
    probs = policies(distances, agent_q, recorded.behavior)
    chosen = np.stack([propensities(policy, data.actions) for policy in probs])
    q_taken = propensities(recorded.critic, data.actions)
    v = np.stack([state_values(policy, recorded.critic) for policy in probs])
    what = Weighable(data.rewards, data.transition_mask, given, ws.GAMMA), chosen
    return {
        "phwis": weighted_many("phwis", *what, None, n_bootstrap),
        "phwdr": weighted_many("phwdr", *what, Critic(q_taken, v), n_bootstrap),
    }


def one_split(work: ws.Workspace, store: bool = False) -> dict[str, list[OPEResult]]:
    """All steps from the Parquet file to the values of every policy; `store` keeps what the cases start from."""
    tensors = read(work.parquet)
    data, split, study = tensors.data, tensors.split, tensors.data.study
    encoder = encode(ws.fast_encoder(work.size), data, split)
    z, z_prefix = encoder.encode(data), encoder.encode_prefixes(data)
    phenotypes = cluster(z, split, data.lengths, ws.phenotype_config())
    project(z, ws.phenotype_config())
    labels = {k: phenotypes.labels(z, k) for k in phenotypes.k_values}
    agents = train(tensors.transitions, labels, study)
    fqi = optimal(tensors.transitions, study, work.size)
    test = data.subset(split.test)
    behavior = padded(clinicians(tensors.transitions, test).action_probs, test.mask)
    critic = padded(fqi.q_values(test.states[test.mask]), test.mask)
    agent_q = {k: of_k(agents, k, test.states) for k in phenotypes.k_values}
    recorded = Recorded(test, behavior, critic)
    distances = phenotypes.distances(z_prefix[split.test], ws.K)
    result = values(recorded, distances, agent_q[ws.K], work.size.n_bootstrap)
    if store:
        save_phenotypes(phenotypes, work.phenotypes_folder)
        stacked = {f"agent_q_{k}": q for k, q in agent_q.items()}
        work.store(z=z, z_prefix_test=z_prefix[split.test], behavior=behavior, fqi_q=critic, **stacked)
    return result


def of_k(agents: AgentStack, k: int, states: np.ndarray) -> np.ndarray:
    """Q of the agents of one K, (n, T, D) -> (n, T, K, A)."""
    return np.moveaxis(agents.select([f"K{k}/{index}" for index in range(k)]).q_values(states), 0, -2)


def finish(steps: Iterable[object]) -> object:
    """Run a training to its end; what its generator returns."""
    iterator = iter(steps)
    while True:
        try:
            next(iterator)
        except StopIteration as end:
            return end.value
