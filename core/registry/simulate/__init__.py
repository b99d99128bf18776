"""A mechanistic simulator of a transplant registry with known propensities and policy values.

patients -> experts or any policy (regimens) -> effects of drugs -> course to the next stage ... follow-up
"""

from core.registry.simulate.generate import registry_truth, simulate_registry
from core.registry.simulate.rollout import DecisionState, Policy, draw_combinations
from core.registry.simulate.truth import RegistryTruth, RegistryValue

__all__ = [
    "DecisionState",
    "Policy",
    "RegistryTruth",
    "RegistryValue",
    "draw_combinations",
    "registry_truth",
    "simulate_registry",
]
