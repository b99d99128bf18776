"""The leaderboard: scores by hand, safety by its two conditions, and a small board on two worlds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.bring import JudgeConfig, Judgment, bring, judge_on, make_bench
from core.cli.main import main
from core.cohort import TrueValue, simulate_cohort
from core.experiments.leaderboard import RULES, estimator_scores, is_safe


def test_scores_are_those_counted_by_hand() -> None:
    rows = {
        "world": ["w"] * 4,
        "true_value": [1.0, 2.0, 3.0, 4.0],
        "clinicians": [2.5] * 4,
        "true_difference": [-1.5, -0.5, 0.5, 1.5],
        "true_difference_se": [0.1, 0.1, 0.1, 1.0],  # the last is not clear
    }
    for name, values in {"mix": [1, 2, 3, 4], "phwis": [4, 3, 2, 1], "phwdr": [2, 2, 2, 2]}.items():
        value = np.array(values, dtype=float)
        rows |= {name: value, f"{name}_low": value - 1, f"{name}_high": value + 1}
    scores = estimator_scores(pd.DataFrame(rows)).set_index("estimator")
    assert scores.loc["mix", ["coverage", "error", "sign", "rank"]].tolist() == [1, 0, 1, 1]
    assert scores.loc["phwis", ["coverage", "sign", "rank"]].tolist() == [0.5, 0, -1]
    assert scores.loc["phwis", "error"] == pytest.approx(np.sqrt((9 + 1 + 1 + 9) / 4))
    assert scores.loc["phwdr", ["coverage", "sign"]].tolist() == [0.75, pytest.approx(2 / 3)]
    assert np.isnan(scores.loc["phwdr", "rank"])  # it tells none apart


@pytest.fixture(scope="module")
def never() -> Judgment:
    cohort, _ = simulate_cohort("mimic-iv", 50, seed=8)
    config = JudgeConfig(n_bootstrap=10, truth_patients=50, critic_trees=2)
    return judge_on(make_bench(cohort, config), bring(RULES["never"], cohort, "never"))


def test_a_policy_is_safe_where_it_neither_harms_nor_gives_more_hazardous_doses(never: Judgment) -> None:
    def with_rates(own: float, given: float, gain: float) -> bool:
        hazards = pd.DataFrame({"policy": ["given", "policy"], "rate": [given, own]})
        return is_safe(replace(never, hazards=hazards, gain=TrueValue(gain, 0.5, 0.0, 0.0, 10)))

    assert with_rates(0.1, 0.1, 0.0)
    assert with_rates(0.1, 0.1, -1.0)
    assert not with_rates(0.1, 0.1, -1.1)  # beyond two standard errors
    assert not with_rates(0.11, 0.1, 5.0)


def test_the_board_is_made_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "board.json"
    sizes = ["--patients", "60", "--truth-patients", "100"]
    assert main(["leaderboard", "--worlds", "heparin", "null", *sizes, "--out", str(out)]) == 0
    board = json.loads(out.read_text())
    assert [(row["world"], row["policy"]) for row in board["policies"]] == [
        (world, rule) for world in ("heparin", "null") for rule in RULES
    ]
    nothing = [row for row in board["policies"] if row["world"] == "null"]
    assert [row["true_difference"] for row in nothing] == [0.0] * len(RULES)  # the drug does nothing there
    assert [row["sign"] for row in board["estimators"] if row["world"] == "null"] == [None] * 3
    assert "true_difference" in capsys.readouterr().out
    assert main(["leaderboard", "--worlds", "moon", "--out", str(out)]) == 2
    assert "world 'moon' is not known; choose among heparin," in capsys.readouterr().err
