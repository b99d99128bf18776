"""A leaderboard's file: read back as written, refused in a sentence, and the example is what the documentation says."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pandas as pd
import pytest

from core.base.errors import ArtifactError
from core.base.files import read_json
from core.experiments.board import EXAMPLE, LARGEST, example_board, holds_truth, parse_board
from core.figures.leaderboard import estimates_against_truth
from tests.conftest import ROOT


@pytest.fixture
def stored() -> dict[str, Any]:
    """The example's file, to be spoiled."""
    return deepcopy(read_json(EXAMPLE))


def read(values: object) -> Any:
    return parse_board(json.dumps(values).encode(), "mine.json")


def test_the_example_is_read_as_it_was_written(stored: dict[str, Any]) -> None:
    board = example_board()
    assert board is not None
    again = json.loads(json.dumps(board.to_json()))
    assert again["settings"] == stored["settings"]
    assert again["policies"] == stored["policies"]
    pd.testing.assert_frame_equal(board.estimators, pd.DataFrame(stored["estimators"]), check_dtype=False)


def test_the_example_is_the_board_that_the_documentation_quotes() -> None:
    board, text = example_board(), (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    assert board is not None
    rows = board.policies.set_index(["world", "policy"])
    careful = rows.loc[("heparin", "careful")]
    quoted = f"| `careful` | {careful['true_value']:.2f} | {careful['true_difference']:.2f} ± 0.14 | yes | "
    assert f"{quoted}{careful['mix']:.2f} ({careful['mix_low']:.2f} to {careful['mix_high']:.2f})" in text
    mix = board.estimators.set_index(["world", "estimator"]).loc[("heparin", "mix")]
    assert f"| mix | {mix['coverage']:.2f}, {mix['error']:.2f}, {mix['sign']:.2f}, {mix['rank']:+.2f} |" in text


def test_an_interval_holds_the_truth_between_its_ends_and_says_nothing_where_there_is_none() -> None:
    rows = pd.DataFrame(
        {"true_value": [1.0, 1.0, 1.0], "mix": [1.0, 2.0, 0.0], "mix_low": [0.0, 1.5, None], "mix_high": [2, 3, None]}
    )
    assert holds_truth(rows, "mix").tolist() == [True, False, pd.NA]
    assert holds_truth(rows.assign(fqe=0.0), "fqe").isna().all()


def test_scores_are_counted_from_the_rows_and_not_believed(stored: dict[str, Any]) -> None:
    stored["estimators"] = [{"world": "heparin", "estimator": "mix", "coverage": 1.0, "error": 0.0}]
    stored["policies"] = [{**row, "mix_low": 90.0, "mix_high": 99.0} for row in stored["policies"]]
    scores = read(stored).estimators.set_index(["world", "estimator"])
    assert scores.loc[("heparin", "mix"), "coverage"] == 0.0


def test_estimators_that_took_no_part_are_no_columns(stored: dict[str, Any]) -> None:
    stored["policies"] = [{**row, "fqe": None, "d3rlpy-fqe": None} for row in stored["policies"]]
    assert {"fqe", "d3rlpy-fqe"} & set(read(stored).policies) == set()


WRONG = {
    "a list": ([1], "it holds no list of policies"),
    "a number for a policy": (lambda one: one["policies"][0].update(policy=3), "policies.0.policy' = 3 is not usable"),
    "markup": (lambda one: one["policies"][0].update(policy="<b>x</b>"), "is not usable"),
    "no truth": (lambda one: one["policies"][0].pop("true_value"), "key 'policies.0.true_value' is missing"),
    "turned": (lambda one: one["policies"][0].update(mix_low=99.0), "mix_low must not lie above mix_high"),
    "twice": (lambda one: one["policies"].append(one["policies"][0]), "the policy never in the world heparin twice"),
    "settings": (lambda one: one["settings"].update(patients="many"), "settings.patients' = many is not usable"),
    "grade": (lambda one: one["policies"][0].update(grade="sure"), "policies.0.grade' = sure is not usable"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_file_that_is_no_board_is_refused_in_a_sentence(stored: dict[str, Any], how: str) -> None:
    spoil, said = WRONG[how]
    values = spoil if isinstance(spoil, list) else stored
    if callable(spoil):
        spoil(stored)
    with pytest.raises(ArtifactError, match=r"mine\.json is no leaderboard: ") as error:
        read(values)
    assert said in str(error.value)


def test_what_is_no_json_or_too_large_is_refused() -> None:
    for content, said in ((b"\xff\x00", "it is no JSON"), (b" " * (LARGEST + 1), "it is larger than 2 MB")):
        with pytest.raises(ArtifactError, match=said):
            parse_board(content, "x.json")


def test_the_picture_draws_each_estimate_over_its_truth() -> None:
    rows = pd.DataFrame(
        {
            "world": "w",
            "policy": ["a", "b"],
            "true_value": [1.0, 2.0],
            "value": [1.5, -4.0],
            "low": [1.0, -50.0],
            "high": [2.0, 50.0],
            "ess": [80.0, 2.0],
            "grade": ["supported", "not supported"],
        }
    )
    fig = estimates_against_truth(rows, "the mix")
    drawn = {trace.name: trace for trace in fig.data}
    assert set(drawn) == {"estimate = truth", "supported", "not supported"}
    assert (drawn["supported"].x[0], drawn["supported"].y[0]) == (1.0, 1.5)
    assert drawn["not supported"].error_y.array[0] == 54.0
    low, high = fig.layout.yaxis.range
    assert -5 < low < -4
    assert 2 < high < 3, "endless intervals do not press the points together"
    without = estimates_against_truth(rows.assign(low=float("nan"), high=float("nan")), "FQE")
    assert all(not trace.error_y.visible for trace in without.data if trace.name != "estimate = truth")
