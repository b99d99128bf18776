"""Against the clinicians: differences beside their truth, the hazards of the advice, and what it does at a step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.icu import advice as kept
from core.icu.advice import SURVIVAL_COLUMNS, AdviceRecord, DialRecord, stays_advised
from core.icu.ask.against import (
    ADVICE,
    advice_hazards,
    advised_at,
    against_clinicians,
    hidden_text,
    points_text,
    question,
    true_points_text,
)
from core.icu.hidden_causes import HIDDEN_COLUMNS, UNKNOWN
from core.icu.view import RunView
from core.policies.hazards import GIVEN, default_rules
from core.policies.rules import HazardRule
from core.study import load_study


@pytest.fixture
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_the_question_names_the_drug_and_the_patients() -> None:
    assert question(load_study("thrombocytopenia")) == (
        "How much heparin, if any, every 4 h, for adults in intensive care with suspected sepsis and platelets below "
        "150 x 10^9/L?"
    )


@pytest.mark.parametrize("mode", ["prospective", "retrospective"])
def test_every_policy_stands_once_beside_its_true_difference(view: RunView, mode: str) -> None:
    rows = against_clinicians(view, mode)
    assert rows is not None
    assert rows["policy"].is_unique
    assert "clinician" not in set(rows["policy"])
    assert rows["policy"].str.startswith(f"{ADVICE}:").tolist()[:3] == [True, True, True]
    true = {row["policy"]: row for row in view.truth.to_dict("records")}
    other, reference = true["zero-drug"], true["clinician"]
    row = rows.set_index("policy").loc["zero-drug"]
    assert row["true_difference"] == pytest.approx(other["true_value"] - reference["true_value"])
    assert row["true_difference_se"] == pytest.approx(np.hypot(other["true_se"], reference["true_se"]))
    assert row["true_survival_difference"] == pytest.approx(other["true_survival"] - reference["true_survival"])
    assert row["true_survival"] == other["true_survival"]
    first = view.advice.dials[0]  # type: ignore[union-attr]
    assert rows.loc[0, "survival_difference"] == first.survival_difference
    stored = view.judgments.query("policy == 'fused' and mode == @mode").iloc[0]  # type: ignore[union-attr]
    assert rows.set_index("policy").loc["fused", "difference"] == stored["difference"]


def test_without_truth_or_judgments_nothing_is_made_up(view: RunView) -> None:
    view.__dict__["truth"] = view.truth[:0]
    rows = against_clinicians(view, "prospective")
    assert rows is not None
    others = rows[~rows["policy"].str.startswith(ADVICE)]  # the dials hold their truth themselves
    assert others["true_difference"].isna().all()
    assert others["true_survival_difference"].isna().all()
    assert view.judgments is not None
    older = view.judgments.drop(columns=[*SURVIVAL_COLUMNS, *HIDDEN_COLUMNS])  # a run from before them
    view.__dict__["judgments"] = older
    older = against_clinicians(view, "prospective")
    assert older is not None
    assert older.loc[older["policy"] == "fused", "survival"].isna().all()
    assert points_text(older.iloc[-1].to_dict(), "survival_difference") == "–"
    assert hidden_text(older.iloc[-1].to_dict()) == "–"
    view.__dict__["judgments"] = None
    assert against_clinicians(view, "prospective") is None


def test_points_are_of_a_hundred_patients() -> None:
    row = {"a": 0.0123, "a_low": -0.04, "a_high": 0.0646}
    row |= {"true_survival_difference": -0.02, "true_survival_difference_se": 0.011}
    assert points_text(row, "a") == "+1.2 [-4.0, +6.5]"
    assert true_points_text(row) == "-2.0 ± 1.1"
    lives = dial(0.5, 1.0, 0.5).model_copy(
        update={f"survival_difference{part}": x for part, x in (("", 0.01), ("_low", -0.02), ("_high", 0.04))}
    )
    assert lives.survival_points == pytest.approx((1, -2, 4))
    assert dial(0.5, 1.0, 0.5).survival_points is None


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_hazards_of_the_advice_by_a_loop_over_steps(view: RunView, share: float) -> None:
    rule = HazardRule("Platelets", "<", 100.0, 2)
    hazard, steps = {GIVEN: 0.0, ADVICE: 0.0}, 0
    for patient, start in enumerate(view.cohort.starts):
        for step in range(int(view.cohort.lengths[patient])):
            if view.cohort.states[start + step, view.study.index("Platelets")] >= 100:
                continue
            steps += 1
            given = float(view.trajectories.actions[patient, step] >= 2)
            own = view.advised_action[patient, step]
            hazard[GIVEN] += given
            hazard[ADVICE] += (1 - share) * given + share * (given if own < 0 else float(own >= 2))
    found = advice_hazards(view, [rule], share).set_index("policy")
    for name, total in hazard.items():
        assert found.loc[name, "rate"] == pytest.approx(total / steps)
    assert (found["steps"] == steps).all()


def test_no_rules_no_hazards(view: RunView) -> None:
    assert advice_hazards(view, [], 0.5).empty
    assert len(advice_hazards(view, default_rules(view.study), 0.5)) == 4


def test_what_is_advised_at_a_step_says_why_there_is_nothing(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = int(np.argmax(view.cohort.lengths))
    own = view.advised_action.copy()
    own[patient, :2] = 3, -1
    view.__dict__["advised_action"] = own
    assert advised_at(view, patient, 0) == ("advised", 3)
    assert advised_at(view, patient, 1) == ("deferred", -1)
    assert advised_at(view, patient, int(view.cohort.lengths[patient]) - 1) == ("last", -1)
    monkeypatch.setattr(kept, "MOST_STAYS", 20)
    some = set(stays_advised(view.cohort.n_patients, view.config.run.seed))
    assert len(some) == 20
    other = next(i for i in range(view.cohort.n_patients) if i not in some)
    assert advised_at(view, other, 0) == ("apart", -1)


def dial(share: float, value: float, se: float, ess: float = 50.0) -> DialRecord:
    return DialRecord(
        share=share, value=value, low=value - se, high=value + se, se=se, ess=ess, grade="weak", doubts=""
    )


def record(share: float, dials: list[DialRecord]) -> AdviceRecord:
    return AdviceRecord(
        recommended="x", share=share, claims=False, advise_z=1.0, claim_z=2.4, n=90, text="", dials=tuple(dials)
    )


def test_the_dial_on_show_is_the_advised_one_or_the_nearest_that_stays_follow() -> None:
    dials = [dial(0.25, 0.3, 0.5), dial(0.5, 0.6, 0.7), dial(1.0, 0.9, 0.1, ess=0.0)]
    assert record(0.25, dials).shown.share == 0.25
    assert record(0.0, dials).shown.share == 0.5  # -0.1 is above -0.2; nobody follows the third
    assert record(0.0, dials[2:]).shown.share == 1.0
    assert record(0.25, dials).hidden_in_words == UNKNOWN  # a run from before hidden causes were asked about
