"""The library as a researcher meets it: a finished run, its tables, policies, exports, and one's own policy beside."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import core as pp
from core.api import Run
from core.base.errors import ArtifactError, ConfigError, RunError
from core.bring import run_bench, verify_card
from core.icu.view import RunView
from core.policies.key import PolicyKey
from tests.conftest import TINY


@pytest.fixture(scope="module")
def run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy, which may be written to."""
    folder = tmp_path_factory.mktemp("api") / "run"
    shutil.copytree(tiny_run, folder)
    return pp.open_run(folder)


def never(states: pd.DataFrame) -> np.ndarray:
    """No drug, all but certainly."""
    return np.tile([0.96, 0.01, 0.01, 0.01, 0.01], (len(states), 1))


def test_running_again_opens_what_is_there(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PHENOPOLICY_DATA", str(tmp_path))
    cohort, _ = pp.simulate_cohort("mimic-iv", RunView(tiny_run).cohort.n_patients, seed=3)
    steps = pp.run_steps(cohort, settings=TINY)
    assert not any(tmp_path.rglob("manifest.json"))  # a generator has done nothing yet
    assert next(steps).stage == "cohort"
    steps.close()  # type: ignore[attr-defined]
    folder = next(tmp_path.rglob("manifest.json")).parent
    with pytest.raises(RunError, match="is not finished"):
        pp.open_run(folder)
    shutil.rmtree(folder)
    shutil.copytree(tiny_run, folder)
    again = pp.run(cohort, settings=TINY, progress=True)
    assert again.folder == folder
    assert "100%" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"unknown key 'encoder.epoch'"):
        pp.run(cohort, settings={"encoder.epoch": 1})


def test_states_are_physical_and_patients_are_rows(run: Run) -> None:
    cohort = run.view.cohort
    states = run.states
    assert list(states.columns) == [*cohort.study.names, "action"]
    assert states.index.names == ["traj", "step"]
    np.testing.assert_array_equal(states["Platelets"], cohort.frame["Platelets"])
    assert states.attrs["units"]["Platelets"] == cohort.study.column("Platelets").unit != ""
    patients = run.patients
    assert patients["steps"].sum() == len(states)
    assert (patients["survived"].to_numpy() == (cohort.outcomes > 0)).all()
    assert (patients["split"] == "test").sum() == len(run.view.split.test)


def test_a_policy_is_that_of_the_run_at_any_setting(run: Run) -> None:
    policy = run.policy("fused", k=2, lambda_=3.0)
    key = PolicyKey("fused", 2, 3.0, "prospective")
    np.testing.assert_array_equal(policy.probs, run.view.probs(key))
    assert "'fused', k = 2, λ = 3, prospective of run" in repr(policy)
    assert run.policy("fused", lambda_=np.inf).key.policy == "single-expert"
    table = policy.table
    stay, step = table.index[4]
    place = list(run.view.cohort.patients).index(stay)
    np.testing.assert_array_equal(table.iloc[4], policy.probs[place, step])
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)
    estimates = run.policy().estimates()
    stored = run.view.evaluations
    own = stored[(stored["policy"] == "fused") & (stored["mode"] == "prospective")]
    own = own[(own["n_clusters"] == run.n_clusters) & np.isclose(own["lambda_"], run.lambda_)].set_index("estimator")
    assert estimates.loc["phwis", "value"] == pytest.approx(own.loc["phwis", "value"])
    with pytest.raises(ConfigError, match="the run has no k = 99"):
        run.policy(k=99)


