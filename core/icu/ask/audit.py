"""How far a run's advice may be believed, by tests on its own records: null cohorts, controls, prognosis, subgroups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from core.base.rng import stream
from core.base.statistics import Z95
from core.evaluation.judging.audit import control_gain, null_advice, residualized
from core.evaluation.judging.crossfit import judge, judge_groups
from core.evaluation.judging.gate import DIALS, GateSettings, corrected_z
from core.evaluation.judging.grade import GradeSettings, grade
from core.icu.advice import AuditRecord, Control
from core.icu.ask.judge import StepAdvice, judge_settings, step_features
from core.icu.stays import Stays
from core.study import StudySpec

FEWEST_STAYS = 50  # of a subgroup that is judged apart


def audit(advised: StepAdvice, study: StudySpec, share: float, floor: float, repeats: int, seed: int) -> AuditRecord:
    """Audit the advice at the dial `share`; floor: effective stays that it was asked for; repeats: null cohorts."""
    settings, histories = judge_settings(study), advised.histories
    held, place = [fold.held for fold in advised.folds], DIALS.index(share)
    rng, gates = stream(seed, "audit", "null"), GateSettings.of_floor(floor)
    found = null_advice(histories, advised.probs, held, step_features(study), settings, repeats, rng, gates)
    alone = [replace(fold, policies=[fold.policies[place]]) for fold in advised.folds]
    residual = judge(residualized(histories, held), alone, settings)[0].difference
    controls = []
    for name in study.highlights:
        gain = control_gain(histories, alone, study.index(name), settings)[0].difference
        controls.append(Control(column=name, gain=gain.value, se=gain.se))
    return AuditRecord(
        share=share,
        null_repeats=repeats,
        null_advised=sum(one.chosen is not None for one in found),
        null_claimed=sum(one.claims for one in found),
        residual_value=residual.value,
        residual_low=residual.low,
        residual_high=residual.high,
        controls=tuple(controls),
    )


def subgroups(advised: StepAdvice, stays: Stays, study: StudySpec, labels: np.ndarray, share: float) -> pd.DataFrame:
    """The dial's difference in groups of the advised stays, one row each: what is the group by, group, n, difference,
    low, high (corrected for how many groups are looked at), se, ess, grade.

    labels (N,) phenotype of each stay. Groups of fewer than `FEWEST_STAYS` have n alone. Everyone outside a fold
    teaches its critics; only the group is judged, each stay by the fold that never saw its person.
    """
    groups = list(_groups(stays.trajectories.states[advised.rows], study, labels[advised.rows]))
    judged = [chosen for _, _, chosen in groups if chosen.sum() >= FEWEST_STAYS]
    z, place = corrected_z(Z95, len(judged)), DIALS.index(share)
    folds = [replace(fold, policies=[fold.policies[place]]) for fold in advised.folds]
    found = iter(judge_groups(advised.histories, folds, judged, judge_settings(study)))
    floor, rows = stays.config.evaluation.ess_floor, []
    for by, name, chosen in groups:
        row: dict[str, object] = {"by": by, "group": name, "n": int(chosen.sum())}
        if chosen.sum() >= FEWEST_STAYS:
            (one,) = next(found)
            gain = one.difference
            low, high = gain.value - z * gain.se, gain.value + z * gain.se
            row |= {"difference": gain.value, "low": low, "high": high, "se": gain.se, "ess": gain.ess}
            row["grade"] = grade(one, GradeSettings(ess=floor)).grade
        rows.append(row)
    columns = ["by", "group", "n", "difference", "low", "high", "se", "ess", "grade"]
    return pd.DataFrame(rows).reindex(columns=columns)


def _groups(states: np.ndarray, study: StudySpec, labels: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """By what, its name and the stays (n,) bool: binary statics, thirds of the other statics and of severity at the
    first step, phenotypes. states (n, T, D) as scaled, since thirds and halves are the same on any scale."""
    first = states[:, 0]
    for column in study.columns:
        value = first[:, study.index(column.name)]
        if column.binary and column.kind == "static":
            for side, name in ((value <= value.mean(), "0"), (value > value.mean(), "1")):
                yield column.name, name, side
        elif column.kind == "static" or column.name == study.severity:
            low, high = np.quantile(value, [1 / 3, 2 / 3])
            yield column.name, "lowest third", value <= low
            yield column.name, "middle third", (value > low) & (value <= high)
            yield column.name, "highest third", value > high
    for k in np.unique(labels):
        yield "phenotype", str(k), labels == k
