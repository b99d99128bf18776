"""Cases of the rival table: what a user would pick instead, in the same run and on the same data."""

from __future__ import annotations

from functools import partial

import numpy as np

from core.evaluation import propensities, state_values
from tests.benchmarks import split
from tests.benchmarks import workspace as ws
from tests.benchmarks.harness import SUITE, Task
from tests.benchmarks.stages import map_trust, recorded_of

RIVALS = "rivals"
SAMPLE = 50_000  # transitions of each refit, as published


@SUITE.case(
    "published-recipe",
    "Published recipe (batch 32, lr 5e-5, 50 epochs) in our encoder",
    RIVALS,
    against=("encoder",),
    unit="epoch",
    whole=50,
    repeats=1,
    warmup=0,
    note="one epoch measured, times 50",
)
def published_recipe(work: ws.Workspace) -> Task:
    config = ws.published_encoder().model_copy(update={"epochs": 1})
    return Task(partial(split.encode, config, work.trajectories, work.split))


@SUITE.case(
    "forest-refit",
    "scikit-learn's random forest refitted in each FQI iteration",
    RIVALS,
    against=("fqi",),
    unit="iteration",
    whole=lambda work: work.size.iterations,
    repeats=1,
    warmup=0,
    note="3 iterations measured, times 100",
)
def forest_refit(work: ws.Workspace) -> Task:
    from sklearn.ensemble import RandomForestRegressor

    t, n_actions, part = work.transitions, work.study.n_actions, work.size.part
    onehot = np.eye(n_actions, dtype=np.float32)

    def run() -> None:
        rng, forest = np.random.default_rng(0), None
        for _ in range(part):
            rows = rng.choice(len(t), min(SAMPLE, len(t)), replace=False)
            after, ahead = t.next_states[rows], np.zeros(len(rows))
            if forest is not None:
                tried = [np.hstack([after, np.tile(onehot[a], (len(rows), 1))]) for a in range(n_actions)]
                ahead = np.max([forest.predict(one) for one in tried], axis=0)
            target = t.rewards[rows] + ws.GAMMA * ahead * ~t.terminals[rows]
            forest = RandomForestRegressor(n_estimators=80, max_depth=6, n_jobs=-1, random_state=0)
            forest.fit(np.hstack([t.states[rows], onehot[t.actions[rows]]]), target)

    return Task(run, work=part)


@SUITE.case(
    "umap-default", "umap-learn with its defaults", RIVALS, against=("map",), repeats=1, note="compiled beforehand"
)
def umap_default(work: ws.Workspace) -> Task:
    from umap import UMAP

    z = work.array("z")
    return Task(lambda: UMAP().fit_transform(z), facts=lambda points: {"trustworthiness": map_trust(z, points)})


@SUITE.case(
    "sklearn-indices",
    "scikit-learn's KMeans, silhouette, Calinski-Harabasz and Davies-Bouldin for each K",
    RIVALS,
    against=("phenotypes-indices",),
    repeats=1,
)
def sklearn_indices(work: ws.Workspace) -> Task:
    from sklearn.cluster import KMeans
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    z, config = work.array("z")[work.split.train], ws.phenotype_config()

    def run() -> list[tuple[float, ...]]:
        found = []
        for k in range(config.k_min, config.k_max + 1):
            labels = KMeans(k, n_init=config.n_init, random_state=0).fit_predict(z)
            indices = silhouette_score, calinski_harabasz_score, davies_bouldin_score
            found.append(tuple(float(index(z, labels)) for index in indices))
        return found

    return Task(run)


@SUITE.case(
    "sklearn-neighbors",
    "scikit-learn's brute-force neighbors, shares of actions counted",
    RIVALS,
    against=("clinicians",),
    repeats=2,
)
def sklearn_neighbors(work: ws.Workspace) -> Task:
    from sklearn.neighbors import KNeighborsClassifier

    weights = np.array([column.behavior_weight for column in work.study.columns], dtype=np.float32)
    t, test = work.transitions, work.trajectories.subset(work.split.test)
    bank, queries, k = t.states * weights, test.states[test.mask] * weights, min(300, len(t))

    def run() -> np.ndarray:
        return KNeighborsClassifier(k, algorithm="brute", n_jobs=-1).fit(bank, t.actions).predict_proba(queries)

    return Task(run)


@SUITE.case(
    "loop-values",
    "PHWIS and PHWDR as a loop over patients and steps, each policy and resample",
    RIVALS,
    against=("values",),
    unit="policy and resample",
    whole=lambda work: (len(ws.LAMBDAS) + ws.K + 4) * (1 + work.size.n_bootstrap),
    repeats=3,
    warmup=0,
    note="one policy without resampling measured, times policies and resamples; fusing is left out",
)
def loop_values(work: ws.Workspace) -> Task:
    from tests.slow_twins.ope_twins import slow_phwdr, slow_phwis, stays_of

    recorded = recorded_of(work)
    data, critic = recorded.data, recorded.critic
    distances, agent_q = work.phenotypes.distances(work.array("z_prefix_test"), ws.K), work.array(f"agent_q_{ws.K}")
    policy = split.policies(distances, agent_q, recorded.behavior)[-2]
    chosen, given = propensities(policy, data.actions), propensities(recorded.behavior, data.actions)
    q_taken, v = propensities(critic, data.actions), state_values(policy, critic)

    def run() -> tuple[float, float]:
        stays = stays_of(data.rewards, data.transition_mask, chosen, given, q_taken, v)
        return slow_phwis(stays, ws.GAMMA), slow_phwdr(stays, ws.GAMMA)

    return Task(run)
