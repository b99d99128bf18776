"""Would the records say the same, had the study chosen otherwise? Advice and difference under other choices.

A choice weighs the J terms of the reward (factors, 1 as in the run), in a world: a discount, and two neighboring doses
taken as one or none. What never changes: stays, folds, and the clinicians' probabilities, which are summed where doses
are joined. Two questions to each choice:

judged   the run's own policy as it was learned: its difference to the clinicians in that reward
taken    the pessimistic step learned anew in that reward, by a fold that never saw the stay: which action it takes

Both are linear in the factors (`core.evaluation.judging.terms`, `PessimisticTerms`), so a world is solved once for all
of its choices, and exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.base.rng import stream
from core.base.statistics import Z95
from core.base.threads import side_by_side
from core.evaluation.judging.choices import ChoiceLine, PolicyChoices
from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge_terms
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.grade import GradeSettings, grade
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.pessimism import PessimisticTerms, contrasts, pessimistic_terms

GAMMAS, DRAWS = (0.95, 0.99, 1.0), 12  # other discounts, and draws of all weights at once
HALF, DOUBLE = 0.5, 2.0
CHANGES = {0.0: "off", HALF: "halved", DOUBLE: "doubled"}


@dataclass(frozen=True)
class World:
    """gamma: the discount; joined: actions `joined` and `joined` + 1 are one, None: all stay apart."""

    gamma: float
    joined: int | None = None

    def groups(self, n_actions: int) -> np.ndarray:
        """(A,) number of each action where two are one."""
        numbers = np.arange(n_actions)
        return numbers if self.joined is None else numbers - (numbers > self.joined)


@dataclass(frozen=True)
class Choice:
    """factors (J,) of the reward's terms, in a world."""

    factors: tuple[float, ...]
    world: World


@dataclass(frozen=True)
class Named:
    """A choice and what is chosen otherwise, in words (see `ChoiceLine`)."""

    choice: Choice
    cause: str
    change: str


@dataclass(frozen=True, eq=False)
class Records:
    """What every choice is asked of: histories (their rewards are not read), terms (N, T, J) of the reward, folds with
    the run's policies, behaviors (N, T, A) of each fold by a model of the others; features that the step looks at."""

    histories: Histories
    terms: np.ndarray
    folds: Sequence[Fold]
    behaviors: Sequence[np.ndarray]
    features: FeatureSettings
    settings: JudgeSettings

    def within(self, world: World) -> Records:
        """The same records under another discount, and with two doses as one."""
        groups, histories = world.groups(self.histories.n_actions), self.histories
        if world.joined is None:
            return replace(self, histories=replace(histories, gamma=world.gamma))
        actions, summed = groups[histories.actions], np.eye(groups.max() + 1)[groups]  # (A, A')
        counts = np.bincount(histories.flat(histories.actions), minlength=len(groups)) + 1e-9
        doses = (counts * histories.doses) @ summed / (counts @ summed)
        behaviors = [behavior @ summed for behavior in self.behaviors]
        told = replace(histories, gamma=world.gamma, actions=actions, doses=doses)
        folds = [
            Fold.by(told, one.held, [_joined(p, summed) for p in one.policies], chances, one.chances is not None)
            for one, chances in zip(self.folds, behaviors, strict=True)
        ]
        return replace(self, histories=told, folds=folds, behaviors=behaviors)


@dataclass(frozen=True, eq=False)
class Atlas:
    """Of each choice, in its order: judged, the policies of the folds; taken (C, N, T) int8, the action that the step
    takes in its world, -1 where it does as clinicians do, and where nothing is evaluated."""

    judged: tuple[tuple[Judged, ...], ...]
    taken: np.ndarray


def reward_atlas(records: Records, choices: Sequence[Choice]) -> Atlas:
    """Ask every choice. ValueError where a choice has not one factor a term."""
    worlds, places = _by_world(choices)
    judged: list[tuple[Judged, ...]] = [()] * len(choices)
    taken = np.full((len(choices), *records.histories.mask.shape), -1, dtype=np.int8)

    def ask(place: int) -> None:
        factors = [np.array(choices[at].factors) for at in places[place]]
        here = records.within(worlds[place])
        for at, each in zip(places[place], _judged(here, factors), strict=True):
            judged[at] = each
        for fold, behavior in zip(here.folds, here.behaviors, strict=True):
            for at, one in zip(places[place], _taken(here, fold, behavior, factors), strict=True):
                taken[at, fold.held] = one

    side_by_side(ask, range(len(worlds)))
    return Atlas(tuple(judged), taken)


