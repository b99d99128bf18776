"""What moves the Q of a combination of drugs at a decision, against what similar patients had.

    A(s, a) = Q(s, a) - sum_b mu(b) Q(s, b)

mu: what experts would likely choose at the recorded state. A feature is moved as a whole, a category with all its
columns. Set in are the values of the training and validation patients at the same stage who are nearest in all other
features and in the same state (`core.evaluation.moved`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.evaluation.moved import Why, explain, over_usual
from core.evaluation.similar import similar_but_for_one
from core.registry.ask.patient import point
from core.registry.spec import RegistrySpec
from core.registry.view import RegistryView

UNKNOWN = -1.0  # code of a category that was not recorded


@remembered_by(4)
def why(view: RegistryView, patient: int, stage: int, decision: str) -> Why:
    """What moves the Q of every combination for a patient (position) at a stage (index).

    Columns are the features, then the indicators; a category counts as its code among `Feature.categories`, `UNKNOWN`
    where it was not recorded, and a number that was not is the encoder's mean, as the network sees it. `RunError` where
    the decision was not posed to the patient then; the decision must be a learned one.
    """
    here, data, models = point(view, patient, stage, decision), view.points[decision], view.models(decision)
    spec, encoder = view.spec, view.encoder
    bank_rows = np.flatnonzero(data.of(view.split.learners) & (data.stage == stage))
    codes = features_as_numbers(spec, view.cohort.frame.iloc[data.row[[*bank_rows, here]]], encoder.mean)
    bank, state = codes[:-1], codes[-1]
    met = codes.copy()
    met[:, : len(spec.features)] = 0  # the state of a patient is what a hazard is in the other study: shared
    whose, nominal = data.patient[bank_rows], nominal_of(spec)
    rows = similar_but_for_one(bank, met[:-1], whose, state, met[-1], patient, nominal=nominal)
    usual = models.expert_probs(data.states[[here]], data.stage[[here]])[0]

    def q(states: np.ndarray) -> np.ndarray:
        encoded = encoder.transform(as_frame(spec, states))
        return np.asarray(models.q(encoded, np.full(len(states), stage)))

    names = (*spec.feature_names, *spec.indicator_names)
    return explain(names, over_usual(q, usual.astype(np.float64)), state, bank, rows, whose, nominal)


def nominal_of(spec: RegistrySpec) -> np.ndarray:
    """(D,) bool: features that are categories; indicators are 0 or 1."""
    kinds = [feature.kind == "category" for feature in spec.features]
    return np.array([*kinds, *(True for _ in spec.indicator_names)])


def features_as_numbers(spec: RegistrySpec, frame: pd.DataFrame, mean: np.ndarray) -> np.ndarray:
    """(n, D) features and indicators of a table; mean: of the number features, in their order."""
    means, columns = iter(mean), []
    for feature in spec.features:
        if feature.kind == "number":
            columns.append(frame[feature.name].fillna(next(means)).to_numpy(np.float64))
        else:
            place = {category: float(i) for i, category in enumerate(feature.categories)}
            columns.append(frame[feature.name].map(place).fillna(UNKNOWN).to_numpy(np.float64))
    columns += [frame[name].to_numpy(np.float64) for name in spec.indicator_names]
    return np.stack(columns, axis=1)


def as_frame(spec: RegistrySpec, numbers: np.ndarray) -> pd.DataFrame:
    """The table of which `features_as_numbers` made these numbers."""
    columns: dict[str, np.ndarray] = {}
    for feature, values in zip(spec.features, numbers.T, strict=False):
        if feature.kind == "category":
            words = np.array([*feature.categories, None], dtype=object)  # `UNKNOWN` is the last
            columns[feature.name] = words[values.astype(np.int64)]
        else:
            columns[feature.name] = values
    at = len(spec.features)
    return pd.DataFrame(columns | dict(zip(spec.indicator_names, numbers.T[at:], strict=True)))
