"""A policy as one object: a name is parsed once, and the same object acts on recorded steps and in simulated stays.

What is said of a policy's doses, beside those given and against rules, stands with it: arrays only, no run.
"""

from core.policies.key import MODES, PolicyKey, Version
from core.policies.policy import DialedPolicy, NamedPolicy, Policy
from core.policies.situation import Situation

__all__ = ["MODES", "DialedPolicy", "NamedPolicy", "Policy", "PolicyKey", "Situation", "Version"]
