"""Fitted iteration: closed forms on a small MDP, frozen against refitted, many policies against one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.agents import FittedQEvaluation, FittedQIteration, FQIConfig, boosting, load_q_forest
from core.agents.bellman import NextValues, Regression
from core.agents.q_forest import fit_structure
from core.agents.returns import returns_to_go
from core.base.errors import ConfigError
from core.trajectories import Transitions

EXACT = {"shrinkage": 0, "min_leaf": 1, "tolerance": 1e-5, "iterations": 200}


def run(fitted, *args, **options):
    """Fit to the end and return the fitted object."""
    for _ in fitted.fit(*args, **options):
        pass
    return fitted


def smooth(n, effect=0.3, share=0.1, seed=0):
    """Severity x in [0, 1] drifts; action 1, rare as action 2, lowers it by `effect` where x is high and raises it
    elsewhere; the reward is its fall, and -10 x at the end."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, 4)).astype(np.float32)
    actions = rng.choice(3, size=n, p=[1 - share, share / 2, share / 2])
    push = np.where(actions == 1, np.where(x[:, 0] > 0.5, -effect, effect), 0.05 * rng.normal(size=n))
    after = x.copy()
    after[:, 0] = np.clip(x[:, 0] + push, 0, 1)
    ends = rng.random(n) < 0.2
    rewards = (x[:, 0] - after[:, 0] - 10 * ends * after[:, 0]).astype(np.float32)
    index = np.arange(n)
    return Transitions(x, actions, rewards, after, ends, index, np.zeros(n, dtype=np.int64))


@pytest.mark.parametrize("estimator", ["random_forest", "extra_trees"])
@pytest.mark.parametrize("layout", ["joint", "per_action"])
def test_frozen_iteration_solves_the_chain(chain, layout, estimator):
    problem = chain(600)
    config = FQIConfig(layout=layout, estimator=estimator, n_trees=8, gamma=problem.gamma, **EXACT)
    fqi = run(FittedQIteration(config, 2), problem.transitions)
    np.testing.assert_allclose(fqi.q_values(problem.states), problem.q, atol=2e-2)
    np.testing.assert_allclose(fqi.v(problem.states), problem.q.max(axis=1), atol=2e-2)
    assert fqi.history["max_change"].iloc[-1] <= config.tolerance


@pytest.mark.parametrize("estimator", ["random_forest", "extra_trees", "gradient_boosting", "xgboost"])
@pytest.mark.parametrize("layout", ["joint", "per_action"])
def test_refitted_iteration_solves_the_chain(chain, layout, estimator):
    if estimator == "xgboost":
        pytest.importorskip("xgboost")
    problem = chain(600)
    config = FQIConfig(
        method="refit", layout=layout, estimator=estimator, gamma=problem.gamma, n_trees=30, iterations=12, min_leaf=1
    )
    fqi = run(FittedQIteration(config.model_copy(update={"shrinkage": 0.0}), 2), problem.transitions)
    np.testing.assert_allclose(fqi.q_values(problem.states), problem.q, atol=0.8)


@pytest.mark.parametrize("layout", ["joint", "per_action"])
def test_evaluation_solves_the_bellman_equation_of_the_policy(chain, layout):
    problem = chain(600)
    stay = 0.3  # probability of staying
    rewards, after = np.array([[0.5, -1], [0.5, -1], [0.5, 10]]), np.array([[0, 1], [1, 2], [2, -1]])
    v = np.zeros(4)  # the last entry is the end
    for _ in range(500):
        v[:3] = (np.array([stay, 1 - stay]) * (rewards + problem.gamma * v[after])).sum(axis=1)
    expected = rewards + problem.gamma * v[after]
    config = FQIConfig(layout=layout, n_trees=8, gamma=problem.gamma, **EXACT)
    probs = np.tile([stay, 1 - stay], (600, 1))
    fqe = run(FittedQEvaluation(config, 2), problem.transitions, probs)
    np.testing.assert_allclose(fqe.q_values(problem.states), expected, atol=2e-2)
    np.testing.assert_allclose(fqe.v(problem.states, probs[:3]), v[:3], atol=2e-2)


