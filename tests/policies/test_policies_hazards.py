"""Hazard rules: rates in closed form, intervals by person, and rules that a study cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

from core.base.errors import ConfigError
from core.base.rng import stream
from core.policies.hazards import GIVEN, default_rules, violation_rates
from core.policies.rules import HazardRule
from core.study import load_study


def rates(hazard: dict[str, np.ndarray], applies: np.ndarray, persons: np.ndarray, n: int = 200):
    return violation_rates(hazard, applies, persons, n, stream(0, "test")).set_index("policy")


def test_rate_is_the_mass_on_hazardous_doses_where_the_rule_applies() -> None:
    applies = np.array([[True, True, False], [False, False, False], [True, False, False]])
    given = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    policy = np.array([[0.2, 0.4, 0.9], [0.9, 0.9, 0.9], [0.6, 0.9, 0.9]])
    table = rates({GIVEN: given, "fused": policy}, applies, np.arange(3))
    assert table.loc[GIVEN, "rate"] == pytest.approx(1 / 3)
    assert table.loc["fused", "rate"] == pytest.approx((0.2 + 0.4 + 0.6) / 3)
    assert table.loc["fused", "excess"] == pytest.approx(1.2 / 3 - 1 / 3)
    assert (table["steps"] == 3).all()
    assert (table["patients"] == 2).all()
    assert np.isnan(table["low"]).all(), "two persons are too few for an interval"


def test_equal_hazard_has_an_excess_of_zero_and_all_intervals_hold_the_rate() -> None:
    rng = np.random.default_rng(1)
    applies = rng.random((80, 6)) < 0.4
    given = (rng.random((80, 6)) < 0.3).astype(float)
    table = rates({GIVEN: given, "same": given, "none": np.zeros_like(given)}, applies, np.arange(80))
    assert table.loc["same", ["excess", "excess_low", "excess_high"]].eq(0).all()
    assert table.loc["none", ["rate", "low", "high"]].eq(0).all()
    assert ((table["low"] <= table["rate"]) & (table["rate"] <= table["high"])).all()


def test_stays_of_one_person_are_resampled_together() -> None:
    """Copies of a stay add no information: the interval by person stays as wide, the one by stay shrinks."""
    rng = np.random.default_rng(2)
    given = (rng.random((40, 1)) < 0.4).astype(float).repeat(9, axis=0)
    applies = np.ones_like(given, dtype=bool)
    by_person = rates({GIVEN: given}, applies, np.arange(40).repeat(9), 2000).loc[GIVEN]
    by_stay = rates({GIVEN: given}, applies, np.arange(360), 2000).loc[GIVEN]
    width = by_person["high"] - by_person["low"]
    assert width > 2.4 * (by_stay["high"] - by_stay["low"])
    p = given.mean()
    assert width == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 40), rel=0.15)


def test_a_rule_that_never_applies_has_no_rate() -> None:
    table = rates({GIVEN: np.ones((4, 2))}, np.zeros((4, 2), dtype=bool), np.arange(4))
    assert np.isnan(table.loc[GIVEN, "rate"])
    assert table.loc[GIVEN, "steps"] == 0


def test_default_rules_are_those_of_the_study() -> None:
    study = load_study()
    assert default_rules(study)[0].text(study) == "heparin while Platelets < 50"
    assert [(r.column, r.operator, r.threshold) for r in default_rules(study)][1] == ("PTT", ">", 100.0)
    fewer = tuple(c for c in study.columns if c.name != "PTT")
    assert len(default_rules(study.model_copy(update={"columns": fewer}))) == 1


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        (HazardRule("Nothing", "<", 1.0), "no column"),
        (HazardRule("PTT", "=", 1.0), "not one of"),  # type: ignore[arg-type]
        (HazardRule("PTT", ">", float("nan")), "must be a number"),
        (HazardRule("PTT", ">", 1.0, 5), "bin 1 to 4"),
        (HazardRule("PTT", ">", 1.0, 0), "bin 1 to 4"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: HazardRule, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        rule.check(load_study())
