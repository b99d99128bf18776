"""KMeans for every K: recovery, kept identities, indices, tiny cohorts, storage."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import adjusted_rand_score, silhouette_score

from core.base.errors import ArtifactError, RunError
from core.phenotypes import PhenotypeConfig, Phenotypes, fit_phenotypes, load_phenotypes, save_phenotypes
from core.phenotypes.align import align, match_labels
from core.phenotypes.stability import silhouettes

QUICK = PhenotypeConfig(k_max=5, n_init=3, n_bootstrap=4)


@pytest.fixture(scope="module")
def fitted() -> tuple[Phenotypes, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [100, 80, 60])
    z = np.array([[0, 0, 0, 0], [4, 0, 0, 0], [0, 30, 0, 0]])[truth] + rng.normal(size=(240, 4)) * 0.5
    return fit_phenotypes(z, QUICK, lengths=truth + 2, severity=-truth), z, truth


def test_separated_groups_are_recovered(fitted) -> None:
    phenotypes, z, truth = fitted
    assert phenotypes.k_values == (2, 3, 4, 5)
    assert adjusted_rand_score(truth, phenotypes.labels(z, 3)) == 1
    row = phenotypes.indices.set_index("n_clusters").loc[3]
    assert row["bootstrap_ari"] == pytest.approx(1)
    assert row["smallest"] == 60
    assert row["eta2_length"] == pytest.approx(1)
    assert phenotypes.indices["silhouette"].idxmax() in (0, 1)


def test_labels_keep_their_identity_when_a_group_splits(fitted) -> None:
    phenotypes, z, truth = fitted
    before, after = phenotypes.labels(z, 2), phenotypes.labels(z, 3)
    assert (after[truth == 2] == before[truth == 2]).all()
    assert (after[truth == 0] == before[truth == 0]).all()  # the larger half of the group that splits
    assert set(after[truth == 1]) == {2}  # its smaller half is new


def test_most_patients_keep_their_label_at_every_step_of_k(fitted) -> None:
    phenotypes, z, _ = fitted
    for k in (2, 3, 4):
        before, after = phenotypes.labels(z, k), phenotypes.labels(z, k + 1)
        kept = (before == after).mean()
        others = [(order[after] == before).mean() for order in map(np.array, permutations(range(k + 1)))]
        assert kept == max(others)


def test_the_smallest_k_is_ordered_by_severity_or_by_size(fitted) -> None:
    phenotypes, z, truth = fitted
    assert set(phenotypes.labels(z, 2)[truth == 2]) == {0}  # severity = -truth: the lowest first
    by_size = fit_phenotypes(z, QUICK.model_copy(update={"n_bootstrap": 0}))
    assert set(by_size.labels(z, 2)[truth == 2]) == {1}


def test_distances_are_euclidean_and_labels_their_nearest(fitted) -> None:
    phenotypes, z, _ = fitted
    stacked = z.reshape(2, 120, 4)
    distances = phenotypes.distances(stacked, 4)
    expected = np.linalg.norm(stacked[..., None, :] - phenotypes.centroids[4], axis=-1)
    assert distances == pytest.approx(expected)
    assert (phenotypes.labels(stacked, 4) == expected.argmin(axis=-1)).all()
    assert phenotypes.distances(phenotypes.centroids[3], 3).diagonal() == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="K = 9 was not fitted"):
        phenotypes.labels(z, 9)
    with pytest.raises(ValueError, match="fitted on 4"):
        phenotypes.labels(z[:, :2], 3)


def test_fit_repeats_and_does_not_depend_on_the_order_of_patients(fitted) -> None:
    phenotypes, z, truth = fitted
    order = np.random.default_rng(1).permutation(len(z))
    again = fit_phenotypes(z[order], QUICK, lengths=truth[order] + 2, severity=-truth[order])
    for k in phenotypes.k_values:
        assert (again.centroids[k] == phenotypes.centroids[k]).all()
    assert again.indices.equals(phenotypes.indices)


@pytest.mark.parametrize("n", [3, 5, 12])
def test_tiny_cohorts_get_fewer_k(n: int) -> None:
    z = np.random.default_rng(0).normal(size=(n, 6))
    phenotypes = fit_phenotypes(z, PhenotypeConfig(n_bootstrap=2), lengths=np.arange(n))
    assert max(phenotypes.k_values) == min(9, n - 1)
    assert phenotypes.n_clusters == min(3, n - 1)
    assert phenotypes.labels(z).shape == (n,)
    assert np.isfinite(phenotypes.indices["silhouette"]).all()


def test_collapsed_or_broken_representations_are_refused() -> None:
    with pytest.raises(RunError, match="there are 1 among 50"):
        fit_phenotypes(np.ones((50, 3)), QUICK)
    with pytest.raises(RunError, match="finite"):
        fit_phenotypes(np.full((50, 3), np.nan), QUICK)
    repeated = np.repeat(np.eye(4), 10, axis=0)
    assert fit_phenotypes(repeated, QUICK).k_values == (2, 3)


def test_config_refuses_a_k_outside_its_range() -> None:
    with pytest.raises(ValidationError, match="n_clusters must lie"):
        PhenotypeConfig(n_clusters=12)


@pytest.mark.parametrize("sample", [5000, 60])
def test_silhouettes_equal_the_library(blobs, sample: int) -> None:
    z, truth = blobs
    labels = {2: (truth > 1).astype(int), 3: truth, 4: np.where(np.arange(240) == 7, 3, truth)}
    found = silhouettes(z, labels, PhenotypeConfig(silhouette_sample=sample))
    if sample > 240:
        assert found == pytest.approx({k: silhouette_score(z, groups) for k, groups in labels.items()}, abs=1e-5)
    else:
        assert found[3] == pytest.approx(silhouette_score(z, truth), abs=0.1)


def test_matching_maximizes_overlap_and_gives_new_labels_by_size() -> None:
    previous = np.array([0] * 6 + [1] * 4)
    labels = np.array([2, 2, 2, 2, 0, 0, 3, 3, 3, 1])
    assert match_labels(previous, labels, 2, 4).tolist() == [2, 3, 0, 1]
    orders = align({2: previous, 4: labels})
    assert orders[4].tolist() == [2, 3, 0, 1]


def test_storage_round_trip_and_refusals(fitted, tmp_path) -> None:
    phenotypes, z, _ = fitted
    save_phenotypes(phenotypes, tmp_path)
    loaded = load_phenotypes(tmp_path, width=4)
    assert loaded.n_clusters == 3
    assert loaded.indices.equals(phenotypes.indices)
    assert (loaded.distances(z, 5) == phenotypes.distances(z, 5)).all()
    with pytest.raises(ArtifactError, match="representations of 4, not 128"):
        load_phenotypes(tmp_path, width=128)
    with pytest.raises(ArtifactError, match="does not exist"):
        load_phenotypes(tmp_path / "nowhere")
    phenotypes.indices.iloc[:1].to_parquet(tmp_path / "indices.parquet")
    with pytest.raises(ArtifactError, match="different fits"):
        load_phenotypes(tmp_path)
    (tmp_path / "centroids.npz").write_bytes(b"PK not an archive")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_phenotypes(tmp_path)
