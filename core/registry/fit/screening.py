"""Screening: networks that predict which combination the expert will choose, and how far that can be believed.

    p(a|s) = softmax(f(s) / T)          f: inputs -> 16 -> 32 -> combinations, cross-entropy, Adam 1e-4

The temperature T makes the probabilities honest: it minimizes the log loss on the validation patients, and leaves the
order of the combinations as it is. Sources: Liu et al. 2019 (network and its rate); Guo et al. 2017 (temperature).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from core.base.types import Progress
from core.evaluation import reliability
from core.registry.config import ScreeningConfig
from core.registry.fit.intervals import ratio_of_sums
from core.registry.fit.layers import Layers

TEMPERATURES = (0.1, 10.0)  # bounds of T
LIKELY = 0.01  # least probability of the pairs that calibration is judged on


@dataclass(frozen=True, eq=False)
class Screening:
    """A fitted screening network of one decision and the temperature of its probabilities."""

    network: Layers
    temperature: float

    def probs(self, inputs: np.ndarray) -> np.ndarray:
        """Calibrated probability of each combination: (n, D) -> (n, A) float32, rows sum to 1."""
        return softmax(self.network.predict(inputs), self.temperature)


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """exp(x / T) / sum exp(x / T) over the last axis, float32."""
    return np.asarray(special.softmax(logits / temperature, axis=-1).astype(np.float32))


def train_screening(
    config: ScreeningConfig,
    inputs: np.ndarray,
    actions: np.ndarray,
    valid: np.ndarray,
    n_actions: int,
    *,
    name: str,
    seed: int,
) -> Generator[Progress, None, Screening]:
    """Fit one network on inputs (n, D), actions (n,); valid (n,) bool rows choose the epoch and the temperature."""
    from torch.nn import functional

    from core.base.rng import torch_stream
    from core.registry.fit.networks import fit_network, learned, new_network

    sizes = (inputs.shape[1], *config.hidden_sizes, n_actions)
    network = new_network(sizes, torch_stream(seed, "registry", "screening", name, "weights"))
    yield from fit_network(
        network,
        inputs,
        actions,
        functional.cross_entropy,
        valid=valid,
        lr=config.lr,
        epochs=config.epochs,
        batch_size=config.batch_size,
        patience=config.patience,
        seed=seed,
        name=f"screening {name}",
    )
    layers = learned(network)
    return Screening(layers, fit_temperature(layers.predict(inputs[valid]), actions[valid]))


def fit_temperature(logits: np.ndarray, actions: np.ndarray) -> float:
    """The T that minimizes the mean log loss of softmax(logits / T) at the actions; 1 without rows."""
    from scipy.optimize import minimize_scalar

    if len(actions) == 0:
        return 1.0
    chosen = logits[np.arange(len(actions)), actions].astype(np.float64)

    def loss(log_t: float) -> float:
        scale = np.exp(-log_t)
        return float((special.logsumexp(logits * scale, axis=1) - chosen * scale).mean())

    bounds = tuple(np.log(TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def ranks(probs: np.ndarray) -> np.ndarray:
    """(n, A) place of each combination by probability, 0 the likeliest; ties go to the lower action."""
    order = np.argsort(-probs, axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.broadcast_to(np.arange(probs.shape[1]), order.shape), axis=1)
    return places


def screened(probs: np.ndarray, n: int | None = None, threshold: float | None = None) -> np.ndarray:
    """(n, A) bool: combinations that may be recommended.

    Among the `n` likeliest and of probability at least `threshold` (None: no such condition); the likeliest one may
    always be recommended, so that something can.
    """
    places = ranks(probs)
    allowed = np.ones(probs.shape, dtype=bool)
    if n is not None:
        allowed &= places < n
    if threshold is not None:
        allowed &= probs >= threshold
    return np.asarray(allowed | (places == 0))


def top_n_hits(probs: np.ndarray, actions: np.ndarray, ns: Sequence[int]) -> np.ndarray:
    """(n, len(ns)) bool: the expert's choice is among the N likeliest; a choice not in the catalog (-1) never is."""
    places = ranks(probs)[np.arange(len(actions)), np.maximum(actions, 0)]
    places = np.where(actions < 0, probs.shape[1], places)
    return np.asarray(places[:, None] < np.asarray(ns))


def accuracy_table(
    probs: np.ndarray,
    actions: np.ndarray,
    patient: np.ndarray,
    stage: np.ndarray,
    ns: Sequence[int],
    n_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Top-N accuracy, one row a stage and N: stage, n, accuracy, low, high, decisions; intervals by patient."""
    hits = top_n_hits(probs, actions, ns)
    rows = []
    for at in np.unique(stage):
        here = stage == at
        found = ratio_of_sums(patient[here], hits[here], np.ones((int(here.sum()), 1)), n_bootstrap, seed)
        rows += [
            {
                "stage": int(at),
                "n": int(n),
                "accuracy": found.value[i],
                "low": found.low[i],
                "high": found.high[i],
                "decisions": int(here.sum()),
            }
            for i, n in enumerate(ns)
        ]
    return pd.DataFrame(rows, columns=["stage", "n", "accuracy", "low", "high", "decisions"])


def calibration_table(probs: np.ndarray, actions: np.ndarray, stage: np.ndarray) -> pd.DataFrame:
    """Are the probabilities right? stage (-1: all), predicted, observed, low, high, n, error, log_loss.

    Bins of equal counts over all pairs (decision, combination) that are given a probability of at least 1 %: the many
    that are not would fill every bin. error: expected calibration error over these pairs; log_loss: mean -log
    probability of the choice, over choices in the catalog (NaN where there are none).
    """
    tables = []
    for at in (-1, *np.unique(stage)):
        here = np.ones(len(stage), dtype=bool) if at < 0 else stage == at
        likely = probs[here] >= LIKELY
        if not likely.any():
            continue
        predicted = probs[here][likely]
        happened = (actions[here][:, None] == np.arange(probs.shape[1]))[likely]
        found = reliability(np.stack([1 - predicted, predicted], axis=1), happened.astype(np.int64), action=1)
        known = here & (actions >= 0)
        with np.errstate(divide="ignore"):
            losses = -np.log(probs[known, actions[known]])
        loss = float(losses.mean()) if known.any() else float("nan")
        tables.append(found.curve.assign(stage=int(at), error=found.error, log_loss=loss))
    columns = ["stage", "predicted", "observed", "low", "high", "n", "error", "log_loss"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
