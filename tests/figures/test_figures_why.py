"""Bars of what moves a dose, and a policy's tree: what is drawn is what was told."""

from __future__ import annotations

import pandas as pd
import pytest

from core.figures.policy_tree import CLINICIANS, TreeNode, policy_tree
from core.figures.theme import GROUND, action_colors
from core.figures.why import moved_bars


def test_bars_stand_on_the_side_that_they_speak_for_with_their_middle() -> None:
    table = pd.DataFrame(
        {"moved": [2.0, -1.0, 0.5], "low": [1.0, -1.5, -0.5], "high": [2.5, 0.0, 1.0], "patients": [20, 19, 18]}
    )
    figure = moved_bars(table, ["a", "b", "c"])
    speaks, against = figure.data
    assert (list(speaks.x), list(speaks.y)) == ([2.0, 0.5], [0, 2])
    assert (list(against.x), list(against.y)) == ([-1.0], [1])
    assert list(speaks.error_x.array) == [0.5, 0.5]
    assert list(speaks.error_x.arrayminus) == [1.0, 1.0]
    assert list(figure.layout.yaxis.ticktext) == ["a", "b", "c"]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the largest on top


def test_boxes_of_a_tree_are_as_high_as_their_groups_and_colored_by_their_dose() -> None:
    nodes = [
        TreeNode(0, -1, "all", "all"),
        TreeNode(1, 0, "few", "few"),
        TreeNode(2, 1, "none", "none", 0),
        TreeNode(3, 1, "as they do", "as they do", 3),
        TreeNode(4, 0, "much", "much", 2),
    ]
    trace = policy_tree(nodes, 3).data[0]
    assert list(trace.values) == [3, 2, 1, 1, 1]
    assert list(trace.parents) == ["", "0", "1", "1", "0"]
    colors = action_colors(3)
    assert list(trace.marker.colors) == [GROUND, GROUND, colors[0], CLINICIANS, colors[2]]


def test_a_tree_of_one_group_is_one_box() -> None:
    trace = policy_tree([TreeNode(0, -1, "all", "all", 1)], 3).data[0]
    assert list(trace.values) == [1]
    assert policy_tree([TreeNode(0, -1, "all", "all", 1)], 3).layout.height == pytest.approx(166)
