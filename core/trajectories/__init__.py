"""Padded arrays, scaling, rewards and transitions of a cohort."""

from core.trajectories.arrays import (
    Trajectories,
    Transitions,
    make_trajectories,
    make_transitions,
    padded,
    reward_terms,
    rewards_of,
)
from core.trajectories.scaling import Scaler, fit_scaler

__all__ = [
    "Scaler",
    "Trajectories",
    "Transitions",
    "fit_scaler",
    "make_trajectories",
    "make_transitions",
    "padded",
    "reward_terms",
    "rewards_of",
]
