"""Results say in print what they rest on."""

from __future__ import annotations

import numpy as np

from core.base.types import Estimate, OPEResult
from core.evaluation import phwis


def test_an_estimate_prints_its_interval_and_n() -> None:
    assert str(Estimate(1.234, 0.5, 2.0, 1200)) == "1.23 [0.50, 2.00], n = 1,200"


def test_an_off_policy_estimate_prints_what_it_rests_on() -> None:
    rewards, mask = np.array([[1.0], [3.0]]), np.ones((2, 1), dtype=bool)
    half = np.full((2, 1), 0.5)
    assert str(phwis(rewards, mask, half, half)) == "PHWIS 2.00, no interval, ESS 2.0 of 2 stays"
    assert str(OPEResult(2.0, 1.0, 3.0, 9, 4.5, 0.0, 0.3, "phwdr")) == "PHWDR 2.00 [1.00, 3.00], ESS 4.5 of 9 stays"
