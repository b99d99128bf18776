"""Environments are the simulator itself, and a simulator from elsewhere keeps its exact values on the way in."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from core.base.errors import ConfigError
from core.cohort.simulate.constants import load_constants
from core.cohort.simulate.history import History
from core.cohort.simulate.rollout import roll_out
from core.cohort.simulate.truth import discounted_returns
from core.environments import WORLDS, HeparinEnv, IcuSepsis, collect, make_heparin, mean_return, register_worlds
from core.experiments.icu_sepsis import load_process, policy_value

GAMMA = 0.99


def by_platelets(states: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """(n,) dose 2 above 100, else none."""
    return np.where(states[:, names.index("Platelets")] > 100, 2, 0)


def play(env: HeparinEnv, stay: int) -> tuple[float, int, bool]:
    """Discounted return, number of steps, and whether the patient survived."""
    state, info = env.reset(options={"stay": stay})
    assert info["stay"] == stay
    total, steps = 0.0, 0
    while True:
        action = by_platelets(state[None], env.study.names)[0]
        state, reward, terminated, truncated, ended = env.step(action)
        assert not truncated
        total, steps = total + GAMMA**steps * reward, steps + 1
        if terminated:
            return total, steps, bool(ended["survived"])


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_an_episode_is_the_stay_that_a_roll_out_simulates(name: str) -> None:
    env = make_heparin(name)
    world, study = env.world, env.study

    def policy(history: History) -> np.ndarray:
        return np.eye(study.n_actions)[by_platelets(history.state, study.names)]

    for stay in range(6):
        expected = roll_out(
            load_constants("mimic-iv", world.memory), study, 1, stay, "environment mimic-iv", policy, world=world
        )
        value = discounted_returns(expected, study, env.spans, GAMMA)[0]
        total, steps, survived = play(env, stay)
        assert total == pytest.approx(value, abs=1e-4)
        assert steps == expected.lengths[0] - 1
        assert survived == (expected.outcomes[0] > 0)


def test_gymnasium_finds_the_worlds_and_has_nothing_to_object() -> None:
    names = register_worlds()
    assert register_worlds() == names  # twice does no harm
    env = gymnasium.make("phenopolicy/HeparinNull-v0")
    assert env.unwrapped.world.effect == "none"  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Box observation space.*(infinity|inf).*")
        check_env(HeparinEnv(), skip_render_check=True)


def test_a_seed_makes_all_later_episodes_the_same_and_stays_differ() -> None:
    env = HeparinEnv()

    def stays() -> list[int]:
        return [env.reset(seed=4)[1]["stay"], env.reset()[1]["stay"]]

    first = stays()
    assert stays() == first
    assert first[0] != first[1]


def test_steps_outside_an_episode_and_unknown_worlds_are_refused() -> None:
    with pytest.raises(ConfigError, match="has not begun; call reset"):
        HeparinEnv().step(0)
    with pytest.raises(ConfigError, match="world 'Insulin' is not known; choose one of Heparin,"):
        make_heparin("Insulin")


def test_icu_sepsis_by_its_adapter_keeps_its_exact_values() -> None:
    adapter, process = IcuSepsis(), load_process()

    def uniform(observation: Any, state: np.ndarray) -> np.ndarray:
        return process.uniform[int(observation)]

    for act, policy in ((None, process.expert), (uniform, process.uniform)):
        found = mean_return(adapter, act, 400, seed=1)
        exact = policy_value(process, policy)
        assert abs(found.survival - exact) < 4 * found.survival_standard_error
        assert found.value == pytest.approx(2 * found.survival - 1, abs=1e-6)  # +1 or -1 at the end, nothing before


def test_collected_stays_are_a_cohort_of_the_study_with_the_states_behind_them() -> None:
    cohort, process = collect(IcuSepsis(), 20, seed=3), load_process()
    assert cohort.n_patients == 20
    known = {row.astype(np.float32).tobytes() for row in process.centers[:713]}
    assert {row.tobytes() for row in cohort.states} <= known
    last = cohort.starts + cohort.lengths - 1
    np.testing.assert_array_equal(cohort.states[last], cohort.states[last - 1])  # death and survival have no columns
