"""The difference of two policies is that of their values, on the same resamples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.fusion.dials import MIXTURE
from core.icu.ask.frontier import frontier_of
from core.icu.ask.gain import gain
from core.icu.ask.tables import policy_table
from core.icu.view import RunView
from core.policies import PolicyKey


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_the_gain_is_the_difference_of_the_stored_values(run: RunView) -> None:
    lambda_ = run.config.fusion.lambda_
    found = gain(run, run.split.test, PolicyKey.at("fused", 3, lambda_, "prospective"))
    rows = policy_table(run, 3, lambda_, "prospective").query("estimator == 'phwdr'").set_index("policy")
    assert found.policy.value == pytest.approx(rows.at["fused", "value"])
    assert found.reference.value == pytest.approx(rows.at["clinician", "value"])
    assert found.difference.value == pytest.approx(found.policy.value - found.reference.value)
    assert found.difference.low < found.difference.value < found.difference.high


def test_a_policy_gains_nothing_over_itself(run: RunView) -> None:
    random = PolicyKey("random")
    found = gain(run, run.split.test, random, random)
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)


class OnePerson(RunView):
    """The run with all its stays of one person."""

    @property
    def persons(self) -> np.ndarray:
        return np.zeros(self.cohort.n_patients, dtype=int)


def test_stays_of_one_person_are_drawn_together(run: RunView) -> None:
    zero = PolicyKey("zero-drug")
    alone = gain(run, run.split.test, zero)
    together = gain(OnePerson(run.path), run.split.test, zero)
    assert together.difference.value == alone.difference.value
    assert together.difference.high - together.difference.low == pytest.approx(0)


def test_part_of_the_way_it_is_the_value_on_the_trust_frontier(run: RunView) -> None:
    key = run.own_policy
    found = gain(run, run.split.test, key, reach=0.35)
    rows = frontier_of(run, key, MIXTURE).query("setting == 0.35")
    row = rows.set_index("estimator").loc["phwdr"]
    assert found.policy.value == pytest.approx(row["value"], rel=1e-5)
    assert found.policy.ess == pytest.approx(row["ess"], rel=1e-5)
    nowhere = gain(run, run.split.test, key, reach=0.0)
    assert nowhere.policy.ess == pytest.approx(nowhere.policy.n)
