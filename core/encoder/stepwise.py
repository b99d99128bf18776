"""z of stays that are still under way: each step is read once, when it comes."""

from __future__ import annotations

import numpy as np
import torch

from core.encoder.encoder import Encoder
from core.encoder.layers import RunningAverage
from core.encoder.model import Memory


class StepwiseReader:
    """z of the steps so far, as `Encoder.encode_prefixes` gives it, at the cost of one step each time.

    Encoding whole prefixes again at every step would read a stay of T steps T times.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.steps = encoder, 0
        self._average = RunningAverage()
        self._memory: Memory = None

    def read(self, states: np.ndarray, actions: np.ndarray | None) -> np.ndarray:
        """Read one more step of n stays; z (n, H) float32.

        states (n, D) scaled. actions (n,): those given at this step where the encoder sees the current action, else
        those of the step before (None: there is none).
        """
        model, study, device = self.encoder.model, self.encoder.study, self.encoder.config.device
        row = torch.as_tensor(np.ascontiguousarray(states, dtype=np.float32), device=device)
        given = torch.zeros(len(row), study.n_actions, device=device)
        if actions is not None:
            given[torch.arange(len(row)), torch.as_tensor(np.ascontiguousarray(actions))] = 1
        with torch.inference_mode():
            static, temporal = row[:, : study.n_static], row[:, study.n_static :]
            values, scores, self._memory = model.evidence_at(self.steps, static, temporal, given, self._memory)
            pooled = self._average.add(values, scores, torch.ones_like(scores, dtype=torch.bool))
            self.steps += 1
            return model.head(pooled).cpu().numpy()
