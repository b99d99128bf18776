"""What a run's phenotypes are called: the one place from which every page, figure and report takes the name."""

from __future__ import annotations

import numpy as np

from core.base.remembered import remembered_by
from core.base.rng import stream
from core.icu.ask.stay_values import values_of_stays
from core.icu.view import RunView
from core.phenotypes.names import FeatureWords, PhenotypeName, name_phenotypes
from core.study import Column

MOST_STAYS = 50_000  # from which the words are found: more would change none
LONGEST = 16  # characters of a column's label in a name; a longer one gives way to the column's short name


def phenotype_names(view: RunView, n_clusters: int) -> tuple[PhenotypeName, ...]:
    """The K phenotypes in words, by number, with their patients and mortality; `ValueError` for a K that the run
    lacks."""
    if n_clusters not in view.k_values:
        raise ValueError(f"K = {n_clusters} was not fitted; fitted are {', '.join(map(str, view.k_values))}")
    return _all_names(view)[n_clusters]


def phenotype_texts(view: RunView, n_clusters: int) -> tuple[str, ...]:
    """'Phenotype 1: low platelets, high lactate' of each of the K phenotypes, by number."""
    return tuple(name.text for name in phenotype_names(view, n_clusters))


def phenotypes_of(view: RunView, n_clusters: int, patients: np.ndarray) -> np.ndarray:
    """(n,) '1: low platelets, high lactate': the phenotype of each patient, for a column that is headed so."""
    short = np.array([name.short for name in phenotype_names(view, n_clusters)])
    return np.asarray(short[view.labels(n_clusters)[patients]])


@remembered_by(1)
def _all_names(view: RunView) -> dict[int, tuple[PhenotypeName, ...]]:
    """Names at every K together, since a name is kept from one K to the next."""
    labels = {k: view.labels(k) for k in view.k_values}
    features = [feature_words(column) for column in view.study.columns]
    n_stays = view.cohort.n_patients
    some = np.arange(n_stays)
    if n_stays > MOST_STAYS:
        some = stream(view.config.run.seed, "phenotypes", "names").choice(n_stays, MOST_STAYS, replace=False)
    known = {k: found[some] for k, found in labels.items()}
    named = name_phenotypes(values_of_stays(view, "mean")[some], features, known)
    told = view.study.tells_survival
    found = {}
    for k, words in named.items():
        n = np.bincount(labels[k], minlength=k)
        deaths = np.bincount(labels[k], weights=view.cohort.died, minlength=k)
        share = np.where((n > 0) & told, deaths / np.maximum(n, 1), np.nan)
        found[k] = tuple(PhenotypeName(i, words[i], int(n[i]), float(share[i])) for i in range(k))
    return found


def feature_words(column: Column) -> FeatureWords:
    """A column in the name of a phenotype: 'low platelets', 'high PTT', 'more often female', 'less ventilation'."""
    if column.binary and (word := column.word(1)):
        return FeatureWords(f"less often {word}", f"more often {word}")
    short = column.label if column.label and len(column.label) <= LONGEST else column.name
    text = " ".join(word.lower() if word.istitle() else word for word in short.split())
    low, high = ("less", "more") if column.binary else ("low", "high")
    return FeatureWords(f"{low} {text}", f"{high} {text}")
