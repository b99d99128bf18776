"""What a run's audits say of its advice, and its advice in groups of patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.base.statistics import Z95
from core.evaluation.judging.crossfit import judge
from core.evaluation.judging.gate import DIALS
from core.evaluation.judging.groups import FEWEST_STAYS
from core.icu.advice import AuditRecord, Control
from core.icu.ask.audit import audit, null_cohorts, subgroups
from core.icu.ask.judge import StepAdvice, advise, judge_settings
from core.icu.view import RunView


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture(scope="module")
def advised(view: RunView) -> StepAdvice:
    return advise(view, view.study, view.n_clusters)


def test_the_stored_audit_is_made_anew(view: RunView, advised: StepAdvice) -> None:
    assert view.advice is not None
    stored = view.advice.audit
    assert stored is not None
    floor = view.config.evaluation.ess_floor
    null = list(null_cohorts(advised, view.study, floor, stored.null_repeats, view.config.run.seed))
    again = audit(advised, view.study, stored.share, null)
    assert again == stored
    assert stored.null_claimed <= stored.null_advised <= stored.null_repeats == view.config.evaluation.audit_repeats
    assert [one.column for one in stored.controls] == list(view.study.highlights)
    assert stored.residual_low < stored.residual_value < stored.residual_high


def test_groups_part_all_stays_and_their_intervals_allow_for_looking_often(view: RunView, advised: StepAdvice) -> None:
    labels = view.labels(view.n_clusters)
    share = DIALS[-1]
    found = subgroups(advised, view, view.study, labels, share)
    for by, part in found.groupby("by"):
        assert part["n"].sum() == len(advised.rows), by
    judged = found.dropna(subset=["difference"])
    assert (judged["n"] >= FEWEST_STAYS).all()
    assert found[found["n"] < FEWEST_STAYS]["difference"].isna().all()
    half = (judged["high"] - judged["low"]) / (2 * judged["se"])
    assert (half > Z95).all()
    assert np.ptp(half) == pytest.approx(0, abs=1e-9)
    whole = judge(advised.histories, advised.folds, judge_settings(view.study))[-1].difference
    genders = found[found["by"] == "Gender"]
    mean = (genders["n"] * genders["difference"]).sum() / genders["n"].sum()
    assert abs(mean - whole.value) < 3 * whole.se, "groups are parts of the whole"


def test_a_person_whose_stays_fall_into_several_groups_counts_in_each(view: RunView, advised: StepAdvice) -> None:
    """Stays held out by one fold are made one person's in pairs; no critic that judges one was taught by the other."""
    held = np.argmax([fold.held for fold in advised.folds], axis=0)
    person = np.empty(len(held), dtype=np.int64)
    for number in range(len(advised.folds)):
        mine = np.flatnonzero(held == number)
        person[mine] = mine[np.arange(len(mine)) // 2 * 2]
    person = np.unique(person, return_inverse=True)[1]
    paired = replace(advised, histories=replace(advised.histories, persons=person))
    labels = view.labels(view.n_clusters)
    found, alone = (subgroups(one, view, view.study, labels, DIALS[-1]) for one in (paired, advised))
    assert found["n"].tolist() == alone["n"].tolist()
    judged = found["difference"].notna()
    assert judged.tolist() == alone["difference"].notna().tolist()
    moved = (found["difference"] - alone["difference"]).abs()[judged]
    assert (moved < 0.5 * alone["se"][judged]).all(), "memories say the same and are weighed by the persons' noise"
    assert (found["se"] != alone["se"])[judged].any(), "influences are summed by person"


def test_an_audit_says_what_failed_in_words() -> None:
    good, bad = Control(column="SOFA", gain=0.1, se=0.2), Control(column="PTT", gain=2.0, se=0.4)
    numbers = {"residual_value": 0.5, "residual_low": -0.1, "residual_high": 1.1}
    one = AuditRecord(share=1.0, null_repeats=10, null_advised=3, null_claimed=1, controls=(good, bad), **numbers)
    assert one.failed == (bad,)
    first, second, third = one.sentences()
    assert "In 10 copies" in first
    assert "advised a change in 3 and claimed a gain in 1" in first
    assert "+0.50 [-0.10, +1.10]" in second
    assert "a gain is seen for PTT (+2.00 ± 0.40)" in third
    assert "SOFA" not in third
    none = one.model_copy(update={"controls": (good,), "null_repeats": 0})
    assert len(none.sentences()) == 2
    assert "none of 1 shows one beyond chance" in none.sentences()[1]
