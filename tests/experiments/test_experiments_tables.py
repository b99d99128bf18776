"""Tables from a table of values made by hand, so that every number in them is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from core.experiments.document import SUPPORT, markdown, number, spread
from core.experiments.published import display_name, published
from core.experiments.tables import ablation_table, gain_table, plain, shape_table, truth_table, value_table
from core.report.page import published_means
from core.study import load_study

VALUES = {  # PHWIS in repeats 1, 2, 3; PHWDR is one more
    "clinician": (5.0, 6.0, 7.0),
    "single-expert": (6.0, 8.0, 10.0),
    "fused": (7.0, 7.0, 10.0),
    "dueling-double-dqn": (5.0, 5.0, 5.0),
}


def made() -> pd.DataFrame:
    rows = []
    for policy, values in VALUES.items():
        for repeat, value in enumerate(values, start=1):
            for estimator, shift in (("phwis", 0.0), ("phwdr", 1.0)):
                rows.append(
                    {
                        "preset": "published",
                        "repeat": repeat,
                        "cohort": "development",
                        "like": "mimic-iv",
                        "simulated": True,
                        "policy": policy,
                        "mode": "retrospective" if policy in ("fused", "single-expert") else "",
                        "own_mode": True,
                        "estimator": estimator,
                        "value": value + shift,
                        "low": value - 1,
                        "high": value + 1,
                        "ess": 10.0 * repeat,
                        "n": 100,
                        "support": "not supported" if repeat < 3 else "supported",
                        "survival": 0.7,
                        "expected_survival": 0.6 + 0.1 * repeat,
                        "true_value": value + 0.5 if policy == "clinician" else math.nan,
                        "true_se": 0.3,
                        "true_survival": 0.8,
                        "entropy": 0.5,
                        "max_probability": 0.9,
                        "distance_from_uniform": 0.7,
                        "distance_from_clinicians": 0.1,
                        "concordance_rate": 0.8,
                        "unsupported_share": 0.0,
                        "action_shares": np.array([0.25 * repeat, 1 - 0.25 * repeat]),
                    }
                )
    return pd.DataFrame(rows)


def test_values_are_means_and_sample_deviations_beside_the_published() -> None:
    rows = {row["policy"]: row for row in value_table(made())}
    expert = rows["single-expert"]
    assert (expert["phwis_mean"], expert["phwis_sd"], expert["phwdr_mean"]) == (8.0, 2.0, 9.0)
    assert expert["esr_percent_mean"] == pytest.approx(80.0)
    assert (expert["ess_mean"], expert["ess_min"], expert["not_supported"]) == (20.0, 10.0, 2)
    assert (expert["supported"], expert["weak"]) == (1, 0)
    assert (expert["published_phwis_mean"], expert["published_esr_percent_sd"]) == (11.54, 3.31)
    assert expert["name"] == "HOPAS-A (single expert), retrospective"
    assert rows["fused"]["published_phwdr_mean"] == 9.39


def test_gains_are_paired_and_corrected_within_their_family() -> None:
    rows = [row for row in gain_table(made(), "clinician", 0.15 / 0.7) if row["estimator"] == "phwis"]
    by_policy = {row["policy"]: row for row in rows}
    expert = by_policy["single-expert"]  # differences 1, 2, 3
    assert (expert["difference_mean"], expert["difference_sd"], expert["repeats"]) == (2.0, 1.0, 3)
    assert expert["p_flip"] == 0.25
    assert expert["p_t"] == pytest.approx(1 - math.sqrt(12 / 14))
    assert expert["p_corrected"] > expert["p_t"]
    assert expert["comparisons"] == 3 == len(rows)
    assert expert["p_flip_holm"] == 0.75
    assert expert["published_difference"] == pytest.approx(11.54 - 5.78)
    assert "clinician" not in by_policy


def test_a_difference_is_no_better_founded_than_the_worse_of_its_policies() -> None:
    table = made().assign(support="supported")
    table.loc[(table["policy"] == "clinician") & (table["repeat"] == 1), "support"] = "weak"
    table.loc[(table["policy"] == "fused") & (table["repeat"] == 2), "support"] = "not supported"
    rows = {row["policy"]: row for row in gain_table(table, "clinician", 0.2) if row["estimator"] == "phwis"}
    assert [rows["fused"][grade] for grade in ("supported", "weak", "not_supported")] == [1, 1, 1]
    assert [rows["single-expert"][grade] for grade in ("supported", "weak", "not_supported")] == [2, 1, 0]
    ablation = next(row for row in ablation_table(table) if row["policy"] == "no-fusion")
    assert [ablation[grade] for grade in ("supported", "weak", "not_supported")] == [2, 0, 1]
    lines = markdown([rows["fused"]], [SUPPORT])
    assert lines[-1] == "| 1 yes, 1 weak, 1 no |"


def test_no_corrected_test_abroad_where_all_repeats_meet_the_same_patients() -> None:
    abroad = made().assign(cohort="external", like="eicu")
    row = next(row for row in gain_table(abroad, "clinician", 0.2) if row["policy"] == "fused")
    assert math.isnan(row["p_corrected"])
    assert math.isfinite(row["p_t"])
    assert row["published_difference"] == pytest.approx(11.85 - 7.98)


def test_ablations_are_what_a_part_adds() -> None:
    rows = {(row["policy"], row["estimator"]): row for row in ablation_table(made())}
    fusion = rows["no-fusion", "phwis"]  # 7 - 6, 7 - 8, 10 - 10
    assert (fusion["added_mean"], fusion["without_mean"]) == (0.0, 8.0)
    assert fusion["published_added"] == pytest.approx(11.56 - 11.54)
    assert rows["no-stratification", "phwdr"]["added_mean"] == 3.0
    assert ("no-encoder", "phwis") not in rows


def test_truth_stands_beside_the_estimates_with_its_standard_error() -> None:
    (row,) = truth_table(made())
    assert (row["policy"], row["true_value_mean"], row["phwis_error"], row["phwis_covers"]) == (
        "clinician",
        6.5,
        -0.5,
        3,
    )
    assert row["true_se"] == pytest.approx(0.3 / math.sqrt(3))
    assert row["phwdr_error"] == 0.5


def test_shape_averages_shares_over_repeats() -> None:
    row = shape_table(made())[0]
    assert row["action_shares"] == pytest.approx([0.5, 0.5])
    assert (row["entropy_mean"], row["entropy_sd"]) == (0.5, 0.0)


def test_published_rows_by_our_names() -> None:
    assert published("mimic-iv", "no-stratification") == published("mimic-iv", "dueling-double-dqn")
    assert published("eicu", "single-expert")["phwis_mean"] is None  # not published there
    assert published("mimic-iv", "bcq")["phwis_mean"] is None
    assert display_name("fused:greedy", "prospective") == "HOPAS-B (fused), greedy, prospective"


def test_published_numbers_belong_to_the_study_that_names_them() -> None:
    """A run of another drug has policies of the same names; nothing published is drawn beside them."""
    study = load_study()
    other = study.model_copy(update={"name": "norepinephrine", "published": None})
    assert published("mimic-iv", "fused", study)["phwis_mean"] == published("mimic-iv", "fused")["phwis_mean"] == 11.56
    assert set(published("mimic-iv", "fused", other).values()) == {None}
    repeats = pd.DataFrame({"cohort": ["development"] * 2, "like": ["mimic-iv"] * 2, "policy": ["fused", "random"]})
    assert len(published_means(repeats, study)) == 4
    assert published_means(repeats, other).empty


def test_markdown_leaves_unknown_numbers_empty_and_json_makes_them_null() -> None:
    rows = [{"a": 1.234, "b_mean": 2.0, "b_sd": None}, {"a": math.nan, "b_mean": 3.0, "b_sd": 0.5}]
    lines = markdown(rows, [("A", number("a", 1)), ("B", spread("b", 1))])
    assert lines == ["| A | B |", "|---|---|", "| 1.2 | 2.0 |", "|  | 3.0 ± 0.5 |"]
    assert plain({"rows": rows})["rows"][1]["a"] is None
