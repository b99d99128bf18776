"""Is the estimated clinician policy right when it says 10 %? Reliability of its probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.statistics import wilson


@dataclass(frozen=True, eq=False)
class Reliability:
    """Reliability of a behavior policy.

    curve: one row a non-empty bin with columns predicted (mean probability), observed (share in which the action was
    given), low, high (95 % Wilson interval), n; error: expected calibration error, sum_b n_b/n |observed - predicted|;
    log_loss: mean -log probability of the action given (infinite once that was 0).
    """

    curve: pd.DataFrame
    error: float
    log_loss: float


def reliability(
    action_probs: np.ndarray, actions: np.ndarray, action: int | None = None, n_bins: int = 10
) -> Reliability:
    """Compare predicted probabilities with what was given, in bins of equal counts.

    action_probs (n, A), actions (n,) int; action: one action, or None to pool all (each step then gives A pairs).
    Bins hold about equal numbers of predictions, since those of a rare drug crowd near 0. ValueError for n = 0 or
    shapes that do not fit.
    """
    probabilities, given = np.asarray(action_probs, dtype=np.float64), np.asarray(actions)
    if probabilities.ndim != 2 or given.shape != probabilities.shape[:1] or len(given) == 0:
        raise ValueError(f"need action_probs (n, A) and actions (n,), n > 0; got {probabilities.shape}, {given.shape}")
    happened = given[:, None] == np.arange(probabilities.shape[1])
    chosen = slice(None) if action is None else slice(action, action + 1)
    predicted, outcome = probabilities[:, chosen].ravel(), happened[:, chosen].ravel()
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, n_bins + 1)))
    bins = np.searchsorted(edges[1:-1], predicted, side="right")
    _, bins = np.unique(bins, return_inverse=True)
    n = np.bincount(bins)
    hits = np.bincount(bins, weights=outcome)
    mean = np.bincount(bins, weights=predicted) / n
    low, high = wilson(hits, n)
    curve = pd.DataFrame({"predicted": mean, "observed": hits / n, "low": low, "high": high, "n": n})
    with np.errstate(divide="ignore"):
        loss = float(-np.log(probabilities[np.arange(len(given)), given]).mean())
    return Reliability(curve, float((n / n.sum() * np.abs(hits / n - mean)).sum()), loss)
