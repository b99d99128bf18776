"""A registry run opened by the library: values in the order of belief, policies as probabilities, refusals in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core import api as pp
from core.api import RegistryRun
from core.base.errors import ArtifactError, ConfigError
from core.registry.view import RegistryView


@pytest.fixture(scope="module")
def run(tiny_registry: Path) -> RegistryRun:
    return pp.open_run(tiny_registry, "registry")


def test_values_are_ordered_by_grade_and_hold_the_stored_differences(run: RegistryRun) -> None:
    table = run.values()
    assert list(table.columns) == ["difference", "low", "high", "grade", "ess", "n", "value", "true_value"]
    ranks = table["grade"].map(["supported", "weak", "not supported"].index)
    assert ranks.is_monotonic_increasing
    judged = run.view.judgments
    whole = judged[(judged["policy"] == "most-frequent") & (judged["dial"] == "")].iloc[0]
    assert table.loc["One size fits all", "difference"] == whole["difference"]
    assert run.view.advice.text in repr(run)
    assert dir(run.figures) == ["differences"]
    assert len(run.figures.differences.layout.yaxis.ticktext) == len(table)


def test_a_policy_gives_probabilities_at_every_decision_and_starts_at_the_experts(run: RegistryRun) -> None:
    whole = run.policy("dqn-screened").table("chronic")
    assert set(np.unique(whole)) == {0, 1}
    np.testing.assert_allclose(whole.sum(axis=1), 1)
    at = [run.policy("dqn-screened", "mixture", setting).table("chronic") for setting in (0.0, 0.5)]
    np.testing.assert_allclose(at[0], run.policy("observed").table("chronic"), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(at[1].sum(axis=1), 1, rtol=1e-4)
    assert whole.index.names == ["patient", "stage"]


def test_what_a_run_does_not_have_is_refused_in_a_sentence(run: RegistryRun, tiny_registry: Path) -> None:
    with pytest.raises(ConfigError, match="no policy 'best'; choose one of dqn"):
        run.policy("best")
    with pytest.raises(ConfigError, match="no dial 'slope'; choose one of mixture, floor"):
        run.policy("dqn", "slope")
    with pytest.raises(ConfigError, match="nothing is learned of 'conditioning'"):
        run.policy("dqn").table("conditioning")
    with pytest.raises(ArtifactError, match="another study"):
        pp.open_run(tiny_registry)
    old = RegistryView(tiny_registry)
    old.judgments = None
    with pytest.raises(ConfigError, match="train it again"):
        RegistryRun(old).values()