@pytest.mark.parametrize("layout", ["joint", "per_action"])
def test_many_policies_equal_one_by_one(layout):
    transitions = smooth(800)
    policies = np.random.default_rng(1).dirichlet(np.ones(3), size=(4, 800))
    config = FQIConfig(layout=layout, n_trees=6, tolerance=0, iterations=30, estimator="extra_trees")
    structure = run(FittedQIteration(config, 3), transitions).model.structure
    together = run(FittedQEvaluation(config, 3), transitions, policies, structure=structure)
    q = together.q_values(transitions.states)
    assert q.shape == (4, 800, 3)
    for one, policy in zip(q, policies, strict=True):
        alone = run(FittedQEvaluation(config, 3), transitions, policy, structure=structure)
        np.testing.assert_allclose(one, alone.q_values(transitions.states), atol=1e-4)


def test_greedy_policy_evaluated_gives_the_optimal_values():
    transitions = smooth(1000)
    config = FQIConfig(n_trees=10, estimator="extra_trees", tolerance=1e-5, iterations=300)
    fqi = run(FittedQIteration(config, 3), transitions)
    greedy = np.eye(3)[fqi.q_values(transitions.next_states).argmax(axis=1)]
    fqe = run(FittedQEvaluation(config, 3), transitions, greedy, structure=fqi.model.structure)
    np.testing.assert_allclose(fqe.q_values(transitions.states), fqi.q_values(transitions.states), atol=1e-2)


def test_frozen_agrees_with_refitting():
    transitions = smooth(1500, effect=0.05)
    common = {"n_trees": 10, "iterations": 20, "layout": "joint"}
    values = [
        run(FittedQIteration(FQIConfig(method=method, **common), 3), transitions).v(transitions.states)
        for method in ("frozen", "refit")
    ]
    assert np.corrcoef(*values)[0, 1] > 0.95


def test_joint_forest_is_flat_over_actions_and_per_action_is_not():
    transitions = smooth(3000, effect=0.1, share=0.06)
    tie, q = {}, {}
    for layout in ("joint", "per_action"):
        config = FQIConfig(layout=layout, n_trees=10, max_depth=4, iterations=50)
        q[layout] = run(FittedQIteration(config, 3), transitions).q_values(transitions.states)
        tie[layout] = np.mean(np.ptp(q[layout], axis=1) < 1e-3)
    assert tie["joint"] > 0.5
    assert tie["per_action"] < 0.05


def test_per_action_forests_find_who_gains():
    transitions = smooth(4000)
    config = FQIConfig(n_trees=10, max_depth=3, estimator="extra_trees", iterations=50)
    q = run(FittedQIteration(config, 3), transitions).q_values(transitions.states)
    gain = q[:, 1] - q[:, 0]
    assert gain[transitions.states[:, 0] > 0.75].mean() > 0 > gain[transitions.states[:, 0] < 0.4].mean()


def test_an_action_never_seen_is_worth_what_its_state_is_worth():
    transitions = smooth(500)
    config = FQIConfig(n_trees=5, estimator="extra_trees", iterations=20)
    fqi = run(FittedQIteration(config, 5), transitions)  # actions 3 and 4 do not occur
    q = fqi.q_values(transitions.states)
    np.testing.assert_array_equal(q[:, 3], q[:, 4])
    assert np.isfinite(q).all()
    assert np.corrcoef(q[:, 3], q[:, 0])[0, 1] > 0.9


def test_shrinkage_pulls_a_rare_action_toward_its_state():
    transitions = smooth(500)
    gaps = []
    for shrinkage in (0, 20, 1e9):
        config = FQIConfig(n_trees=5, estimator="extra_trees", iterations=20, min_leaf=2, shrinkage=shrinkage)
        gaps.append(
            np.abs(np.ptp(run(FittedQIteration(config, 3), transitions).q_values(transitions.states), axis=1)).mean()
        )
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3


@pytest.mark.parametrize("layout", ["joint", "per_action"])
def test_leaf_averaging_equals_a_loop(layout):
    transitions, targets = smooth(120), np.random.default_rng(2).normal(size=(120, 2)).astype(np.float32)
    config = FQIConfig(layout=layout, n_trees=3, max_depth=2, min_leaf=2, estimator="extra_trees")
    structure = fit_structure(config, transitions.states, transitions.actions, targets[:, 0], 3)
    values = Regression(structure, transitions.states, transitions.actions, 4.0).fit(targets)
    probs = np.random.default_rng(3).dirichlet(np.ones(3), size=(2, 120)).astype(np.float32)
    ahead = NextValues(structure, transitions.next_states)
    q = slow_q(structure, transitions, targets, 4.0)
    np.testing.assert_allclose(ahead.best(values), q.max(axis=1), atol=1e-5)
    expected = np.einsum("pna,nap->np", probs, q)
    np.testing.assert_allclose(ahead.expected(values, probs.transpose(2, 1, 0)), expected, atol=1e-5)


