"""Simulated worlds as data sets in Minari's form, with the truth in their metadata.

An episode is a recorded course under the clinicians (transplant: the experts) of the world, as the world's environment
plays it: the same observations, actions and rewards. Its infos hold what only a simulator knows at each observation.
The metadata hold what named policies are truly worth, with standard errors.

Source of the form: Younis et al. 2024, Minari. The arrays need no package; `save_minari` needs Minari.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from core.base.errors import ConfigError
from core.base.rng import derive_seed
from core.cohort.simulate.generate import simulate_world
from core.cohort.simulate.named import RULES, acting
from core.cohort.simulate.truth import GAMMA
from core.environments.catalog import TRANSPLANT, make_world, register_worlds, world_id
from core.environments.heparin import HeparinEnv
from core.environments.transplant import TransplantEnv, feature_row
from core.registry.cohort.courses import state_rewards
from core.registry.simulate.rollout import DecisionState, Policy, Rollout, roll_out
from core.registry.simulate.truth import RegistryTruth
from core.rewards import step_rewards

LIKE, STEROIDS = "mimic-iv", "systemic corticosteroids"
VERSION = 0  # of the form: raised when episodes of equal seeds change


@dataclass(frozen=True, eq=False)
class WorldData:
    """episodes: dicts with the fields of Minari's `EpisodeBuffer`: id, observations (T + 1, D) float32, actions (T,) or
    (T, A), rewards, terminations, truncations (T,), infos {name: (T + 1, ...)}; metadata: plain values."""

    name: str
    episodes: list[dict[str, Any]]
    metadata: dict[str, Any]

    @property
    def dataset_id(self) -> str:
        """The id under which Minari finds it."""
        return f"phenopolicy/{self.name}/clinicians-v{VERSION}"


def world_data(name: str, n_patients: int, seed: int = 0, truth_patients: int = 5000) -> WorldData:
    """n patients of a world, one of `NAMES`, and the true values of its named policies over truth_patients others."""
    env = make_world(name)
    sizes = n_patients, seed, truth_patients
    made = _heparin(env, *sizes) if isinstance(env, HeparinEnv) else _transplant(env, *sizes)
    episodes, values, gamma = made
    about = {
        "simulated": True,
        "world": name,
        "differs_from_default": str(env.world),
        "seed": seed,
        "observation_names": list(env.observation_names),
        "action_names": list(env.action_names),
        "truth": {"discount": gamma, "patients": truth_patients, "policies": values},
    }
    return WorldData(name, episodes, about)


def save_minari(data: WorldData) -> str:
    """Write a data set where Minari keeps its own (`MINARI_DATASETS_PATH`), in place of one of that name; its id.

    `ConfigError` where Minari is not installed.
    """
    if find_spec("minari") is None:
        raise ConfigError("package minari is not installed: pip install 'phenopolicy[minari]'.")
    minari: Any = import_module("minari")
    buffer: Any = import_module("minari.data_collector").EpisodeBuffer
    register_worlds()
    if data.dataset_id in minari.list_local_datasets():
        minari.delete_dataset(data.dataset_id)
    made = minari.create_dataset_from_buffers(
        data.dataset_id,
        [buffer(**{**episode, "infos": _storable(episode["infos"])}) for episode in data.episodes],
        env=world_id(data.name),
        algorithm_name="the world's own experts" if data.name in TRANSPLANT else "the world's own clinicians",
        description="Simulated patients; research and teaching only. `truth` holds true values of named policies.",
        data_format="arrow",
    )
    made.storage.update_metadata(data.metadata)
    return data.dataset_id


def _storable(infos: dict[str, np.ndarray]) -> dict[str, Any]:
    """Numbers a step as a list: of an array of them Minari's Arrow storage writes a shape that it cannot read."""
    return {name: values.tolist() if values.ndim == 1 else values for name, values in infos.items()}


