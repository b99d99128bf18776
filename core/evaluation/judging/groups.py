"""A policy's difference in groups of patients: critics are of everyone, only the group is judged.

Intervals are corrected for how many groups are looked at (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from core.base.statistics import Z95
from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge_groups
from core.evaluation.judging.gate import corrected_z
from core.evaluation.judging.grade import GradeSettings, grade
from core.evaluation.judging.histories import Histories
from core.evaluation.support import ICU_WORDS, Words

FEWEST_STAYS = 50  # of a group that is judged apart
COLUMNS = ("by", "group", "n", "difference", "low", "high", "se", "ess", "grade")
Group = tuple[str, str, np.ndarray]  # by what, its name, and who is in it (N,) bool


def judged_groups(
    histories: Histories,
    folds: Sequence[Fold],
    groups: Iterable[Group],
    settings: JudgeSettings,
    floor: float,
    words: Words = ICU_WORDS,
) -> pd.DataFrame:
    """The difference of the folds' one policy in each group, a row each: `COLUMNS`.

    n: of the group's stays those that judge; groups of fewer than `FEWEST_STAYS` of them have n alone. floor:
    effective stays below which a difference is weak.
    """
    held = np.any([fold.held for fold in folds], axis=0)
    here = [(by, name, chosen & held) for by, name, chosen in groups]
    enough = [chosen for _, _, chosen in here if chosen.sum() >= FEWEST_STAYS]
    found, z, rows = iter(judge_groups(histories, folds, enough, settings)), corrected_z(Z95, len(enough)), []
    for by, name, chosen in here:
        row: dict[str, object] = {"by": by, "group": name, "n": int(chosen.sum())}
        if chosen.sum() >= FEWEST_STAYS:
            (one,) = next(found)
            gain = one.difference
            low, high = gain.value - z * gain.se, gain.value + z * gain.se
            row |= {"difference": gain.value, "low": low, "high": high, "se": gain.se, "ess": gain.ess}
            row["grade"] = grade(one, GradeSettings(ess=floor), words).grade
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def thirds(by: str, values: np.ndarray) -> Iterable[Group]:
    """Those of the lowest, the middle and the highest third of values (N,); NaN is in none."""
    low, high = np.nanquantile(values, [1 / 3, 2 / 3])
    yield by, "lowest third", values <= low
    yield by, "middle third", (values > low) & (values <= high)
    yield by, "highest third", values > high
