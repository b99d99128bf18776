"""What-if: nothing changed is what the run holds; a change moves what it should; nonsense is refused."""

from __future__ import annotations

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.icu.ask.similar import neighborhood
from core.icu.ask.what_if import unrecorded, what_if
from core.icu.view import RunView
from core.policies import PolicyKey

FUSED = PolicyKey("fused", 3, 15.0, "prospective")


def test_nothing_changed_is_what_the_run_holds(view: RunView, patient: int) -> None:
    for step in (0, 3):
        found = what_if(view, patient, step, {}, FUSED)
        np.testing.assert_allclose(found.clinicians, view.behavior[patient, step], atol=1e-6)
        np.testing.assert_allclose(found.experts, view.agent_probs(3)[patient, step], atol=1e-5)
        np.testing.assert_allclose(found.fused, view.probs(FUSED)[patient, step], atol=1e-4)
        assert found.support == pytest.approx(float(view.support[patient, step]), abs=1e-6)
        assert found.similar.tolist() == neighborhood(view, patient, step)["n"].tolist()


def test_a_change_moves_the_policies_and_leaves_the_record(view: RunView, patient: int) -> None:
    before = view.cohort.states.copy()
    found = what_if(view, patient, 3, {"Platelets": 20.0, "PTT": 140.0}, FUSED)
    assert np.abs(found.experts - view.agent_probs(3)[patient, 3]).max() > 1e-3
    np.testing.assert_array_equal(view.cohort.states, before)
    np.testing.assert_allclose([found.fused.sum(), found.clinicians.sum(), found.supported.sum()], 1, atol=1e-5)


def test_the_far_end_of_the_plausible_range_has_less_support(view: RunView, patient: int) -> None:
    extreme = {
        column.name: column.plausible[1] for column in view.study.columns[view.study.n_static :] if not column.binary
    }
    assert what_if(view, patient, 3, extreme, FUSED).support == 0.0


def test_steps_before_matter_and_later_ones_do_not(view: RunView, patient: int) -> None:
    """The same measurements at another step are another question, since the stay so far differs."""
    state = view.cohort.states[view.cohort.starts[patient] + 2]
    same = {column.name: float(state[view.study.index(column.name)]) for column in view.study.columns}
    early, late = (what_if(view, patient, step, same, PolicyKey("fused", 3, 2.0, "prospective")) for step in (2, 5))
    np.testing.assert_allclose(early.experts, late.experts, atol=1e-5)  # experts look at the state alone
    assert np.abs(early.fused - late.fused).max() > 0  # the fusion looks at the stay


def test_what_cannot_be_is_refused(view: RunView, patient: int) -> None:
    with pytest.raises(ConfigError, match="Lactate = -1 lies outside its plausible range"):
        what_if(view, patient, 0, {"Lactate": -1.0}, FUSED)
    with pytest.raises(ConfigError, match="has no column 'Mood'"):
        what_if(view, patient, 0, {"Mood": 1.0}, FUSED)


def test_a_value_that_hardly_any_training_step_goes_beyond_is_named(view: RunView) -> None:
    trained = np.repeat(np.isin(np.arange(view.cohort.n_patients), view.split.train), view.cohort.lengths)
    lactate = np.sort(view.cohort.states[trained, view.study.index("Lactate")])
    usual, extreme = float(np.median(lactate)), float(lactate[-1]) + 1
    assert unrecorded(view, {}) == ""
    assert unrecorded(view, {"Lactate": usual}) == ""
    assert "0.5 % of the training steps have Lactate above" in unrecorded(view, {"Lactate": extreme})
    assert "Platelets below" in unrecorded(view, {"Lactate": usual, "Platelets": 0.0})