def _heparin(env: HeparinEnv, n: int, seed: int, truth_patients: int) -> tuple[list[dict[str, Any]], Any, float]:
    """Episodes, true values and discount of a heparin world."""
    cohort, truth = simulate_world(LIKE, n, seed, env.world)
    hours = cohort.hours
    episodes = []
    for patient in range(n):
        rows, steps = cohort.rows(patient), int(cohort.lengths[patient]) - 1
        states = cohort.states[rows]
        rewards = np.asarray(step_rewards(states[:-1], states[1:], env.study, env.spans), dtype=np.float64)
        rewards[-1] += env.study.terminal_coeff * cohort.outcomes[patient]
        probs = truth.action_probs[patient, : steps + 1]
        infos = {
            "hours": hours[rows],
            "phenotype": np.full(steps + 1, truth.phenotype[patient]),
            "clinicians": probs / probs.sum(axis=1, keepdims=True),
        }
        episodes.append(_episode(patient, states, cohort.actions[rows][:-1], rewards, infos))
    drawn = derive_seed(seed, "data set", "truth")
    policies: dict[str, Any] = {"clinicians": "clinician"} | {k: acting(rule, env.study) for k, rule in RULES.items()}
    values = {k: asdict(truth.policy_value(p, truth_patients, drawn, env.spans)) for k, p in policies.items()}
    return episodes, values, GAMMA


def _transplant(env: TransplantEnv, n: int, seed: int, truth_patients: int) -> tuple[list[dict[str, Any]], Any, float]:
    """Episodes, true values and discount of a transplant world."""
    spec = env.registry
    course = roll_out(spec, n, seed, "data set", world=env.world)
    given = np.concatenate([course.drugs[decision.name] for decision in spec.decisions], axis=2)
    features = feature_row(course.features, spec)
    episodes = []
    for patient in range(n):
        steps = int(course.reached[patient].sum()) - 1
        states = _courses_states(course, features, patient, steps)
        rewards = state_rewards(course.indicators[patient, 1 : steps + 1], spec)
        infos = {
            "day": np.asarray(spec.days)[: steps + 1],
            "frailty": np.full(steps + 1, course.frailty[patient]),
        }
        episodes.append(_episode(patient, states, given[patient, :steps].astype(np.int8), rewards, infos))
    truth, drawn = RegistryTruth(spec, {}, env.world), derive_seed(seed, "data set", "truth")
    values = {k: asdict(truth.policy_value(p, truth_patients, drawn)) for k, p in transplant_rules(env).items()}
    return episodes, values, spec.gamma


def _courses_states(course: Rollout, features: np.ndarray, patient: int, steps: int) -> np.ndarray:
    """(steps + 1, D) observations of one simulated patient."""
    stage = np.arange(steps + 1)
    fixed = np.broadcast_to(features[patient], (steps + 1, features.shape[1]))
    return np.concatenate([fixed, course.indicators[patient, : steps + 1], stage[:, None]], axis=1).astype(np.float32)


def transplant_rules(env: TransplantEnv) -> dict[str, Mapping[str, Policy]]:
    """Policies of named rules: the experts; nobody is treated for GVHD; who has it gets systemic steroids alone."""

    def never(state: DecisionState) -> np.ndarray:
        return np.zeros((len(state), len(env.registry.decision(state.decision).drugs)), dtype=np.int64)

    def steroids(state: DecisionState) -> np.ndarray:
        decision = env.registry.decision(state.decision)
        given = never(state)
        given[:, decision.drugs.index(STEROIDS)] = state.frame[decision.treats]
        return given

    treating = [decision.name for decision in env.registry.decisions if decision.treats]
    return {
        "experts": {},
        "untreated": dict.fromkeys(treating, never),
        "steroids-alone": dict.fromkeys(treating, steroids),
    }


def _episode(
    number: int, states: np.ndarray, actions: np.ndarray, rewards: np.ndarray, infos: dict[str, np.ndarray]
) -> dict[str, Any]:
    ended = np.arange(len(rewards)) == len(rewards) - 1
    return {
        "id": number,
        "observations": states,
        "actions": actions,
        "rewards": rewards,
        "terminations": ended,
        "truncations": np.zeros(len(rewards), dtype=bool),
        "infos": infos,
    }
