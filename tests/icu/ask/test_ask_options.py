"""The options of a step: values with their spreads, ranked in groups, refused where the records say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.icu.ask import options
from core.icu.ask.frontier import as_far_as_supported, reach_of
from core.icu.ask.options import (
    AGENTS,
    FEW,
    NOBODY,
    RARE,
    critic_ties,
    rank_options,
    refusal,
    refused_steps,
    step_estimates,
    too_far,
)
from core.icu.view import RunView
from core.policies import PolicyKey

FUSED = PolicyKey("fused", 3, 15.0, "prospective")


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture(scope="module")
def longest(run: RunView) -> int:
    return int(np.argmax(run.cohort.lengths))


def test_refused_steps_are_those_with_a_reason(run: RunView) -> None:
    some, lengths = range(12), run.cohort.lengths
    expected = [[t < lengths[p] and refusal(run, p, t) != "" for t in range(run.support.shape[1])] for p in some]
    assert refused_steps(run)[:12].tolist() == expected


def test_the_critic_says_when_it_cannot_tell_doses_apart(run: RunView, longest: int) -> None:
    table = step_estimates(run, longest, 5, PolicyKey("fused", 3, 2.0, "prospective"))
    critic = table["estimate"].str.startswith("FQI")
    assert critic_ties(table.assign(spread=np.where(critic, 1e6, table["spread"])))
    apart = table.assign(value=np.where(critic, table["action"] * 1.0, table["value"]))
    assert not critic_ties(apart.assign(spread=0.1))


def test_one_expert_alone_has_no_spread_between_experts(run: RunView, longest: int) -> None:
    table = step_estimates(run, longest, 3, PolicyKey.at("fused", 3, float("inf"), "prospective"))
    fused = table[table["estimate"].str.startswith("Fused")]
    assert fused["spread"].to_numpy() == pytest.approx(np.zeros(run.study.n_actions), abs=1e-6)


def _with_spread(table: pd.DataFrame, value: list[float], spread: float) -> pd.DataFrame:
    doses = len(value)
    return table.assign(value=np.where(table["estimate"] == AGENTS, value * (len(table) // doses), 0.0), spread=spread)


def _similar(n: list[int], in_band: list[int] | None = None):
    return lambda *where: pd.DataFrame({"action": range(len(n)), "n": n, "in_band": n if in_band is None else in_band})


def test_doses_within_the_spread_share_a_group_and_the_best_group_comes_first(
    run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "neighborhood", _similar([10, 10, 10, 10, 10]))
    monkeypatch.setitem(run.__dict__, "behavior", np.full(run.behavior.shape, 0.2))
    table = _with_spread(step_estimates(run, longest, 5, FUSED), [1.0, 5.0, 4.8, 1.1, 9.0], 0.3)
    ranked = rank_options(run, longest, 5, FUSED, table)
    assert ranked["action"].tolist() == [4, 1, 2, 3, 0]
    assert ranked["group"].tolist() == [1, 2, 2, 3, 3]
    assert (ranked["why"] == "").all()


def test_a_dose_that_similar_patients_hardly_got_is_last_with_its_reason(
    run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "neighborhood", _similar([20, 5, 0, 3, 9], [20, 5, 0, 3, 9]))
    behavior = np.broadcast_to(np.array([0.5, 0.2, 0.25, 0.001, 0.049]), run.behavior.shape)
    monkeypatch.setitem(run.__dict__, "behavior", behavior)
    table = _with_spread(step_estimates(run, longest, 5, FUSED), [1.0, 5.0, 9.0, 9.5, 2.0], 0.0)
    ranked = rank_options(run, longest, 5, FUSED, table).set_index("action")
    assert ranked["group"].to_dict() == {1: 1, 4: 2, 0: 3, 3: 0, 2: 0}
    assert (ranked["why"][2], ranked["why"][3], ranked["why"][4]) == (NOBODY, RARE, "")
    assert list(ranked.index[-2:]) == [3, 2]
    monkeypatch.setattr(options, "neighborhood", _similar([20, 5, 0, 3, 9], [20, 4, 0, 3, 5]))
    ranked = rank_options(run, longest, 5, FUSED, table).set_index("action")
    assert ranked["group"].to_dict() == {4: 1, 0: 2, 3: 0, 1: 0, 2: 0}
    assert ranked["why"][1] == FEW  # five similar states got it, but one of them in other hazards
    assert ranked["in_band"][1] == 4


def test_the_supported_policy_is_the_mixture_at_its_furthest_setting(
    run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.icu.ask.frontier.furthest_supported", lambda table, floor: 0.5)
    assert reach_of(run, FUSED) == 0.5
    ranked = rank_options(run, longest, 5, FUSED, step_estimates(run, longest, 5, FUSED)).set_index("action")
    given, fused = run.behavior[longest, 5], run.probs(FUSED)[longest, 5]
    middle = np.sqrt(given * fused)
    np.testing.assert_allclose(ranked["supported"].sort_index(), middle / middle.sum(), rtol=1e-4)
    monkeypatch.setattr("core.icu.ask.frontier.furthest_supported", lambda table, floor: None)
    np.testing.assert_allclose(as_far_as_supported(run, FUSED, given, fused), given, rtol=1e-6)


def test_a_state_is_refused_where_it_is_far_or_has_few_neighbors(
    run: RunView, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert too_far(0.049).startswith("Too few similar patients: this state lies farther from the records than 95 %")
    assert too_far(0.05) == ""
    few = np.where(np.arange(run.neighbors.shape[-1]) < 19, run.neighbors, -1)
    monkeypatch.setitem(run.__dict__, "neighbors", few)
    assert "only 19 training states" in refusal(run, longest, 5)
