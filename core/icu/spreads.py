"""The unit in which a run's policies take their temperature, so that no policy vanishes where Q is flat.

    pi(a|s) = softmax_a Q(s, a) / (temperature * spread),   spread: of an agent's advantages over its training states

One rule for all that learn values (agents of phenotypes, networks for all patients, forests); a rule that learns its
policy itself has no temperature. With `agents.softmax = "fixed"`, the published recipe, every spread is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.agents.keys import agent_key
from core.agents.policy import advantage_spread
from core.base.errors import ArtifactError
from core.base.files import read_json
from core.icu.baselines import FOLDER, WITHOUT_XGBOOST
from core.policies.key import BOOSTED, FOREST, NO_ENCODER

FIXED = "fixed"  # `agents.softmax` as published


def expert_spreads(run: Path, softmax: str, n_clusters: int) -> np.ndarray:
    """(K, 1) of the agent of each phenotype of a run folder, over the stays that trained it."""
    if softmax == FIXED:
        return np.ones((n_clusters, 1))
    return _stored(run / "agents", [agent_key(n_clusters, index) for index in range(n_clusters)])


def baseline_spread(run: Path, softmax: str, name: str, training_q: Callable[[], np.ndarray]) -> float | np.ndarray:
    """Of a baseline; of each agent (K, 1) of the ablation without encoder. training_q: Q (n, A) of a forest."""
    if softmax == FIXED:
        return 1.0
    if name in (FOREST, BOOSTED, WITHOUT_XGBOOST):
        return advantage_spread(training_q())
    spreads = _stored(run / FOLDER / name)
    return spreads if name == NO_ENCODER else float(spreads[0, 0])


def _stored(folder: Path, keys: Sequence[str] | None = None) -> np.ndarray:
    """(n, 1) of agents by their keys (None: all), read without torch."""
    held = read_json(folder / "agents.json")
    known = dict(zip(held["keys"], held.get("spreads", ()), strict=False))
    wanted = held["keys"] if keys is None else keys
    if not set(wanted) <= set(known):
        raise ArtifactError(f"{folder} does not say how far its agents' values spread; train the run again.")
    return np.array([[known[key]] for key in wanted])
