"""The transplant worlds on the leaderboard: rules on sets of drugs, judged as policies of sets from elsewhere are.

Each rule leaves a fifth of its choices to five sets that are usual, so that some recorded course follows it. There is
no learned policy among them, and no fitted Q evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from core.bring import Asked, JudgeConfig, Judgment, bring_sets
from core.bring.sets_bench import judge_sets_on, make_set_bench
from core.cohort.simulate.named import SPREAD
from core.registry.cohort.drugs import NO_DRUG
from core.registry.simulate.generate import simulate_world
from core.registry.simulate.world import WORLDS
from core.registry.spec import load_registry_spec

STEROIDS = "systemic corticosteroids"
USUAL = (NO_DRUG, STEROIDS, *(f"{STEROIDS} + {drug}" for drug in ("tacrolimus", "cyclosporine", "MMF")))
Answer = Callable[[str, pd.DataFrame], pd.DataFrame]


def _rule(ill: str, well: str = NO_DRUG) -> Answer:
    """Mostly one set for those who have what the decision treats, another for the others."""

    def answer(decision: str, states: pd.DataFrame) -> pd.DataFrame:
        has = states[load_registry_spec().decision(decision).treats].to_numpy(bool)
        chosen = np.where(has, USUAL.index(ill), USUAL.index(well))
        probs = np.eye(len(USUAL))[chosen] * (1 - SPREAD) + SPREAD / len(USUAL)
        return pd.DataFrame(probs, columns=list(USUAL))

    return answer


SET_RULES: dict[str, Answer] = {
    "untreated": _rule(NO_DRUG),
    "steroids-alone": _rule(STEROIDS),
    "steroids-tacrolimus": _rule(USUAL[2]),
    "steroids-for-all": _rule(STEROIDS, STEROIDS),
}


def judged_sets(world: str, patients: int, config: JudgeConfig, names: Sequence[str]) -> Iterator[Judgment]:
    """These rules on a registry of one of `WORLDS`."""
    cohort, _ = simulate_world(patients, config.seed, WORLDS[world])
    asked = Asked.of_cohort(cohort)
    bench = make_set_bench(asked, config)
    for name in names:
        yield judge_sets_on(bench, bring_sets(SET_RULES[name], asked, name))
