"""The pessimistic step and the gate: they find a gain that is there, defer where nothing is known, and claim little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.base.statistics import Z95
from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds, judge
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.gate import DIALS, GateSettings, corrected_z, gate
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import LstdSettings
from core.evaluation.judging.mix import Judged, MixEstimate
from core.evaluation.judging.pessimism import PessimismSettings, pessimistic_step

HORIZON, DRUG = 4, 0.3


def dosed(n: int, seed: int, effect: float, harm: float = 1.0) -> tuple[Histories, np.ndarray]:
    """Stays with one severity x ~ N(0, 1) a step; the drug adds `effect` where x > 0 and takes `harm` away elsewhere,
    and dose 2 is hardly ever given. Returns the clinicians' probabilities (N, T, A) too."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, HORIZON))
    probs = np.broadcast_to([1 - DRUG - 0.005, DRUG, 0.005], (n, HORIZON, 3))
    actions = (rng.random((n, HORIZON, 1)) > probs.cumsum(axis=2)).sum(axis=2)
    rewards = x + rng.normal(size=x.shape) + np.where(actions == 1, np.where(x > 0, effect, -harm), 0.0)
    states = np.stack([x, x > 0], axis=2)
    mask = np.ones(x.shape, dtype=bool)
    return Histories(states, actions, rewards, mask, np.array([0.0, 1.0, 2.0]), gamma=1.0), np.asarray(probs)


def fit(histories: Histories, **settings):
    features = FeatureSettings((0, 1), ordered=False, history=True)
    everyone = np.ones(len(histories.mask), dtype=bool)
    return pessimistic_step(histories, everyone, features, LstdSettings(), PessimismSettings(**settings))


def test_the_drug_is_advised_where_it_helps_and_left_out_where_it_harms() -> None:
    histories, probs = dosed(1_500, seed=0, effect=1.0)
    policy = fit(histories).policy("step", histories, probs)
    helped = histories.states[..., 1] > 0
    chosen, own = policy.deferred == 0, policy.own.argmax(axis=2)
    assert (chosen & (own == 1))[helped].mean() > 0.95
    assert (chosen & (own == 0))[~helped].mean() > 0.9
    assert not (chosen & (own == 2)).any(), "a dose that is hardly ever given is never advised"


def test_advantages_are_those_of_the_world_and_their_errors_as_large_as_they_say() -> None:
    off, scores = [], []
    for seed in range(30):
        histories, probs = dosed(1_000, seed, effect=1.0)
        found = fit(histories).advantages(histories, histories.flat(probs))
        truth = np.where(histories.flat(histories.states)[:, 1] > 0, 1.0, -1.0) * (1 - DRUG)
        off.append((found.value[:, 1] - truth).mean())
        scores.append((found.value[:, 1] - truth) / found.se[:, 1])
    assert abs(np.mean(off)) < 0.1
    assert 0.7 < np.sqrt(np.mean(np.square(scores))) < 1.4


def test_more_pessimism_defers_more_and_none_defers_to_nobody() -> None:
    histories, probs = dosed(300, seed=1, effect=0.2)
    shares = [fit(histories, kappa=k).policy("s", histories, probs).deferred.mean() for k in (0.0, 1.0, 3.0, 50.0)]
    assert shares == sorted(shares)
    assert shares[0] < shares[1]
    assert shares[-1] == 1.0


def test_poisoned_stays_outside_the_training_ones_change_nothing() -> None:
    histories, _ = dosed(200, seed=2, effect=1.0)
    chosen = np.arange(200) < 150
    poisoned = replace(histories, rewards=np.where(chosen[:, None], histories.rewards, 1e6))
    features = FeatureSettings((0, 1), ordered=False)
    steps = [pessimistic_step(one, chosen, features) for one in (histories, poisoned)]
    assert np.array_equal(steps[0].weights, steps[1].weights)
    assert np.array_equal(steps[0].covariance, steps[1].covariance)


