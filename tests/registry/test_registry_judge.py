"""Differences to the experts in a world with known truth, the gate's choice among dials, and where it is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.hidden import GAMMAS, Bounds, Hidden
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.left_out import strongest_first
from core.evaluation.judging.mix import Judged, MixEstimate
from core.evaluation.judging.sets import DeferringSets, SetHistories
from core.registry.ask.compared import DIALS, gate_places
from core.registry.ask.hidden import hidden_in_words, hidden_text, odds_moved, recorded_groups
from core.registry.ask.judge import Bench, advice, judgment_table
from core.registry.cohort.courses import weighted_returns
from core.registry.simulate import registry_truth, simulate_registry
from core.registry.spec import load_registry_spec
from tests.registry.course_world import ALWAYS, SOMETIMES, TRUE, judging, plan, recorded


def bench_of(n: int, lost: float, seed: int = 1) -> Bench:
    test, train = recorded(n, seed, lost), recorded(n, seed + 1, lost)
    return Bench.of(judging(train), test, train)


def judged(bench: Bench, *policies: str) -> list[Judged]:
    pairs = [(plan(bench.parts[0], policy), plan(bench.parts[1], policy)) for policy in policies]
    return bench.judge(pairs)


@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_differences_are_the_true_ones_also_where_courses_are_lost(lost: float) -> None:
    for policy, one in zip((ALWAYS, SOMETIMES), judged(bench_of(5000, lost), ALWAYS, SOMETIMES), strict=True):
        true = TRUE[policy] - TRUE["observed"]
        assert one.difference.value == pytest.approx(true, abs=0.03)
        assert one.difference.low < true < one.difference.high
        assert one.value.value == pytest.approx(TRUE[policy], abs=0.04)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    true, held = TRUE[SOMETIMES] - TRUE["observed"], 0
    for seed in range(40):
        (one,) = judged(bench_of(250, 0.2, 2 * seed), SOMETIMES)
        held += one.difference.low <= true <= one.difference.high
    assert held >= 35


def test_the_experts_differ_from_themselves_by_nothing_and_are_worth_what_was_earned() -> None:
    bench = bench_of(400, 0.3)
    experts, told = bench.judge([None, (plan(bench.parts[0], "observed"), plan(bench.parts[1], "observed"))])
    assert (experts.difference.value, experts.difference.se) == (0, 0)
    courses = bench.parts[0].courses
    earned = weighted_returns(courses, bench.parts[1].courses.kept_share(), bench.histories.gamma)
    assert experts.value.value == pytest.approx(earned.mean())
    assert abs(told.difference.value) < 3 * told.difference.se  # by their probabilities: near 0, with noise


def test_what_was_lost_is_never_read() -> None:
    """Whatever stands as the reward of a step after which a course was lost, every number is the same."""
    bench = bench_of(300, 0.3)
    unknown = bench.histories.mask & (bench.histories.follow_up == 0)
    assert unknown.any()
    spoiled = replace(bench.histories, rewards=np.where(unknown, 99.0, bench.histories.rewards))
    first, second = judged(bench, ALWAYS)[0], judged(replace(bench, histories=spoiled), ALWAYS)[0]
    assert replace(first, hidden=None) == replace(second, hidden=None)
    for kind in ("lasting", "passing"):
        one, other = getattr(first.hidden, kind), getattr(second.hidden, kind)
        assert (one.low.tolist(), one.high.tolist()) == (other.low.tolist(), other.high.tolist())


def test_sets_of_one_part_are_judged_as_plain_actions() -> None:
    """A drug that is given or not: as a set of one part, and as two actions without order."""
    rng = np.random.default_rng(0)
    shape = (200, 3)
    states, rewards, chance = rng.normal(size=(*shape, 2)), rng.normal(size=shape), rng.uniform(0.2, 0.8, shape)
    actions, own = (rng.random(shape) < chance).astype(int), rng.uniform(0.2, 0.8, shape)
    mask = np.arange(3) < rng.integers(1, 4, 200)[:, None]
    plain = Histories(states, actions, rewards, mask, np.array([0.0, 1.0]), gamma=0.9)
    sets = SetHistories.of(states, actions[..., None], rewards, mask, 0.9)
    probs = np.stack([1 - own, own], axis=-1)
    given = np.where(actions == 1, chance, 1 - chance)
    policies = (
        Deferring("p", probs),
        DeferringSets("p", probs, taken=np.where(actions == 1, own, 1 - own)),
    )
    settings, held = JudgeSettings(FeatureSettings((0,), ordered=False)), np.arange(200) < 80
    found = [
        judge(histories, [Fold(held, [policy.toward(0.6)], given)], settings)[0]
        for histories, policy in zip((plain, sets), policies, strict=True)
    ]
    for part in ("value", "low", "high", "ess"):
        for what in ("value", "difference"):
            first, second = (getattr(getattr(one, what), part) for one in found)
            assert first == pytest.approx(second, rel=1e-9)


def estimate(value: float, se: float, ess: float = 200.0) -> MixEstimate:
    return MixEstimate(value, value - 1.96 * se, value + 1.96 * se, 900, se, 0.0, ess, ())


def along(at: dict[tuple[str, float], MixEstimate]) -> dict[str, list[Judged]]:
    """Judgments of both dials, those given and else a loss."""
    value, loss = estimate(2.0, 0.1), estimate(-0.5, 0.1)
    return {
        name: [Judged("", value, at.get((name, setting), loss), 1.8) for setting in dial.settings]
        for name, dial in DIALS.items()
    }


def test_the_gate_advises_a_dial_or_to_follow_the_experts() -> None:
    settings = set(gate_places())
    assert settings == {("mixture", a) for a in (0.25, 0.5, 0.75, 1.0)} | {("floor", 0.2), ("floor", 0.05)}
    found = advice(
        "dqn-screened", along({("floor", 0.2): estimate(0.2, 0.05), ("mixture", 0.5): estimate(0.4, 0.3)}), 30
    )
    assert (found.recommended, found.dial, found.setting) == ("dqn-screened, floor at 0.2", "floor", 0.2)
    assert found.claims
    assert found.text == (
        "DQN, screened, floor at 0.2: +0.20 (+0.10 to +0.30) against the experts; the records show a gain."
    )
    nearest = advice("dqn-screened", along({("mixture", 0.5): estimate(0.2, 0.3)}), 30)
    assert nearest.recommended == "experts"
    assert (nearest.dial, nearest.setting, nearest.claims) == ("mixture", 0.5, False)
    assert nearest.text == "Follow what experts do: the records do not show better."


@pytest.mark.parametrize("ess", [0.0, 9.9])
def test_a_dial_that_hardly_any_course_follows_is_no_evidence(ess: float) -> None:
    found = advice("dqn-screened", along({("mixture", 1.0): estimate(3.0, 0.1, ess=ess)}), 30)
    assert found.recommended == "experts"
    assert (found.dial, found.setting) != ("mixture", 1.0)
    assert advice("dqn-screened", along({("mixture", 1.0): estimate(3.0, 0.1, ess=11.0)}), 30).setting == 1.0


def test_a_decision_that_is_left_to_the_experts_is_moved_by_no_hidden_cause() -> None:
    """Alone: nothing moves. Beside another decision: ratios are tilted as if that one were made alone."""
    bench = bench_of(300, 0.2)
    (left,) = bench.judge([[{"chronic": one.treatments["chronic"].as_given()} for one in bench.parts]])
    assert left.hidden is not None
    for kind in (left.hidden.lasting, left.hidden.passing):
        np.testing.assert_allclose([kind.low, kind.high], 0, atol=1e-9)
    rng = np.random.default_rng(0)
    own, made, theirs = rng.uniform(0.1, 0.9, (3, *bench.behavior.shape))
    parts = np.zeros((*bench.behavior.shape, 2))
    alone, beside = DeferringSets("p", parts, taken=own), DeferringSets("p", parts, taken=own * theirs, left=theirs)
    flat = bench.histories.flat
    expected, found = alone.tilted(bench.histories, flat(made)), beside.tilted(bench.histories, flat(made * theirs))
    np.testing.assert_allclose(found, expected)
    whole = np.exp(beside.log_ratios(bench.histories, flat(made * theirs)))
    np.testing.assert_allclose(sum(found), whole)  # nothing hidden: the ratio itself


def test_what_an_unrecorded_cause_could_do_is_told_of_whoever_leaves_the_experts() -> None:
    bench = bench_of(1500, 0.2)
    pairs = [None, *((plan(bench.parts[0], name), plan(bench.parts[1], name)) for name in (SOMETIMES, ALWAYS))]
    table = judgment_table(bench.judge(pairs), floor=30)
    experts, half, whole = table.to_dict("records")
    assert experts["hidden_low"] == experts["hidden_high"] == 0
    taken = [one["difference_low"] - one["hidden_low"] for one in (half, whole)]
    added = [one["hidden_passing_high"] - one["difference_high"] for one in (half, whole)]
    assert 0 < taken[0] < taken[1], "half of it does as the experts"
    assert 0 < added[0] < added[1]
    assert half["difference_low"] > 0
    assert "by more than 20 throughout a course" in hidden_in_words(half), "the record explains all that is earned here"
    assert "no gain that an unrecorded cause could kill" in hidden_in_words(experts)
    assert hidden_in_words({"difference": 0.1}).endswith("train it again to see.")
    (nobody,) = judgment_table([Judged("p", estimate(2, 0.1), estimate(0.1, 0.6, ess=0.0), 1.8)], 30).to_dict("records")
    assert hidden_in_words(nobody).startswith("No recorded course follows it")


def test_a_recorded_column_left_out_moves_the_odds_by_what_the_network_reads_of_it() -> None:
    rng, slope = np.random.default_rng(0), 0.7
    states = rng.normal(size=(4000, 3)).astype(np.float32)
    states[:, 2] = states[:, 0]  # told by another column, so that leaving it out loses nothing

    def experts(some: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-slope * some[:, 0]))
        return np.stack([1 - p, p], axis=1)

    taken = (rng.uniform(size=len(states)) < experts(states)[:, 1]).astype(int)
    assert np.allclose(odds_moved(experts, states, taken, [[0], [1], [2]]), 1, atol=0.01)
    alone = strongest_first(["kin", "age"], odds_moved(experts, states[:, :2], taken, [[1], [0]]))
    assert [one.column for one in alone] == ["age", "kin"]
    assert strongest_first(["kin", "age"], np.empty((2, 0))) == (), "no decision, nothing moved"
    strong = np.exp(slope * np.quantile(np.abs(states[:, 0]), 0.95))
    assert (alone[0].gamma, alone[1].gamma) == (pytest.approx(strong, rel=0.02), pytest.approx(1, abs=0.01))
    hidden = Hidden(Bounds(-np.log(GAMMAS), np.log(GAMMAS)), Bounds(-np.log(GAMMAS), np.log(GAMMAS)))
    rows = judgment_table(
        [Judged("p", gain, gain, 1.8, hidden=hidden) for gain in (estimate(0, 1), estimate(9, 1))], 30
    )
    nothing, gained = rows.to_dict("records")
    assert f"strongest recorded column, age, does so by up to {alone[0].gamma:.2f}." in hidden_in_words(nothing, alone)
    assert "Leaving out age" in hidden_in_words(gained, alone)
    assert (hidden_text(nothing), hidden_text({})) == ("no gain", "–")
    assert hidden_text(gained).startswith("dies at")


def test_columns_that_are_called_alike_are_left_out_one_by_one() -> None:
    spec = load_registry_spec()
    features = [one.model_copy(update={"label": "Age"}) if "gender" in one.name else one for one in spec.features]
    twins = spec.model_copy(update={"features": tuple(features)})
    names = [*spec.feature_names, *spec.indicator_names]
    groups = recorded_groups(twins, names)
    assert list(groups)[:2] == ["Age (age)", "Age (gender)"]
    assert [groups[f"Age ({name})"] for name in ("age", "gender", "donor_gender")] == [[0], [1], [8]]
    assert sum(map(len, groups.values())) == len(names) - 1, "all columns but `alive`"


def test_a_gain_dies_at_the_strength_that_takes_its_interval() -> None:
    logs, gain = np.log(GAMMAS), estimate(2.0, 0.5)
    hidden = Hidden(Bounds(-2 * logs, logs), Bounds(-logs, logs))
    (row,) = judgment_table([Judged("p", gain, gain, 1.8, hidden=hidden)], floor=30).to_dict("records")
    assert row["claim_dies_at"] == pytest.approx(np.exp(gain.low / 2), rel=1e-3)
    assert row["claim_dies_at_passing"] == pytest.approx(np.exp(gain.low), rel=1e-3)
    assert row["hidden_low"] == pytest.approx(gain.low - 2 * np.log(2), rel=1e-3)
    assert row["hidden_passing_high"] == pytest.approx(gain.high + np.log(2), rel=1e-3)
    assert f"by {row['claim_dies_at']:.2f} throughout a course" in hidden_in_words(row)


def test_the_grade_speaks_of_courses() -> None:
    table = judgment_table([Judged("p", estimate(2, 0.1), estimate(0.1, 0.6, ess=4.0), 1.8)], floor=30)
    assert table["grade"].tolist() == ["not supported"]
    assert "4 courses' worth of records" in table["doubts"][0]
    assert "[-1.08, 1.28]" in table["doubts"][0]  # sums of rewards are small numbers


def test_a_true_difference_is_that_of_the_same_patients() -> None:
    cohort, _ = simulate_registry(120, seed=0)
    truth = registry_truth(cohort)
    assert truth is not None
    nothing = {"chronic": lambda state: np.zeros((len(state), len(cohort.spec.decision("chronic").drugs)), int)}
    experts, other = (truth.returns(policies, 400, 1, "chronic") for policies in ({}, nothing))
    mean, error = other.less(experts)
    assert mean == pytest.approx(other.value().value - experts.value().value)
    apart = np.hypot(other.value().standard_error, experts.value().standard_error)
    assert 0 < error < 0.9 * apart  # equal luck cancels
    assert experts.less(experts) == (0, 0)
