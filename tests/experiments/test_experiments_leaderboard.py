"""The leaderboard: scores by hand, safety by its two conditions, and a small board on two worlds."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ConfigError
from core.base.judging import JUDGING
from core.bring import JudgeConfig, Judgment, bring, judge_on, make_bench
from core.cli.main import main
from core.cohort import TrueValue, simulate_cohort
from core.cohort.simulate.named import RULES, mostly, named_world
from core.experiments import board_d3rlpy
from core.experiments.board import BoardSettings, estimator_scores
from core.experiments.board_learned import forest_value, make_school, our_names, our_policy
from core.experiments.board_sets import SET_RULES
from core.experiments.leaderboard import is_safe, leaderboard

ALL = (*RULES, "double-dqn", "cql", "behavior-cloning")


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
    fqe = estimator_scores(pd.DataFrame(rows | {"fqe": rows["mix"]})).set_index("estimator").loc["fqe"]
    assert fqe[["error", "rank"]].tolist() == [0, 1]
    assert np.isnan(fqe["coverage"])  # it has no interval


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
    sizes = ["--patients", "40", "--truth-patients", "100", "--updates", "20"]
    assert main(["leaderboard", "--worlds", "null", *sizes, "--out", str(out)]) == 0
    board = json.loads(out.read_text())
    assert [(row["world"], row["policy"]) for row in board["policies"]] == [("null", policy) for policy in ALL]
    assert [row["true_difference"] for row in board["policies"]] == [0.0] * len(ALL)  # the drug does nothing there
    assert [row["sign"] for row in board["estimators"]] == [None] * 4
    assert all(0 < row["ess"] <= 40 for row in board["policies"])
    assert [row["coverage"] is None for row in board["estimators"]] == [False, False, False, True]
    assert "true_difference" in capsys.readouterr().out
    rows, known = board["policies"], len(board["policies"])
    assert {row["judging"] for row in rows} == {JUDGING}
    stopped = {**board, "policies": [{**rows[0], "mix": 77.0}, *rows[1:4], *rows[5:]]}
    out.write_text(json.dumps(stopped))
    assert main(["leaderboard", "--worlds", "null", "transplant-null", *sizes, "--out", str(out)]) == 0
    board = json.loads(out.read_text())
    assert board["policies"][:known] == [*stopped["policies"], rows[4]], "only what was missing is made, and as before"
    sets, scores = board["policies"][known:], board["estimators"][4:]
    assert [row["policy"] for row in sets] == list(SET_RULES)
    assert [row["true_difference"] for row in sets] == [0.0] * len(SET_RULES)
    assert [row["estimator"] for row in scores] == ["mix", "phwis", "phwdr"]
    capsys.readouterr()
    older = [{**row, "judging": 1} for row in stopped["policies"][:2]]
    out.write_text(json.dumps({**board, "policies": [*older, {**rows[2], "judging": None}, *board["policies"][3:]]}))
    assert main(["leaderboard", "--worlds", "null", *sizes, "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert f"3 rows of {out} are of another version of the judging" in said
    assert "--worlds" not in said, "all of them are made anew"
    again = {row["policy"]: row for row in json.loads(out.read_text())["policies"] if row["world"] == "null"}
    assert again == {row["policy"]: row for row in rows}, "made anew, as they were"
    assert main(["leaderboard", "--worlds", "null", *sizes, "--seed", "1", "--out", str(out)]) == 2
    assert "holds a board of other settings" in capsys.readouterr().err
    assert main(["leaderboard", "--worlds", "moon", "--out", str(tmp_path / "moon.json")]) == 2
    assert "world 'moon' is not known; choose among heparin," in capsys.readouterr().err


def test_worlds_whose_old_rows_leave_the_file_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "board.json"
    settings = BoardSettings(40, truth_patients=100, updates=20)
    sizes = ["--patients", "40", "--truth-patients", "100", "--updates", "20"]
    assert main(["leaderboard", "--worlds", "transplant-null", *sizes, "--out", str(out)]) == 0
    made = json.loads(out.read_text())["policies"]
    older = [{**made[0], "world": world, "judging": 1} for world in ("heparin", "transplant-null", "heparin", "null")]
    out.write_text(json.dumps({"settings": asdict(settings), "policies": [*older, *made]}))
    capsys.readouterr()
    assert main(["leaderboard", "--worlds", "transplant-null", *sizes, "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert f"4 rows of {out} are of another version" in said
    assert "Not made anew, as --worlds does not name them: heparin, null.\n" in said
    assert json.loads(out.read_text())["policies"] == made


def test_a_school_is_of_the_world_and_shares_no_stay_with_what_is_judged() -> None:
    school = make_school(named_world("null"), 40, seed=8, updates=10)
    cohort, _ = simulate_cohort("mimic-iv", 40, 8, effect="none")
    judged = {row.tobytes() for row in cohort.states}
    taught = school.scaler.unscale(school.transitions.states)
    assert not judged & {row.tobytes() for row in np.round(taught, 3).astype(np.float32)}
    frame = cohort.frame.iloc[:50]
    for name in our_names():
        probs = our_policy(school, name)(frame)
        assert np.allclose(probs, mostly(probs.argmax(axis=1))), name  # a dose, and the share that is spread


def test_cloning_learns_what_clinicians_give_most() -> None:
    school = make_school(named_world("heparin"), 300, seed=1, updates=300)
    probs = our_policy(school, "behavior-cloning")(simulate_cohort("mimic-iv", 50, 2)[0].frame)
    assert (probs.argmax(axis=1) == 0).mean() > 0.9  # no heparin, at six steps in seven


def test_forest_value_is_the_mean_reward_where_no_step_follows() -> None:
    """Discount 0: what the policy earns at the first step; where the drug does nothing, whatever it gives."""
    cohort, _ = simulate_cohort("mimic-iv", 150, 3, effect="none")
    bench = make_bench(cohort, JudgeConfig(gamma=0.0, critic_trees=5))
    found = [forest_value(bench, bring(RULES[name], cohort, name)) for name in ("never", "even")]
    first = bench.trajectories.rewards[:, 0].mean()
    assert found == pytest.approx([first, first], abs=0.5)


def test_d3rlpy_is_asked_for_by_name_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_d3rlpy, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="d3rlpy is not installed: pip install --no-deps"):
        next(leaderboard(["heparin"], BoardSettings(20, truth_patients=20, d3rlpy=True)))


def test_d3rlpy_takes_part_where_it_is_installed() -> None:
    pytest.importorskip("d3rlpy")
    settings = BoardSettings(60, truth_patients=50, updates=30, d3rlpy=True)
    board = [board for _, board in leaderboard(["heparin"], settings)][-1]
    theirs = [f"d3rlpy-{name}" for name in board_d3rlpy.THEIRS]
    assert board.policies["policy"].tolist() == [*ALL, *theirs]
    assert board.estimators["estimator"].tolist() == ["mix", "phwis", "phwdr", "fqe", "d3rlpy-fqe"]
    assert np.isfinite(board.policies["d3rlpy-fqe"]).all()


def test_their_evaluation_draws_from_the_policy_and_not_its_mode() -> None:
    torch = pytest.importorskip("torch")
    probs = np.tile([0.5, 0.2, 0.3], (4000, 1))
    drawn = board_d3rlpy._Drawn(lambda states: probs, seed=0).predict_best_action(torch.zeros(4000, 2)).numpy()
    np.testing.assert_allclose(np.bincount(drawn) / 4000, probs[0], atol=0.03)
