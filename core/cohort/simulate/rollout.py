"""Roll out any policy in the mechanism: recorded cohorts, true values and environments come from this one loop."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import cast

import numpy as np

from core.base.errors import ConfigError
from core.base.rng import stream
from core.cohort.simulate import hazard, measurement
from core.cohort.simulate.clinicians import Clinicians
from core.cohort.simulate.constants import Constants
from core.cohort.simulate.history import History, Policy
from core.cohort.simulate.mechanism import ONSET
from core.cohort.simulate.patients import Patients, draw_patients
from core.cohort.simulate.physiology import Body
from core.cohort.simulate.world import World, entries
from core.study import StudySpec

DEFAULT_WORLD = World()


@dataclass(frozen=True, eq=False)
class Rollout:
    """n simulated stays: entry (n,) step of the window with which the record starts; states (n, T, D) float32, actions
    (n, T), probs (n, T, A) of the policy, lengths (n,), outcomes (n,) +1 or -1, died (n,) inside the window, risk
    (n, T); rows of states beyond a stay's length repeat its last one. signals (n, T, J) latent, kept on request."""

    patients: Patients
    entry: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    probs: np.ndarray
    lengths: np.ndarray
    outcomes: np.ndarray
    died: np.ndarray
    risk: np.ndarray
    signals: np.ndarray | None

    @property
    def mask(self) -> np.ndarray:
        """(n, T) real steps."""
        return np.arange(self.states.shape[1]) < self.lengths[:, None]


def chart(statics: np.ndarray, body: Body, constants: Constants, study: StudySpec, world: World) -> np.ndarray:
    """(n, D) float32 row that is charted now, from statics (n, S) and the body's latent signals."""
    from_onset = body.step - ONSET if world.memory else None
    values = measurement.measure(measurement.prepare(body.signals), constants.transforms, from_onset)
    temporal = [values[name] for name in study.names[study.n_static :]]
    return np.concatenate([statics, np.stack(temporal, axis=1)], axis=1).astype(np.float32)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _checked(probs: np.ndarray, active: np.ndarray, n_actions: int) -> np.ndarray:
    """A policy's answer, (n, A), refused where it is not a distribution for a patient still in the stay."""
    probs = np.asarray(probs, dtype=np.float64)
    if probs.shape != (len(active), n_actions):
        raise ConfigError(f"a policy must return ({len(active)}, {n_actions}) action probabilities, not {probs.shape}.")
    asked = probs[active]
    if not np.isfinite(asked).all() or (asked < -1e-9).any() or (np.abs(asked.sum(axis=1) - 1) > 1e-4).any():
        raise ConfigError("a policy must return finite, non-negative probabilities that sum to 1 in each row.")
    return np.where(active[:, None], probs, np.eye(n_actions)[0])


