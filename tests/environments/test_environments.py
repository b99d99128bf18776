"""Environments are the simulator itself, and a simulator from elsewhere keeps its exact values on the way in."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from core.base.errors import ConfigError
from core.cohort.simulate.constants import load_constants
from core.cohort.simulate.history import History
from core.cohort.simulate.mechanism import PHENOTYPES
from core.cohort.simulate.named import WORLDS
from core.cohort.simulate.rollout import Rollout, roll_out
from core.cohort.simulate.truth import discounted_returns
from core.environments import (
    NAMES,
    HeparinEnv,
    IcuSepsis,
    TransplantEnv,
    collect,
    make_world,
    mean_return,
    register_worlds,
)
from core.environments.catalog import TRANSPLANT
from core.experiments.icu_sepsis import load_process, policy_value
from core.registry.simulate.rollout import roll_out as roll_out_registry
from core.registry.simulate.truth import discounted_returns as registry_returns

GAMMA = 0.99


def by_platelets(states: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """(n,) dose 2 above 100, else none."""
    return np.where(states[:, names.index("Platelets")] > 100, 2, 0)


def rolled_out(env: HeparinEnv, stay: int, policy: Any = None) -> Rollout:
    """The stay of that number, by the simulator's own loop; policy None: its clinicians."""
    constants = load_constants("mimic-iv", env.world.memory)
    return roll_out(constants, env.study, 1, stay, "environment mimic-iv", policy, world=env.world)


def play(env: HeparinEnv, stay: int, act: Any) -> tuple[float, list[int], list[dict[str, Any]]]:
    """Discounted return, doses, and info of each step, the one of `reset` first; act(state, info)."""
    state, info = env.reset(options={"stay": stay})
    assert info["stay"] == stay
    total, doses, told = 0.0, [], [info]
    while True:
        doses.append(int(act(state, info)))
        state, reward, terminated, truncated, info = env.step(doses[-1])
        assert not truncated
        assert env.observation_space.contains(state)
        total += GAMMA ** (len(doses) - 1) * reward
        told.append(info)
        if terminated:
            return total, doses, told


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_an_episode_is_the_stay_that_a_roll_out_simulates(name: str) -> None:
    env = make_world(name)
    assert isinstance(env, HeparinEnv)
    study = env.study

    def policy(history: History) -> np.ndarray:
        return np.eye(study.n_actions)[by_platelets(history.state, study.names)]

    for stay in range(4):
        expected = rolled_out(env, stay, policy)
        total, doses, told = play(env, stay, lambda state, _: by_platelets(state[None], study.names)[0])
        assert total == pytest.approx(discounted_returns(expected, study, env.spans, GAMMA)[0], abs=1e-4)
        assert len(doses) == expected.lengths[0] - 1
        assert told[-1]["survived"] == (expected.outcomes[0] > 0)


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_who_gives_what_the_clinicians_give_plays_the_recorded_stay(name: str) -> None:
    env = make_world(name)
    assert isinstance(env, HeparinEnv)
    for stay in range(4):
        recorded = rolled_out(env, stay)
        total, doses, told = play(env, stay, lambda _, info: info["given"])
        steps = len(doses)
        assert doses == recorded.actions[0, :steps].tolist()
        assert total == pytest.approx(discounted_returns(recorded, env.study, env.spans, GAMMA)[0], abs=1e-4)
        shown = np.stack([info["clinicians"] for info in told[:-1]])
        np.testing.assert_allclose(shown, recorded.probs[0, :steps], atol=1e-5)  # the simulator's shares are rounded
        assert {info["phenotype"] for info in told} == {PHENOTYPES[recorded.patients.phenotype[0]]}
        hours = [env.study.hours(recorded.entry[0] + step) for step in range(steps + 1)]
        assert [info["hours"] for info in told] == hours


