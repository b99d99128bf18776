"""Normal scores: a monotone map of every column to a standard normal, fitted on training patients.

Laboratory values have long tails and drug doses pile up at 0: a difference of raw values says more about the tail than
about the patient. The score of a value is Phi^-1 of its rank among the training values, so it does not depend on the
unit or on any monotone transform of it, and no outlier dominates. Ties share the middle of their ranks.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

N_KNOTS = 201


class NormalScores(nn.Module):
    """Piecewise linear map between values and normal scores, given by `knots` (F, Q): quantiles of each column."""

    knots: Tensor

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.register_buffer("knots", torch.empty(n_columns, N_KNOTS))
        self.reset()

    def reset(self) -> None:
        """Knots for columns that are uniform on [-1, 1], until `fit` is called."""
        even = np.linspace(-1, 1, N_KNOTS, dtype=np.float32)  # on "meta", where weights are only to be filled, torch's
        self.knots.copy_(torch.from_numpy(even))  # own linspace would first read a library of symbolic algebra

    def fit(self, values: Tensor) -> None:
        """Take the knots from values (n, F) of the training patients."""
        middle = (torch.arange(N_KNOTS, device=values.device) + 0.5) / N_KNOTS
        ranked = values.sort(dim=0).values  # torch.quantile refuses more than 16 million values
        position = middle * (len(values) - 1)
        low = position.floor().long()
        high = (low + 1).clamp_max(len(values) - 1)
        share = (position - low)[:, None]
        self.knots = (ranked[low] * (1 - share) + ranked[high] * share).T.contiguous()

    def forward(self, values: Tensor) -> Tensor:
        """Scores of values (..., F), same shape; beyond the outer knots they stay at those of the knots."""
        columns = values.reshape(-1, values.shape[-1]).T.contiguous()  # (F, n)
        left = torch.searchsorted(self.knots, columns)
        right = torch.searchsorted(self.knots, columns, right=True)
        above, below = left.clamp_max(N_KNOTS - 1), (left - 1).clamp_min(0)
        low, high = self.knots.gather(1, below), self.knots.gather(1, above)
        between = below + ((columns - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
        position = torch.where(right > left, (left + right - 1) / 2, between).clamp(0, N_KNOTS - 1)
        scores: Tensor = torch.special.ndtri((position + 0.5) / N_KNOTS)
        return scores.T.reshape(values.shape)

    def inverse(self, scores: Tensor) -> Tensor:
        """Values of scores (..., F), same shape."""
        columns = scores.reshape(-1, scores.shape[-1]).T.contiguous()
        position = (torch.special.ndtr(columns) * N_KNOTS - 0.5).clamp(0, N_KNOTS - 1)
        below = position.floor().long()
        above = (below + 1).clamp_max(N_KNOTS - 1)
        low, high = self.knots.gather(1, below), self.knots.gather(1, above)
        values: Tensor = low + (position - below) * (high - low)
        return values.T.reshape(scores.shape)
