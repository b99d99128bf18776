"""The reward atlas of a run: which choices are tried, what the advice says under each, and at one step of a stay.

One at a time: each weight of the reward off, halved and doubled, the outcome's halved and doubled, other discounts,
neighboring doses as one (of actions without an order none are neighbors). Then draws of all weights at once by a Latin
hypercube, each between half and double, in the discounts and doses in turn. Bins can only be joined: a run keeps the
dose bin of a step, no amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.evaluation.judging.atlas import CHANGES, GAMMAS, Atlas, Choice, Named, Records, World, latin_factors, told_of
from core.evaluation.judging.atlas import reward_atlas as ask_all
from core.evaluation.judging.choices import DISCOUNT, DOSES, OUTCOME, SEVERAL, AtlasRecord, ChoiceRecord
from core.evaluation.judging.gate import CLINICIANS, DIALS, GateSettings, gate
from core.icu.ask.judge import AdvisedStays, judge_settings, step_features
from core.icu.view import RunView
from core.study import RewardTerm, StudySpec


@dataclass(frozen=True, eq=False)
class RunAtlas:
    """record: what a run folder keeps of it; taken (C, N, T) int8 action of the step learned anew under each choice,
    in all stays of the cohort, see `core.evaluation.judging.atlas.Atlas`."""

    record: AtlasRecord
    taken: np.ndarray


@dataclass(frozen=True)
class StepChoices:
    """One step of a stay: in how many of `of` choices the step learned anew does what the run's does there; others:
    the choices where it does not, each with its action (-1: as clinicians do)."""

    held: int
    of: int
    others: tuple[tuple[ChoiceRecord, int], ...]


def choices_of(study: StudySpec, gamma: float, seed: int) -> list[Named]:
    """The run's own choice, then every other one."""
    weights = np.array([*(term.coefficient for term in study.rewards), study.terminal_coeff])
    active, as_told, own = np.flatnonzero(weights), np.ones(len(weights)), World(gamma)
    found = [Named(Choice(tuple(as_told), own), "", "")]
    for part in active if len(active) > 1 else []:  # a single part's weight only changes the unit
        for factor in CHANGES:
            if factor or part < len(study.rewards):  # without its outcome a study asks another question
                changed = np.where(np.arange(len(weights)) == part, factor, 1.0)
                found.append(Named(Choice(tuple(changed), own), _weight_of(study, int(part)), CHANGES[factor]))
    worlds = [World(one) for one in GAMMAS if abs(one - gamma) > 1e-9]
    found += [Named(Choice(tuple(as_told), one), DISCOUNT, f"{one.gamma:g}") for one in worlds]
    pairs = [World(gamma, lower) for lower in range(1, study.n_actions - 1)] if study.actions.ordered else []
    found += [Named(Choice(tuple(as_told), one), DOSES, f"{_joined(study, one)} as one") for one in pairs]
    return found + (_draws(study, [own, *worlds, *pairs], seed) if len(active) > 1 else [])


def _draws(study: StudySpec, worlds: Sequence[World], seed: int) -> list[Named]:
    """All weights at once, each between half and double; worlds take turns."""
    found = []
    for number, drawn in enumerate(latin_factors(len(study.rewards) + 1, seed)):
        world = worlds[number % len(worlds)]
        said = f"draw {number + 1}, discount {world.gamma:g}"
        said += f", {_joined(study, world)} as one" if world.joined is not None else ""
        found.append(Named(Choice(tuple(float(one) for one in drawn), world), SEVERAL, said))
    return found


def _weight_of(study: StudySpec, part: int) -> str:
    if part == len(study.rewards):
        return OUTCOME
    term: RewardTerm = study.rewards[part]
    return f"weight of {term.column} ({term.kind.replace('_', ' ')})"


def _joined(study: StudySpec, world: World) -> str:
    assert world.joined is not None
    labels = (study.actions.label(world.joined + up) for up in (0, 1))
    return " and ".join(labels)


def reward_atlas(
    advised: AdvisedStays, study: StudySpec, terms: np.ndarray, share: float, floor: float, seed: int
) -> RunAtlas:
    """The advice under every choice.

    terms (N, T, J) of the cohort's reward (`core.trajectories.reward_terms`); share: the dial that is shown; floor:
    effective stays below which a difference is weak.
    """
    named = choices_of(study, advised.histories.gamma, seed)
    records = Records(
        advised.histories,
        terms[advised.rows],
        advised.folds,
        advised.behaviors,
        step_features(study),
        judge_settings(study),
    )
    found = ask_all(records, [one.choice for one in named])
    kept = same_actions(found.taken, [one.choice.world for one in named], study.n_actions)
    departs = found.taken[0] >= 0
    record = AtlasRecord(
        share=share,
        choices=tuple(_record(one, found, kept, at, share, floor) for at, one in enumerate(named)),
        steady=int((kept.all(axis=0) & departs).sum()),
        departs=int(departs.sum()),
    )
    taken = np.full((len(named), *terms.shape[:2]), -1, dtype=np.int8)
    taken[:, advised.rows] = found.taken
    return RunAtlas(record, taken)


def same_actions(taken: np.ndarray, worlds: Sequence[World], n_actions: int) -> np.ndarray:
    """(C, N, T) True where a choice's action is that of the first choice, which joined doses are compared as.

    taken (C, N, T) in each choice's own world, the first with all actions apart.
    """
    same = np.empty(taken.shape, dtype=bool)
    for at, world in enumerate(worlds):
        groups = np.append(world.groups(n_actions), -1)  # -1, the last, stays as it is
        same[at] = taken[at] == groups[taken[0]]
    return same


def _record(named: Named, found: Atlas, kept: np.ndarray, at: int, share: float, floor: float) -> ChoiceRecord:
    judged = found.judged[at]
    shown, advice = judged[DIALS.index(share)], gate(judged, GateSettings.of_floor(floor))
    names = [one.name for one in judged]
    chosen = advice.recommended
    departs = (found.taken[at] >= 0) | (found.taken[0] >= 0)
    return ChoiceRecord(
        cause=named.cause,
        change=named.change,
        factors=named.choice.factors,
        gamma=named.choice.world.gamma,
        joined=named.choice.world.joined,
        **told_of(shown, floor),
        recommended=0.0 if chosen == CLINICIANS else DIALS[names.index(chosen)],
        claims=advice.claims,
        same=int((kept[at] & departs).sum()),
        departs=int(departs.sum()),
    )


def step_choices(view: RunView, patient: int, step: int) -> StepChoices | None:
    """What the choices do at one step of a stay; None for a run without an atlas."""
    if view.advice is None or view.advice.atlas is None or view.atlas_taken is None:
        return None
    choices, taken = view.advice.atlas.choices, view.atlas_taken[:, patient, step, None, None]
    worlds = [World(one.gamma, one.joined) for one in choices]
    same = same_actions(taken, worlds, view.study.n_actions)[:, 0, 0]
    others = [(one, int(action)) for one, action, kept in zip(choices, taken[:, 0, 0], same, strict=True) if not kept]
    return StepChoices(int(same.sum()) - 1, len(choices) - 1, tuple(others))