def slow_q(structure, transitions, targets, shrinkage):
    """Q at the next states (n, A, P), leaf by leaf: averages over the rows that share a leaf, tree by tree."""
    s, a, after = transitions.states, transitions.actions, transitions.next_states
    out = np.zeros((len(a), structure.n_actions, targets.shape[1]))

    def predict(forest, rows, y, queries, kappa):
        mine, asked = forest.leaves(rows), forest.leaves(queries)
        total = np.zeros((len(queries), y.shape[1]))
        for i in range(len(queries)):
            for tree in range(forest.n_trees):
                same = mine[:, tree] == asked[i, tree]
                total[i] += y[same].sum(axis=0) / max(same.sum() + kappa, 1)
        return total / forest.n_trees

    eye = np.eye(structure.n_actions, dtype=np.float32)
    for action in range(structure.n_actions):
        if structure.layout == "joint":
            queries = np.hstack([after, np.tile(eye[action], (len(a), 1))])
            out[:, action] = predict(structure.forests[0], np.hstack([s, eye[a]]), targets, queries, 0)
        else:
            base = structure.forests[0]
            residual = targets - predict(base, s, targets, s, 0)
            mine = a == action
            own = predict(structure.forests[action + 1], s[mine], residual[mine], after, shrinkage)
            out[:, action] = predict(base, s, targets, after, 0) + own
    return out


def test_returns_follow_the_stay_to_its_end():
    rewards = np.array([1, 2, 4, 8, 16], dtype=np.float32)
    ends = np.array([False, True, False, False, True])
    none = np.zeros((5, 1), dtype=np.float32)
    patient, step = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 2])
    moves = Transitions(none, np.zeros(5, dtype=int), rewards, none, ends, patient, step)
    np.testing.assert_allclose(returns_to_go(moves, 0.5), [2, 2, 12, 16, 16])
    gap = Transitions(
        none[:2], np.zeros(2, dtype=int), rewards[:2], none[:2], ends[:1].repeat(2), patient[:2], step[[0, 2]]
    )
    np.testing.assert_allclose(returns_to_go(gap, 0.5), [1, 2])


@pytest.mark.parametrize("n", [1, 2, 12])
@pytest.mark.parametrize("method", ["frozen", "refit"])
def test_any_size_of_cohort(random_transitions, n, method):
    config = FQIConfig(method=method, n_trees=3, iterations=5)
    fqi = run(FittedQIteration(config, 5), random_transitions(n))
    assert np.isfinite(fqi.q_values(np.zeros((2, 7, 6)))).all()
    assert fqi.q_values(np.zeros((2, 7, 6))).shape == (2, 7, 5)


def test_progress_ends_at_one_and_repeats_by_seed(random_transitions):
    transitions = random_transitions(200)
    runs = []
    for seed in (1, 1, 2):
        fqi = FittedQIteration(FQIConfig(n_trees=4, iterations=10, sample_size=100, seed=seed), 5)
        reports = list(fqi.fit(transitions))
        assert reports[-1].fraction == 1
        assert [r.done for r in reports] == sorted(r.done for r in reports)
        runs.append(fqi.q_values(transitions.states))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 0


def test_misuse_is_named(random_transitions):
    transitions, probs = random_transitions(20), np.full((20, 5), 0.2)
    with pytest.raises(RuntimeError, match="to its end"):
        FittedQIteration(FQIConfig(), 5).q_values(transitions.states)
    with pytest.raises(ConfigError, match="runs on a frozen forest"):
        run(FittedQEvaluation(FQIConfig(method="refit"), 5), transitions, probs)
    with pytest.raises(ValueError, match="n = 20 and A = 4"):
        run(FittedQEvaluation(FQIConfig(), 4), transitions, probs)
    with pytest.raises(ValueError, match="at least one transition"):
        run(FittedQIteration(FQIConfig(), 5), random_transitions(0))
    boosted = FQIConfig(method="refit", estimator="gradient_boosting", n_trees=2, iterations=1)
    with pytest.raises(ConfigError, match="no spread between trees"):
        run(FittedQIteration(boosted, 5), transitions).q_spread(transitions.states)


