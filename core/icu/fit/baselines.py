"""Policies that a run's own are held against, each trained on all training patients.

The network agents of the catalog ("dqn" ... "behavior-cloning"), the softmax of the run's Q* ("rf-fqi", no training of
its own), of Q* by gradient boosting ("xgb-fqi", or "gb-fqi" where xgboost is not installed), and the ablation
"no-encoder": phenotypes by KMeans on mean states, with agents of their own, fused.
Stored in baselines/, see `core.icu.baselines`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from core.agents.catalog import CATALOG
from core.base.files import write_array, write_arrays, write_json
from core.base.rng import derive_seed
from core.base.types import Progress
from core.icu.baselines import FOLDER, MEANS, NAMES, SCHEMA_VERSION, WITHOUT_XGBOOST, MeanPhenotypes, stored_q
from core.icu.fit.values import load_critic
from core.icu.view import RunView
from core.policies.key import BOOSTED, FOREST, NO_ENCODER
from core.trajectories import Trajectories, Transitions, make_transitions, padded

if TYPE_CHECKING:
    from core.agents import AgentConfig, AgentStack

Training = Generator[Progress, None, "AgentStack"]
Result = TypeVar("Result")


def fit_mean_phenotypes(stays: Trajectories, n_clusters: int, seed: int, n_init: int) -> MeanPhenotypes:
    """KMeans on the mean states of these patients."""
    from core.phenotypes.profiles import patient_means
    from core.phenotypes.stability import kmeans

    means = patient_means(stays.states, stays.mask)
    center, spread = means.mean(axis=0), means.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    _, centroids = kmeans((means - center) / spread, n_clusters, derive_seed(seed, FOLDER, "kmeans"), n_init)
    return MeanPhenotypes(center, spread, centroids)


def train_baselines(view: RunView) -> Iterator[Progress]:
    """Train all that the settings ask for but the ablation, and write baselines/; the list of all comes last."""
    from core.agents.boosting import xgboost_installed

    boosted = BOOSTED if xgboost_installed() else WITHOUT_XGBOOST
    chosen = [boosted if name == BOOSTED else name for name in view.config.baselines.chosen]
    names = [name for name in chosen if name != FOREST or not view.config.fqi.boosted]  # else its Q* is no forest
    trained = [name for name in names if name not in (FOREST, NO_ENCODER)]
    transitions = make_transitions(view.trajectories, view.split.train)
    for done, name in enumerate(trained):
        if name == boosted:
            yield from _as_part(_boosted(view, name, transitions), name, done, len(trained))
            continue
        agents = yield from _as_part(_network(view, name, transitions), name, done, len(trained))
        agents.save(view.path / FOLDER / name)
        write_array(stored_q(view.path, name), agents.q_values(view.trajectories.states)[0])
    write_json(view.path / NAMES, {"schema_version": SCHEMA_VERSION, "names": names})
    yield Progress(FOLDER, 1, 1, f"{len(names)} policies to compare with")


def train_without_encoder(view: RunView) -> Iterator[Progress]:
    """Train the ablation without encoder where the settings ask for it: one agent for each phenotype of mean states,
    trained as the run's own agents are."""
    if NO_ENCODER in view.config.baselines.chosen:
        training = _without_encoder(view, make_transitions(view.trajectories, view.split.train))
        agents = yield from _as_part(training, NO_ENCODER, 0, 1)
        agents.save(view.path / FOLDER / NO_ENCODER)
        q = agents.q_values(view.trajectories.states)
        write_array(stored_q(view.path, NO_ENCODER), np.ascontiguousarray(np.moveaxis(q, 0, -2)))
    yield Progress("ablation", 1, 1, "Phenotypes of mean states")


def not_indicated(view: RunView, transitions: Transitions) -> np.ndarray | None:
    """(n,) True where the study's drug is not indicated in the next state, in physical units; None: no such rule."""
    rule, mask = view.study.indication, view.trajectories.mask
    if rule is None:
        return None
    grid = padded(view.cohort.states[:, view.study.index(rule.column)].astype(float), mask, np.inf)
    return np.asarray(grid[transitions.patient, transitions.next_step] < rule.at_least)


