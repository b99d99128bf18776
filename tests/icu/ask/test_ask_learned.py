"""The lights: what a learner says of itself, held against what the records say of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.evaluation.learned import chance_light, said_of, value_light
from core.icu.ask.calibrated import TOGETHER, calibration_curve, calibration_error
from core.icu.ask.learned import CRITIC, NEIGHBORS, STACK
from core.icu.view import RunView


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.mark.parametrize(
    ("own", "agrees"), [(5.0, True), (6.0, True), (6.9, True), (7.1, False), (2.9, False), (np.nan, False)]
)
def test_a_value_agrees_inside_its_interval_or_a_quarter_of_a_spread_beside_it(own: float, agrees: bool) -> None:
    light = value_light("dqn", own, 4.0, 6.0, 4.0, 100, "the mix")  # slack 1
    assert light.agrees == agrees
    assert light.text.startswith("agrees: " if agrees else "does not agree: ")
    beyond = ", at most 0.25 SD of the returns beyond" if own == 6.9 else ""
    assert light.text.endswith(f"by its Q, 5.00 [4.00, 6.00] by the mix{beyond}")


def test_without_an_interval_nothing_agrees() -> None:
    assert not value_light("dqn", 1.0, np.nan, np.nan, 1.0, 1, "recorded returns").agrees


def test_a_model_of_the_clinicians_must_beat_fixed_shares() -> None:
    actions = np.array([0, 0, 0, 1])
    shares = np.array([0.75, 0.25])
    knows = np.eye(2)[actions] * 0.8 + 0.1
    learned = chance_light("model", knows, actions, shares, 2)
    assert learned.agrees
    assert learned.own == pytest.approx(np.log(0.9))
    assert learned.reference == pytest.approx((3 * np.log(0.75) + np.log(0.25)) / 4)
    assert not chance_light("model", np.broadcast_to(shares[::-1], (4, 2)), actions, shares, 2).agrees
    alike = chance_light("model", np.broadcast_to(shares, (4, 2)), actions, shares, 2)
    assert not alike.agrees
    assert alike.text.endswith("alike but for chance: what is given may not depend on the state")
    assert np.isfinite(chance_light("model", np.eye(2)[1 - actions], actions, shares, 2).own)  # sure, and wrong


def test_a_run_holds_a_light_of_every_learner(view: RunView) -> None:
    table = view.learned
    assert table is not None
    assert len(set(table["name"])) == len(table)
    names = set(table["name"])
    experts = {f"phenotype-{index}" for index in range(view.n_clusters)}
    assert {*experts, "dqn", "cql", "bcq", "iql", "spibb", "rf-fqi", CRITIC, NEIGHBORS, STACK} <= names
    assert "behavior-cloning" not in names  # it learns no values
    assert [text.split(":")[0] == "agrees" for text in table["text"]] == table["agrees"].tolist()


def test_a_rivals_own_number_is_its_policy_under_its_q_by_a_plain_loop(view: RunView) -> None:
    from core.agents import load_agents
    from core.policies.key import PolicyKey

    table, test = view.learned, view.split.test
    assert table is not None
    for name in ("dueling-double-dqn", "spibb"):
        agents = load_agents(view.path / "baselines" / name)
        probs, total = view.probs(PolicyKey(name)), 0.0
        for patient in test:
            q = agents.action_values(view.trajectories.states[patient, :1])[0, 0]
            total += sum(float(p) * float(value) for p, value in zip(probs[patient, 0], q, strict=True))
        row = table[table["name"] == name].iloc[0]
        assert row["own"] == pytest.approx(total / len(test), rel=1e-4)
        judged = view.judgments[view.judgments["policy"] == name].iloc[0]  # type: ignore[index]
        assert (row["low"], row["high"], row["n"]) == (judged["mix_low"], judged["mix_high"], judged["n"])


def test_a_run_from_before_has_no_lights_and_says_nothing() -> None:
    assert said_of(None, ["dqn"]) == ["–"]


def test_calibration_is_of_stays_that_taught_the_model_nothing(view: RunView) -> None:
    """Each action's bins hold all steps that the advice judged, and those of all actions each of them once more."""
    table, steps = view.calibration, int(view.trajectories.transition_mask.sum())
    assert table is not None
    n = table.groupby("action")["n"].sum()
    assert n.to_dict() == {TOGETHER: steps * view.study.n_actions} | dict.fromkeys(range(view.study.n_actions), steps)
    given = view.trajectories.actions[view.trajectories.transition_mask]
    for action in range(view.study.n_actions):
        curve = calibration_curve(table, action)
        assert (curve["observed"] * curve["n"]).sum() == pytest.approx((given == action).sum())
        assert curve["predicted"].is_monotonic_increasing
    two = pd.DataFrame({"predicted": [0.1, 0.5], "observed": [0.2, 0.4], "n": [10, 30]})
    assert calibration_error(two) == pytest.approx(0.1)
