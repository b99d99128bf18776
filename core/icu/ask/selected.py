"""What a run's advice does for some of its stays: its difference to the clinicians in a selection, by the run's judges.

As the subgroups that a run stores (`core.evaluation.judging.groups`): everyone outside a fold teaches its critics, only
the selection is judged, each stay by the fold that never saw its person. What the folds learned is kept with the run.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.base.remembered import remembered_by
from core.base.rng import derive_seed
from core.base.statistics import Z95
from core.evaluation.judging.crossfit import judge_groups
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.gate import DIALS, corrected_z
from core.evaluation.judging.grade import GradeSettings, judged_row
from core.evaluation.judging.groups import FEWEST_STAYS
from core.icu.advice import stays_advised
from core.icu.ask.judge import STEP, AdvisedStays, advised_stays, held_out, histories_of, judge_settings, taken_by
from core.icu.selection import Selection
from core.icu.view import RunView

FOLDS = ("taken", "given")


def kept_folds(advised: AdvisedStays) -> dict[str, np.ndarray]:
    """`FOLDS`, both (folds, n, T): of each fold, the action that its step takes, -1 where it does as clinicians do, and
    the clinicians' probabilities, (folds, n, T, A); what judges the advice again."""
    # the dial's last setting is the step itself
    taken = [taken_by(fold.policies[-1], advised.histories) for fold in advised.folds]
    given = [behavior.astype(np.float32) for behavior in advised.behaviors]
    return dict(zip(FOLDS, (np.stack(taken), np.stack(given)), strict=True))


def advised_in(view: RunView) -> AdvisedStays | None:
    """What the run's advice rests on, from what it keeps of it; None for a run from before its folds were kept."""
    kept = view.advice_folds
    if kept is None:
        return None
    rows = stays_advised(view.cohort.n_patients, view.config.run.seed)
    histories = histories_of(view.only(rows), view.study, view.n_clusters)
    steps = [
        Deferring(STEP, np.eye(histories.n_actions)[np.maximum(taken, 0)], (taken < 0).astype(np.float64))
        for taken in kept["taken"]
    ]
    behaviors = [given.astype(np.float64) for given in kept["given"]]
    parts = held_out(histories, derive_seed(view.config.run.seed, "advice"))
    return advised_stays(rows, histories, parts, steps, behaviors)


@remembered_by(8)
def advice_in(view: RunView, selection: Selection, looks: int) -> dict[str, object] | None:
    """`judged_row` of the advice at the dial on show among the selected stays, n of them; the interval is corrected for
    how many selections were looked at. None where fewer than `FEWEST_STAYS` of them are judged, or the run is from
    before its folds were kept."""
    advice = view.advice
    chosen = np.isin(stays_advised(view.cohort.n_patients, view.config.run.seed), selection.patients)
    if advice is None or chosen.sum() < FEWEST_STAYS or (kept := advised_in(view)) is None:
        return None
    place = DIALS.index(advice.shown.share)
    folds = [replace(fold, policies=[fold.policies[place]]) for fold in kept.folds]
    ((judged,),) = judge_groups(kept.histories, folds, [chosen], judge_settings(view.study))
    gain, z = judged.difference, corrected_z(Z95, looks)
    widened = replace(gain, low=gain.value - z * gain.se, high=gain.value + z * gain.se)
    floor = GradeSettings(ess=view.config.evaluation.ess_floor)
    return judged_row(replace(judged, difference=widened), floor)
