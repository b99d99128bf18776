"""Roll out any policy in the mechanism: the recorded registry and every true value come from this one loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.base.rng import stream
from core.registry.cohort.drugs import Combinations
from core.registry.simulate import course
from core.registry.simulate.patients import draw_patients, traits
from core.registry.simulate.regimens import expert_probs, regimens
from core.registry.simulate.world import DEFAULT_WORLD, RegistryWorld
from core.registry.spec import RegistrySpec


@dataclass(frozen=True, eq=False)
class DecisionState:
    """What a policy may see when a decision is posed to n patients at one stage.

    frame: (n rows) baseline features and indicators by name, as `StateEncoder.transform` takes them; stage: index into
    `spec.stages`; uniform: (n,) one number in [0, 1) a patient, the same for every policy, for random choices; frailty:
    (n,) hidden truth of a confounded world (`RegistryWorld`), which only the experts see.
    """

    decision: str
    stage: int
    frame: pd.DataFrame
    uniform: np.ndarray
    frailty: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def indicators(self) -> np.ndarray:
        """(n, 4) bool: alive, acute GVHD, chronic GVHD, relapse."""
        return self.frame[["alive", "acute_gvhd", "chronic_gvhd", "relapse"]].to_numpy(bool)


Policy = Callable[[DecisionState], np.ndarray]
"""From a `DecisionState` to the drugs given: (n, n_drugs) 0/1 in the order of the decision's drugs."""


