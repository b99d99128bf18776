"""Policies that a run's own are held against: what they are, that they act forward alike, and where there are none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.agents import action_probs, boosting
from core.agents.boosting import xgboost_installed
from core.base.errors import ArtifactError, ConfigError
from core.cohort import History
from core.icu.ask.tables import comparison
from core.icu.baselines import NAMES, WITHOUT_XGBOOST, MeanPhenotypes
from core.icu.config import COMPARED, NETWORKS, load_preset
from core.icu.fit.baselines import not_indicated, train_baselines
from core.icu.fit.simulated import RunPolicy
from core.icu.view import RunView
from core.policies import MODES, NamedPolicy, PolicyKey
from core.policies.families import baseline_keys
from core.policies.key import BOOSTED
from core.trajectories import make_transitions
from tests.manifests import edit_manifest


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_every_baseline_is_a_distribution_and_has_its_rows(view: RunView) -> None:
    boosted = BOOSTED if xgboost_installed() else WITHOUT_XGBOOST
    assert view.baselines == tuple(boosted if name == BOOSTED else name for name in COMPARED)
    mask, k, lambda_ = view.trajectories.mask, view.n_clusters, view.config.fusion.lambda_
    for key in baseline_keys(view.baselines, k, lambda_, MODES):
        probs = view.probs(key)[mask]
        assert (probs >= 0).all()
        np.testing.assert_allclose(probs.sum(axis=-1), 1, atol=1e-5)
        rows = comparison(view).query("policy == @key.policy and mode == @key.mode")
        assert list(rows["estimator"]) == ["phwis", "phwdr", "fqe"]
        assert rows["true_value"].notna().all() == (key.mode != "retrospective")


def test_forest_policy_is_the_softmax_of_the_runs_own_optimal_values_in_units_of_their_spread(view: RunView) -> None:
    probs, squares = view.probs(PolicyKey("rf-fqi")), []
    for patient in view.split.train:
        for step in np.flatnonzero(view.trajectories.transition_mask[patient]):
            q = view.fqi_q[patient, step].astype(float)
            squares += [(value - q.mean()) ** 2 for value in q]
    spread = np.sqrt(np.mean(squares))
    expected = action_probs(view.fqi_q, view.config.agents.temperature * spread)
    np.testing.assert_allclose(probs, expected, atol=1e-5)


def test_no_rival_is_random_because_its_values_are_flat(view: RunView) -> None:
    mask, n_actions = view.trajectories.mask, view.study.n_actions
    for name in (name for name in view.baselines if name != "no-encoder"):
        probs = view.probs(PolicyKey(name))[mask]
        assert np.abs(probs - 1 / n_actions).mean() > 0.02, name
    flat = np.abs(action_probs(view.baseline_q("rf-fqi")[mask]) - 1 / n_actions).mean()
    sharp = np.abs(view.probs(PolicyKey("rf-fqi"))[mask] - 1 / n_actions).mean()
    assert sharp > flat


def test_spreads_are_of_the_stays_that_trained_each_agent_and_the_published_recipe_has_none(view: RunView) -> None:
    k, train, mask = view.n_clusters, view.split.train, view.trajectories.transition_mask
    for index, spread in enumerate(view.expert_spreads(k)[:, 0]):
        own = [patient for patient in train if view.labels(k)[patient] == index]
        q = np.concatenate([view.agent_q(k)[patient, mask[patient], index] for patient in own]).astype(float)
        assert spread == pytest.approx(np.sqrt(np.mean((q - q.mean(axis=1, keepdims=True)) ** 2)), rel=1e-4)
    published = RunView(view.path)
    agents = view.config.agents.model_copy(update={"softmax": "fixed"})
    published.config = view.config.model_copy(update={"agents": agents})
    assert (published.expert_spreads(k) == 1).all()
    for name in view.baselines:
        assert published.baseline_spread(name) == 1


def test_rivals_train_as_long_as_the_runs_agents_but_for_the_published_recipe() -> None:
    for name in ("quick", "standard"):
        for overrides in ({}, {"agents.epochs": "4", "agents.batch_size": "16"}):
            config = load_preset(name, overrides)
            own, rivals = config.agents, config.baselines
            assert (rivals.epochs, rivals.batch_size) == (own.epochs, own.batch_size)
            assert (own.normalize_rewards, own.softmax) == (True, "standardized")
    assert load_preset("quick", {"baselines.epochs": "2"}).baselines.epochs == 2
    config = load_preset("published")
    assert (config.baselines.epochs, config.baselines.batch_size) == (1, 32)
    assert (config.agents.normalize_rewards, config.agents.softmax) == (False, "fixed")
    assert set(COMPARED) - set(config.baselines.chosen) == {"iql", "spibb"}


def test_boosting_has_the_name_of_what_boosts(view: RunView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = shutil.copytree(view.path, tmp_path / "run")
    monkeypatch.setattr(boosting, "find_spec", lambda name: None)
    edit_manifest(run, lambda manifest: manifest["config"]["baselines"].update(algorithms=["xgb-fqi"]))
    for _ in train_baselines(RunView(run)):
        pass
    assert RunView(run).baselines == ("gb-fqi",)
    assert RunView(run).probs(PolicyKey("gb-fqi")).shape == view.behavior.shape


def test_cloning_is_not_tempered_and_batch_constrained_excludes(view: RunView) -> None:
    mask = view.trajectories.mask
    cold = RunView(view.path)
    agents = view.config.agents.model_copy(update={"temperature": 0.01})
    cold.config = view.config.model_copy(update={"agents": agents})
    for name, same in (("behavior-cloning", True), ("dqn", False)):
        pair = (stays.probs(PolicyKey(name))[mask] for stays in (view, cold))
        assert np.array_equal(*pair) == same
    excluded = np.isneginf(view.baseline_q("bcq")[mask])
    assert excluded.any()
    assert (view.probs(PolicyKey("bcq"))[mask][excluded] == 0).all()


def history(view: RunView, patients: np.ndarray, step: int) -> History:
    states = view.scaler.unscale(view.trajectories.states[patients, : step + 1])
    actions = view.trajectories.actions[patients, :step]
    return History(states, actions, np.ones(len(patients), dtype=bool), np.zeros(len(patients), dtype=int))


@pytest.mark.parametrize("version", ["", "greedy", "soft", "t0.2"])
def test_a_rolled_out_policy_is_the_one_seen_on_recorded_stays(view: RunView, version: str) -> None:
    step, k, lambda_ = 3, view.n_clusters, view.config.fusion.lambda_
    patients = np.flatnonzero(view.trajectories.lengths > step)[:20]
    seen = history(view, patients, step)
    keys = [*baseline_keys(view.baselines, k, lambda_, ("prospective",)), PolicyKey("fused", k, lambda_, "prospective")]
    for key in keys:
        named = key.in_version(version)
        recorded = view.probs(named)[patients, step]
        # rescaling may move a state across a threshold of a tree, and values that are nearly equal change places
        close = np.isclose(RunPolicy(view, NamedPolicy(named))(seen), recorded, atol=1e-3).all(axis=1)
        assert close.mean() >= 0.9, named


def test_greedy_and_soft_versions_stand_on_the_top_action(view: RunView) -> None:
    probs, mask = view.probs(PolicyKey.at("fused", 3, 2.0, "prospective")), view.trajectories.mask
    greedy = view.probs(PolicyKey.at("fused:greedy", 3, 2.0, "prospective"))[mask]
    soft = view.probs(PolicyKey.at("fused:soft", 3, 2.0, "prospective"))[mask]
    assert set(np.unique(greedy)) == {0.0, 1.0}
    np.testing.assert_array_equal(greedy.argmax(axis=1), probs[mask].argmax(axis=1))
    np.testing.assert_allclose(soft, 0.9 * greedy + 0.1 / view.study.n_actions, atol=1e-6)
    with pytest.raises(ConfigError, match="versions are greedy, soft, or t"):
        view.probs(PolicyKey.at("fused:eager", 3, 2.0, "prospective"))


def test_a_temperature_in_the_name_is_that_of_every_expert(view: RunView) -> None:
    k, mask = view.n_clusters, view.trajectories.mask
    own = f"t{view.config.agents.temperature:g}"
    for policy in ("fused", "single-expert", "phenotype-1", "dqn", "no-encoder", "rf-fqi"):
        shown, same, colder = (
            view.probs(PolicyKey.at(name, k, 2.0, "prospective"))[mask]
            for name in (policy, f"{policy}:{own}", f"{policy}:t0.05")
        )
        np.testing.assert_allclose(same, shown, atol=1e-6)
        assert colder.max(axis=-1).mean() > shown.max(axis=-1).mean()
    cold = action_probs(view.agent_q(k), 0.05 * view.expert_spreads(k))[:, :, 1]
    np.testing.assert_allclose(view.probs(PolicyKey.at("phenotype-1:t0.05", k, 2.0, ""))[mask], cold[mask], atol=1e-6)


def test_mean_phenotypes_see_nothing_that_comes_later() -> None:
    rng = np.random.default_rng(0)
    states, mask = rng.normal(size=(5, 6, 3)), np.arange(6) < np.array([[6], [4], [3], [2], [1]])
    found = MeanPhenotypes(np.full(3, 0.1), np.array([1.0, 2.0, 0.5]), rng.normal(size=(2, 3)))
    sofar, whole = (found.distances(states, mask, mode) for mode in ("prospective", "retrospective"))
    for patient, length in enumerate(mask.sum(axis=1)):
        for step in range(length):
            mean = (states[patient, : step + 1].mean(axis=0) - found.center) / found.spread
            np.testing.assert_allclose(sofar[patient, step], np.linalg.norm(mean - found.centroids, axis=1))
        np.testing.assert_allclose(whole[patient], np.tile(sofar[patient, length - 1], (6, 1)))


def test_the_drug_is_not_indicated_below_the_studys_severity(view: RunView) -> None:
    transitions = make_transitions(view.trajectories, view.split.train)
    flags = not_indicated(view, transitions)
    frame = view.cohort.frame.reset_index(drop=True)
    starts = view.cohort.starts
    for i in range(0, len(transitions), 97):
        sofa = frame["SOFA"].iloc[starts[transitions.patient[i]] + transitions.step[i] + 1]
        assert flags[i] == (sofa < 7)
    assert 0 < flags.mean() < 1


def test_a_run_from_before_there_were_baselines_is_read_without_them(tiny_run: Path, tmp_path: Path) -> None:
    old = shutil.copytree(tiny_run, tmp_path / "run")
    shutil.rmtree(old / "baselines")

    def older(manifest: dict) -> None:
        del manifest["config"]["baselines"], manifest["stages"]["baselines"]

    edit_manifest(old, older)
    view = RunView(old)
    assert view.baselines == ()
    assert view.probs(PolicyKey.at("fused", 3, 2.0, "prospective")).shape == view.behavior.shape
    with pytest.raises(ArtifactError, match=r"no policy 'dqn'.*train it again"):
        view.probs(PolicyKey("dqn"))


def test_a_list_of_another_version_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / NAMES).parent.mkdir()
    (tmp_path / NAMES).write_text(json.dumps({"schema_version": 99, "names": []}))
    with pytest.raises(ArtifactError, match="schema version 99, this program reads 1; train again"):
        _ = RunView(tmp_path).baselines


def test_settings_choose_the_baselines() -> None:
    assert load_preset("quick").baselines.chosen == COMPARED
    assert load_preset("quick", {"baselines.enabled": "false"}).baselines.chosen == ()
    chosen = load_preset("quick", {"baselines.algorithms": '["cql", "dqn"]'}).baselines.chosen
    assert chosen == ("dqn", "cql")
    assert set(NETWORKS) < set(COMPARED)
    with pytest.raises(ConfigError, match="no policy ppo"):
        load_preset("quick", {"baselines.algorithms": '["ppo"]'})
