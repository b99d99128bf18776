"""The published comparisons: matched rewards, and rewards predicted by a separate network.

Matched means are confounded: patients whose recorded treatment happens to equal a recommendation differ from the
others, so their mean reward is no value of the policy. Off-policy estimates are in `core.registry.ask.ope`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import numpy as np
import pandas as pd

from core.base.statistics import Z95
from core.base.types import Progress
from core.registry.ask.compared import OBSERVED, TITLES
from core.registry.config import RewardModelConfig
from core.registry.fit.intervals import ratio_of_sums
from core.registry.fit.layers import Layers

BASELINE = "baseline"
ALL, ILL = "all", "ill"  # groups of decisions: all, and of patients with the disease that is treated
FEWEST_MATCHED = 10  # decisions behind a matched mean that is shown as an example
CONFOUNDED = (
    "Matched means are confounded: they compare different patients. Those who were given what a policy recommends "
    "were chosen for it by their physicians, so the mean of their rewards is not what the policy would earn."
)


def matched_rewards(
    patient: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    choices: Mapping[str, np.ndarray],
    n_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Mean reward of the decisions whose recorded combination is the one that a policy recommends.

    patient, actions, rewards (n,), rewards NaN where not followed (left out); choices: (n,) recommendation of each
    policy. All policies share the resamples of patients. Columns: policy, value, low, high (95 %, NaN where nothing
    matches), n_matched, n; the observed treatment matches itself throughout.
    """
    used = np.isfinite(rewards)
    names = [*choices, OBSERVED]
    agree = np.stack([actions[used] == choices[name][used] for name in choices] + [np.ones(used.sum(), bool)], axis=1)
    found = ratio_of_sums(patient[used], agree * rewards[used, None], agree, n_bootstrap, seed)
    return pd.DataFrame(
        {
            "policy": names,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "n_matched": agree.sum(axis=0),
            "n": int(used.sum()),
        }
    )


def train_reward_model(
    config: RewardModelConfig,
    inputs: np.ndarray,
    drugs: np.ndarray,
    rewards: np.ndarray,
    valid: np.ndarray,
    *,
    name: str,
    seed: int,
) -> Generator[Progress, None, Layers]:
    """Fit the network that predicts the reward of (state, drugs): inputs (n, D), drugs (n, n_drugs), rewards (n,)."""
    from torch.nn import functional

    from core.base.rng import torch_stream
    from core.registry.fit.networks import fit_network, learned, new_network

    rows = np.concatenate([inputs, drugs], axis=1).astype(np.float32)
    generator = torch_stream(seed, "registry", "reward", name, "weights")
    network = new_network((rows.shape[1], *config.hidden_sizes, 1), generator)
    yield from fit_network(
        network,
        rows,
        rewards[:, None].astype(np.float32),
        functional.mse_loss,
        valid=valid,
        lr=config.lr,
        epochs=config.epochs,
        batch_size=config.batch_size,
        patience=config.patience,
        seed=seed,
        name=f"reward {name}",
    )
    return learned(network)


def predicted_rewards(network: Layers, inputs: np.ndarray, drugs: np.ndarray) -> np.ndarray:
    """Predicted reward of each state under each combination: (n, D), (A, n_drugs) -> (n, A) float32."""
    given = drugs.astype(np.float32)
    out = np.empty((len(inputs), len(given)), dtype=np.float32)
    step = max(1, 200_000 // max(1, len(given)))
    for start in range(0, len(inputs), step):
        part = np.asarray(inputs[start : start + step], dtype=np.float32)
        rows = np.concatenate([np.repeat(part, len(given), axis=0), np.tile(given, (len(part), 1))], axis=1)
        out[start : start + step] = network.predict(rows).reshape(len(part), len(given))
    return out


def modeled_rewards(
    patient: np.ndarray,
    stage: np.ndarray,
    predicted: np.ndarray,
    choices: Mapping[str, np.ndarray],
    reference: str,
    n_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Mean predicted reward of each policy's choice by stage, and of all combinations but the reference policy's.

    patient, stage (n,), predicted (n, A), choices: (n,) by policy. Columns: stage (-1: all), policy, value, low, high,
    n. The interval resamples patients and takes the network as it is; its errors are not in it.
    """
    index = np.arange(len(predicted))
    values = {name: predicted[index, actions] for name, actions in choices.items()}
    others = max(predicted.shape[1] - 1, 1)
    values[BASELINE] = (predicted.sum(axis=1) - predicted[index, choices[reference]]) / others
    table = np.stack(list(values.values()), axis=1)
    rows = []
    for at in (-1, *np.unique(stage)):
        here = np.ones(len(stage), dtype=bool) if at < 0 else stage == at
        found = ratio_of_sums(patient[here], table[here], np.ones((int(here.sum()), 1)), n_bootstrap, seed)
        rows += [
            {
                "stage": int(at),
                "policy": name,
                "value": found.value[i],
                "low": found.low[i],
                "high": found.high[i],
                "n": int(here.sum()),
            }
            for i, name in enumerate(values)
        ]
    return pd.DataFrame(rows, columns=["stage", "policy", "value", "low", "high", "n"])


def confounding_text(table: pd.DataFrame) -> str:
    """The warning, with the policy whose matched mean lies farthest from the truth, in standard errors.

    table: rows of `matched_rewards` with decision, group, true_value and true_se; the observed treatment is no example,
    nor is a mean of fewer than 10 decisions, whose interval says little.
    """
    known = table[table["true_value"].notna() & (table["n_matched"] >= FEWEST_MATCHED) & (table["policy"] != OBSERVED)]
    if known.empty:
        return CONFOUNDED
    numbers = ("value", "low", "high", "true_value", "true_se")
    value, low, high, true, true_se = (known[name].to_numpy(np.float64) for name in numbers)
    error = np.maximum(np.hypot((high - low) / (2 * Z95), true_se), 1e-9)
    worst = known.iloc[int(np.abs((value - true) / error).argmax())].to_dict()
    side = "above" if worst["value"] > worst["true_value"] else "below"
    among = "patients with the disease" if worst["group"] == ILL else "all patients"
    interval = f"[{worst['low']:.3f}, {worst['high']:.3f}]"
    return (
        f"{CONFOUNDED} Example from the simulator: in {worst['decision']} treatment of {among}, "
        f"{TITLES[worst['policy']]} has a matched mean of {worst['value']:.3f} {interval} "
        f"over {int(worst['n_matched']):,} decisions; followed by everyone it earns {worst['true_value']:.3f} "
        f"(standard error {worst['true_se']:.3f}), so the matched mean lies {side} the truth."
    )
