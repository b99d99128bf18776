"""What a column's values say together: each kind of fault is named with its n, and no plausible cohort is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cohort import check_cohort, load_cohort, make_cohort, save_cohort, simulate_cohort
from core.study import load_study
from core.tables.report import Problem
from core.tables.sense import RULES, unit_that_fits, usual_range

Fault = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def base() -> pd.DataFrame:
    return simulate_cohort(n_patients=60, seed=0)[0].frame


def findings(frame: pd.DataFrame) -> list[Problem]:
    return [problem for problem in check_cohort(frame).warnings if problem.rule in RULES]


def half(frame: pd.DataFrame) -> pd.Series:
    return frame["traj"].astype(int) % 2 == 0


def scaled(name: str, factor: float, rows: Callable[[pd.DataFrame], pd.Series] | None = None) -> Fault:
    def make(frame: pd.DataFrame) -> pd.DataFrame:
        where = pd.Series(True, index=frame.index) if rows is None else rows(frame)
        return frame.assign(**{name: frame[name].mask(where, frame[name] * factor)})

    return make


FAULTS: dict[str, tuple[Fault, str, str, str]] = {
    "platelets in 10^4/uL": (scaled("Platelets", 0.1), "unit", "Platelets", "read as 10^4/uL it would be"),
    "white cells per uL": (scaled("WBC", 1000), "unit", "WBC", "read as 1/uL it would be"),
    "creatinine in umol/L": (scaled("Creatinine", 88.42), "unit", "Creatinine", "read as umol/L"),
    "all weights in pounds": (scaled("Weight", 2.2046), "unit", "Weight", "read as lb it would be"),
    "half of the weights in pounds": (scaled("Weight", 2.2046, half), "two-units", "Weight", "look like lb beside kg"),
    "half of the glucose in mmol/L": (
        scaled("Glucose", 1 / 18.0156, half),
        "two-units",
        "Glucose",
        "30 of 60 stays look like mmol/L beside mg/dL",
    ),
    "half of the lactate in mg/dL": (scaled("Lactate", 9.01, half), "two-units", "Lactate", "look like mg/dL"),
    "pressures swapped": (
        lambda f: f.assign(SBP=f["DBP"], DBP=f["SBP"]),
        "swapped-columns",
        "SBP",
        "is below DBP in 836 of 836 rows that have both.",
    ),
    "true and false": (
        lambda f: f.assign(Lactate=(f["Lactate"] > 2).map({True: "True", False: "False"})),
        "yes-or-no",
        "Lactate",
        "are 0 or 1, like yes and no, where mmol/L are expected",
    ),
    "a constant": (lambda f: f.assign(RR=18), "constant", "RR", "values are 18."),
    "one value a stay": (
        lambda f: f.assign(INR=f.groupby("traj")["INR"].transform("first")),
        "constant-in-stays",
        "INR",
        "the value never changes within a stay",
    ),
    "outcome turned around": (
        lambda f: f.assign(
            SOFA=np.where(f.groupby("traj")["outcome"].transform("last") < 0, 2, 12) + f["step"].astype(int) % 2
        ),
        "outcome-and-severity",
        "outcome",
        "who died had a lower SOFA in the end than",
    ),
    "men shorter than women": (
        lambda f: f.assign(Height=np.where(f["Gender"] == 1, 178, 164) + f["traj"].astype(int) % 7),
        "sex-and-height",
        "Gender",
        "men are shorter than",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_kind_of_fault_is_named(name: str, base: pd.DataFrame) -> None:
    make, rule, column, text = FAULTS[name]
    found = {(problem.rule, problem.column): problem for problem in findings(make(base.copy()))}
    assert set(found) == {(rule, column)}
    problem = found[rule, column]
    assert text in problem.message
    assert problem.count > 0
    assert problem.remedy


def test_zeros_for_not_measured_are_named_column_by_column(base: pd.DataFrame) -> None:
    names = ["Platelets", "HR", "WBC", "Creatinine", "SBP", "PH"]
    rare = (base["traj"].astype(int) % 7 == 0) & (base["step"] % 3 == 0)
    frame = base.assign(**{name: base[name].mask(rare, 0) for name in names[:4]})
    found = findings(frame)
    assert [(p.rule, p.column) for p in found] == [("zeros", c) for c in ("HR", "Platelets", "WBC", "Creatinine")]
    assert all(problem.count == rare.sum() for problem in found)
    assert f"{rare.sum()} of {len(base)} values are exactly 0" in found[0].message


def test_zeros_are_credible_where_values_come_near(base: pd.DataFrame) -> None:
    """No fluid, no vasopressor, and white cells that fall to nothing."""
    falling = base["WBC"].mask(base["traj"].astype(int) % 10 == 0, (base["step"] * 7 % 10) / 10)
    assert (falling == 0).sum() >= 3
    assert not findings(base.assign(WBC=falling))


def test_the_gravest_comes_first(base: pd.DataFrame) -> None:
    frame = scaled("Platelets", 0.1)(FAULTS["outcome turned around"][0](base)).assign(RR=18)
    assert [p.rule for p in findings(frame)] == ["outcome-and-severity", "unit", "constant"]


@pytest.mark.parametrize("like", ["mimic-iv", "eicu"])
def test_plausible_cohorts_raise_nothing(like: str) -> None:
    for seed in range(100, 108):
        cohort, _ = simulate_cohort(like, n_patients=(30, 45, 80, 160)[seed % 4], seed=seed)
        assert not [problem for problem in cohort.report.warnings if problem.rule in (*RULES, "same-stay")], seed


def test_few_stays_are_judged_by_their_medians_alone(base: pd.DataFrame) -> None:
    few = base[base["traj"].astype(int) < 9]
    assert [p.rule for p in findings(scaled("Platelets", 0.1)(few))] == ["unit"]
    for name in FAULTS.keys() - {name for name in FAULTS if FAULTS[name][1] in ("unit", "two-units")}:
        assert not findings(FAULTS[name][0](few.copy())), name


def test_values_that_were_filled_in_before_do_not_count(base: pd.DataFrame, tmp_path: Path) -> None:
    """Measured twice a stay at the most and carried forward: saved and read again, nothing says it never changes."""
    sparse = base.assign(INR=base["INR"].where(base["step"] == 0))
    path = save_cohort(make_cohort(sparse), tmp_path / "c.parquet")
    assert not [p for p in load_cohort(path).report.warnings if p.rule in RULES]


def test_every_other_unit_of_the_study_is_told_apart_or_refused() -> None:
    """Read in the wrong unit, the middle of a usual range is unusual or impossible; the few overlaps are listed."""
    overlaps = set()
    for column in load_study().columns:
        usual = usual_range(column) or column.plausible
        middle = float(np.sqrt(max(usual[0], 0.01) * usual[1]))
        for other in column.other_units:
            theirs = (middle - other.offset) / other.factor
            if unit_that_fits(column, theirs) is None and column.plausible[0] <= theirs <= column.plausible[1]:
                overlaps.add((column.name, other.unit))
    assert overlaps <= {
        ("Hb", "mmol/L"),
        ("BUN", "mmol/L"),
        ("Total Input", "L"),
        ("Total Output", "L"),
        ("Weight", "lb"),
    }
