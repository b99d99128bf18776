"""The version of the judging: numbers of a small judgment that may not change without it."""

from __future__ import annotations

import numpy as np
import pytest

from core.base.judging import JUDGING, UNCENTERED, judging_version, judging_words
from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds, judge
from core.evaluation.judging.gate import gate
from core.evaluation.judging.grade import grade
from core.evaluation.judging.stacked import PropensitySettings, fit_propensities
from core.runs.manifest import Manifest, judged_otherwise
from tests.evaluation.worlds import record

# of each version: value, difference, its standard error, spread and effective stays, Gamma of the difference, grade,
# and what the gate chose and claims
GOLDEN: dict[int, list[float | str | bool]] = {
    5: [1.9104803, 1.8940008, 0.317722, 0.2351205, 125.9597507, 2.1582762, "weak", "policy", True],
    6: [1.9105922, 1.8941128, 0.3175858, 0.2351071, 125.9597507, 2.1590291, "weak", "policy", True],
}


def numbers(centered: bool) -> list[float | str | bool]:
    """What clinicians' model, critics, mix, hidden causes, grade and gate say of a policy on 300 stays."""
    recorded = record(300, seed=7)
    histories, folds = recorded.histories, []
    fold_of, columns = assign_folds(histories.person, seed=1), histories.propensity_columns()
    actions, person = histories.flat(histories.actions), histories.person[histories.stay]
    for k in range(5):
        taught = (fold_of != k)[histories.stay]
        model = fit_propensities(columns[taught], actions[taught], person[taught], 2, PropensitySettings(seed=0))
        chances = np.zeros((*histories.mask.shape, 2))
        chances[histories.mask] = model.probs(columns)
        folds.append(Fold.by(histories, fold_of == k, [recorded.policy()], chances, centered))
    one = judge(histories, folds, JudgeSettings(hidden=True))[0]
    assert one.hidden is not None
    found, advice = one.difference, gate([one])
    dies_at = one.hidden.lasting.reaches(found.value)
    said = [one.value.value, found.value, found.se, found.spread, found.ess, dies_at]
    return [*said, grade(one).grade, advice.recommended, advice.claims]


@pytest.mark.parametrize("centered", [True, False])
def test_a_judgment_gives_the_numbers_of_its_version(centered: bool) -> None:
    """Where this fails, judging has changed: raise the version, say in `CHANGES` what did, and put the numbers here."""
    golden = GOLDEN[judging_version(centered)]
    assert numbers(centered) == [one if isinstance(one, str) else pytest.approx(one, rel=1e-4) for one in golden]


def test_versions_are_told_in_words() -> None:
    assert judging_version() == JUDGING
    assert judging_version(centered=False) == UNCENTERED != JUDGING
    assert judging_words(1) == "version 1 of the judging (critics did not center actions, until 2026-11-29)"
    assert judging_words(99) == "version 99 of the judging, which this program does not know"
    assert "from before it had a number" in judging_words(None)


def test_what_was_judged_by_another_version_says_so() -> None:
    def said(found: dict[str, str], centered: bool = True) -> str:
        return judged_otherwise(Manifest.model_construct(versions=found), centered)

    assert said({"judging": str(JUDGING)}) == ""
    assert said({"judging": f"1, then {JUDGING}"}) == "", "the last to judge"
    assert "was judged by version 2 of the judging (critics center" in said({"judging": "2"})
    assert f"from now on, by {judging_words(UNCENTERED)}." in said({"judging": "1"}, centered=False)
    assert "from before it had a number" in said({})
