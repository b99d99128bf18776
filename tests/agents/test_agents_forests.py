"""Forests as arrays: the same leaves as scikit-learn, safe storage, refusal of what is broken."""

from __future__ import annotations

import io

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from core.agents import FittedQEvaluation, FittedQIteration, FQIConfig, load_q_forest
from core.agents.forests import Forest, LeafAverages, LeafChanges, fit_forest, join_trees
from core.base.errors import ArtifactError

COLUMNS = tuple("abcdef")


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_leaves_and_predictions_are_those_of_scikit_learn(kind):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 9, size=(500, 4)).astype(np.float32) / 7  # many values lie exactly on a threshold
    y = rows[:, 0] * 3 + rng.normal(size=500)
    model = kind(n_estimators=7, max_depth=5, random_state=0).fit(rows, y)
    forest = join_trees([tree.tree_ for tree in model.estimators_])
    values = np.concatenate([t.tree_.value[t.tree_.feature < 0, 0, 0] for t in model.estimators_])[:, None]
    fresh = rng.integers(0, 9, size=(300, 4)).astype(np.float32) / 7
    leaves = forest.leaves(fresh)
    np.testing.assert_allclose(
        LeafAverages(leaves, forest.n_leaves).lookup(values)[:, 0], model.predict(fresh), rtol=1e-6
    )
    np.testing.assert_array_equal(forest.leaves(fresh[:9]), leaves[:9], "few rows are walked without the compiler")
    assert forest.n_leaves == sum(tree.get_n_leaves() for tree in model.estimators_)


@pytest.mark.parametrize("tree_sample", [None, 60])
@pytest.mark.parametrize("kind", ["random_forest", "extra_trees"])
def test_trees_are_those_that_forests_of_scikit_learn_grow(kind, tree_sample):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 4)).astype(np.float32)
    y = rows[:, 0] + rng.normal(size=200)
    sizes = {"max_depth": 4, "min_leaf": 3, "n_trees": 5, "seed": 7}
    found = fit_forest(rows, y, kind=kind, tree_sample=tree_sample, **sizes)
    model = {"random_forest": RandomForestRegressor, "extra_trees": ExtraTreesRegressor}[kind](
        n_estimators=5, max_depth=4, min_samples_leaf=3, random_state=7, max_samples=tree_sample,
        bootstrap=kind == "random_forest" or tree_sample is not None,
    ).fit(rows, y)  # fmt: skip
    theirs = join_trees([tree.tree_ for tree in model.estimators_])
    for name in ("feature", "threshold", "child", "leaf", "roots"):
        np.testing.assert_array_equal(getattr(found, name), getattr(theirs, name))


def test_without_rows_every_tree_is_one_leaf():
    forest = fit_forest(np.empty((0, 3)), np.empty(0), kind="extra_trees", n_trees=4, max_depth=6, min_leaf=1, seed=0)
    np.testing.assert_array_equal(forest.leaves(np.zeros((2, 3))), [[0, 1, 2, 3]] * 2)
    averages = LeafAverages(np.empty((0, 4), dtype=np.int32), 4)
    np.testing.assert_array_equal(averages.average(np.empty((0, 2), dtype=np.float32)), np.zeros((4, 2)))


def test_shrunk_average_closed_form():
    averages = LeafAverages(np.array([[0, 2], [0, 3], [1, 3]], dtype=np.int32), 5, shrinkage=2)
    np.testing.assert_allclose(averages.average(np.array([[3.0], [6.0], [9.0]]))[:, 0], [9 / 4, 3, 1, 15 / 4, 0])
    np.testing.assert_allclose(averages.lookup(np.arange(5.0)[:, None])[:, 0], [1, 1.5, 2])


@pytest.mark.parametrize("columns", [1, 3])
def test_sums_of_leaves_do_not_depend_on_how_values_lie_in_memory(columns):
    rng = np.random.default_rng(0)
    averages = LeafAverages(rng.integers(0, 6, size=(50, 2)).astype(np.int32), 6)
    values = rng.normal(size=(50, 2 * columns)).astype(np.float32)[:, ::2]
    np.testing.assert_array_equal(averages.average(values), averages.average(values.copy()))


def test_a_change_of_leaves_is_the_difference_of_two_lookups():
    rng = np.random.default_rng(0)
    old = rng.integers(0, 9, size=(40, 5)).astype(np.int32)
    new = np.where(rng.random(old.shape) < 0.2, rng.integers(0, 9, size=old.shape), old).astype(np.int32)
    new[7] = old[7]
    values = rng.normal(size=(9, 3)).astype(np.float32)
    difference = LeafAverages(new, 9).lookup(values) - LeafAverages(old, 9).lookup(values)
    np.testing.assert_allclose(LeafChanges(old, new).lookup(values), difference, atol=1e-6)
    np.testing.assert_array_equal(LeafChanges(old, old).lookup(values), np.zeros((40, 3)))


