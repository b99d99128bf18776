"""One judgment in many rewards: a value and a stay's influence on it are linear in the reward, so it is judged once.

    r = sum_j f_j r_j   =>   V_k = sum_j f_j V_kj,   influence_k = sum_j f_j influence_kj     for every memory k

Critics are least squares (`core.evaluation.judging.lstd`), and the weights of steps know actions alone. What is not
linear, the memories' weights and the standard error, is made anew from the sums. So judging a policy under
other weights of the reward costs a sum over J terms, and is exact; another discount is another judgment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.evaluation.judging.mix import Judged, MixSettings, Remembering, mix


@dataclass(frozen=True, eq=False)
class JudgedTerms:
    """Policies in each of J rewards. found: by policy, reward and memory, usual: of the clinicians; returns (J, n) of
    the judged stays, person (n,) their persons' numbers; teachers: as in `mix`."""

    names: tuple[str, ...]
    found: Sequence[Sequence[Sequence[Remembering]]]
    usual: Sequence[Sequence[Remembering]]
    returns: np.ndarray
    person: np.ndarray
    teachers: float
    settings: MixSettings

    def judged(self, factors: np.ndarray) -> list[Judged]:
        """Every policy in the reward sum_j factors_j r_j."""
        factors = np.asarray(factors, dtype=np.float64)
        if factors.shape != (len(self.returns),):
            raise ValueError(f"give one factor a reward, {(len(self.returns),)}, got {factors.shape}")
        usual, returns = _weighed(self.usual, factors), factors @ self.returns
        return [
            mix(name, _weighed(one, factors), usual, returns, self.person, self.teachers, self.settings)
            for name, one in zip(self.names, self.found, strict=True)
        ]


def _weighed(terms: Sequence[Sequence[Remembering]], factors: np.ndarray) -> list[Remembering]:
    """The sum over rewards of each memory."""
    by_memory = zip(*terms, strict=True)
    return [
        Remembering(
            of[0].memory,
            float(sum(f * one.value for f, one in zip(factors, of, strict=True))),
            factors @ np.stack([one.influence for one in of]),
            of[0].ess,
        )
        for of in by_memory
    ]
