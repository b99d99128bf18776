"""What is said of unrecorded causes: of a claim, where none is made, and beside which column."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.judging.hidden import GAMMAS, MOST, Bounds, Hidden
from core.evaluation.judging.left_out import ColumnOdds
from core.evaluation.judging.mix import Judged, MixEstimate
from core.icu.hidden_causes import NOBODY, HiddenCauses, hidden_causes, in_words

COLUMNS = [ColumnOdds(column="Lactate", gamma=1.2), ColumnOdds(column="SOFA", gamma=1.5)]


def judged(value: float, lasting: float = 4.0, passing: float = 2.0) -> Judged:
    """A difference with standard error 1, of which hidden causes take and add so much times log Gamma."""
    found = MixEstimate(value, value - 1.96, value + 1.96, 90, 1.0, 0.0, 50.0, ())
    logs = np.log(GAMMAS)
    return Judged(
        "p", found, found, 10.0, Hidden(*(Bounds(-slope * logs, slope * logs) for slope in (lasting, passing)))
    )


def causes(one: Judged, columns: list[ColumnOdds] = COLUMNS, z: float = 1.96) -> HiddenCauses:
    found = hidden_causes(one, z, columns)
    assert found is not None
    return found


def test_a_claim_dies_where_its_margin_beyond_z_errors_is_gone() -> None:
    found = causes(judged(3.0, 4.0, 2.0), z=2.4)
    assert found.claim_dies_at == pytest.approx(np.exp(0.6 / 4))
    assert found.claim_dies_at_passing == pytest.approx(np.exp(0.6 / 2))
    assert (found.gamma, found.low) == (1.5, pytest.approx(1.04 - 4 * np.log(1.5)))
    assert found.passing_high == pytest.approx(4.96 + 2 * np.log(1.5))
    assert found.short == "dies at 1.16 (passing: 1.35)"
    assert HiddenCauses.of_row(found.row) == found
    assert causes(judged(2.3), z=2.4).claim_dies_at is None


@pytest.mark.parametrize(
    ("value", "lasting", "passing", "would"),
    [
        (3.0, "1.30", "1.68", "could kill it if it lasts"),
        (2.5, "1.14", "1.31", "could kill it"),
        (4.0, "1.67", "2.77", "would not kill it"),
        (30.0, "more than 20", "more than 20", "would not kill it"),
    ],
)
def test_a_claim_is_held_beside_the_strongest_column(value: float, lasting: str, passing: str, would: str) -> None:
    found = causes(judged(value))
    said = (
        f"The claim would die if an unrecorded cause multiplied the odds of a dose by {lasting} throughout a stay, or "
        f"by {passing} where it is another one at every step."
    )
    beside = "Leaving out SOFA, the strongest recorded column, multiplies them by up to 1.50"
    assert in_words(found, COLUMNS) == f"{said} {beside}: a hidden cause as strong {would}."
    assert in_words(causes(judged(value), []), []) == said
    assert (found.claim_dies_at == MOST) == (value == 30)


def test_without_a_claim_there_is_nothing_to_kill_and_a_range_that_holds_harm() -> None:
    found = causes(judged(1.0))
    nothing = "No gain is claimed, so there is none that an unrecorded cause could kill."
    assert found.short == "no gain claimed"
    assert in_words(found, COLUMNS) == (
        f"{nothing} With one as strong as SOFA, which multiplies the odds of a dose by up to 1.50, the difference "
        "could lie from -2.6 to +4.6, or from -1.8 to +3.8 where it is another one at every step."
    )
    assert in_words(causes(judged(1.0), []), []) == nothing
    assert HiddenCauses.of_row(found.row) == found


def test_a_policy_that_nobody_follows_has_no_bounds() -> None:
    alone = judged(3.0)
    alone = Judged(alone.name, alone.value, alone.difference, alone.unit, None)
    assert hidden_causes(alone, 1.96, COLUMNS) is None
    assert in_words(None, COLUMNS) == NOBODY
    assert HiddenCauses.of_row({}) is None
