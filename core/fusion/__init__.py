"""Fusion of the phenotype agents' policies by the patient's distance to each phenotype."""

from core.fusion.weights import fuse, fusion_weights, relative_lambda, single_expert

__all__ = ["fuse", "fusion_weights", "relative_lambda", "single_expert"]
