"""What causes that are not recorded could do to a judged difference, as folders, cards and documents keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.base.config import Config
from core.evaluation.judging.hidden import MOST, factor_text
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.left_out import ColumnOdds, beside_a_claim, odds_moved, strongest_first
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.stacked import Propensities
from core.runs.document import number
from core.study import StudySpec

HIDDEN_COLUMNS = (  # of tables, in the order of the fields of `HiddenCauses`
    *("claim_dies_at", "claim_dies_at_passing", "hidden_gamma", "hidden_low", "hidden_high"),
    *("hidden_passing_low", "hidden_passing_high"),
)
UNKNOWN = "This run does not hold how strong an unrecorded cause would have to be; train it again to see."
NOTHING = "No gain is claimed, so there is none that an unrecorded cause could kill."
NOBODY = "No recorded stay follows it, so nothing bounds what an unrecorded cause could do."


class HiddenCauses(Config):
    """Of one difference to the clinicians, see `core.evaluation.judging.hidden`.

    claim_dies_at: Gamma of a cause that lasts through a stay at which a claimed gain is none any more, and
    claim_dies_at_passing of one that is drawn afresh at every step; `MOST` where it outlives all that were tried, None
    where no gain is claimed. low, high: the interval with a lasting cause of strength `gamma`, that of the strongest
    recorded column, passing_low, passing_high: with a passing one; None where no column's strength is known, or the
    difference has no interval.
    """

    claim_dies_at: float | None
    claim_dies_at_passing: float | None
    gamma: float | None
    low: float | None
    high: float | None
    passing_low: float | None
    passing_high: float | None

    @property
    def row(self) -> dict[str, float]:
        """`HIDDEN_COLUMNS` of a table; NaN where None."""
        found = self.model_dump().values()
        return {name: np.nan if one is None else one for name, one in zip(HIDDEN_COLUMNS, found, strict=True)}

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> HiddenCauses | None:
        """From `HIDDEN_COLUMNS`; None where all are missing."""
        values = [float(row.get(name, np.nan)) for name in HIDDEN_COLUMNS]
        if np.isnan(values).all():
            return None
        return cls(**dict(zip(cls.model_fields, [None if np.isnan(one) else one for one in values], strict=True)))

    @property
    def short(self) -> str:
        """For a table: 'dies at 1.08 (passing: 1.21)'."""
        if self.claim_dies_at is None or self.claim_dies_at_passing is None:
            return "no gain claimed"
        return f"dies at {factor_text(self.claim_dies_at)} (passing: {factor_text(self.claim_dies_at_passing)})"


def in_words(found: HiddenCauses | None, columns: Sequence[ColumnOdds]) -> str:
    """What unrecorded causes could do, beside the recorded columns; found: None where nobody follows the policy."""
    if found is None:
        return NOBODY
    top = max(columns, key=lambda one: one.gamma, default=None)
    lasting, passing = found.claim_dies_at, found.claim_dies_at_passing
    if lasting is None or passing is None:
        ends = found.low, found.high, found.passing_low, found.passing_high
        if top is None or None in ends:
            return NOTHING
        return (
            f"{NOTHING} With one as strong as {top.column}, which multiplies the odds of a dose by up to "
            f"{top.gamma:.2f}, the difference could lie from {ends[0]:+.1f} to {ends[1]:+.1f}, or from {ends[2]:+.1f} "
            f"to {ends[3]:+.1f} where it is another one at every step."
        )
    said = (
        f"The claim would die if an unrecorded cause multiplied the odds of a dose by {factor_text(lasting)} "
        f"throughout a stay, or by {factor_text(passing)} where it is another one at every step."
    )
    return f"{said} {beside_a_claim(columns, lasting, passing)}".strip()


def hidden_causes(judged: Judged, z: float, columns: Sequence[ColumnOdds]) -> HiddenCauses | None:
    """Of a judged policy whose gain is claimed beyond z standard errors; None where nobody follows it."""
    if judged.hidden is None:
        return None
    found, lasting, passing = judged.difference, judged.hidden.lasting, judged.hidden.passing
    margin = found.value - z * found.se
    claimed = bool(margin > 0)
    top = max((one.gamma for one in columns), default=None)
    ends: list[float | None] = [None] * 4
    if top is not None:
        shifts = (*lasting.at(min(top, MOST)), *passing.at(min(top, MOST)))
        ends = [number(end + shift) for end, shift in zip((found.low, found.high) * 2, shifts, strict=True)]
    return HiddenCauses(
        claim_dies_at=lasting.reaches(margin) if claimed else None,
        claim_dies_at_passing=passing.reaches(margin) if claimed else None,
        gamma=top,
        low=ends[0],
        high=ends[1],
        passing_low=ends[2],
        passing_high=ends[3],
    )


def hidden_row(judged: Judged, z: float, columns: Sequence[ColumnOdds]) -> dict[str, float]:
    """`HIDDEN_COLUMNS` of `hidden_causes`; all NaN where nobody follows the policy."""
    found = hidden_causes(judged, z, columns)
    return dict.fromkeys(HIDDEN_COLUMNS, np.nan) if found is None else found.row


def strengths(
    study: StudySpec, histories: Histories, fitted: Sequence[Propensities], held: Sequence[np.ndarray]
) -> tuple[ColumnOdds, ...]:
    """Of the study's columns and of earlier doses together, strongest first, each step by the fold that held it out.

    fitted: the clinicians' probabilities of each fold, held: its stays, (N,) bool.
    """
    columns, actions = histories.propensity_columns(), histories.flat(histories.actions)
    width = columns.shape[1]
    earlier = list(range(width - histories.n_earlier, width))
    groups = [*([place] for place in range(len(study.names))), earlier]
    moved = []
    for model, stays in zip(fitted, held, strict=True):
        steps = stays[histories.stay]
        moved.append(odds_moved(model, columns[steps], actions[steps], groups))
    return strongest_first([*study.names, f"earlier {study.actions.words}"], np.concatenate(moved, axis=1))
