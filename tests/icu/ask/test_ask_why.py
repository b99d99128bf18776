"""Why: of a linear critic each bar is its coefficient; through agents it is that of one what-if after another."""

from __future__ import annotations

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.cohort import History
from core.evaluation.moved import MIDDLE, moves
from core.fusion import fuse, fusion_weights
from core.icu.ask import why as asked
from core.icu.ask.options import AGENTS, CRITIC, step_estimates
from core.icu.ask.why import why
from core.icu.fit.simulated import SimulatedStays
from core.icu.view import RunView
from core.policies import PolicyKey

KEY = PolicyKey("fused", 3, 2.0, "prospective")


def test_a_linear_critic_is_moved_by_its_coefficients() -> None:
    rng = np.random.default_rng(0)
    slope, state, others = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(4, 7))
    others[1, 5:], others[2] = np.nan, np.nan
    found = moves(lambda states: states @ slope + 9, state, others)
    for j in (0, 1, 3):
        apart = state[j] - others[j][np.isfinite(others[j])]
        np.testing.assert_allclose(found.moved[j], slope[j] * apart.mean(), atol=1e-12)
        ends = np.quantile(apart[:, None] * slope[j], MIDDLE, axis=0)
        np.testing.assert_allclose([found.low[j], found.high[j]], ends, atol=1e-12)
    assert np.isnan([found.moved[2], found.low[2], found.high[2]]).all()


def test_bars_of_a_linear_critic_are_coefficients_times_the_distance_to_similar_patients(
    view: RunView, patient: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slope = np.random.default_rng(1).normal(size=(view.study.n_columns, view.study.n_actions))
    monkeypatch.setattr(asked, "_critic", lambda _: lambda states: states @ slope)
    found = why(view, patient, 3, KEY, CRITIC)
    own = slope - (slope @ view.behavior[patient, 3])[:, None]  # less what clinicians give
    np.testing.assert_allclose(found.moves.moved, own * (found.state - found.similar)[:, None], rtol=1e-4, atol=1e-4)
    table = found.table(2)
    assert (table["moved"].abs().diff().dropna() <= 0).all()
    assert set(table["column"]) == set(view.study.names)
    row = table.iloc[0]
    assert row["moved"] == found.moves.moved[view.study.index(row["column"]), 2]


@pytest.mark.parametrize("step", [0, 4])
def test_the_recorded_advantage_is_that_of_the_options(view: RunView, patient: int, step: int) -> None:
    table = step_estimates(view, patient, step, KEY)
    for by in (AGENTS, CRITIC):
        q = table.loc[table["estimate"] == by, "value"].to_numpy()
        expected = q - q @ view.behavior[patient, step]
        np.testing.assert_allclose(why(view, patient, step, KEY, by).advantage, expected, atol=2e-4)


@pytest.mark.parametrize("name", ["Age", "Platelets"])
def test_a_bar_is_the_mean_of_one_what_if_after_another(view: RunView, patient: int, name: str) -> None:
    step, j = 4, view.study.index(name)
    found, before = why(view, patient, step, KEY), view.cohort.states.copy()
    rows = view.cohort.rows(patient)
    course = view.cohort.states[rows][: step + 1].astype(float)
    usual = view.behavior[patient, step].astype(float)

    def advantage(value: float) -> np.ndarray:
        states = course.copy()
        states[:, j] = np.where(view.study.column(name).kind == "static", value, states[:, j])
        states[-1, j] = value
        given = view.trajectories.actions[patient, :step][None]
        now = SimulatedStays(view).now(History(states[None], given, np.ones(1, dtype=bool), np.zeros(1, dtype=int)))
        q = fuse(fusion_weights(now.distances(3, "prospective"), KEY.lambda_), now.expert_q(3))[0].astype(float)
        return q - q @ usual

    train, spread = view.training_states, 1.0
    bank = view.cohort.states[view.cohort.starts[train[:, 0]] + train[:, 1]].astype(float)
    spread = bank.std(axis=0)
    others = view.persons[train[:, 0]] != view.persons[patient]
    for rule in view.study.hazards:
        if rule.column != name:
            k = view.study.index(rule.column)
            met = {"<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal}[rule.operator]
            others &= met(bank[:, k], rule.threshold) == met(course[-1, k], rule.threshold)
    apart = ((bank - course[-1]) / spread) ** 2
    far = np.where(others, np.delete(apart, j, axis=1).sum(axis=1), np.inf)
    near = np.argsort(far, kind="stable")[:30]
    near = near[np.isfinite(far[near])]
    changes = [advantage(course[-1, j]) - advantage(bank[i, j]) for i in near]
    np.testing.assert_allclose(found.moves.moved[j], np.mean(changes, axis=0), atol=2e-3)
    assert found.similar[j] == pytest.approx(bank[near, j].mean(), rel=1e-5)
    np.testing.assert_array_equal(view.cohort.states, before)


def test_an_estimate_that_does_not_rank_is_refused(view: RunView, patient: int) -> None:
    with pytest.raises(ConfigError, match="doses are ranked by"):
        why(view, patient, 3, KEY, "FQE of the fusion")
