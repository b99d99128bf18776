"""A state's band says which of the study's own hazard rules it meets."""

from __future__ import annotations

import numpy as np

from core.policies.hazards import band_text, hazard_bands
from core.study import load_study


def test_each_rule_is_one_bit_in_physical_units() -> None:
    study = load_study()
    states = np.zeros((2, 3, study.n_columns), dtype=np.float32)
    states[..., study.index("Platelets")] = [[49.9, 50.0, 300.0], [20.0, 60.0, 50.1]]
    states[..., study.index("PTT")] = [[30.0, 100.0, 100.1], [120.0, 40.0, 99.0]]
    assert hazard_bands(study, states).tolist() == [[1, 0, 2], [3, 0, 0]]


def test_a_band_is_said_in_words() -> None:
    study = load_study()
    assert band_text(study, 1) == "Platelets < 50, Activated partial thromboplastin time not > 100"
    other = study.model_copy(update={"actions": study.actions.model_copy(update={"drug": "fluid"}), "hazards": ()})
    assert band_text(other, 0) == ""
    assert not hazard_bands(other, np.zeros((4, study.n_columns))).any()
