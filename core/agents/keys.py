"""How the agents of a run are named."""

from __future__ import annotations


def agent_key(n_clusters: int, phenotype: int) -> str:
    """ "K3/0": the agent of phenotype 0 among 3."""
    return f"K{n_clusters}/{phenotype}"