@pytest.mark.parametrize("estimator", ["gradient_boosting", "xgboost"])
@pytest.mark.parametrize("layout", ["joint", "per_action"])
def test_stored_boosted_trees_are_those_that_were_fitted(random_transitions, tmp_path, estimator, layout):
    if estimator == "xgboost":
        pytest.importorskip("xgboost")
    transitions = random_transitions(300)
    if layout == "per_action":  # an action with too few transitions has no model of its own
        transitions = replace(transitions, actions=np.where(transitions.actions == 4, 3, transitions.actions))
    config = FQIConfig(method="refit", estimator=estimator, layout=layout, n_trees=7, max_depth=3, iterations=3)
    fit = run(FittedQIteration(config, 5, tuple("abcdef")), transitions)
    fit.save(tmp_path / "q.npz")
    stored = load_q_forest(tmp_path / "q.npz", columns=tuple("abcdef"), n_actions=5)
    states = np.concatenate([transitions.states, 10 * transitions.states])
    np.testing.assert_allclose(stored.q_values(states), fit.q_values(states), atol=1e-5)
    assert np.ptp(stored.q_values(states), axis=0).min() > 0.5


def test_xgboost_is_asked_for_by_name_where_it_is_missing(random_transitions, monkeypatch):
    monkeypatch.setattr(boosting, "find_spec", lambda name: None)
    config = FQIConfig(method="refit", estimator="xgboost", layout="joint", n_trees=2, iterations=1)
    with pytest.raises(ConfigError, match="xgboost is not installed"):
        run(FittedQIteration(config, 5), random_transitions(20))


def test_a_refit_on_all_transitions_is_that_of_its_slow_twin(random_transitions):
    """Values at the next states are kept from one iteration to the next; the twin computes them anew."""
    data = random_transitions(200)
    config = FQIConfig(method="refit", estimator="extra_trees", layout="joint", n_trees=4, iterations=4)
    fit = run(FittedQIteration(config, 5), data)
    twin, future = FittedQIteration(config, 5), np.zeros(200, dtype=np.float32)
    for i in range(4):
        targets = data.rewards + np.float32(config.gamma) * future * ~data.terminals
        q = twin._regress(data.states, data.actions, targets, i)
        future = q.q_values(data.next_states).max(axis=-1)
    np.testing.assert_array_equal(fit.q_values(data.states), q.q_values(data.states))


def test_policies_evaluated_later_on_the_same_structure_join_those_before(random_transitions):
    transitions = random_transitions(200)
    probs = np.random.default_rng(1).dirichlet(np.ones(5), size=(4, 200)).astype(np.float32)
    config = FQIConfig(n_trees=4, iterations=200, tolerance=1e-6)
    first = run(FittedQEvaluation(config, 5), transitions, probs[:2]).forest
    rest = run(FittedQEvaluation(config, 5), transitions, probs[2:], first.structure).forest
    joined = first.with_policies(rest).q_values(transitions.states)
    assert joined.shape == (4, 200, 5)
    np.testing.assert_array_equal(joined[:2], first.q_values(transitions.states))
    np.testing.assert_array_equal(joined[2:], rest.q_values(transitions.states))
    together = run(FittedQEvaluation(config, 5), transitions, probs, first.structure)
    np.testing.assert_allclose(joined, together.q_values(transitions.states), atol=1e-3)
    with pytest.raises(ValueError, match="on one structure"):
        first.with_policies(run(FittedQEvaluation(config, 5), transitions, probs[2:]).forest)


def test_the_forests_that_evaluation_starts_from_serve_every_policy(random_transitions, monkeypatch):
    """Grown once and handed to each policy, they give what each grows for itself."""
    transitions = random_transitions(200)
    probs = np.random.default_rng(1).dirichlet(np.ones(5), size=(2, 200)).astype(np.float32)
    config = FQIConfig(n_trees=4, structure_fits=2)
    alone = [run(FittedQEvaluation(config, 5), transitions, one).q_values(transitions.states) for one in probs]
    first = FittedQEvaluation(config, 5).first_structure(transitions)
    grown = []
    grow = FittedQEvaluation._grow
    monkeypatch.setattr(FittedQEvaluation, "_grow", lambda *given: grown.append(given[-1]) or grow(*given))
    for one, q in zip(probs, alone, strict=True):
        fit = FittedQEvaluation(config, 5)
        for _ in fit.fit(transitions, one, first=first):
            pass
        np.testing.assert_array_equal(fit.q_values(transitions.states), q)
    assert grown == [1, 1]  # the second growth alone, on targets of the policy
