"""What is known of simulated stays when a dose is chosen, and who chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class History:
    """What a policy may see when it acts: n patients up to the current step t.

    states (n, t + 1, D) physical units; actions (n, t) so far; active (n,) still in the stay (of the others the last
    charted row is repeated, and what the policy says of them is ignored). `phenotype` (n,) is the hidden truth: only
    an oracle may read it.
    """

    states: np.ndarray
    actions: np.ndarray
    active: np.ndarray
    phenotype: np.ndarray

    def __len__(self) -> int:
        return len(self.states)

    @property
    def step(self) -> int:
        """The current step t."""
        return int(self.states.shape[1] - 1)

    @property
    def state(self) -> np.ndarray:
        """(n, D) current charted state."""
        return self.states[:, -1]


Policy = Callable[[History], np.ndarray]
