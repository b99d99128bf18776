"""Is one policy better than another? Paired differences on the same resamples of patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.base.types import Estimate
from core.evaluation.resampling import percentile_interval


def differences(values: Sequence[float], draws: np.ndarray, n: int, reference: int = 0) -> list[Estimate]:
    """Each policy's value minus the reference policy's, with the 95 % interval of the paired difference.

    values (P,) estimates; draws (B, P) as from `weighted_draws`, every policy on the same resamples, so
    that what patients share cancels; n patients. The reference's own entry is 0. ValueError where sizes differ.
    """
    point, resampled = np.asarray(values, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    if resampled.ndim != 2 or resampled.shape[1] != len(point):
        raise ValueError(f"draws must be (B, P) with P = {len(point)} policies, got {resampled.shape}")
    gap = point - point[reference]
    low, high = percentile_interval(resampled - resampled[:, [reference]])
    return [Estimate(float(gap[p]), float(low[p]), float(high[p]), n) for p in range(len(point))]
