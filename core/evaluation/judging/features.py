"""What a linear critic sees of a history and an action: phi(h, a) = [base(h) | action part(h, a)].

    base      1, standardized state, restlessness and its square, t / T and its square, first step (and squares of the
              state, where actions have no order)
    ordered   one-hot dose; any dose x (1, highlights, phenotype weights); top dose x the first two highlights
    unordered what the action gives x (1, highlights, phenotype weights); one-hot of sets of two parts or more

Of doses action 0 (nothing given) is the reference. What an unordered action gives is the one-hot choice, or the drugs
of a set, whose effects add up but for a constant of each set, so that no number of an action matters. The action part
is linear in the one-hot action, so that its mean under a policy is the same function of the policy's probabilities.
Where the clinicians' probabilities b are known it is centered, the action part less its mean under b: what is left of
an action is unlike every function of the history, so that a base that is too plain for the patients leaves the effects
of actions right as long as b is (Robinson 1988). Uncentered, a critic of clinicians who follow severity took 6 to 7
standard errors of effect from drugs that do nothing, at 13,355 simulated patients (docs/evidence.md).
Accumulated dose stays out: sick patients have been given more, and a critic that sees it takes the confounding for an
effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.judging.histories import Histories

N_TOP = 2  # highlights that may change the effect of the top dose


@dataclass(frozen=True)
class FeatureSettings:
    """highlights: state columns that may change a dose's effect, the study's own in order of weight; ordered: actions
    are doses, each more than the one before; history: what was given before joins the base, and of one drug the
    modifiers too, for a critic of the clinicians themselves alone."""

    highlights: tuple[int, ...] = ()
    ordered: bool = True
    history: bool = False


@dataclass(frozen=True, eq=False)
class Situations:
    """m steps before an action: base (m, B), modifiers (m, J) of an action's effect, the first of them 1; usual (m, E)
    the action part of what clinicians do there, None where it is not known."""

    base: np.ndarray
    modifiers: np.ndarray
    usual: np.ndarray | None = None

    def at(self, steps: np.ndarray) -> Situations:
        """The same at some of the steps, by position or bool."""
        return Situations(self.base[steps], self.modifiers[steps], None if self.usual is None else self.usual[steps])


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """phi with the scales of the steps it was fitted on, so that it says the same of a patient whoever else is asked
    about: spread (D,) SD of the state; center, scale (F,) of state, restlessness (and doses); horizon T; parts (A, C)
    what each action gives and together (A, G) one-hot of those that give several parts, where actions have no order.

    low, high (F,): ends of what these steps hold, in SDs. What lies beyond counts as the end: a column that hardly
    varied among few stays would else put another stay at hundreds of SDs, and a critic that is linear there anywhere.
    """

    settings: FeatureSettings
    n_actions: int
    horizon: int
    spread: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    parts: np.ndarray
    together: np.ndarray

    @classmethod
    def fit(cls, histories: Histories, chosen: np.ndarray, settings: FeatureSettings) -> FeatureMap:
        """Take the scales from the chosen flat steps, (m,) bool. ValueError where a highlight is no state column."""
        width = histories.states.shape[-1]
        wrong = [column for column in settings.highlights if not 0 <= column < width]
        if wrong:
            raise ValueError(f"highlights name state columns {wrong}, of which there are {width} (0..{width - 1})")
        spread = _spread(histories.state[chosen])
        columns = _columns(histories, spread, settings.history)[chosen]
        horizon = histories.mask.shape[1]
        center, scale = columns.mean(axis=0), _spread(columns)
        low, high = ((end - center) / scale for end in (columns.min(axis=0), columns.max(axis=0)))
        scales = spread, center, scale, low, high
        return cls(settings, histories.n_actions, horizon, *scales, *_parts(histories))

    def situations(self, histories: Histories, chances: np.ndarray | None = None) -> Situations:
        """Base and modifiers of all steps; chances (m, A): the clinicians' probabilities there, to center by."""
        scaled = self._scaled(_columns(histories, self.spread, self.settings.history), slice(None))
        width = histories.states.shape[-1]
        state, restless, doses = scaled[:, :width], scaled[:, width].copy(), scaled[:, width + 1 :]
        restless[histories.time == 0] = 0  # nothing has moved yet: neither calm nor restless
        t, ones = histories.time / self.horizon, np.ones(len(scaled))
        base = [ones, restless, restless**2, t, t**2, (histories.time == 0).astype(np.float64)]
        wide = [state, doses] if self.settings.ordered else [state, doses, state**2]
        change = self._modifiers(histories, state[:, list(self.settings.highlights)], doses)
        usual = None if chances is None else self.given(change, chances)
        return Situations(np.concatenate([np.stack(base, axis=1), *wide], axis=1), change, usual)

    def modifiers(self, histories: Histories) -> np.ndarray:
        """(m, J) modifiers of an action's effect at all steps, see `Situations`."""
        highlights, after = list(self.settings.highlights), slice(histories.states.shape[-1] + 1, None)
        doses = histories.earlier.copy() if self.settings.history else np.empty((len(histories.stay), 0))
        state = self._scaled(histories.state[:, highlights], highlights)
        return self._modifiers(histories, state, self._scaled(doses, after))

    def _modifiers(self, histories: Histories, highlights: np.ndarray, doses: np.ndarray) -> np.ndarray:
        """From the scaled columns of the highlights and of what was given before (without columns: it is not read)."""
        amounts = [doses] if histories.n_earlier == 2 else []  # of many parts they would be too many
        parts = [np.ones((len(highlights), 1)), highlights, *amounts]
        if histories.memberships is not None:
            parts.append(histories.flat(histories.memberships))
        return np.concatenate(parts, axis=1)

    def _scaled(self, columns: np.ndarray, which: slice | list[int]) -> np.ndarray:
        """Some of the columns in their SDs, in place, none beyond what was fitted on."""
        columns -= self.center[which]
        columns /= self.scale[which]
        return np.clip(columns, self.low[which], self.high[which], out=columns)

    def action_part(self, situations: Situations, weights: np.ndarray) -> np.ndarray:
        """(m, E) action part under action weights (m, A): one-hot for an action, probabilities for a policy; less the
        clinicians' where it is known."""
        given = self.given(situations.modifiers, weights)
        return given if situations.usual is None else given - situations.usual

    def given(self, modifiers: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(m, E) what the actions give by the modifiers of their effects."""
        given = weights[:, 1:]
        if not self.settings.ordered:
            each = (weights @ self.parts)[:, :, None] * modifiers[:, None, :]
            return np.concatenate([each.reshape(len(weights), -1), weights @ self.together], axis=1)
        top = min(N_TOP, len(self.settings.highlights))
        parts = [given, given.sum(axis=1, keepdims=True) * modifiers, given[:, -1:] * modifiers[:, 1 : 1 + top]]
        return np.concatenate(parts, axis=1)


def _parts(histories: Histories) -> tuple[np.ndarray, np.ndarray]:
    """(A, C) what each action gives, where doses tell no parts every action but 0 itself; (A, G) which give several."""
    each, doses = np.eye(histories.n_actions), np.asarray(histories.doses, dtype=np.float64)
    if doses.ndim == 1:
        return each[:, 1:], each[:, :0]
    return doses, each[:, doses.sum(axis=1) > 1]


def _spread(columns: np.ndarray) -> np.ndarray:
    """SD of each column, 1 where it is constant."""
    sd = columns.std(axis=0, dtype=np.float64)
    return np.where(sd > 1e-9, sd, 1.0)


def _columns(histories: Histories, spread: np.ndarray, history: bool) -> np.ndarray:
    """(m, C) state, restlessness (and what was given before)."""
    change = histories.moved @ (1 / spread) / len(spread)
    restless = histories.so_far(change) / np.maximum(histories.time, 1)
    earlier = histories.earlier if history else np.empty((len(change), 0))
    return np.concatenate([histories.state, restless[:, None], earlier], axis=1)


def one_hot(actions: np.ndarray, n_actions: int) -> np.ndarray:
    """(m,) -> (m, A)."""
    return np.asarray(np.eye(n_actions)[actions])
