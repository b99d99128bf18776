"""Why a combination has its Q: of a linear network each bar is its coefficient; a category is moved as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.base.errors import RunError
from core.registry.ask.policies import TreatmentModels
from core.registry.ask.why import as_frame, features_as_numbers, nominal_of, why
from core.registry.view import RegistryView


def test_features_as_numbers_are_the_states_that_the_networks_see(tiny_registry: Path) -> None:
    view = RegistryView(tiny_registry)
    data = view.points[view.treatments[0]]
    frame = view.cohort.frame.iloc[data.row].copy()
    numbers = features_as_numbers(view.spec, frame, view.encoder.mean)
    np.testing.assert_allclose(view.encoder.transform(as_frame(view.spec, numbers)), data.states, atol=1e-5)
    frame[[feature.name for feature in view.spec.features]] = None
    nothing = features_as_numbers(view.spec, frame, view.encoder.mean)
    np.testing.assert_allclose(
        view.encoder.transform(as_frame(view.spec, nothing)), view.encoder.transform(frame), atol=1e-5
    )


def test_bars_of_a_linear_network_are_coefficients_times_the_distance_to_similar_patients(
    tiny_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = RegistryView(tiny_registry)
    decision = view.treatments[0]
    data, models = view.points[decision], view.models(decision)
    here = int(np.flatnonzero(data.of(view.split.test))[0])
    slope = np.random.default_rng(1).normal(size=(data.states.shape[1], len(models.catalog)))
    monkeypatch.setattr(TreatmentModels, "q", lambda self, states, stage: states @ slope)
    found = why(view, int(data.patient[here]), int(data.stage[here]), decision)
    usual = models.expert_probs(data.states[[here]], data.stage[[here]])[0]
    own = slope - (slope @ usual)[:, None]
    np.testing.assert_allclose(found.advantage, data.states[here] @ own, rtol=1e-4, atol=1e-4)

    age, column = found.names.index("age"), data.names.index("age")
    apart = (found.state[age] - found.similar[age]) / view.encoder.scale[0]
    np.testing.assert_allclose(found.moves.moved[age], own[column] * apart, rtol=1e-3, atol=1e-4)
    two = next(f for f in view.spec.features if len(f.categories) == 2)  # one column: 1 of the second category
    j, column = found.names.index(two.name), data.names.index(f"{two.name}={two.categories[1]}")
    sign = 1 if found.state[j] == 1 else -1
    np.testing.assert_allclose(found.moves.moved[j], own[column] * sign * (1 - found.similar[j]), rtol=1e-3, atol=1e-4)
    assert found.patients.max() > 1
    assert nominal_of(view.spec)[j]


def test_a_decision_that_was_not_posed_is_refused(tiny_registry: Path) -> None:
    view = RegistryView(tiny_registry)
    with pytest.raises(RunError, match="is not decided"):
        why(view, 0, view.spec.horizon, view.treatments[0])