def draw(probs: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """One action a row (n,), from uniforms (n,); a row's probabilities may sum to 1 only roughly."""
    cumulative = np.cumsum(probs, axis=1)
    chosen = (uniform[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
    return np.asarray(np.minimum(chosen, probs.shape[1] - 1).astype(np.int64))


class _Endings:
    """Which stays still run, how long they were and how they ended."""

    def __init__(self, most: np.ndarray, constants: Constants, rng: np.random.Generator) -> None:
        """most: (n,) steps of each patient until the window ends."""
        n = len(most)
        self.active = np.ones(n, dtype=bool)
        self.lengths = most.copy()
        self.died = np.zeros(n, dtype=bool)
        self._last_risk = np.zeros(n)
        self._constants = constants
        self._rng = rng

    def observe(self, step: int, level: np.ndarray) -> None:
        """End stays whose last row is this step; two uniforms a patient and step, whatever happens."""
        draws = self._rng.random((2, len(level)))
        self._last_risk = np.where(self.active, level, self._last_risk)
        if step == 0:
            return
        died = self.active & (draws[0] < hazard.death_probability(level, self._constants))
        left = self.active & (draws[1] < hazard.discharge_probability(level, self._constants))
        self.died |= died
        ends = died | left
        self.lengths[ends] = step + 1
        self.active = self.active & ~ends & (step + 1 < self.lengths)

    def outcomes(self, phenotype: np.ndarray) -> np.ndarray:
        """(n,) +1 survived to day 90, -1 died."""
        late = hazard.late_death_probability(self._last_risk, phenotype, self._constants)
        died = self.died | (self._rng.random(len(late)) < late)
        return np.where(died, -1.0, 1.0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Moment:
    """A step at which somebody decides. history: what may be known; last (n,): the record ends with this row, so that
    what is decided here has no effect any more; place (n,): step of the window; uniform (n,): what the action is drawn
    by, so that `draw(probs, uniform)` is the action of a roll-out under these probs."""

    history: History
    last: np.ndarray
    place: np.ndarray
    uniform: np.ndarray


def roll_out(
    constants: Constants,
    study: StudySpec,
    n: int,
    seed: int,
    purpose: str,
    policy: Policy | None = None,
    keep_signals: bool = False,
    world: World = DEFAULT_WORLD,
) -> Rollout:
    """Simulate n stays of a world under a policy (None: its clinicians).

    Streams are named by (seed, purpose): policies rolled out with the same seed meet the same patients and the same
    noise (common random numbers), so the difference of their values is sharper than each value.
    """
    act = policy or Clinicians(constants.action_intercepts, study, world)
    stays = stepwise(constants, study, n, seed, purpose, keep_signals, world)
    moment = next(stays)
    while True:
        try:
            moment = stays.send(act(moment.history))
        except StopIteration as ended:
            return cast(Rollout, ended.value)


def stepwise(
    constants: Constants,
    study: StudySpec,
    n: int,
    seed: int,
    purpose: str,
    keep_signals: bool = False,
    world: World = DEFAULT_WORLD,
) -> Generator[Moment, np.ndarray, Rollout]:
    """`roll_out` with the caller as the policy: yields each moment, and is sent its probabilities (n, A)."""
    patients = draw_patients(stream(seed, purpose, "patients"), n, constants)
    entry = entries(stream(seed, purpose, "entry"), n, world.late_share(constants.late_starts))
    body = Body(patients, entry, study.horizon, stream(seed, purpose, "physiology"), world)
    endings = _Endings(study.horizon - entry, constants, stream(seed, purpose, "hazard"))
    choices, shape = stream(seed, purpose, "actions"), (n, study.horizon)
    states = np.zeros((*shape, study.n_columns), dtype=np.float32)
    actions = np.zeros(shape, dtype=np.int64)
    probs = np.zeros((*shape, study.n_actions))
    risk = np.zeros(shape)
    signals = np.zeros((*shape, len(patients.own_levels.T))) if keep_signals else None
    for t in range(study.horizon):
        active, row = endings.active.copy(), chart(patients.statics, body, constants, study, world)
        states[:, t] = np.where(active[:, None], row, states[:, max(t - 1, 0)])
        risk[:, t] = hazard.risk(body.factors)
        if signals is not None:
            signals[:, t] = body.signals
        history = History(_read_only(states[:, : t + 1]), _read_only(actions[:, :t]), active, patients.phenotype)
        endings.observe(t, risk[:, t])  # by the risk as it is now: what is decided now acts on the next row
        uniform = choices.random(n)
        asked = yield Moment(history, active & ~endings.active, entry + t, uniform)
        probs[:, t] = _checked(asked, active, study.n_actions)
        actions[:, t] = draw(probs[:, t], uniform)
        if t + 1 < study.horizon:
            body.advance(actions[:, t])
    outcomes = endings.outcomes(patients.phenotype)
    return Rollout(patients, entry, states, actions, probs, endings.lengths, outcomes, endings.died, risk, signals)
