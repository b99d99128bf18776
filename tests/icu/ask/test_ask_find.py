"""Which patients pass the filters, held against plain counting stay by stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.icu.ask.find import ColumnRange, Departing, Filters, Hazardous, filter_text, matching
from core.icu.selection import Selection
from core.icu.view import RunView
from core.policies.key import FUSED, PolicyKey
from core.policies.rules import HazardRule

LOW_PLATELETS = HazardRule("Platelets", "<", 60.0)


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def stays(view: RunView, keep) -> list[int]:
    """Positions of the patients for whom `keep(position, rows of the stay)` holds."""
    return [p for p in range(view.cohort.n_patients) if keep(p, view.cohort.rows(p))]


def test_any_column_and_the_largest_dose(view: RunView) -> None:
    j = view.study.index("Platelets")
    low = np.quantile(view.cohort.states[:, j], 0.1)
    asked = Filters(column=ColumnRange("Platelets", "lowest", 0, float(low)))
    expected = stays(view, lambda _, rows: view.cohort.states[rows, j].min() <= low)
    assert 0 < len(expected) < view.cohort.n_patients
    assert matching(view, 3, asked).tolist() == expected
    doses = stays(view, lambda _, rows: view.cohort.actions[rows].max() in (1, 2))
    assert matching(view, 3, Filters(doses=(1, 2))).tolist() == doses


def test_a_hazard_met_and_a_hazardous_dose_given(view: RunView) -> None:
    j = view.study.index("Platelets")
    low = lambda rows: view.cohort.states[rows, j] < 60  # noqa: E731
    met = stays(view, lambda _, rows: low(rows).any())
    given = stays(view, lambda _, rows: (low(rows) & (view.cohort.actions[rows] > 0)).any())
    assert 0 < len(given) < len(met)
    assert matching(view, 3, Filters(hazards=(Hazardous(LOW_PLATELETS, False),))).tolist() == met
    assert matching(view, 3, Filters(hazards=(Hazardous(LOW_PLATELETS, True),))).tolist() == given
    both = (Hazardous(LOW_PLATELETS, True), Hazardous(LOW_PLATELETS, False))
    assert matching(view, 3, Filters(hazards=both)).tolist() == met  # any of them is enough


def test_a_policy_that_doses_otherwise_at_so_many_steps(view: RunView) -> None:
    key = PolicyKey.at(FUSED, 3, view.config.fusion.lambda_, "prospective")
    likeliest = view.probs(key).argmax(axis=-1)

    def share(patient: int, rows: slice) -> float:
        given = view.cohort.actions[rows]
        return 100 * float((likeliest[patient, : len(given)] != given).mean())

    expected = stays(view, lambda p, rows: share(p, rows) >= 50)
    asked = Filters(departing=Departing(key, "given", 50.0, "Fused"))
    assert matching(view, 3, asked).tolist() == expected


def test_all_that_is_asked_must_hold_and_is_told_in_words(view: RunView) -> None:
    some = Selection.of("mine", range(20))
    asked = Filters(outcomes=("died",), doses=(0,), column=ColumnRange("Lactate", "last", 2, 30), selection=some)
    single = [Filters(outcomes=("died",)), Filters(doses=(0,)), Filters(column=asked.column), Filters(selection=some)]
    sets = [set(matching(view, 3, one).tolist()) for one in single]
    assert set(matching(view, 3, asked).tolist()) == set.intersection(*sets)
    assert filter_text(view, 3, asked) == "died, largest dose no heparin, last Lactate 2.0–30.0, in mine"
    hazard = Filters(hazards=(Hazardous(LOW_PLATELETS, True),))
    assert filter_text(view, 3, hazard) == "heparin given while Platelets < 60"
    assert filter_text(view, 3, Filters()) == "all patients"