def test_exports_hold_every_transition_of_a_split_once(run: Run) -> None:
    arrays, episodes = run.to_d3rlpy("train"), run.to_minari("train")
    data, cohort = run.view.trajectories, run.view.cohort
    train = np.sort(run.view.split.train)
    n = int((data.lengths[train] - 1).sum())
    assert [len(array) for array in arrays.values()] == [n] * 4
    assert arrays["terminals"].sum() == len(train) == len(episodes)
    np.testing.assert_array_equal(np.concatenate([e["observations"][:-1] for e in episodes]), arrays["observations"])
    np.testing.assert_array_equal(np.concatenate([e["rewards"] for e in episodes]), arrays["rewards"][:, 0])
    np.testing.assert_array_equal(np.concatenate([e["terminations"] for e in episodes]), arrays["terminals"] == 1)
    first = episodes[0]
    assert first["rewards"].sum() == pytest.approx(data.rewards[train[0]].sum())
    np.testing.assert_array_equal(first["observations"], cohort.states[cohort.rows(int(train[0]))])
    with pytest.raises(ConfigError, match="split = 'tests' is not known"):
        run.to_d3rlpy("tests")
    parts = run.to_anndata()
    assert len(parts["X"]) == len(parts["obs"]) == len(parts["obsm"]["X_pca"]) == cohort.n_patients


def test_whether_learners_learned_is_told_and_an_older_run_says_so(run: Run) -> None:
    stored = run.view.learned
    assert run.learned["agrees"].tolist() == stored["agrees"].tolist()
    assert run.learned.loc["dqn", "text"] == stored.set_index("name").loc["dqn", "text"]
    older = RunView(run.folder)
    older.__dict__["learned"] = None
    with pytest.raises(RunError, match="before its learners were asked; train it again"):
        Run(older).learned  # noqa: B018


def test_figures_go_by_name(run: Run) -> None:
    assert "values" in dir(run.figures)
    assert run.figures.values.data
    with pytest.raises(AttributeError, match="no figure 'nothing'; there are silhouette"):
        run.figures.nothing  # noqa: B018


def test_a_policy_of_ones_own_is_judged_on_test_patients_and_kept(run: Run) -> None:
    bench = run_bench(run.view)
    assert set(bench.rows[bench.judged]) == set(run.view.split.test)
    evidence = run.add_policy("never", never)
    assert evidence.card.stays == int((run.view.trajectories.lengths[run.view.split.test] > 1).sum())
    values = run.values()
    assert values.loc[("never", ""), "difference"] == evidence.judgment.judged.difference.value
    assert values.loc[("never", ""), "true_value"] == pytest.approx(evidence.card.true_value.value)
    ranks = values["grade"].map(["supported", "weak", "not supported"].index)
    assert ranks.is_monotonic_increasing  # what nothing supports is last, however large
    assert values.groupby(ranks)["difference"].is_monotonic_decreasing.all()
    assert list(run.added) == ["never"]
    folder = run.folder / "brought" / "never"
    found = pp.verify(folder / "card.html", run)
    assert found.recomputed
    assert "but the truth" in str(found)
    assert str(pp.verify(folder / "card.html", run, never)).endswith("Every number comes out again.")
    with pytest.raises(ArtifactError, match="was judged on a run; give that run"):
        verify_card(folder / "card.json", run.view.cohort, never)
    for name, words in {"../up": "cannot name a policy", "fused": "'fused' reads as the name of a policy"}.items():
        with pytest.raises(ConfigError, match=words):
            run.add_policy(name, never)


def test_a_policy_of_the_run_brought_back_is_judged_as_the_run_judged_it(run: Run) -> None:
    own = run.policy("fused")
    evidence = run.add_policy("again", own.table.to_numpy())
    stored = run.view.judgments
    row = stored[(stored["policy"] == "fused") & (stored["mode"] == "prospective")].iloc[0]
    assert evidence.card.difference.value == pytest.approx(row["difference"], rel=1e-5)
    assert evidence.card.difference.se == pytest.approx(row["difference_se"], rel=1e-5)
    assert evidence.card.grade == row["grade"]
    np.testing.assert_array_equal(run.policy("again").table, own.table)
    run.remove_policy("again")
    assert "again" not in run.policies


def test_judge_takes_a_table_as_it_is_and_says_what_it_found() -> None:
    cohort, _ = pp.simulate_cohort("mimic-iv", 40, seed=2)
    evidence = pp.judge(cohort.frame, never(cohort.frame), "never", n_bootstrap=10, critic_trees=2)
    assert repr(evidence).startswith("never: ")
    assert evidence.card.data_hash == cohort.data_hash
    with pytest.raises(ConfigError, match="unknown key 'bootstrap'"):
        pp.judge(cohort, never, bootstrap=3)
