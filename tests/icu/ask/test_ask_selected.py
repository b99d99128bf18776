"""The advice in a selection is what the run says of all its stays, and of the subgroups that it stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.base.statistics import Z95
from core.evaluation.judging.gate import corrected_z
from core.evaluation.judging.groups import FEWEST_STAYS
from core.icu.advice import stays_advised
from core.icu.ask.selected import advice_in
from core.icu.selection import Selection
from core.icu.view import RunView


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_all_stays_are_judged_as_the_run_judged_them(view: RunView) -> None:
    assert view.advice is not None
    shown, everyone = view.advice.shown, Selection.of("all", np.arange(view.cohort.n_patients))
    found = advice_in(view, everyone, 1)
    assert found is not None
    assert found["n"] == view.advice.n
    assert found["difference"] == pytest.approx(shown.value, rel=1e-4, abs=1e-6)
    assert found["difference_se"] == pytest.approx(shown.se, rel=1e-4)
    assert found["grade"] == shown.grade


def test_a_selection_is_judged_as_the_same_subgroup_and_wider_for_every_look(view: RunView) -> None:
    assert view.subgroups is not None
    stored = view.subgroups.dropna(subset=["difference"])
    row = stored[stored["by"] == "phenotype"].iloc[0]
    rows = stays_advised(view.cohort.n_patients, view.config.run.seed)
    members = rows[view.labels(view.n_clusters)[rows] == int(row["group"])]
    found = advice_in(view, Selection.of("one", members), len(stored))
    assert found is not None
    for name, same in (("difference", "difference"), ("difference_low", "low"), ("difference_high", "high")):
        assert found[name] == pytest.approx(row[same], rel=1e-4, abs=1e-6)
    once = advice_in(view, Selection.of("one", members), 1)
    assert once is not None
    half, wider = (float(one["difference_high"]) - float(one["difference"]) for one in (once, found))
    assert wider / half == pytest.approx(corrected_z(Z95, len(stored)) / Z95)


def test_few_stays_or_an_earlier_run_are_not_judged(view: RunView, tiny_run: Path) -> None:
    assert advice_in(view, Selection.of("few", np.arange(FEWEST_STAYS - 1)), 1) is None
    old = RunView(tiny_run)
    old.__dict__["advice_folds"] = None
    assert advice_in(old, Selection.of("all", np.arange(160)), 1) is None
