"""Differences along lambda and along dials are those that the run stores where both say something, and begin at 0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.fusion.dials import DIALS, FLOOR, MIXTURE
from core.icu.ask.differences import (
    differences_along,
    differences_along_lambda,
    differences_between,
    hidden_in_words,
    jury_of,
    true_differences_along,
    true_differences_along_lambda,
)
from core.icu.ask.judge import make_jury
from core.icu.hidden_causes import HIDDEN_COLUMNS
from core.icu.view import RunView
from core.policies.key import CLINICIAN, FUSED, PolicyKey

NUMBERS = ["mix", "difference", "difference_low", "difference_high", "ess", "n", *HIDDEN_COLUMNS]


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def stored(view: RunView, key: PolicyKey) -> np.ndarray:
    """The run's own judgment of a policy."""
    assert view.judgments is not None
    (row,) = (row for row in view.judgments.to_dict("records") if PolicyKey.of_row(row) == key)
    return np.array([row[name] for name in NUMBERS])


@pytest.mark.parametrize("dial", DIALS.values(), ids=list(DIALS))
def test_a_dial_leads_from_the_clinicians_to_the_judged_policy(view: RunView, dial) -> None:
    table = differences_along(view, view.own_policy, dial)
    assert table["setting"].tolist() == list(dial.settings)
    assert (table["difference"][0], table["difference_se"][0]) == (0, 0)
    np.testing.assert_allclose(table.iloc[-1][NUMBERS].to_numpy(float), stored(view, view.own_policy), rtol=1e-4)


def test_lambda_passes_through_the_judged_policy(view: RunView) -> None:
    own = view.own_policy
    table = differences_along_lambda(view, view.n_clusters, own.mode)
    assert table["setting"].tolist() == list(view.lambdas)
    here = table[table["setting"] == own.lambda_].iloc[0]
    np.testing.assert_allclose(here[NUMBERS].to_numpy(float), stored(view, own), rtol=1e-6)


def test_a_run_keeps_its_own_axes_as_they_would_be_judged_anew(tiny_run: Path) -> None:
    view, old = RunView(tiny_run), RunView(tiny_run)
    old.own_differences = None  # a run from before they were kept
    own = view.own_policy
    asked = (
        lambda run: differences_along(run, own, MIXTURE),
        lambda run: differences_along_lambda(run, own.n_clusters, own.mode),
    )
    for ask in asked:
        pd.testing.assert_frame_equal(ask(view), ask(old), check_like=True)
    assert "core.icu.ask.differences.jury_of" not in view.__dict__, "nobody was judged anew"
    other = replace(own, lambda_=0.0)
    assert not differences_along(view, other, MIXTURE).equals(differences_along(view, own, MIXTURE))


def test_points_between_are_those_of_the_dials_with_their_truth(view: RunView) -> None:
    table = differences_between(view, view.own_policy)
    whole, truth = (
        differences_along(view, view.own_policy, MIXTURE),
        true_differences_along(view, view.own_policy, MIXTURE),
    )
    assert truth is not None
    assert [(row.dial, row.setting) for row in table.itertuples()] == [
        *(("mixture", a) for a in (*MIXTURE.known, 1.0)),
        *(("floor", p) for p in FLOOR.known),
    ]
    for row in table[table["dial"] == "mixture"].to_dict("records"):
        same, true = (one[one["setting"] == row["setting"]].iloc[0] for one in (whole, truth))
        np.testing.assert_allclose([row[name] for name in NUMBERS], same[NUMBERS].to_numpy(float), rtol=1e-4)
        assert row["true_difference"] == true["true_difference"]
    assert differences_between(view, PolicyKey("zero-drug"))["true_difference"].isna().all()
    half = table.iloc[1].to_dict()
    assert hidden_in_words(view, half).startswith(("No gain is claimed", "The claim would die", "No recorded stay"))


def test_true_differences_are_to_the_clinicians_and_of_the_run_s_own_policy_alone(view: RunView) -> None:
    true = view.truth.set_index("policy")["true_value"]
    known = true_differences_along(view, view.own_policy, MIXTURE).set_index("setting")
    assert tuple(known.loc[0.0, ["true_difference", "true_difference_se"]]) == (0, 0)
    expected = known.loc[1.0, "true_value"] - true[CLINICIAN]
    assert known.loc[1.0, "true_difference"] == pytest.approx(expected)
    assert (known.loc[1.0, "true_difference_se"]) > 0
    assert true_differences_along(view, PolicyKey("zero-drug"), FLOOR) is None


def test_true_differences_along_lambda_are_those_of_the_roll_outs(view: RunView) -> None:
    table = true_differences_along_lambda(view, view.n_clusters, "prospective")
    rows = view.truth[(view.truth["policy"] == FUSED) & (view.truth["n_clusters"] == view.n_clusters)]
    assert set(table["setting"]) == set(rows["lambda_"])
    clinicians = view.truth.loc[view.truth["policy"] == CLINICIAN, "true_value"].iloc[0]
    expected = rows.set_index("lambda_")["true_value"] - clinicians
    np.testing.assert_allclose(table.set_index("setting")["true_difference"], expected[table["setting"]])


def test_recorded_patients_of_an_earlier_run_have_no_truth(tiny_run: Path) -> None:
    old = RunView(tiny_run)
    old.truth, old.frontier_truth, old.judgments = old.truth.iloc[:0], old.frontier_truth.iloc[:0], None
    assert true_differences_along_lambda(old, old.n_clusters, "prospective") is None
    assert true_differences_along(old, old.own_policy, MIXTURE) is None


def test_the_kept_jury_says_what_one_made_anew_would(view: RunView) -> None:
    kept, others = jury_of(view), view.split.learners
    fresh = make_jury(view, view.study, view.n_clusters, view.split.test, others)
    assert (kept.kept is None, fresh.kept is None) == (False, True)
    assert np.array_equal(kept.behavior[0], fresh.behavior[0])
