"""The trust frontier of a run: its ends, its mark, and the policy that is rolled out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohort.simulate import History
from core.fusion.dials import DIALS, FLOOR, MIXTURE, furthest_supported
from core.icu.ask.frontier import frontier_sizes, frontier_table
from core.icu.ask.tables import policy_table
from core.icu.fit.clinicians import estimated_clinicians
from core.icu.fit.simulated import RunPolicy
from core.icu.view import RunView
from core.policies import DialedPolicy, NamedPolicy


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.mark.parametrize("dial", DIALS.values(), ids=lambda d: d.name)
def test_the_ends_are_the_clinicians_and_the_policy(view: RunView, dial) -> None:
    key = view.own_policy
    table = frontier_table(view, view.split.test, key, dial)
    stored = policy_table(view, key.n_clusters, key.lambda_, key.mode)
    n = int(table["n"].iloc[0])
    first = table[table["setting"] == dial.settings[0]].set_index("estimator")
    assert first["ess"].to_numpy() == pytest.approx(n)  # every ratio is 1
    assert (first["distance"] == 0).all()
    last = table[table["setting"] == dial.settings[-1]].set_index("estimator")
    for name in ("phwis", "phwdr"):
        row = stored[(stored["policy"] == "fused") & (stored["estimator"] == name)].iloc[0]
        got = last.loc[name, ["value", "low", "high", "ess"]].to_numpy(dtype=float)
        assert got == pytest.approx(row[["value", "low", "high", "ess"]].to_numpy(dtype=float), rel=1e-4)


@pytest.mark.parametrize("dial", DIALS.values(), ids=lambda d: d.name)
def test_the_sizes_alone_are_those_of_the_whole_table(view: RunView, dial) -> None:
    asked = view, view.split.test, view.own_policy, dial
    whole, sizes = frontier_table(*asked).drop_duplicates("setting"), frontier_sizes(*asked)
    for name in ("setting", "ess", "pooled_ess"):
        assert sizes[name].to_numpy() == pytest.approx(whole[name].to_numpy(), rel=1e-12)


def test_the_mixture_departs_steadily_from_the_clinicians(view: RunView) -> None:
    table = frontier_table(view, view.split.test, view.own_policy, MIXTURE).drop_duplicates("setting")
    assert (np.diff(table["distance"]) > 0).all()


def test_the_mark_is_the_last_setting_before_support_is_lost() -> None:
    def course(ess: list[float], pooled: list[float] | None = None) -> pd.DataFrame:
        return pd.DataFrame({"setting": np.linspace(0, 1, len(ess)), "ess": ess, "pooled_ess": pooled or ess})

    assert furthest_supported(course([100, 60, 31, 29, 5]), 30) == 0.5
    assert furthest_supported(course([100, 60, 10, 40, 50]), 30) == 0.25  # a recovery further out is not counted
    assert furthest_supported(course([20, 10]), 30) is None
    assert furthest_supported(course([100, 90, 80]), 30) == 1.0
    assert furthest_supported(course([100, np.nan, 80]), 30) == 0.0
    assert furthest_supported(course([100, 60, 31, 30, 30], [100, 40, 12, 5, 3]), 30) == 0.25


def test_roll_outs_take_the_clinicians_policy_at_the_simulated_state(view: RunView) -> None:
    """At a recorded first step the rolled-out policy is the stored one, up to a patient's own states as neighbors."""
    test = view.split.test[:40]
    state = view.cohort.frame.groupby("traj", sort=False).head(1)[list(view.study.names)].to_numpy(dtype=float)[test]
    n = len(test)
    history = History(state[:, None], np.empty((n, 0), dtype=np.int64), np.ones(n, bool), np.zeros(n, np.int64))
    key, clinicians = view.own_policy, estimated_clinicians(view)
    start = RunPolicy(view, DialedPolicy(NamedPolicy(key), MIXTURE, 0.0), clinicians)(history)
    np.testing.assert_allclose(start, view.behavior[test, 0], atol=1e-5)
    end = RunPolicy(view, DialedPolicy(NamedPolicy(key), MIXTURE, 1.0), clinicians)(history)
    stored = view.probs(key)[test, 0]
    np.testing.assert_allclose(end, stored, atol=1e-4)
    floored = RunPolicy(view, DialedPolicy(NamedPolicy(key), FLOOR, 0.05), clinicians)(history)
    assert (floored[view.behavior[test, 0] < 0.05 - 1e-6] == 0).all()
