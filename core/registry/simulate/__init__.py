"""A mechanistic simulator of a transplant registry with known propensities and policy values, in chosen worlds.

patients -> experts or any policy (regimens) -> effects of drugs -> course to the next stage ... follow-up
"""

from core.registry.simulate.generate import registry_truth, simulate_registry
from core.registry.simulate.oracle import oracle_policy
from core.registry.simulate.report import calibration_report, expert_rank
from core.registry.simulate.rollout import DecisionState, Policy, draw_combinations
from core.registry.simulate.truth import RegistryTruth, RegistryValue
from core.registry.simulate.world import RegistryWorld

__all__ = [
    "DecisionState",
    "Policy",
    "RegistryTruth",
    "RegistryValue",
    "RegistryWorld",
    "calibration_report",
    "draw_combinations",
    "expert_rank",
    "oracle_policy",
    "registry_truth",
    "simulate_registry",
]
