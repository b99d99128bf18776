"""Agents: a policy per phenotype by deep Q-learning, and values by fitted Q iteration and evaluation.

Settings and the softmax policy load at once; what needs torch or scikit-learn loads when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.agents.catalog import CATALOG
from core.agents.config import AgentConfig, FQIConfig
from core.agents.policy import action_probs

if TYPE_CHECKING:
    from core.agents.fqi import FittedQEvaluation, FittedQIteration
    from core.agents.q_forest import QForest, load_q_forest
    from core.agents.stack import AgentStack, load_agents
    from core.agents.train import train_agents

_LAZY = {
    "AgentStack": "stack",
    "FittedQEvaluation": "fqi",
    "FittedQIteration": "fqi",
    "QForest": "q_forest",
    "load_agents": "stack",
    "load_q_forest": "q_forest",
    "train_agents": "train",
}

__all__ = [
    "CATALOG",
    "AgentConfig",
    "AgentStack",
    "FQIConfig",
    "FittedQEvaluation",
    "FittedQIteration",
    "QForest",
    "action_probs",
    "load_agents",
    "load_q_forest",
    "train_agents",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
