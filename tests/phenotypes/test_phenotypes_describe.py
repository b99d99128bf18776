"""Maps, profiles and the honesty table."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from core.phenotypes import (
    PhenotypeConfig,
    effect_sizes,
    fit_phenotypes,
    honesty_table,
    mean_squared_changes,
    patient_means,
    prefix_agreement,
    project,
    slopes,
)
from core.phenotypes.honesty import rivals
from core.phenotypes.projection import _place, principal_axes
from core.phenotypes.stability import kmeans, nearest
from core.study import load_study
from core.trajectories import Trajectories


def trajectories(n: int = 120, seed: int = 0) -> tuple[Trajectories, np.ndarray]:
    """Stays whose level tells the group (0..2) and whose length is chance."""
    study, rng = load_study(), np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    mask = np.arange(study.horizon) < rng.integers(2, study.horizon + 1, n)[:, None]
    states = rng.normal(size=(n, study.horizon, study.n_columns)) * 0.3 + (truth[:, None, None] - 1)
    states = (states * mask[..., None]).astype(np.float32)
    zero = np.zeros(mask.shape)
    return Trajectories(study, states, zero.astype(int), zero, mask, np.ones(n, np.float32)), truth


def test_pca_finds_the_axis_of_variation_and_a_fixed_sign() -> None:
    rng = np.random.default_rng(0)
    along = rng.normal(size=200) * 5
    values = np.stack([along, rng.normal(size=200) * 0.1, along * 0], axis=1)
    points, explained = principal_axes(values)
    assert np.corrcoef(points[:, 0], along)[0, 1] == pytest.approx(1, abs=1e-3)
    assert explained[0] > 0.99
    assert principal_axes(values[:, :1])[0][:, 1] == pytest.approx(0)


def test_few_patients_get_pca_with_a_note() -> None:
    z = np.random.default_rng(0).normal(size=(9, 5))
    result = project(z)
    assert (result.umap == result.pca).all()
    assert "too few for UMAP" in result.note
    assert project(z[:1]).pca.shape == (1, 2)


def test_further_patients_lie_at_their_nearest_fitted_ones() -> None:
    anchors, points = np.eye(6) * 10, np.arange(12.0).reshape(6, 2)
    assert _place(anchors[2:3], anchors, points)[0] == pytest.approx(points[2], abs=1e-3)


def test_the_map_ignores_the_order_of_patients_and_places_those_it_was_not_fitted_on(blobs, monkeypatch) -> None:
    z, truth = blobs
    fits = []

    def fit(values: np.ndarray, config: PhenotypeConfig) -> np.ndarray:  # compiling UMAP takes longer than all tests
        fits.append(values)
        return values[:, :2]

    monkeypatch.setattr("core.phenotypes.projection._umap", fit)
    config = PhenotypeConfig(map_sample=150)
    first = project(z, config)
    order = np.random.default_rng(0).permutation(len(z))
    second = project(z[order], config)
    assert (fits[0] == fits[1]).all()
    assert (first.umap[order] == second.umap).all()
    assert first.fitted.sum() == len(fits[0]) == 150
    assert "150 of 240" in first.note
    assert (first.umap[first.fitted] == z[first.fitted, :2]).all()
    middle = first.umap[truth == 2].mean(axis=0)
    away = np.linalg.norm(first.umap - middle, axis=1)
    assert away[truth == 2].max() < away[truth != 2].min()


def test_patient_means_use_real_steps_only() -> None:
    values = np.array([[[1.0], [3.0], [99.0]], [[5.0], [99.0], [99.0]]])
    mask = np.array([[True, True, False], [True, False, False]])
    assert patient_means(values, mask).tolist() == [[2], [5]]
    assert patient_means(values[..., 0], mask).tolist() == [2, 5]  # one number a step
    assert patient_means(values[..., None], mask).shape == (2, 1, 1)


def test_mean_squared_changes_by_hand_use_neighboring_real_steps_only() -> None:
    values = np.array([[[1.0], [3.0], [2.0], [99.0]], [[5.0], [99.0], [99.0], [99.0]]])
    mask = np.array([[True, True, True, False], [True, False, False, False]])
    assert mean_squared_changes(values, mask)[0].tolist() == [2.5]
    assert np.isnan(mean_squared_changes(values, mask)[1]).all()


def test_slopes_by_hand_and_by_polyfit_use_real_steps_only() -> None:
    values = np.array([[[1.0], [3.0], [2.0], [99.0]], [[5.0], [99.0], [99.0], [99.0]], [[0.0], [np.nan], [6.0], [7.0]]])
    mask = np.array([[True, True, True, False], [True, False, False, False], [True, False, True, True]])
    found = slopes(values, mask)[:, 0]
    assert found[0] == pytest.approx(0.5)
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(np.polyfit([0, 2, 3], [0.0, 6, 7], 1)[0])


def test_only_the_rival_that_sees_drift_finds_groups_that_differ_in_it() -> None:
    data, truth = trajectories(n=150)
    rng = np.random.default_rng(4)
    mask = np.arange(16) < rng.integers(12, 17, 150)[:, None]
    level, noise = rng.normal(size=(150, 1, data.study.n_columns)) * 2, rng.normal(size=data.states.shape)
    drift = (truth - 1)[:, None, None] * 0.08 * (np.arange(16) - 7.5)[:, None]
    states = ((level + drift + noise * 0.5) * mask[..., None]).astype(np.float32)
    data = dataclasses.replace(data, states=states, mask=mask)
    train, found = np.arange(100), {}
    for rival in rivals(data, (16,), train):
        _, centroids = kmeans(rival.whole[train], 3, 0, 3)
        found[rival.name] = adjusted_rand_score(truth, nearest(rival.whole, centroids))
        assert rival.early[0] == pytest.approx(rival.whole, abs=1e-6)
    assert found.pop("slope") > 0.9
    assert max(found.values()) < 0.3


def test_only_the_rival_that_sees_changes_finds_groups_that_differ_in_restlessness() -> None:
    data, truth = trajectories(n=150)
    level = np.random.default_rng(2).normal(size=(150, 1, data.study.n_columns))
    noise = np.random.default_rng(3).normal(size=data.states.shape)
    calm = level + noise * np.array([0.1, 0.45, 0.65])[truth][:, None, None]
    data = dataclasses.replace(data, states=(calm * data.mask[..., None]).astype(np.float32))
    train = np.arange(100)
    found = {}
    for rival in rivals(data, (16,), train):
        _, centroids = kmeans(rival.whole[train], 3, 0, 3)
        found[rival.name] = adjusted_rand_score(truth, nearest(rival.whole, centroids))
        assert rival.early[0] == pytest.approx(rival.whole)  # the first 16 steps are the whole stay
    assert found["mean squared change"] > 0.9
    assert max(found["patient means"], found["PCA of padded trajectory"], found["slope"]) < 0.3


def test_patients_with_one_early_step_are_average_in_restlessness_and_drift() -> None:
    data, _ = trajectories(n=30)
    for rival in rivals(data, (1,), np.arange(20))[-2:]:
        assert (rival.early == 0).all()
        assert np.isfinite(rival.whole).all()
        assert rival.whole[:20].mean(axis=0) == pytest.approx(0, abs=1e-9)
        assert rival.whole[:20].std() > 0.5


def test_effect_sizes_by_hand_and_ordered() -> None:
    values = np.array([[1.0, 0, 7], [3, 0, 7], [5, 1, 7], [7, 1, 7]])
    table = effect_sizes(values, np.array([False, False, True, True]), ["a", "b", "c"]).set_index("feature")
    assert table.index[0] == "a"
    assert table.loc["a", "effect"] == pytest.approx(4 / np.sqrt(2))
    assert table.loc["c", "effect"] == 0
    assert table.loc["a", "low"] < table.loc["a", "effect"] < table.loc["a", "high"]
    assert (table["n_selected"] == 2).all()
    assert effect_sizes(values, np.array([True, False, False, False]), ["a", "b", "c"])["effect"].isna().all()


def test_prefix_agreement_by_hour() -> None:
    slots = np.array([[0, 1], [0, 1], [0, 1], [0, -1]])
    prefix, whole, hours = np.array([[0, 0], [0, 0], [1, 1], [0, 9]]), np.array([0, 0, 1, 1]), np.array([-4.0, 0.0])
    table = prefix_agreement(prefix, whole, slots, hours)
    assert table["hours"].tolist() == [-4, 0]
    assert table["n"].tolist() == [4, 3]
    assert table["agreement"].tolist() == [0.75, 1]
    assert table["ari"].iloc[1] == 1
    late = np.array([[0, 1], [0, 1], [1, 3], [3, -1]])  # nobody is there in slot 2
    table = prefix_agreement(prefix, whole, late, np.array([-4.0, 0.0, 4.0, 8.0]))
    assert table["hours"].tolist() == [-4, 0, 8]
    assert table["n"].tolist() == [2, 3, 2]
    assert table["agreement"].tolist() == [1, 1, 0.5]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    data, truth = trajectories()
    clock = data.lengths[:, None] + np.zeros((1, 3)) + np.random.default_rng(1).normal(size=(120, 3)) * 0.1
    prefix = np.broadcast_to(np.arange(1, 17)[:, None], (120, 16, 3)) * 1.0
    config, train = PhenotypeConfig(k_max=4, n_bootstrap=3, n_init=3), np.arange(90)
    phenotypes = fit_phenotypes(clock[train], config, lengths=data.lengths[train])
    return honesty_table(clock, prefix, data, phenotypes, train, truth, config)


def test_honesty_exposes_an_encoder_that_only_tells_the_time(table) -> None:
    rows = table[table["n_clusters"] == 3].set_index("representation")
    assert rows.loc["encoder", "eta2_length"] > 0.8
    assert rows.loc["encoder", "truth_ari"] < 0.1
    assert rows.loc["encoder", ["early_ari", "later_ari"]].max() < 0.1
    means = rows.loc["patient means"]
    assert means["truth_ari"] > 0.95
    assert means["eta2_length"] < 0.1
    assert means["early_truth_ari"] > 0.9
    assert means["later_truth_ari"] >= means["early_truth_ari"]
    assert means["bootstrap_ari"] > 0.95


def test_honesty_has_every_representation_at_every_k(table) -> None:
    assert table.groupby("n_clusters").size().tolist() == [5, 5, 5]
    assert table.drop(columns="representation").notna().all().all()


def test_early_and_later_labels_are_those_of_the_prefixes_after_so_many_steps() -> None:
    data, truth = trajectories(60)
    z = np.stack([truth, -truth], axis=1) * 1.0
    prefix = np.zeros((60, 16, 2))  # tells nothing until the sixth step, and then everything
    prefix[:, 5:] = z[:, None]
    config = PhenotypeConfig(n_clusters=3, k_min=3, k_max=3, n_bootstrap=0, n_init=3)
    phenotypes = fit_phenotypes(z + np.random.default_rng(0).normal(size=z.shape) * 1e-3, config)
    for steps, early, later in (((4, 6), 0, 1), ((6, 99), 1, 1), ((1, 5), 0, 0)):
        asked = config.model_copy(update={"early_steps": steps[0], "later_steps": steps[1]})
        row = honesty_table(z, prefix, data, phenotypes, np.arange(60), truth, asked).iloc[0]
        found = row[["early_ari", "early_truth_ari", "later_ari", "later_truth_ari"]]
        assert found.tolist() == pytest.approx([early, early, later, later])


def test_without_truth_its_columns_are_empty() -> None:
    data, _ = trajectories(40)
    config = PhenotypeConfig(k_max=3, n_bootstrap=0)
    z = np.random.default_rng(0).normal(size=(40, 3))
    phenotypes = fit_phenotypes(z, config)
    prefix = np.zeros((40, 16, 3))
    result = honesty_table(z, prefix, data, phenotypes, np.arange(40), None, config)
    assert result[["truth_ari", "early_truth_ari", "later_truth_ari"]].isna().all().all()
    assert result["later_ari"].notna().all()
    assert result["silhouette"].notna().all()
