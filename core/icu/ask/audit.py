"""How far a run's advice may be believed, by tests on its own records: null cohorts, controls, prognosis, subgroups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.evaluation.judging.audit import control_rewards, in_each, null_advice, residualized
from core.evaluation.judging.gate import DIALS, Advice, GateSettings
from core.evaluation.judging.groups import Group, judged_groups, thirds
from core.icu.advice import AuditRecord, Control
from core.icu.ask.judge import AdvisedStays, judge_settings, step_features
from core.icu.stays import Stays
from core.study import StudySpec

AT_ONCE = 2  # null cohorts that are asked beside each other, where there are threads


def null_cohorts(advised: AdvisedStays, study: StudySpec, floor: float, repeats: int, seed: int) -> Iterator[Advice]:
    """What would be advised in null cohorts, a few at a time; floor: effective stays that the advice was asked for."""
    settings, held = judge_settings(study), [fold.held for fold in advised.folds]
    rng, gates = stream(seed, "audit", "null"), GateSettings.of_floor(floor)
    for start in range(0, repeats, AT_ONCE):
        some, asked = min(AT_ONCE, repeats - start), (advised.histories, advised.probs, held, step_features(study))
        yield from null_advice(*asked, settings, some, rng, gates)


def audit(advised: AdvisedStays, study: StudySpec, share: float, null: Sequence[Advice]) -> AuditRecord:
    """Audit the advice at the dial `share`; null: what would be advised in null cohorts."""
    settings, histories = judge_settings(study), advised.histories
    held, place = [fold.held for fold in advised.folds], DIALS.index(share)
    alone = [replace(fold, policies=[fold.policies[place]]) for fold in advised.folds]
    columns = [study.index(name) for name in study.highlights]
    rewards = [residualized(histories, held), *(control_rewards(histories, column) for column in columns)]
    residual, *gains = (one.difference for (one,) in in_each(histories, alone, rewards, settings))
    named = zip(study.highlights, gains, strict=True)
    controls = [Control(column=name, gain=gain.value, se=gain.se) for name, gain in named]
    return AuditRecord(
        share=share,
        null_repeats=len(null),
        null_advised=sum(one.chosen is not None for one in null),
        null_claimed=sum(one.claims for one in null),
        residual_value=residual.value,
        residual_low=residual.low,
        residual_high=residual.high,
        controls=tuple(controls),
    )


def subgroups(advised: AdvisedStays, stays: Stays, study: StudySpec, labels: np.ndarray, share: float) -> pd.DataFrame:
    """The dial's difference in groups of the advised stays, a row each, as in `core.evaluation.judging.groups`.

    labels (N,) phenotype of each stay. Everyone outside a fold teaches its critics; each stay of a group is judged by
    the fold that never saw its person.
    """
    groups = _groups(stays.trajectories.states[advised.rows], study, labels[advised.rows])
    place, floor = DIALS.index(share), stays.config.evaluation.ess_floor
    folds = [replace(fold, policies=[fold.policies[place]]) for fold in advised.folds]
    return judged_groups(advised.histories, folds, groups, judge_settings(study), floor)


def _groups(states: np.ndarray, study: StudySpec, labels: np.ndarray) -> Iterator[Group]:
    """By what, its name and the stays (n,) bool: binary statics, thirds of the other statics and of severity at the
    first step, phenotypes. states (n, T, D) as scaled, since thirds and halves are the same on any scale."""
    first = states[:, 0]
    for column in study.columns:
        value = first[:, study.index(column.name)]
        if column.binary and column.kind == "static":
            for side, name in ((value <= value.mean(), "0"), (value > value.mean(), "1")):
                yield column.name, name, side
        elif column.kind == "static" or column.name == study.severity:
            yield from thirds(column.name, value)
    for k in np.unique(labels):
        yield "phenotype", str(k), labels == k
