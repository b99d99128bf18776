"""The second study: treatment regimes over sets of drugs, learned from a registry of stages."""

from core.registry.cohort.courses import state_rewards
from core.registry.cohort.decisions import DecisionData, StateEncoder, decision_points
from core.registry.cohort.drugs import NO_DRUG, Combinations, prescription
from core.registry.cohort.load import check_registry, load_registry, make_registry, save_registry
from core.registry.cohort.table import RegistryCohort
from core.registry.simulate import (
    DecisionState,
    Policy,
    RegistryTruth,
    RegistryValue,
    draw_combinations,
    registry_truth,
    simulate_registry,
)
from core.registry.spec import Decision, Feature, Indicator, RegistrySpec, Stage, load_registry_spec

__all__ = [
    "NO_DRUG",
    "Combinations",
    "Decision",
    "DecisionData",
    "DecisionState",
    "Feature",
    "Indicator",
    "Policy",
    "RegistryCohort",
    "RegistrySpec",
    "RegistryTruth",
    "RegistryValue",
    "Stage",
    "StateEncoder",
    "check_registry",
    "decision_points",
    "draw_combinations",
    "load_registry",
    "load_registry_spec",
    "make_registry",
    "prescription",
    "registry_truth",
    "save_registry",
    "simulate_registry",
    "state_rewards",
]
