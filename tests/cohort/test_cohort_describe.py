"""Descriptions against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.cohort import Cohort, Origin, make_cohort, simulate_cohort
from core.cohort.describe import (
    action_shares,
    attrition_table,
    cohort_facts,
    in_record_by_hour,
    missing_by_column,
    missing_by_hour,
    outcome_by_group,
    table_one,
    table_one_text,
    wilson_interval,
)
from core.study import StudySpec, load_study

GROUPS = np.array(["b", "a", "a", "b"])


@pytest.fixture
def cohort(table: pd.DataFrame, study: StudySpec) -> Cohort:
    table.loc[1, "Lactate"] = np.nan
    single = table.iloc[[4]].assign(traj=99, step=0)
    return make_cohort(pd.concat([table, single]), study)


def test_table_one_counts_patients_for_static_and_recorded_steps_for_temporal(cohort: Cohort) -> None:
    table = table_one(cohort, GROUPS).set_index(["column", "group"])
    age = table.loc[("age", "all")]
    assert (age["n"], age["mean"], age["counted"]) == (4, (60 + 70 + 50 + 81) / 4, "patients")
    assert age["sd"] == pytest.approx(np.std([60, 70, 50, 81], ddof=1))
    lactate = table.loc[("Lactate", "all")]
    recorded = [1, 2, 4, 5, 0.5, 0.6, 0.7, 0.8, 3, 3.5]
    assert (lactate["n"], lactate["counted"]) == (10, "steps")
    assert lactate["mean"] == pytest.approx(np.mean(recorded))
    assert lactate["median"] == pytest.approx(np.median(recorded))
    assert lactate["q1"] == pytest.approx(np.percentile(recorded, 25))
    assert lactate["missing_percent"] == pytest.approx(100 / 11)
    assert table.loc[("Lactate", "b")]["missing_percent"] == pytest.approx(100 / 5)
    assert table.loc[("age", "a")]["mean"] == 60
    assert "mimic_iv_mean" not in table


def test_table_one_as_text(cohort: Cohort) -> None:
    text = table_one_text(table_one(cohort, GROUPS))
    assert list(text) == ["unit", "all", "a", "b"]
    assert list(text.index) == list(cohort.study.names)
    assert text.loc["age", "a"] == "60.00 (14.14)"


def test_table_one_of_the_icu_study_shows_published_values() -> None:
    study = load_study()
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"traj": [1, 1, 2, 2], "step": [0, 1, 0, 1], "action": 0, "outcome": [0, 1, 0, -1]})
    for column in study.columns:
        values = rng.integers(0, 2, 4) if column.binary else rng.uniform(*column.plausible, 4)
        frame[column.name] = np.repeat(values[:2], 2) if column.kind == "static" else values
    table = table_one(make_cohort(frame, study))
    assert len(table) == study.n_columns
    assert table.set_index("column").loc["SOFA", "mimic_iv_mean"] == 4.90
    other = study.model_copy(update={"published": None})
    assert "mimic_iv_mean" not in table_one(make_cohort(frame, other))
    text = table_one_text(table)
    assert text.loc["SOFA", "published mimic-iv"] == "4.90 (3.94)"
    assert text.loc["Gender", "published eicu"] == "43.8 %"
    men = int(frame.drop_duplicates("traj")["Gender"].sum())
    assert text.loc["Gender", "all"] == f"{men} ({50 * men:.1f} %)"


def test_quartiles_of_a_skewed_column_are_told_in_every_group(cohort: Cohort) -> None:
    table = table_one(cohort, GROUPS)
    assert ";" not in table_one_text(table).loc["age", "all"]
    table.loc[(table["column"] == "age") & (table["group"] == "all"), "median"] = 40.0
    one = table.set_index(["column", "group"]).loc[("age", "a")]
    said = f"60.00 (14.14); {one['median']:.2f} [{one['q1']:.2f}, {one['q3']:.2f}]"
    assert table_one_text(table).loc["age", "a"] == said


def test_missing_by_column_and_step(cohort: Cohort) -> None:
    columns = missing_by_column(cohort).set_index("column")
    assert columns.loc["Lactate", "missing"] == 1
    assert columns["missing"].sum() == 1
    assert columns["patients_without"].sum() == 0
    steps = missing_by_hour(cohort)
    assert steps.shape == (5, 4)
    assert steps.loc["Lactate"].tolist() == [0, 25, 0, 0]


def test_steps_that_nobody_reaches_are_unknown(table: pd.DataFrame, study: StudySpec) -> None:
    steps = missing_by_hour(make_cohort(table[table["traj"].isin([2, 10])], study))
    assert steps.loc["Lactate"].isna().tolist() == [False, False, True, True]


def test_attrition_table(cohort: Cohort) -> None:
    assert attrition_table(cohort.report).to_numpy().tolist() == [
        ["rows read", 0, 0, 5, 12],
        ["stay of one step", 1, 1, 4, 11],
    ]


def test_outcome_by_group(cohort: Cohort) -> None:
    table = outcome_by_group(cohort, GROUPS).set_index("group")
    assert table["patients"].to_dict() == {"all": 4, "a": 2, "b": 2}
    assert table["deaths"].to_dict() == {"all": 2, "a": 1, "b": 1}
    assert (table["mortality"] + table["survival"] == 1).all()
    assert (table["mortality_low"] < 0.5).all()


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (1, 1), (412, 1500)])
def test_wilson_interval_against_scipy(successes: int, n: int) -> None:
    ours = wilson_interval(successes, n)
    theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_interval_of_nobody_is_unknown() -> None:
    assert np.isnan(wilson_interval(0, 0).value)


def test_in_record_by_hour(cohort: Cohort) -> None:
    table = in_record_by_hour(cohort, GROUPS)
    assert table[table["group"] == "all"]["n"].tolist() == [4, 4, 2, 1]
    assert table[table["group"] == "a"]["share"].tolist() == [1, 1, 0.5, 0.5]
    assert table["hours"][:4].tolist() == [0, 6, 12, 18]


def test_action_shares(cohort: Cohort) -> None:
    table = action_shares(cohort, GROUPS)
    assert table[table["group"] == "all"]["n"].tolist() == [5, 3, 3]
    assert table.groupby("group")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    assert table["dose"][:3].tolist() == ["no insulin", "> 0–5", "5–20"]


def test_a_bin_counts_at_the_median_of_its_recorded_amounts_where_there_are_enough() -> None:
    plain = simulate_cohort("mimic-iv", 60, seed=1)[0]
    middles, rows = list(plain.study.actions.representative), len(plain.actions)
    assert plain.bin_doses.tolist() == middles
    actions = np.zeros(rows, dtype=np.int64)
    actions[:30], actions[30:49] = 4, 1  # of bin 1 there is one too few
    dose = np.select([actions == 4, actions == 1], [8000.0, 3000.0], 0.0)
    dose[0], dose[1] = 42645.37, np.nan  # neither who got most nor what was not recorded moves it
    frame = plain.frame.assign(action=actions)
    cohort = replace(plain, frame=frame, extra=pd.DataFrame({"dose": dose}, index=frame.index))
    assert cohort.bin_doses.tolist() == [*middles[:4], 8000.0]


def test_facts(table: pd.DataFrame, study: StudySpec) -> None:
    facts = cohort_facts(make_cohort(table, study, origin=Origin("simulated", "eicu", 4, 7)))
    assert facts["origin"] == "simulated (eicu, seed 7)"
    assert (facts["patients"], facts["steps"], facts["mortality"], facts["simulated"]) == (4, 11, 0.5, True)


def test_groups_of_the_wrong_length_are_refused(cohort: Cohort) -> None:
    with pytest.raises(ValueError, match="one label for each of 4 patients"):
        table_one(cohort, np.array([1, 2]))