def judged_under(records: Records, choices: Sequence[Choice]) -> list[tuple[Judged, ...]]:
    """The policies of the folds in the reward and world of each choice; no step is learned anew."""
    worlds, places = _by_world(choices)
    judged: list[tuple[Judged, ...]] = [()] * len(choices)

    def ask(place: int) -> None:
        found = _judged(records.within(worlds[place]), [np.array(choices[at].factors) for at in places[place]])
        for at, one in zip(places[place], found, strict=True):
            judged[at] = one

    side_by_side(ask, range(len(worlds)))
    return judged


def policies_under(records: Records, named: Sequence[Named], floor: float) -> list[PolicyChoices]:
    """Every policy of the folds as it is under every choice, the first the study's own, in SDs of the recorded returns;
    floor: effective stays below which a difference is weak."""
    found = judged_under(records, [one.choice for one in named])
    return [
        PolicyChoices(lines=tuple(_line(*told, floor) for told in zip(named, each, strict=True)))
        for each in zip(*found, strict=True)
    ]


def _line(named: Named, judged: Judged, floor: float) -> ChoiceLine:
    found, unit = judged.difference, judged.unit if judged.unit > 0 else 1.0
    return ChoiceLine(
        cause=named.cause,
        change=named.change,
        value=found.value / unit,
        low=found.low / unit,
        high=found.high / unit,
        ess=found.ess,
        grade=grade(judged, GradeSettings(ess=floor)).grade,
        claims=bool(found.value - Z95 * found.se > 0),
    )


def told_of(shown: Judged, floor: float) -> dict[str, Any]:
    """What a `ChoiceRecord` says of the dial that is shown, in its choice's own reward."""
    found = shown.difference
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "se": found.se,
        "ess": found.ess,
        "unit": shown.unit,
        "grade": grade(shown, GradeSettings(ess=floor)).grade,
    }


def latin_factors(n: int, seed: int, draws: int = DRAWS) -> np.ndarray:
    """(draws, n) factors of n weights at once, each between half and double, spread evenly on a logarithmic axis."""
    from scipy.stats.qmc import LatinHypercube

    spread: np.ndarray = LatinHypercube(n, rng=stream(seed, "atlas")).random(draws)
    return np.asarray(HALF * (DOUBLE / HALF) ** spread)


def _by_world(choices: Sequence[Choice]) -> tuple[list[World], list[list[int]]]:
    """The worlds of the choices, each once, and which choices are asked in each."""
    worlds = list(dict.fromkeys(choice.world for choice in choices))
    return worlds, [[at for at, choice in enumerate(choices) if choice.world == world] for world in worlds]


def _judged(records: Records, factors: Sequence[np.ndarray]) -> list[tuple[Judged, ...]]:
    """The policies of the folds under each of the factors."""
    found = judge_terms(records.histories, records.folds, records.terms, records.settings)
    return [tuple(found.judged(one)) for one in factors]


def _taken(records: Records, fold: Fold, behavior: np.ndarray, factors: Sequence[np.ndarray]) -> list[np.ndarray]:
    """(h, T) of the fold's own h stays under each of the factors."""
    terms = _learned(records, fold, behavior)
    told = records.histories.only(fold.held)
    usual = told.flat(behavior[fold.held]).astype(np.float64)
    contrast, found = contrasts(terms.features, told, usual), []
    for one in factors:
        grid, step = np.full(told.mask.shape, -1, dtype=np.int8), terms.step(one)
        grid[told.mask] = step.taken(step.advantages_by(contrast), usual)
        found.append(grid)
    return found


def _learned(records: Records, fold: Fold, behavior: np.ndarray) -> PessimisticTerms:
    histories = replace(records.histories, rewards=records.terms)
    return pessimistic_terms(histories, ~fold.held, records.features, chances=behavior)


def _joined(policy: Deferring, summed: np.ndarray) -> Deferring:
    """The policy with probabilities of joined actions summed. summed (A, A') 0 or 1."""
    return replace(policy, own=policy.own @ summed)