@pytest.mark.parametrize("kind", ["random_forest", "extra_trees"])
def test_trees_grown_on_few_rows_of_their_own_predict_as_those_grown_on_all(kind):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4000, 3)).astype(np.float32)
    y = (2 * (rows[:, 1] > 0) + rng.normal(size=4000))[:, None].astype(np.float32)
    forests, predicted = [], []
    for tree_sample in (400, 4000):
        sizes = {"kind": kind, "n_trees": 20, "max_depth": 3, "min_leaf": 5, "seed": 0}
        forests.append(fit_forest(rows, y[:, 0], tree_sample=tree_sample, **sizes))
        averages = LeafAverages(forests[-1].leaves(rows), forests[-1].n_leaves)
        predicted.append(averages.lookup(averages.average(y))[:, 0])
    assert np.corrcoef(*predicted)[0, 1] > 0.95
    assert forests[0].feature.tobytes() != forests[1].feature.tobytes()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    rng = np.random.default_rng(0)
    from core.trajectories import Transitions

    states = rng.normal(size=(301, 6)).astype(np.float32)
    moves = Transitions(
        states[:-1],
        rng.integers(3, size=300),
        states[1:, 0],
        states[1:],
        rng.random(300) < 0.1,
        np.zeros(300, dtype=int),
        np.arange(300),
    )
    folder, fitted = tmp_path_factory.mktemp("q"), {}
    for layout in ("joint", "per_action"):
        config = FQIConfig(layout=layout, n_trees=4, iterations=10, estimator="extra_trees")
        for name, one, args in (
            ("fqi", FittedQIteration(config, 3, COLUMNS), ()),
            ("fqe", FittedQEvaluation(config, 3, COLUMNS), (np.full((2, 300, 3), 1 / 3),)),
        ):
            for _ in one.fit(moves, *args):
                pass
            fitted[f"{layout}-{name}"] = (one, folder / f"{layout}-{name}.npz")
            one.save(fitted[f"{layout}-{name}"][1])
    return fitted, states


@pytest.mark.parametrize("name", ["joint-fqi", "joint-fqe", "per_action-fqi", "per_action-fqe"])
def test_stored_forest_gives_the_same_values(stored, name):
    fitted, states = stored
    one, path = fitted[name]
    again = load_q_forest(path, columns=COLUMNS, n_actions=3)
    np.testing.assert_array_equal(again.q_values(states), one.q_values(states))
    np.testing.assert_array_equal(again.q_spread(states), one.q_spread(states))
    probs = np.full((301, 3), 1 / 3)
    np.testing.assert_allclose(again.v(states, probs), one.q_values(states).mean(axis=-1), atol=1e-5)


def test_spread_is_the_deviation_between_trees(stored):
    fitted, states = stored
    one = fitted["per_action-fqi"][0].model
    forests, values = one.structure.forests, one.values
    for i, action in ((0, 0), (17, 2)):
        row = states[i : i + 1]
        by_tree = values[0][forests[0].leaves(row)[0], 0] + values[action + 1][forests[action + 1].leaves(row)[0], 0]
        assert one.q_values(row)[0, action] == pytest.approx(by_tree.mean(), abs=1e-5)
        assert one.q_spread(row)[0, action] == pytest.approx(by_tree.std(), abs=1e-5)


def _arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"schema_version": np.array(9)}, "schema version 9, this program reads 1"),
        ({"columns": np.array(["x"])}, "other columns than the study's"),
        ({"n_actions": np.array(4)}, "values 4 actions, the study has 3"),
        ({"layout": np.array("tower")}, "is broken"),
        ({"forest0.feature": np.full(3, 99, dtype=np.int32)}, "is broken"),
        ({"forest0.roots": np.array([10**6], dtype=np.int32)}, "is broken"),
        ({"forest0.values": np.zeros((1, 1), dtype=np.float32)}, "is broken"),
        ({"forest0.depth": np.array(0)}, "is broken"),
    ],
)
def test_broken_forests_are_refused(stored, tmp_path, change, text):
    np.savez(tmp_path / "q.npz", **(_arrays(stored[0]["joint-fqi"][1]) | change))
    with pytest.raises(ArtifactError, match=text):
        load_q_forest(tmp_path / "q.npz", columns=COLUMNS, n_actions=3)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match="is missing; fit it"):
        load_q_forest(tmp_path / "none.npz")
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(ArtifactError, match="is not a stored Q function"):
        load_q_forest(tmp_path / "junk.npz")
    pickled = io.BytesIO()
    np.savez(pickled, schema_version=np.array({"a": 1}, dtype=object))
    (tmp_path / "pickle.npz").write_bytes(pickled.getvalue())
    with pytest.raises(ArtifactError, match="is not a stored Q function"):
        load_q_forest(tmp_path / "pickle.npz")


def test_a_forest_that_walks_in_a_circle_is_refused():
    circle = {
        "feature": np.zeros(3, dtype=np.int32),
        "threshold": np.zeros(3, dtype=np.float32),
        "child": np.array([[1, 1], [0, 0], [2, 2]], dtype=np.int32),
        "leaf": np.array([-1, -1, 0], dtype=np.int32),
        "roots": np.array([0], dtype=np.int32),
        "depth": np.array(2),
    }
    with pytest.raises(ValueError, match="a branch without a leaf"):
        Forest.from_arrays(circle, 1)
