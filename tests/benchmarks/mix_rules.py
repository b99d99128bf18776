"""Dosing rules of the mix's lab: what each would give, by charted state or, for oracles, by the hidden phenotype."""

from __future__ import annotations

import numpy as np

from core.evaluation.policies import epsilon_soft, random_policy
from core.experiments.estimator_policies import EPSILON, RIGHT, WRONG
from core.study import load_study

_STUDY = load_study()
RULES = (  # rule, how far of the way from the clinicians to it
    *(("oracle", 0.25), ("oracle", 0.5), ("harm", 0.25), ("harm", 0.5), ("random", 0.25), ("random", 0.5)),
    *(("sofa 7", 0.25), ("sofa 7", 0.5), ("shock", 0.25), ("shock", 0.5), ("calm", 0.25), ("calm", 0.5)),
    *(("calm", 1.0), ("none", 0.5), ("none", 1.0), ("one", 0.25), ("one", 0.5), ("high", 0.25)),
    *(("platelets", 0.25), ("platelets", 0.5)),
)


def rule_doses(name: str, states: np.ndarray, phenotype: np.ndarray) -> np.ndarray:
    """(n, A) probabilities of a rule, mostly on one dose. states (n, D) physical, phenotype (n,)."""
    if name == "random":
        return random_policy((len(states),), _STUDY.n_actions)
    return epsilon_soft(np.eye(_STUDY.n_actions)[_dose(name, states, phenotype)], EPSILON)


def _dose(name: str, states: np.ndarray, phenotype: np.ndarray) -> np.ndarray:
    wanted = ("SOFA", "Platelets", "Lactate", "PTT", "MBP")
    sofa, platelets, lactate, ptt, mbp = (states[:, _STUDY.index(column)] for column in wanted)
    everyone = np.ones(len(states), dtype=np.int64)
    doses = {
        "oracle": np.array(RIGHT)[phenotype],
        "harm": np.array(WRONG)[phenotype],
        "sofa 7": 2 * (sofa >= 7),
        "shock": 2 * ((mbp < 70) | (lactate > 2.5)),
        "calm": (ptt < 40) & (platelets > 80),
        "none": 0 * everyone,
        "one": everyone,
        "high": 4 * (sofa >= 6),
        "platelets": 3 * (platelets < 100),
    }
    return doses[name].astype(np.int64)
