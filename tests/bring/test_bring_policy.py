"""One policy in every form that it may come in, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.tree import DecisionTreeClassifier

from core.base.errors import PolicyError
from core.bring import JudgeConfig, bring, judge_policy, verify_card
from core.cohort import Cohort, simulate_cohort

A = 5


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return simulate_cohort("mimic-iv", 25, seed=1)[0]


def careful(states: pd.DataFrame) -> np.ndarray:
    """Nothing at low platelets, else the second dose nine times in ten."""
    low = (states["Platelets"] < 100).to_numpy()
    probs = np.full((len(states), A), 0.025)
    probs[np.arange(len(states)), np.where(low, 0, 1)] = 0.9
    return probs


def test_function_array_table_and_file_are_the_same_policy(cohort: Cohort, tmp_path: Path) -> None:
    expected = careful(cohort.frame)
    table = pd.DataFrame(expected, columns=[f"p{a}" for a in range(A)])
    table = pd.concat([cohort.frame[["traj", "step"]].reset_index(drop=True), table], axis=1)
    more = table.iloc[:1].assign(traj="somebody else")
    shuffled = pd.concat([table, more]).sample(frac=1.0, random_state=3)
    shuffled.to_parquet(tmp_path / "p.parquet")
    shuffled.to_csv(tmp_path / "p.csv", index=False)
    forms = [careful, expected, table[[f"p{a}" for a in range(A)]], tmp_path / "p.parquet", tmp_path / "p.csv"]
    brought = [bring(form, cohort) for form in forms]
    for one in brought:
        np.testing.assert_allclose(one.probs, expected, atol=1e-12)
    assert len({one.digest for one in brought}) == 1
    assert [one.rule is not None for one in brought] == [True, False, False, False, False]


def test_a_policy_sees_physical_units_in_the_order_of_the_study(cohort: Cohort) -> None:
    seen: list[pd.DataFrame] = []

    def look(states: pd.DataFrame) -> np.ndarray:
        seen.append(states)
        return np.zeros(len(states), dtype=np.int64)

    assert (bring(look, cohort).probs == np.eye(A)[0]).all()
    assert list(seen[0].columns) == list(cohort.study.names)
    pd.testing.assert_frame_equal(seen[0], cohort.frame[list(cohort.study.names)])


def test_a_classifier_that_never_saw_an_action_gives_it_nothing(cohort: Cohort) -> None:
    names = list(cohort.study.names)
    known = cohort.actions != 3
    model = DecisionTreeClassifier(max_depth=4).fit(cohort.frame.loc[known, names], cohort.actions[known])
    probs = bring(model, cohort).probs
    assert (probs[:, 3] == 0).all()
    np.testing.assert_allclose(probs[:, [0, 1, 2, 4]], model.predict_proba(cohort.frame[names]), atol=1e-12)
    model.classes_ = np.array([0, 1, 2, 7])
    with pytest.raises(PolicyError, match=r"classes are no actions 0\.\.4"):
        bring(model, cohort)


def test_a_torch_module_gives_probabilities_and_logits_are_refused(cohort: Cohort) -> None:
    torch.manual_seed(0)
    logits = torch.nn.Sequential(torch.nn.Linear(len(cohort.study.names), A), torch.nn.Dropout(0.5))
    with pytest.raises(PolicyError, match="Turn Q values or logits into those first"):
        bring(logits, cohort)
    module = torch.nn.Sequential(*logits, torch.nn.Softmax(dim=-1)).train()
    probs = bring(module, cohort).probs
    assert module.training  # as it was given
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(cohort.states)).numpy()
    np.testing.assert_allclose(probs, expected, atol=1e-6)


def test_what_does_not_fit_is_refused_in_words(cohort: Cohort, tmp_path: Path) -> None:
    rows = len(cohort.frame)
    even = np.full((rows, A), 0.2)
    refused = {
        r"shape \(3, 5\), expected": even[:3],
        r"1 of .* rows are no probabilities \(row 7 sums to 1.3\)": np.where(np.arange(rows)[:, None] == 7, 0.26, even),
        "rows are no probabilities": np.where(np.eye(rows, A, dtype=bool), np.nan, even),
        "whole numbers 0..4": np.full(rows, 5),
        "of type object is not understood": object(),
    }
    for words, source in refused.items():
        with pytest.raises(PolicyError, match=words):
            bring(source, cohort)
    table = cohort.frame[["traj", "step"]].assign(**{f"p{a}": 0.2 for a in range(A)})
    for words, wrong in {
        "lacks p4; a policy's table has traj, step, p0 to p4": table.drop(columns="p4"),
        "has no row for 2 of the cohort's": table.iloc[2:],
        "has 1 rows whose traj and step came before": pd.concat([table, table.iloc[:1]]),
    }.items():
        wrong.to_parquet(tmp_path / "wrong.parquet")
        with pytest.raises(PolicyError, match=words):
            bring(tmp_path / "wrong.parquet", cohort)


class FakeD3rlpy:
    """What `bring` asks of a d3rlpy algorithm, told by its module alone."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.seen.append(x)
        return (x[:, 0] > 60).astype(np.int64)


FakeD3rlpy.__module__ = "d3rlpy.algos.qlearning.cql"


def test_a_d3rlpy_algorithm_is_asked_for_its_best_actions_in_physical_units(cohort: Cohort) -> None:
    algorithm = FakeD3rlpy()
    brought = bring(algorithm, cohort)
    np.testing.assert_array_equal(algorithm.seen[0], cohort.states)
    assert algorithm.seen[0].dtype == np.float32
    np.testing.assert_array_equal(brought.probs, np.eye(A)[(cohort.states[:, 0] > 60).astype(int)])
    assert brought.rule is not None  # it can be asked about any state, so it can be rolled out


def test_a_policy_that_d3rlpy_learned_is_judged_and_its_card_verified(cohort: Cohort, tmp_path: Path) -> None:
    d3rlpy = pytest.importorskip("d3rlpy")
    last = np.zeros(len(cohort.frame), dtype=np.float32)
    last[cohort.starts + cohort.lengths - 1] = 1
    rewards = cohort.frame["outcome"].to_numpy(np.float32)[:, None]
    data = d3rlpy.dataset.MDPDataset(cohort.states, cohort.actions[:, None], rewards, last)
    scaler = d3rlpy.preprocessing.StandardObservationScaler()
    algorithm = d3rlpy.algos.DiscreteCQLConfig(observation_scaler=scaler, batch_size=32).create(device="cpu:0")
    quiet = d3rlpy.logging.NoopAdapterFactory()
    algorithm.fit(data, n_steps=5, n_steps_per_epoch=5, logger_adapter=quiet, show_progress=False)
    brought = bring(algorithm, cohort)
    np.testing.assert_array_equal(brought.probs.argmax(axis=1), algorithm.predict(cohort.states))
    evidence = judge_policy(cohort, algorithm, "theirs", JudgeConfig(n_bootstrap=5, truth_patients=20, critic_trees=2))
    assert evidence.judgment.truth is not None
    page = evidence.save(tmp_path / "card.html")[0]
    assert str(verify_card(page, cohort, algorithm)).endswith("Every number comes out again.")