def test_drawing_from_the_clinicians_gives_their_mean_return() -> None:
    env, rng = HeparinEnv(), np.random.default_rng(0)
    constants, n = load_constants("mimic-iv"), 120
    found = [play(env, stay, lambda _, info: rng.choice(5, p=info["clinicians"]))[0] for stay in range(n)]
    own = discounted_returns(
        roll_out(constants, env.study, 4000, 9, "value mimic-iv", world=env.world), env.study, env.spans, GAMMA
    )
    error = np.hypot(np.std(found) / np.sqrt(n), own.std() / np.sqrt(len(own)))
    assert abs(np.mean(found) - own.mean()) < 4 * error


@pytest.mark.parametrize("name", sorted(TRANSPLANT))
def test_a_patient_is_the_one_that_the_registry_simulates(name: str) -> None:
    env = make_world(name)
    assert isinstance(env, TransplantEnv)
    spec, stages = env.registry, range(env.registry.horizon)
    none = {d.name: (lambda state, d=d: np.zeros((len(state), len(d.drugs)))) for d in spec.decisions}
    for patient in range(5):
        for policies in (None, none):
            course = roll_out_registry(spec, 1, patient, "environment", policies, env.world)
            state, info = env.reset(options={"patient": patient})
            total = 0.0
            for stage in stages:
                assert env.observation_space.contains(state)
                assert state[-1] == stage
                action = info["given"] if policies is None else np.zeros(len(env.action_names), dtype=np.int8)
                drugs = np.concatenate([course.drugs[d.name][0, stage] for d in spec.decisions])
                np.testing.assert_array_equal(action * info["posed"], drugs)
                state, reward, terminated, _, info = env.step(action)
                total += spec.gamma**stage * reward
                np.testing.assert_array_equal(state[-5:-1], course.indicators[0, stage + 1])
                if terminated:
                    break
            assert total == pytest.approx(registry_returns(course, spec, tuple(stages), spec.gamma)[0])
            assert terminated
            assert info["event_free"] == (course.indicators[0, -1, 0] and not course.indicators[0, -1, 3])
            assert info["frailty"] == course.frailty[0]


def test_drugs_have_no_order_and_those_of_other_stages_no_effect() -> None:
    env = TransplantEnv()
    _, info = env.reset(options={"patient": 3})
    first = env.step(info["given"])[0]
    env.reset(options={"patient": 3})
    np.testing.assert_array_equal(env.step(np.where(info["posed"], info["given"], 1))[0], first)
    names = [name for name, posed in zip(env.action_names, info["posed"], strict=True) if posed]
    assert {name.split(":")[0] for name in names} == {"conditioning", "prophylaxis"}
    with pytest.raises(ConfigError, match="numbers 0 or 1, one a drug"):
        env.step(np.zeros(3))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_finds_each_world_and_has_nothing_to_object(name: str) -> None:
    ids = register_worlds()
    assert register_worlds() == ids  # twice does no harm
    env = gymnasium.make(ids[NAMES.index(name)])
    made: Any = env.unwrapped
    assert made.world == {**WORLDS, **TRANSPLANT}[name]
    assert len(made.observation_names) == env.observation_space.shape[0]  # type: ignore[index]
    check_env(made, skip_render_check=True)


def test_ids_are_those_that_are_documented() -> None:
    ids = register_worlds()
    assert ids[0] == "phenopolicy/Heparin-v0"
    assert {"phenopolicy/HeparinSlowDrift-v0", "phenopolicy/HeparinNull-v0", "phenopolicy/Transplant-v0"} < set(ids)


@pytest.mark.parametrize("env", [HeparinEnv(), TransplantEnv()], ids=["heparin", "transplant"])
def test_a_seed_makes_all_later_episodes_the_same_and_they_differ(env: Any) -> None:
    key = "stay" if isinstance(env, HeparinEnv) else "patient"

    def episodes() -> list[int]:
        return [env.reset(seed=4)[1][key], env.reset()[1][key]]

    first = episodes()
    assert episodes() == first
    assert first[0] != first[1]


def test_steps_outside_an_episode_and_unknown_worlds_are_refused() -> None:
    for env in (HeparinEnv(), TransplantEnv()):
        with pytest.raises(ConfigError, match="has not begun; call reset"):
            env.step(env.action_space.sample())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="world 'insulin' is not known; choose among heparin,"):
        make_world("insulin")


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
