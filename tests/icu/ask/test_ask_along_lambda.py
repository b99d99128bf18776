"""The fused policy along lambda: its ends, and every point against the policy that the run gives at that lambda."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.fusion.dials import MIXTURE
from core.icu.ask.along_lambda import along_lambda
from core.icu.ask.frontier import frontier_sizes_of
from core.icu.view import RunView
from core.policies import PolicyKey


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.mark.parametrize("mode", ["prospective", "retrospective"])
def test_every_point_is_the_fused_policy_of_the_run(view: RunView, mode: str) -> None:
    along = along_lambda(view, 3, mode)
    assert along.table["lambda_"].tolist() == list(view.lambdas)
    test, mask = view.split.test, view.trajectories.mask[view.split.test]
    for row in along.table.itertuples():
        fused = view.probs(PolicyKey.at("fused", 3, row.lambda_, mode))[test][mask]
        assert row.shares == pytest.approx(fused.mean(axis=0), abs=1e-6)
        apart = 0.5 * np.abs(fused - view.behavior[test][mask]).sum(axis=1).mean()
        assert row.disagreement_clinicians == pytest.approx(apart, abs=1e-6)


def test_the_ends_are_the_average_and_one_expert_alone(view: RunView) -> None:
    along = along_lambda(view, 3, "prospective")
    first, last = along.table.iloc[0], along.table.iloc[-1]
    assert first["largest_weight"] == pytest.approx(1 / 3)
    assert last["largest_weight"] == pytest.approx(1)
    assert last["disagreement_experts"] == pytest.approx(0)
    assert along.average_gap < 1e-6
    assert along.single_gap < 1e-6
    assert along.typical_distance == pytest.approx(
        np.median(view.distances(3, "prospective")[view.split.train][view.trajectories.mask[view.split.train]])
    )


def test_it_is_computed_once_for_each_k_and_mode(view: RunView) -> None:
    assert along_lambda(view, 2, "prospective") is along_lambda(view, 2, "prospective")
    assert along_lambda(view, 2, "prospective") is not along_lambda(view, 3, "prospective")


@pytest.mark.parametrize("mode", ["prospective", "retrospective"])
def test_the_size_over_all_stays_is_that_of_the_policy_itself_on_its_frontier(view: RunView, mode: str) -> None:
    table = along_lambda(view, 3, mode).table.set_index("lambda_")
    for lambda_ in view.lambdas:
        alone = frontier_sizes_of(view, PolicyKey.at("fused", 3, lambda_, mode), MIXTURE)["pooled_ess"].iloc[-1]
        assert table.loc[lambda_, "pooled_ess"] == pytest.approx(alone, rel=1e-4)
