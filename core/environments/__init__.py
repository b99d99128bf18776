"""The simulated worlds as Gymnasium environments and data sets, and simulators from elsewhere as cohorts with truth."""

from core.environments.adapter import Adapter, collect, mean_return
from core.environments.catalog import NAMES, make_world, register_worlds, world_id
from core.environments.heparin import HeparinEnv
from core.environments.icu_sepsis import IcuSepsis
from core.environments.transplant import TransplantEnv

__all__ = [
    "NAMES",
    "Adapter",
    "HeparinEnv",
    "IcuSepsis",
    "TransplantEnv",
    "collect",
    "make_world",
    "mean_return",
    "register_worlds",
    "world_id",
]
