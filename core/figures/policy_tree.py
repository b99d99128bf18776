"""Picture of a policy's tree: from all states at the left to its groups at the right, each in the color of its dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from core.figures.draft import Draft
from core.figures.theme import GROUND, NEUTRAL, action_colors, apply_theme

CLINICIANS = "#6F7782"  # as the clinicians are drawn everywhere


@dataclass(frozen=True)
class TreeNode:
    """A box: its number, that of the box to its left (-1: none), its text, what hovering tells, and the dose that a
    group gets most often (None: no group; the number of doses: as clinicians do)."""

    number: int
    parent: int
    text: str
    hover: str
    action: int | None = None


def policy_tree(nodes: Sequence[TreeNode], n_actions: int, *, ordered: bool = True) -> go.Figure:
    """The boxes of a tree, groups equally high from top to bottom in the order given."""
    colors = [*action_colors(n_actions, ordered), CLINICIANS]
    inner = {node.parent for node in nodes}
    below = {node.number: int(node.number not in inner) for node in nodes}
    for node in reversed(nodes):  # parents come before their children
        if node.parent >= 0:
            below[node.parent] += below[node.number]
    fig = Draft()
    fig.add_trace(
        {
            "type": "icicle",
            "ids": [str(node.number) for node in nodes],
            "parents": ["" if node.parent < 0 else str(node.parent) for node in nodes],
            "labels": [node.text for node in nodes],
            "values": [below[node.number] for node in nodes],
            "customdata": [node.hover for node in nodes],
            "branchvalues": "total",
            "sort": False,
            "tiling": {"orientation": "h", "pad": 2},
            "pathbar": {"visible": False},
            "marker": {
                "colors": [GROUND if node.action is None else colors[node.action] for node in nodes],
                "line": {"color": NEUTRAL, "width": 1},
            },
            "leaf": {"opacity": 1},
            "textfont": {"size": 12},
            "hovertemplate": "%{customdata}<extra></extra>",
        }
    )
    apply_theme(fig, height=max(58 * below[nodes[0].number], 150) + 16, legend=False)
    fig.update_layout(margin={"l": 4, "r": 4, "t": 8, "b": 8})
    return fig.figure()
