"""Labels at the ends of lines."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from hypothesis import given
from hypothesis import strategies as st

from core.figures.labels import end_labels, spread_out

VALUES = st.lists(st.floats(-100, 100, allow_nan=False), min_size=1, max_size=12)


@given(VALUES, st.floats(0.1, 20))
def test_labels_keep_their_distance_and_their_order(values: list[float], gap: float) -> None:
    placed = spread_out(values, gap)
    order = np.argsort(values, kind="stable")
    assert (np.diff(placed[order]) >= gap - 1e-9).all()


@given(VALUES)
def test_labels_that_are_apart_stay_where_they_are(values: list[float]) -> None:
    spaced = np.cumsum(np.abs(values)) + 2.0 * np.arange(len(values))
    np.testing.assert_allclose(spread_out(spaced, 1.0), spaced)


def test_two_equal_values_move_apart_evenly() -> None:
    np.testing.assert_allclose(spread_out([3.0, 3.0], 2.0), [2.0, 4.0])


def test_unknown_values_get_no_label() -> None:
    fig = go.Figure()
    end_labels(fig, 1.0, [("here", 2.0, "#000000"), ("nowhere", np.nan, "#000000")], 1.0)
    assert [a.text for a in fig.layout.annotations] == ["here"]