def candidates(effect: float, seed: int, n: int = 600, harm: float = 1.0, kappa: float = 1.0) -> list[Judged]:
    """The cross-fitted dial of the pessimistic step."""
    histories, probs = dosed(n, seed, effect, harm)
    number, features = assign_folds(np.arange(n), 5, seed), FeatureSettings((0, 1), ordered=False, history=True)
    given = np.take_along_axis(probs, histories.actions[..., None], axis=2)[..., 0]
    folds = []
    for k in range(5):
        step = pessimistic_step(histories, number != k, features, settings=PessimismSettings(kappa=kappa))
        policy = step.policy("step", histories, probs)
        folds.append(Fold(number == k, [policy.toward(a) for a in DIALS], given))
    return judge(histories, folds, JudgeSettings(features))


def test_a_gain_that_is_there_is_advised_whole_and_claimed() -> None:
    advice = gate(candidates(effect=1.0, seed=3))
    assert advice.recommended == "step at 1"
    assert advice.claims
    truth = HORIZON * 0.5 * ((1 - DRUG) * 1.0 + DRUG * 1.0)  # drug where it helps, none where it harms
    assert advice.chosen is not None
    assert advice.chosen.difference.low < truth < advice.chosen.difference.high
    assert str(advice).endswith("against the clinicians; the records show a gain.")


def test_a_drug_that_does_nothing_is_not_taken_for_a_gain_by_the_stays_that_the_policy_learned_from() -> None:
    judged = [candidates(0.0, seed, n=300, harm=0.0, kappa=0.0) for seed in range(25)]
    for memory in range(3):
        parts = [one[-1].difference.parts[memory] for one in judged]
        scores = np.array([part.value / part.se for part in parts])
        assert abs(scores.mean()) < 0.6, "three standard errors of a mean of 25"
        assert 0.6 < scores.std(ddof=1) < 1.5
    assert sum(gate(one).claims for one in judged) <= 2


def test_where_the_records_lean_to_nothing_the_advice_is_to_do_as_clinicians_do() -> None:
    def estimate(value: float, se: float, ess: float = 100.0) -> Judged:
        one = MixEstimate(value, value - Z95 * se, value + Z95 * se, 100, se, 0.0, ess, ())
        return Judged(f"at {value:g}", one, one)

    none = gate([estimate(0.9, 1.0), estimate(-0.5, 0.1)])
    assert (none.recommended, none.chosen, none.claims) == ("clinicians", None, False)
    assert str(none) == "Follow what clinicians do: the records do not show better."
    best = gate([estimate(1.0, 0.5), estimate(2.0, 1.8)])
    assert (best.recommended, best.claims) == ("at 1", False)
    assert str(best) == (
        "at 1: +1.00 (+0.02 to +1.98) against the clinicians; advised, but the records do not prove a gain."
    )
    assert gate([estimate(1.0, 0.5)]).claims, "two standard errors are enough for a single candidate"
    assert not gate([estimate(1.0, 0.5), estimate(0.9, 0.5)]).claims, "and too few for the better of two"
    assert gate([estimate(5.0, 0.1, ess=0.0)]).recommended == "clinicians", "nobody follows it"
    few, enough = (gate([estimate(5.0, 0.1, ess=ess)], GateSettings.of_floor(30)) for ess in (10.0, 10.1))
    assert (few.recommended, enough.claims) == ("clinicians", True), "next to nobody follows it"


def test_the_claim_is_corrected_for_the_choice_among_dials() -> None:
    assert corrected_z(1.96, 1) == pytest.approx(1.96)
    assert corrected_z(Z95, 3) == pytest.approx(2.394, abs=0.001)
    rng = np.random.default_rng(0)
    best = rng.normal(size=(20_000, 3)).max(axis=1)
    assert np.mean(best >= corrected_z(Z95, 3)) <= 0.027


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: GateSettings(advise_z=2.5), "advise_z must lie in 0..claim_z"),
        (lambda: PessimismSettings(kappa=-1), "kappa must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(build, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build()
