"""The reward of one step, from the study's terms.

    r_t = sum_j C_j f_j(s_t, s_{t+1}) + terminal_coeff * outcome_{t+1}

or, where the study names a `reward_column`, what the file gives (see `core.trajectories.rewards_of`).


stagnation       f = [x' = x and x' > 0], x in physical units
difference       f = u' - u, u = x scaled to [-1, 1] over the training patients
tanh_difference  f = tanh(u' - u)
range            f = 2 sigmoid((x' - lo)/w) - 2 sigmoid((x' - hi)/w) - 1, w = (hi - lo)/10, x in physical units

A difference of scaled values is 2 (x' - x) / span, so only the column's span (max - min) is needed, which lets the
simulator's roll-outs and the recorded cohort share this one function. Source: He et al. 2025 (HOPAS), reward.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from core.study import StudySpec


def step_rewards(states: np.ndarray, next_states: np.ndarray, study: StudySpec, spans: np.ndarray) -> np.ndarray:
    """Rewards of steps that do not end the stay, without the terminal term.

    states, next_states: (..., D) in physical units; spans: (D,) max - min of each column over the training patients.
    Returns (...), float32.
    """
    total = np.zeros(states.shape[:-1], dtype=np.float64)
    for term in study.rewards:
        j = study.index(term.column)
        now, after = states[..., j].astype(np.float64), next_states[..., j].astype(np.float64)
        if term.kind == "stagnation":
            part = ((after == now) & (after > 0)).astype(np.float64)
        elif term.kind == "range":
            assert term.low is not None
            assert term.high is not None
            width = (term.high - term.low) / 10
            part = 2 * expit((after - term.low) / width) - 2 * expit((after - term.high) / width) - 1
        else:
            part = 2 * (after - now) / max(float(spans[j]), 1e-12)
            if term.kind == "tanh_difference":
                part = np.tanh(part)
        total += term.coefficient * part
    return total.astype(np.float32)
