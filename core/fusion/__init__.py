"""Fusion of policies: those of the phenotype agents by the distance to each phenotype, and any with the clinicians."""

from core.fusion.frontier import between, within_support
from core.fusion.weights import fuse, fusion_weights, relative_lambda, single_expert

__all__ = ["between", "fuse", "fusion_weights", "relative_lambda", "single_expert", "within_support"]
