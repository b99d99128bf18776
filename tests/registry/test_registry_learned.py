"""The registry's lights: who learned agrees with what was recorded, who did not, does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.evaluation.learned import error_light
from core.registry.ask.learned import COLUMNS, EXPERTS, FOREST, REWARDS, Q, learned_table
from core.registry.ask.moves import moves_of
from core.registry.view import RegistryView


@pytest.fixture
def view(tiny_registry: Path) -> RegistryView:
    return RegistryView(tiny_registry)


def test_a_model_of_rewards_must_err_less_than_their_mean() -> None:
    recorded = np.array([0.0, 1.0, 0.0, 1.0])
    knows = error_light("forest", np.array([0.1, 0.9, 0.1, 0.9]), recorded, 0.5, 4)
    assert knows.agrees
    assert (knows.own, knows.reference) == pytest.approx((0.01, 0.25))
    assert knows.text == "agrees: squared error 0.010, 0.250 by the mean reward of those it learned from"
    fooled = error_light("forest", 1 - recorded, recorded, 0.5, 4)
    assert not fooled.agrees
    assert fooled.text.startswith("does not agree: squared error 1.000")
    assert "alike" not in fooled.text
    knows_nothing = error_light("forest", np.full(4, 0.5), recorded, 0.5, 4)
    assert not knows_nothing.agrees
    assert "alike but for chance" in knows_nothing.text


def test_every_decision_has_the_lights_of_its_models_and_the_run_keeps_them(view: RegistryView) -> None:
    assert view.learned is not None
    assert list(view.learned.columns) == list(COLUMNS)
    found = {name: set(rows["name"]) for name, rows in view.learned.groupby("decision")}
    for name in view.decisions:
        assert found[name] == ({EXPERTS, Q, FOREST, REWARDS} if name in view.treatments else {EXPERTS})
    again = learned_table(view)
    np.testing.assert_allclose(again["own"], view.learned["own"], rtol=1e-5)
    assert list(again["text"]) == list(view.learned["text"])


def test_a_q_network_is_held_against_what_follows_by_its_own_word(view: RegistryView) -> None:
    decision = view.treatments[0]
    data = view.points[decision]
    known = data.of(view.split.test) & data.followed & (view.catalogs[decision].encode(data.drugs) >= 0)
    moves, network = moves_of(view, decision, known), view.q_network(decision)
    own, follows = [], []
    for i in range(len(moves)):  # one by one, in words of the equation
        own.append(network.predict(moves.states[i : i + 1])[0, moves.actions[i]])
        ahead = network.predict(moves.next_states[i : i + 1])[0]
        best = max(value for a, value in enumerate(ahead) if moves.allowed is None or moves.allowed[i, a])
        least, most = moves.bounds[i]
        value = 0.0 if moves.terminals[i] else min(max(best, least), most)
        follows.append(moves.rewards[i] + view.spec.gamma * value)
    table = learned_table(view)
    row = table[(table["decision"] == decision) & (table["name"] == Q)].iloc[0]
    assert row["own"] == pytest.approx(np.mean(own), rel=1e-5)
    assert row["reference"] == pytest.approx(np.mean(follows), rel=1e-5)
    assert row["low"] < row["reference"] < row["high"]
    assert row["n"] == len(np.unique(data.patient[known]))


def test_a_q_network_that_says_too_much_of_everybody_does_not_agree(view: RegistryView) -> None:
    decision = view.treatments[0]
    network = view.q_network(decision)
    *biases, last = network.biases
    view._models["dqn", decision] = replace(network, biases=(*biases, last + 100.0))
    table = learned_table(view)
    row = table[(table["decision"] == decision) & (table["name"] == Q)].iloc[0]
    assert not row["agrees"], "what follows is kept within what can be paid"
