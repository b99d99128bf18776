"""The simulated worlds as Gymnasium environments, and simulators from elsewhere as cohorts with truth."""

from core.environments.adapter import Adapter, collect, mean_return
from core.environments.heparin import WORLDS, HeparinEnv, make_heparin, register_worlds
from core.environments.icu_sepsis import IcuSepsis

__all__ = [
    "WORLDS",
    "Adapter",
    "HeparinEnv",
    "IcuSepsis",
    "collect",
    "make_heparin",
    "mean_return",
    "register_worlds",
]
