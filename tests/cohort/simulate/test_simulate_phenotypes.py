"""Phenotypes are dynamics: means hint at them, stay lengths do not, shapes over time tell them."""

import numpy as np
import pytest

STEPS = np.arange(16)


def padded(cohort):
    """(N, T, D) standardized temporal states, NaN in padding."""
    states = cohort.states[:, cohort.study.n_static :].astype(np.float64)
    states = (states - states.mean(axis=0)) / states.std(axis=0)
    out = np.full((cohort.n_patients, cohort.study.horizon, states.shape[1]), np.nan)
    out[np.repeat(np.arange(cohort.n_patients), cohort.lengths), cohort.frame["step"].to_numpy()] = states
    return out


def shape_coefficients(cube, lengths):
    """(N, 2 D) ridge-fitted rise to onset and trend after it, without the level."""
    basis = np.stack([np.ones(16), np.minimum(STEPS / 4, 1) - 0.8, np.maximum(STEPS - 4, 0) / 11 - 0.3], axis=1)
    out = np.zeros((len(cube), 3, cube.shape[2]))
    for length in np.unique(lengths):
        rows, b = lengths == length, basis[:length]
        solve = np.linalg.solve(b.T @ b + np.diag([1e-3, 0.3, 0.3]), b.T)
        out[rows] = np.einsum("bt,ntd->nbd", solve, cube[rows, :length])
    return out[:, 1:].reshape(len(cube), -1)


@pytest.fixture(scope="module", params=["mimic", "mimic_memory"])
def pair(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def sample(pair):
    cohort, truth = pair
    cube = padded(cohort)[:3000]
    return cube, cohort.lengths[:3000], truth.phenotype[:3000]


def test_clusters_of_patient_means_recover_the_truth_only_in_part(sample):
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    cube, lengths, phenotype = sample

    def agreement(features):
        return adjusted_rand_score(phenotype, KMeans(3, n_init=3, random_state=42).fit_predict(features))

    by_means = agreement(np.nanmean(cube, axis=1))
    assert 0.03 < by_means < 0.4
    assert agreement(shape_coefficients(cube, lengths)) > by_means + 0.3


def test_a_classifier_needs_the_dynamics(sample):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import cross_val_score

    cube, lengths, phenotype = sample
    means = cross_val_score(LinearDiscriminantAnalysis(), np.nanmean(cube, axis=1), phenotype, cv=3).mean()
    shapes = cross_val_score(LinearDiscriminantAnalysis(), shape_coefficients(cube, lengths), phenotype, cv=3).mean()
    assert means < 0.75
    assert shapes > 0.88


def test_length_of_stay_does_not_tell_the_phenotype(pair):
    cohort, truth = pair
    lengths = cohort.lengths.astype(float)
    between = sum(
        (truth.phenotype == k).sum() * (lengths[truth.phenotype == k].mean() - lengths.mean()) ** 2 for k in range(3)
    )
    assert between / ((lengths - lengths.mean()) ** 2).sum() < 0.01


def test_fluctuations_remember_differently(pair):
    cohort, truth = pair
    cube = padded(cohort)[:, :, cohort.study.index("HR") - cohort.study.n_static]
    full = cohort.lengths == 16
    memory = []
    for k in range(3):
        x = cube[full & (truth.phenotype == k)]
        x = x - x.mean(axis=0)  # the phenotype's path
        steps = np.diff(x, axis=1)
        memory.append(np.mean(steps[:, 1:] * steps[:, :-1]) / np.mean(steps**2))
    assert memory[0] > memory[1] + 0.05 > memory[2] + 0.1


def test_bleeding_couples_blood_to_shock(pair):
    cohort, truth = pair
    study = cohort.study
    cube = padded(cohort)
    full = cohort.lengths == 16
    hb, dbp = study.index("Hb") - study.n_static, study.index("DBP") - study.n_static
    lagged = []
    for k in (0, 2):
        x = cube[full & (truth.phenotype == k)]
        x = x - x.mean(axis=0)
        x = x - x.mean(axis=1, keepdims=True)
        lagged.append(np.corrcoef(x[:, :-1, hb].ravel(), x[:, 1:, dbp].ravel())[0, 1])
    assert lagged[1] > lagged[0] + 0.05


def test_published_shapes(mimic):
    cohort, truth = mimic
    phenotype = np.repeat(truth.phenotype, cohort.lengths)
    curves = cohort.frame.groupby([phenotype, "step"])[["SOFA", "Platelets", "Lactate"]].mean()
    recovering, lethal, bleeding = (curves.loc[k] for k in range(3))
    for curve in (recovering, lethal, bleeding):
        assert curve["SOFA"][4] > curve["SOFA"][0] + 1.5  # rises to onset
        assert curve["Platelets"][4] < curve["Platelets"][0] - 20  # falls to onset
        assert curve["Lactate"][15] < 0.65 * curve["Lactate"][0]  # decays
    assert recovering["SOFA"][15] < recovering["SOFA"][4] - 3
    assert bleeding["SOFA"][15] < bleeding["SOFA"][4] - 2
    assert lethal["SOFA"][15] >= lethal["SOFA"][4]
    assert recovering["Platelets"].idxmin() in (4, 5)
    assert bleeding["Platelets"].idxmin() in (4, 5)
    assert (np.diff(lethal["Platelets"]) < 0).all()


def test_shapes_with_memory_by_hour(mimic_memory):
    cohort, truth = mimic_memory
    phenotype = np.repeat(truth.phenotype, cohort.lengths)
    hours = cohort.extra["hours"].rename("hour")
    curves = cohort.frame.groupby([phenotype, hours])[["SOFA", "Platelets", "Lactate"]].mean()
    recovering, lethal, bleeding = (curves.loc[k] for k in range(3))
    for curve in (recovering, lethal, bleeding):
        assert curve["SOFA"][0] > curve["SOFA"][-16] + 1.5
        assert curve["Platelets"][0] < curve["Platelets"][-16] - 20
        assert curve["Lactate"][44] < 0.65 * curve["Lactate"][-16]
    assert recovering["SOFA"][44] < recovering["SOFA"][0] - 3
    assert bleeding["SOFA"][44] < bleeding["SOFA"][0] - 2
    assert lethal["SOFA"][44] >= lethal["SOFA"][0]
    assert 0 < recovering["Platelets"].idxmin() <= 12
    assert 0 < bleeding["Platelets"].idxmin() <= 24
    assert (np.diff(lethal["Platelets"]) < 0).all()