def _network(view: RunView, name: str, transitions: Transitions) -> Training:
    """One agent for all; every rule starts from the same weights and sees the transitions in the same order."""
    settings = view.config.baselines
    changes = {"algorithm": name.replace("-", "_"), "epochs": settings.epochs, "batch_size": settings.batch_size}
    everybody = [np.arange(len(transitions))]
    return _train(view, view.config.agents.model_copy(update=changes), transitions, everybody, ["all"])


def _without_encoder(view: RunView, transitions: Transitions) -> Training:
    data, config, k = view.trajectories, view.config.phenotypes, view.n_clusters
    phenotypes = fit_mean_phenotypes(data.subset(view.split.train), k, config.seed, config.n_init)
    write_arrays(view.path / MEANS, **asdict(phenotypes))
    labels = phenotypes.distances(data.states, data.mask, "retrospective")[:, 0].argmin(axis=-1)
    members = [np.flatnonzero(labels[transitions.patient] == index) for index in range(k)]
    return _train(view, view.config.agents, transitions, members, [f"means/{index}" for index in range(k)])


def _train(
    view: RunView, config: AgentConfig, transitions: Transitions, members: list[np.ndarray], keys: list[str]
) -> Training:
    from core.agents import train_agents

    return train_agents(
        config,
        transitions,
        members,
        n_actions=view.study.n_actions,
        columns=view.study.names,
        keys=keys,
        unindicated=not_indicated(view, transitions),
    )


def _boosted(view: RunView, name: str, transitions: Transitions) -> Generator[Progress, None, None]:
    """Fitted Q iteration by gradient boosting."""
    from core.agents import FittedQIteration, FQIConfig

    settings, agents = view.config.baselines, view.config.agents
    config = FQIConfig(
        method="refit",
        estimator="xgboost" if name == BOOSTED else "gradient_boosting",
        layout=settings.boosting_layout,
        n_trees=settings.boosting_rounds,
        max_depth=settings.boosting_depth,
        iterations=settings.boosting_iterations,
        gamma=agents.gamma,
        seed=agents.seed,
    )
    fit = FittedQIteration(config, view.study.n_actions, view.study.names)
    yield from fit.fit(transitions)
    fit.save(view.path / FOLDER / f"{name}.npz")
    write_array(stored_q(view.path, name), fit.q_values(view.trajectories.states))


def _as_part(
    training: Generator[Progress, None, Result], name: str, done: int, total: int
) -> Generator[Progress, None, Result]:
    """Progress of one training within the stage."""
    while True:
        try:
            step = next(training)
        except StopIteration as end:
            result: Result = end.value
            return result
        part = round(1000 * (done + step.fraction) / total)
        yield Progress(FOLDER, part, 1000, f"{name} ({done + 1} of {total})", step.metrics)


def baseline_values(view: RunView, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """A baseline's Q at any scaled states: (..., D) -> (..., A), or (..., K, A) for the ablation without encoder."""
    if name in (FOREST, BOOSTED, WITHOUT_XGBOOST):
        return load_critic(view.path / ("fqi.npz" if name == FOREST else f"{FOLDER}/{name}.npz")).q_values
    from core.agents import load_agents

    agents = load_agents(view.path / FOLDER / name, view.study.names, view.study.n_actions)
    return lambda states: (
        np.moveaxis(agents.q_values(states), 0, -2) if name == NO_ENCODER else agents.q_values(states)[0]
    )


def baseline_action_values(view: RunView, name: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """What a baseline's own Q says of each action at any scaled states, (..., D) -> (..., A), whatever its policy is
    made from; None for one that learns no values."""
    if name in (FOREST, BOOSTED, WITHOUT_XGBOOST):
        return baseline_values(view, name)
    if CATALOG[name.replace("-", "_")].bootstrap is None:
        return None
    from core.agents import load_agents

    agents = load_agents(view.path / FOLDER / name, view.study.names, view.study.n_actions)
    return lambda states: agents.action_values(states)[0]
