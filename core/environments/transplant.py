"""The transplant registry's simulator as a Gymnasium environment: an episode is a patient, a step is a stage, an action
is a set of drugs.

The same loop as every simulated registry and true value (`core.registry.simulate.rollout`): an episode's discounted
return is that of the patient in a roll-out with its seed. Nobody is lost to follow-up here.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, cast

import gymnasium
import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.registry.cohort.courses import state_rewards
from core.registry.simulate.rollout import Given, Moment, Rollout, stepwise
from core.registry.simulate.world import RegistryWorld
from core.registry.spec import RegistrySpec, load_registry_spec

PURPOSE = "environment"
Course = Generator[Moment, Mapping[str, Given], Rollout]


class TransplantEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One simulated patient at a time, from transplant to the last stage, death or relapse.

    Observations (D,) float32, the columns `observation_names`: baseline features (numbers in their units; a category by
    its place in the spec's list), indicators 0 or 1, and the stage's index. Actions: 0 or 1 a drug of each decision,
    the columns `action_names` ("acute:MMF"), in no order; those of decisions that this stage does not pose have no
    effect. Reward: the spec's, of the state arrived at.

    info after `reset` and each step: `day`; `posed` (A,) bool, which drugs a decision of this stage is about; and the
    truth, which no policy may learn from: `frailty` (0 where the world knows none) and `given` (A,), what the experts
    of this world give here: who plays `given` throughout plays the recorded course. At the end also `event_free`,
    alive without relapse; `reset` also tells the number `patient`.

    `reset(seed=)` makes all later episodes reproducible; `reset(options={"patient": p})` plays patient p again.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(self, world: RegistryWorld | None = None) -> None:
        self.world, self.registry = world or RegistryWorld(), load_registry_spec()
        self.observation_names = (*self.registry.feature_names, *self.registry.indicator_names, "stage")
        self.action_names = self.registry.drug_columns
        low, high = _bounds(self.registry)
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        drugs = gymnasium.spaces.MultiBinary(len(self.action_names))
        self.action_space = cast("gymnasium.Space[np.ndarray]", drugs)
        self._course: Course | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        patient = int((options or {}).get("patient", drawn))
        self._course = stepwise(self.registry, 1, patient, PURPOSE, self.world)
        self._moment = next(self._course)
        first = next(iter(self._moment.posed.values()))
        self._features, self._frailty = first.frame, 0.0 if first.frailty is None else float(first.frailty[0])
        return self._observed(self._moment.indicators[0], 0), {"patient": patient, **self._told(0)}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if self._course is None:
            raise ConfigError("this episode is over, or has not begun; call reset() before step().")
        stage = self._moment.stage + 1
        indicators = self._advance(split_drugs(np.asarray(action), self.registry))
        state, reward = self._observed(indicators, stage), float(state_rewards(indicators[None], self.registry)[0])
        event_free = bool(indicators[0] and not indicators[3])
        ended = not event_free or stage == self.registry.horizon
        if ended:
            self._course = None
        told = self._told(stage, ended)
        return state, reward, ended, False, told | ({"event_free": event_free} if ended else {})

    def _advance(self, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """(4,) indicators at the next stage."""
        assert self._course is not None
        try:
            self._moment = self._course.send({name: Given(given[name][None]) for name in self._moment.posed})
        except StopIteration as ended:
            return np.asarray(ended.value.indicators[0, -1])
        return np.asarray(self._moment.indicators[0])

    def _observed(self, indicators: np.ndarray, stage: int) -> np.ndarray:
        return np.concatenate([feature_row(self._features, self.registry)[0], indicators, [stage]]).astype(np.float32)

    def _told(self, stage: int, ended: bool = False) -> dict[str, Any]:
        """What is known of a stage beside the state; see the class."""
        posed, given = np.zeros(len(self.action_names), dtype=bool), np.zeros(len(self.action_names), dtype=np.int8)
        for name in () if ended else self._moment.posed:
            at = [self.action_names.index(column) for column in self.registry.decision(name).columns]
            posed[at], given[at] = True, self._moment.experts(name).drugs[0]
        return {"day": self.registry.days[stage], "posed": posed, "given": given, "frailty": self._frailty}


def feature_row(frame: pd.DataFrame, spec: RegistrySpec) -> np.ndarray:
    """(n, features) numbers as they are, categories by their place in the spec's list."""
    columns = []
    for feature in spec.features:
        values, known = frame[feature.name], list(feature.categories)
        columns.append(pd.Categorical(values, categories=known).codes if known else values.to_numpy())
    return np.stack(columns, axis=1).astype(np.float64)


def split_drugs(action: np.ndarray, spec: RegistrySpec) -> dict[str, np.ndarray]:
    """{decision: (its drugs,)} of an action over all drugs; `ConfigError` where it is none."""
    if action.shape != (len(spec.drug_columns),) or not np.isin(action, (0, 1)).all():
        raise ConfigError(f"an action is {len(spec.drug_columns)} numbers 0 or 1, one a drug of `action_names`.")
    sizes = [len(decision.drugs) for decision in spec.decisions]
    parts = np.split(action.astype(np.uint8), np.cumsum(sizes)[:-1])
    return {decision.name: part for decision, part in zip(spec.decisions, parts, strict=True)}


def _bounds(spec: RegistrySpec) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value (D,) of each column of an observation."""
    limits = [
        (0.0, len(feature.categories) - 1.0) if feature.plausible is None else feature.plausible
        for feature in spec.features
    ]
    limits += [(0.0, 1.0)] * len(spec.indicator_names) + [(0.0, float(spec.horizon))]
    low, high = np.array(limits, dtype=np.float32).T
    return low, high
