"""Did a registry's models learn? Each against what was recorded of test patients, with a light (see
`core.evaluation.learned`).

experts    a screening network should find what experts gave likelier than the shares in which it was given do
Q          a Q-network should say of what was given, and of what follows it, the same: on average Q(s, a) should be
           r + gamma V(s'), as it was trained to be, on patients who did not train it
rewards    a model of rewards should err less than the mean reward of those whom it learned from
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pandas as pd

from core.base.statistics import Z95
from core.evaluation.learned import Light, chance_light, error_light, value_light
from core.registry.ask.moves import moves_of
from core.registry.ask.tables import learned
from core.registry.fit.evaluate import predicted_rewards
from core.registry.view import RegistryView

EXPERTS, Q, FOREST, REWARDS = "experts' choices", "Q-network", "forest", "reward network"
COLUMNS = ("decision", *Light.__dataclass_fields__)


def learned_table(view: RegistryView) -> pd.DataFrame:
    """One row a model: decision, then the fields of `Light`; without rows where there are no test patients."""
    rows = [{"decision": name, **asdict(light)} for name in view.decisions for light in _lights(view, name)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _lights(view: RegistryView, decision: str) -> Iterator[Light]:
    data, catalog = view.points[decision], view.catalogs[decision]
    actions = catalog.encode(data.drugs)
    here, taught = data.of(view.split.test) & (actions >= 0), data.of(learned(view))
    if not here.any():
        return
    x = view.inputs[decision].transform(data.states[here], data.stage[here])
    shares = np.bincount(actions[taught], minlength=len(catalog)) + 1.0
    probs = view.screening(decision).probs(x)
    yield chance_light(EXPERTS, probs, actions[here], shares / shares.sum(), len(np.unique(data.patient[here])))
    known = here & data.followed
    if decision not in view.treatments or not known.any():
        return
    n = len(np.unique(data.patient[known]))
    yield _bellman(view, decision, known, n)
    mean, recorded = float(data.rewards[taught & data.followed].mean()), data.rewards[known]
    x = x[data.followed[here]]
    predictions = {
        FOREST: view.models(decision).forest.predict(x, catalog.matrix),
        REWARDS: predicted_rewards(view.reward_model(decision), x, catalog.matrix),
    }
    for name, table in predictions.items():
        yield error_light(name, table[np.arange(len(table)), actions[known]], recorded, mean, n)


def _bellman(view: RegistryView, decision: str, known: np.ndarray, n: int) -> Light:
    """Q of what was given beside r + gamma V(s'); patients are the units of its interval."""
    data = view.points[decision]
    network, moves = view.q_network(decision), moves_of(view, decision, known)
    own = network.predict(moves.states)[np.arange(len(moves)), moves.actions].astype(np.float64)
    ahead = network.predict(moves.next_states)
    best = (ahead if moves.allowed is None else np.where(moves.allowed, ahead, -np.inf)).max(axis=1)
    value = np.clip(best, *moves.bounds.T)
    target = moves.rewards + view.spec.gamma * value * ~moves.terminals
    apart = target - own
    total = np.bincount(np.unique(data.patient[known], return_inverse=True)[1], weights=apart - apart.mean())
    half = Z95 * float(np.sqrt((total**2).sum())) / len(apart) if n > 1 else np.nan
    low, high = target.mean() - half, target.mean() + half
    return value_light(Q, float(own.mean()), low, high, float(target.std()), n, "what follows")
