"""A policy decides by what a situation holds, alike for any shape of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from core.agents.config import AgentConfig
from core.agents.policy import action_probs
from core.base.errors import ArtifactError
from core.fusion.dials import FLOOR, MIXTURE
from core.policies import DialedPolicy, NamedPolicy, PolicyKey, Version

K, A = 3, 4
PROSPECTIVE = "prospective"


@dataclass(frozen=True)
class Made:
    """Decisions of any shape, drawn at random."""

    shape: tuple[int, ...]
    agent_settings: AgentConfig
    behavior: np.ndarray
    q: np.ndarray
    away: np.ndarray
    baselines: tuple[str, ...] = ("dqn", "behavior-cloning", "rf-fqi", "no-encoder")
    added: tuple[str, ...] = ()
    n_actions: int = A

    def distances(self, n_clusters: int, mode: str) -> np.ndarray:
        assert (n_clusters, mode) == (K, PROSPECTIVE)
        return self.away

    def baseline_spread(self, name: str) -> float:
        return 1.0

    def experts(self, n_clusters: int, temperature: float) -> np.ndarray:
        assert n_clusters == K
        return action_probs(self.q, temperature)

    def baseline_q(self, name: str) -> np.ndarray:
        return self.q if name == "no-encoder" else self.q[..., 0, :]

    def mean_distances(self, mode: str) -> np.ndarray:
        return self.away[..., ::-1]


@pytest.fixture(params=[(7,), (2, 5)], ids=["at one step", "by stay and step"])
def made(request: pytest.FixtureRequest) -> Made:
    rng, shape = np.random.default_rng(0), request.param
    behavior, q = rng.dirichlet(np.ones(A), shape), rng.normal(size=(*shape, K, A))
    return Made(shape, AgentConfig(temperature=0.5), behavior, q, rng.random((*shape, K)))


def probs(made: Made, policy: str, lambda_: float = 2.0, version: Version | None = None) -> np.ndarray:
    found = NamedPolicy(PolicyKey.at(policy, K, lambda_, PROSPECTIVE), version).probs(made)
    assert found.shape == (*made.shape, A)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-6)
    return found


def test_simple_policies_look_at_nothing_but_the_clinicians(made: Made) -> None:
    assert probs(made, "clinician") is made.behavior
    assert (probs(made, "random") == np.float32(1 / A)).all()
    assert (probs(made, "zero-drug")[..., 0] == 1).all()


def test_fusion_weighs_the_experts_by_their_distance(made: Made) -> None:
    experts = made.experts(K, 0.5)
    weights = np.exp(-2 * made.away)
    weights /= weights.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(probs(made, "fused"), (weights[..., None] * experts).sum(axis=-2))
    np.testing.assert_allclose(probs(made, "fused", 0.0), experts.mean(axis=-2))
    nearest = np.take_along_axis(experts, made.away.argmin(axis=-1)[..., None, None], axis=-2)[..., 0, :]
    np.testing.assert_allclose(probs(made, "single-expert"), nearest)
    np.testing.assert_allclose(probs(made, "fused", np.inf), nearest)
    np.testing.assert_array_equal(probs(made, "phenotype-1"), experts[..., 1, :])


def test_a_version_is_of_the_whole_policy_and_a_temperature_of_its_experts(made: Made) -> None:
    soft, greedy = probs(made, "fused:soft"), probs(made, "fused:greedy")
    np.testing.assert_array_equal(greedy.argmax(axis=-1), probs(made, "fused").argmax(axis=-1))
    np.testing.assert_allclose(soft, 0.9 * greedy + 0.1 / A)
    colder = replace(made, agent_settings=AgentConfig(temperature=0.05))
    np.testing.assert_array_equal(probs(made, "fused:t0.05"), probs(colder, "fused"))
    given = probs(made, "fused", version=Version(temperature=0.05, epsilon=0.0))
    np.testing.assert_array_equal(given, probs(colder, "fused:greedy"))


def test_baselines_are_the_softmax_of_their_values_by_their_own_rule(made: Made) -> None:
    np.testing.assert_array_equal(probs(made, "dqn"), action_probs(made.q[..., 0, :], 0.5))
    np.testing.assert_array_equal(probs(made, "rf-fqi"), action_probs(made.q[..., 0, :], 0.5))
    cloned = action_probs(made.q[..., 0, :], 1.0)  # what clinicians do has no temperature
    np.testing.assert_array_equal(probs(made, "behavior-cloning"), cloned)
    turned = replace(made, away=made.away[..., ::-1])
    np.testing.assert_allclose(probs(made, "no-encoder"), probs(turned, "fused"))


def test_what_a_run_does_not_have_is_named(made: Made) -> None:
    with pytest.raises(ArtifactError, match=r"no policy 'cql'.*train it again"):
        probs(made, "cql")
    with pytest.raises(ArtifactError, match=r"holds 'no-encoder' at K = 3 alone, not at K = 2"):
        NamedPolicy(PolicyKey("no-encoder", 2, 2.0, PROSPECTIVE)).probs(made)


def test_a_dial_leads_from_the_clinicians_to_the_policy(made: Made) -> None:
    policy = NamedPolicy(PolicyKey("fused", K, 2.0, PROSPECTIVE))
    np.testing.assert_allclose(DialedPolicy(policy, MIXTURE, 0.0).probs(made), made.behavior)
    np.testing.assert_allclose(DialedPolicy(policy, MIXTURE, 1.0).probs(made), policy.probs(made))
    middle = np.sqrt(made.behavior * policy.probs(made))
    middle /= middle.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(DialedPolicy(policy, MIXTURE, 0.5).probs(made), middle)
    floored = DialedPolicy(policy, FLOOR, 0.2).probs(made)
    rare = (made.behavior < 0.2) & (made.behavior >= 0.2).any(axis=-1, keepdims=True)
    assert (floored[rare] == 0).all()
