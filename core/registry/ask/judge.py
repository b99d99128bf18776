"""Policies of a registry run judged against what experts did, by the judges of the ICU study.

What is judged is the course of treatment, as in `core.registry.ask.ope`: the discounted sum of rewards from the first
stage of a learned decision on, with nobody lost to follow-up. The difference to the experts is that to the very course
that was recorded, so that where a policy does as they did nothing is estimated. Policies were learned from training and
validation patients; critics and the experts' probabilities come from these, and other patients judge.

Combinations are sets of drugs: critics see the drugs, ratios the whole combination (`core.evaluation.judging.sets`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge
from core.evaluation.judging.deferring import Deferring, always_deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.gate import Advice, GateSettings, gate
from core.evaluation.judging.grade import GradeSettings, judged_row
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.sets import DeferringSets, SetHistories
from core.registry.advice import EXPERTS, RegistryAdvice
from core.registry.ask.compared import DIALS, TITLES, dial_text, gate_places
from core.registry.ask.hidden import hidden_row
from core.registry.ask.ope import WORDS, Judging, Plan, Recorded, drugs_given, grid_propensities


@dataclass(frozen=True, eq=False)
class Bench:
    """Courses in parts, one after the other: first those that judge, then those that teach the critics. histories of
    all, held (N,) True for those that judge, behavior (N, T) the experts' probability of what was given."""

    parts: tuple[Recorded, ...]
    histories: SetHistories
    held: np.ndarray
    behavior: np.ndarray
    settings: JudgeSettings

    @classmethod
    def of(cls, judging: Judging, recorded: Recorded, *learned: Recorded) -> Bench:
        """recorded: courses that judge, of patients whom neither policies nor probabilities have seen."""
        parts = (recorded, *learned)
        behavior = [_taken(one, judging.experts(one)) for one in parts]
        follow_up = [one.courses.followed / judging.kept_share for one in parts]
        histories = SetHistories.of(
            np.concatenate([one.states for one in parts]),
            np.concatenate([drugs_given(one, None) for one in parts]),
            np.concatenate([one.courses.rewards for one in parts]),
            np.concatenate([one.courses.going for one in parts]),
            judging.gamma,
            np.concatenate(follow_up),
        )
        held = np.arange(len(histories.mask)) < len(recorded.courses)
        settings = JudgeSettings(FeatureSettings(judging.indicator_columns, ordered=False), hidden=True)
        return cls(parts, histories, held, np.concatenate(behavior), settings)

    def judge(self, plans: Sequence[Sequence[Plan] | None]) -> list[Judged]:
        """Value and difference to the experts of policies, each by what it does at the courses of each part; None for
        the experts themselves, whatever probabilities a network gives them."""
        return judge(self.histories, [self.fold(plans)], self.settings)

    def fold(self, plans: Sequence[Sequence[Plan] | None]) -> Fold:
        """Who judges, by policies as in `judge`."""
        policies = [self.policy(str(place), each) for place, each in enumerate(plans)]
        return Fold(self.held, policies, self.behavior)

    def policy(self, name: str, plans: Sequence[Plan] | None) -> Deferring:
        """A policy as judges take it; see `judge`."""
        if plans is None:
            return replace(always_deferring(self.histories), name=name)
        both = tuple(zip(self.parts, plans, strict=True))
        drugs = np.concatenate([drugs_given(one, plan) for one, plan in both])
        nothing = np.zeros((*drugs.shape[:2], 1))  # the reference: no critic reads it
        taken, left = (np.concatenate([of(one, plan) for one, plan in both]) for of in (_taken, _left))
        return DeferringSets(name, np.concatenate([nothing, drugs], axis=2), taken=taken, left=left)


def _taken(recorded: Recorded, plan: Plan) -> np.ndarray:
    """(N, T) probability of all that was given under a policy."""
    return grid_propensities(recorded.courses, recorded.treatments, plan, np.ones(recorded.courses.going.shape))


def _left(recorded: Recorded, plan: Plan) -> np.ndarray:
    """(N, T) the experts' probability of what was given at decisions that a policy leaves to them, 1 where at none."""
    treatments = {name: points for name, points in recorded.treatments.items() if plan[name].left}
    return grid_propensities(recorded.courses, treatments, plan, np.ones(recorded.courses.going.shape))


def judgment_table(judged: Sequence[Judged], floor: float) -> pd.DataFrame:
    """`judged_row` of each, and `HIDDEN`; floor: effective courses below which a difference is weak."""
    settings = GradeSettings(ess=floor)
    return pd.DataFrame([judged_row(one, settings, WORDS) | hidden_row(one) for one in judged])


def gate_of(policy: str, candidates: Sequence[Judged], floor: float) -> Advice:
    """The gate's choice among a policy's judgments at `gate_places`, in their order; floor: see `GateSettings`."""
    named = [
        replace(one, name=f"{policy}, {dial_text(DIALS[dial], setting)}")
        for one, (dial, setting) in zip(candidates, gate_places(), strict=True)
    ]
    return gate(named, GateSettings.of_floor(floor))


def advice(policy: str, along: Mapping[str, Sequence[Judged]], floor: float) -> RegistryAdvice:
    """The gate's choice among a policy's dials (`gate_places`), or the experts.

    along: judgments at every setting, by dial. The same two thresholds as in the ICU study (`core.evaluation.judging`);
    with hundreds of combinations many dials rest on a handful of courses, so what is graded "not supported" (fewer than
    a third of the floor's effective courses) is never advised.
    """
    places, settings = gate_places(), GateSettings.of_floor(floor)
    candidates = [along[name][DIALS[name].settings.index(setting)] for name, setting in places]
    found = gate_of(policy, candidates, floor)
    differences = [one.difference for one in candidates]
    ranks = [(one.ess > settings.fewest, one.value - settings.advise_z * one.se) for one in differences]
    dial_name, setting = places[ranks.index(max(ranks))]
    title = f"{TITLES[policy]}, {dial_text(DIALS[dial_name], setting)}"
    return RegistryAdvice(
        recommended=EXPERTS if found.chosen is None else found.recommended,
        policy=policy,
        dial=dial_name,
        setting=setting,
        claims=found.claims,
        advise_z=settings.advise_z,
        claim_z=found.claim_z,
        n=candidates[0].difference.n,
        text=found.text(title, EXPERTS),
    )
