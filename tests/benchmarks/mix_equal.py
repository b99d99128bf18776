"""Mixes that weigh their memories alike, as runs did until 2026-11-29 and as the method card does: what the lab holds
the mix of `core.evaluation.judging.mix` against.

    difference = mean_k D_k,    SE^2 = u SE(mean_k influence_k)^2 + f^2 sum_w (D_w - difference)^2 / (W - 1)

over the memories k that are averaged and the witnesses w, those of them that are heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.base.statistics import Z95
from core.evaluation.judging.mix import Judged, MixEstimate, Remembering, clustered_error
from core.evaluation.judging.terms import JudgedTerms

ALWAYS, FEWEST = (0, 1), 30.0


@dataclass(frozen=True)
class EqualMix:
    """spread: f; unseen: u; heard: effective stays that a memory longer than one action needs, or heard_share of the
    stays judged where that is less, but `FEWEST`; 0: none."""

    memories: tuple[int, ...]
    witnesses: tuple[int, ...]
    spread: float
    unseen: float = 1.0
    heard: float = 0.0
    heard_share: float = 0.0

    def judged(self, terms: JudgedTerms) -> list[Judged]:
        """Differences in the one reward of the terms, which stand for the values too: nobody reads those."""
        found = []
        for name, each in zip(terms.names, terms.found, strict=True):
            less = [
                Remembering(one.memory, one.value - usual.value, one.influence - usual.influence, one.ess)
                for one, usual in zip(each[0], terms.usual[0], strict=True)
            ]
            difference = self._mixed(less, terms.person)
            found.append(Judged(name, difference, difference, float(terms.returns[0].std())))
        return found

    def _mixed(self, found: Sequence[Remembering], person: np.ndarray) -> MixEstimate:
        enough = max(min(self.heard, self.heard_share * len(person)), min(self.heard, FEWEST))
        heard = [one for one in found if one.memory in ALWAYS or one.ess >= enough]
        averaged = [one for one in heard if one.memory in self.memories]
        value = float(np.mean([one.value for one in averaged]))
        away = np.array([one.value - value for one in heard if one.memory in self.witnesses])
        spread = self.spread * float(np.sqrt((away**2).sum() / (len(away) - 1)))
        noise = clustered_error(np.mean([one.influence for one in averaged], axis=0), person)
        se = float(np.hypot(self.unseen**0.5 * noise, spread))
        two = next(one.ess for one in found if one.memory == 2)
        return MixEstimate(value, value - Z95 * se, value + Z95 * se, len(person), se, spread, two, ())