def draw_combinations(catalog: Combinations, probs: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """(n, n_drugs) drugs of one action a row, drawn from probabilities (n, A) with uniforms (n,)."""
    return catalog.decode(draw(probs, uniform))


def draw(probs: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """(n,) int64 one index a row of probabilities (n, A), which may sum to 1 only roughly."""
    cumulative = np.cumsum(probs, axis=1)
    chosen = (uniform[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
    return np.asarray(np.minimum(chosen, probs.shape[1] - 1).astype(np.int64))


@dataclass(frozen=True, eq=False)
class Rollout:
    """n simulated patients: features (n rows), indicators (n, stages, 4) bool, reached (n, stages) bool: the stage was
    reached without earlier death or relapse (at the stage itself they may have died); drugs {decision: (n, stages,
    n_drugs)} uint8; propensities {decision: (n, stages)} of what experts gave, NaN elsewhere; frailty (n,) hidden, see
    `RegistryWorld`."""

    features: pd.DataFrame
    indicators: np.ndarray
    reached: np.ndarray
    drugs: dict[str, np.ndarray]
    propensities: dict[str, np.ndarray]
    frailty: np.ndarray


@dataclass(frozen=True, eq=False)
class Given:
    """Drugs (m, n_drugs) of one decision, and the chance (m,) that experts had to give these; NaN where not theirs."""

    drugs: np.ndarray
    propensity: np.ndarray | float = np.nan


@dataclass(frozen=True, eq=False)
class Moment:
    """A stage at which somebody decides. posed {decision: state of the m patients who go on}; indicators (n, 4) of all
    patients, those included whose course is over."""

    stage: int
    posed: Mapping[str, DecisionState]
    indicators: np.ndarray
    world: RegistryWorld

    def experts(self, decision: str) -> Given:
        """What the experts of this world give."""
        state, known = self.posed[decision], regimens(decision)
        probs = self.expert_probs(decision)
        chosen = draw(probs, state.uniform)
        return Given(known.matrix[chosen], probs[np.arange(len(probs)), chosen])

    def expert_probs(self, decision: str) -> np.ndarray:
        """(m, M) chance of each combination that experts know, by all that they see; see `regimens`."""
        state, hidden = self.posed[decision], self.world.confounding
        seen = hidden * state.frailty if hidden and state.frailty is not None else None
        return expert_probs(decision, traits(state.frame), state.indicators, self.stage, seen)


def roll_out(
    spec: RegistrySpec,
    n: int,
    seed: int,
    purpose: str,
    policies: Mapping[str, Policy] | None = None,
    world: RegistryWorld = DEFAULT_WORLD,
) -> Rollout:
    """Simulate n patients from transplant to 4 years; decisions without a policy are the experts'.

    Streams are named by (seed, purpose): two policies rolled out with the same seed meet the same patients and the
    same chance (common random numbers), so the difference of their values is sharper than each value.
    """
    policies = dict(policies or {})
    stays = stepwise(spec, n, seed, purpose, world)
    moment = next(stays)
    while True:
        given = {name: Given(policies[name](state)) for name, state in moment.posed.items() if name in policies}
        given |= {name: moment.experts(name) for name in moment.posed if name not in policies}
        try:
            moment = stays.send(given)
        except StopIteration as ended:
            return cast(Rollout, ended.value)


def stepwise(
    spec: RegistrySpec, n: int, seed: int, purpose: str, world: RegistryWorld = DEFAULT_WORLD
) -> Generator[Moment, Mapping[str, Given], Rollout]:
    """`roll_out` with the caller as all policies: yields each stage, and is sent what is given in its decisions."""
    features = draw_patients(stream(seed, purpose, "patients"), n)
    trait, frailty = traits(features), world.hidden(stream(seed, purpose, "frailty"), n)
    n_stages = len(spec.stages)
    indicators, reached = _start(n, n_stages)
    drugs = {d.name: np.zeros((n, n_stages, len(d.drugs)), dtype=np.uint8) for d in spec.decisions}
    propensities = {d.name: np.full((n, n_stages), np.nan) for d in spec.decisions}
    luck = stream(seed, purpose, "course").random((spec.horizon, 4, n))
    for stage in range(spec.horizon):
        now = indicators[:, stage]
        who = np.flatnonzero(reached[:, stage] & now[:, 0] & ~now[:, 3])
        posed = {}
        for name in (decision.name for decision in spec.decisions if stage in decision.stages):
            uniform = stream(seed, purpose, name, stage).random(n)[who]
            posed[name] = _state(spec, name, stage, features, now, who, uniform, frailty)
        answers = yield Moment(stage, posed, now, world)
        given = {name: _checked(answers[name].drugs, len(who), len(spec.decision(name).drugs)) for name in posed}
        for name, matrix in given.items():
            drugs[name][who, stage] = matrix
            propensities[name][who, stage] = answers[name].propensity
        chance = course.chances(stage, trait[who], now[who], given, world.effect, frailty[who])
        indicators[who, stage + 1] = course.step(chance, luck[stage][:, who])
        reached[who, stage + 1] = True
    return Rollout(features, indicators, reached, drugs, propensities, frailty)


def _start(n: int, n_stages: int) -> tuple[np.ndarray, np.ndarray]:
    """Indicators (n, stages, 4) and reached (n, stages) of patients who are alive at transplant."""
    indicators, reached = np.zeros((n, n_stages, 4), dtype=bool), np.zeros((n, n_stages), dtype=bool)
    indicators[:, 0, 0] = reached[:, 0] = True
    return indicators, reached


def _state(
    spec: RegistrySpec,
    decision: str,
    stage: int,
    features: pd.DataFrame,
    now: np.ndarray,
    who: np.ndarray,
    uniform: np.ndarray,
    frailty: np.ndarray,
) -> DecisionState:
    frame = features.iloc[who].reset_index(drop=True)
    for j, name in enumerate(spec.indicator_names):
        frame[name] = now[who, j].astype(np.int64)
    return DecisionState(decision, stage, frame, uniform, frailty[who])


def _checked(answer: np.ndarray, n: int, n_drugs: int) -> np.ndarray:
    """A policy's answer, (n, n_drugs) uint8, refused where it is no matrix of 0 and 1."""
    answer = np.asarray(answer)
    if answer.shape != (n, n_drugs) or not np.isin(answer, (0, 1)).all():
        raise ConfigError(f"a policy must return a ({n}, {n_drugs}) matrix of 0 and 1, one column a drug.")
    return answer.astype(np.uint8)
