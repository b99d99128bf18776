"""Audits of a judgment on its own records: what would it say where nothing can be gained?

redrawn     the drug drawn anew at every step from the clinicians' probabilities, given all that the record says of it:
            then no dose changes what was recorded next, and whatever gain is advised or claimed is none
control     an outcome that no dose can change, since it was settled at the first step, in the place of the rewards
residual    the last reward less what the first step says of it, by the other folds: how ill a stay began is then no
            part of what is compared. No policy changes it, so a gain that is one stays
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.base.threads import side_by_side
from core.evaluation.judging.crossfit import Fold, JudgeSettings, judge, judge_terms
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.gate import DIALS, Advice, GateSettings, gate
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.pessimism import pessimistic_step

RIDGE = 10.0  # of the prognosis; its columns are standardized


def redrawn(histories: Histories, probs: np.ndarray, rng: np.random.Generator) -> Histories:
    """The same stays with actions drawn from probs (N, T, A) at the evaluated steps."""
    chances = np.cumsum(probs[histories.mask], axis=1)
    drawn = (rng.random((len(chances), 1)) * chances[:, -1:] > chances).sum(axis=1)
    actions = histories.actions.copy()
    actions[histories.mask] = drawn
    return replace(histories, actions=actions)


def null_advice(
    histories: Histories,
    probs: np.ndarray,
    held: Sequence[np.ndarray],
    features: FeatureSettings,
    settings: JudgeSettings,
    repeats: int,
    rng: np.random.Generator,
    gates: GateSettings | None = None,
) -> list[Advice]:
    """What the pessimistic step and the gate advise of each redrawn cohort.

    probs (N, T, A): clinicians' probabilities by models that never saw the stay, here the true ones; held: stays of
    each fold, (N,) bool; features: those of the step; gates: those that the advice itself stood before.
    """

    def advised(null: Histories) -> Advice:
        folds = []
        for one in held:
            step = pessimistic_step(null, ~one, features, chances=probs).policy("step", null, probs)
            folds.append(Fold.by(null, one, [step.toward(share) for share in DIALS], probs))
        return gate(judge(null, folds, settings), gates)

    return side_by_side(advised, [redrawn(histories, probs, rng) for _ in range(repeats)])


def outcome_rewards(histories: Histories, outcome: np.ndarray) -> np.ndarray:
    """(N, T) rewards that an outcome (N,) makes, earned at each stay's last step, as spread as the returns are."""
    evaluated = histories.evaluated
    spread = outcome[evaluated].std()
    scale = histories.returns[evaluated].std() / spread if spread > 0 else 0.0
    rewards = np.zeros(histories.rewards.shape)
    rewards[evaluated, histories.last] = scale * (outcome[evaluated] - outcome[evaluated].mean())
    return rewards


def control_rewards(histories: Histories, column: int) -> np.ndarray:
    """(N, T) rewards of what a state column was at each stay's first step; in truth every policy gains 0 in them."""
    first = np.zeros(len(histories.mask))
    first[histories.evaluated] = histories.flat(histories.states)[histories.time == 0, column]
    return outcome_rewards(histories, first)


def in_each(
    histories: Histories, folds: Sequence[Fold], rewards: Sequence[np.ndarray], settings: JudgeSettings
) -> list[list[Judged]]:
    """Judgments of the folds' policies in each of the rewards (N, T), by critics that are fitted once for all."""
    found = judge_terms(histories, folds, np.stack(rewards, axis=-1), settings)
    return [found.judged(one) for one in np.eye(len(rewards))]


def residualized(histories: Histories, held: Sequence[np.ndarray]) -> np.ndarray:
    """(N, T) rewards, the last of each stay less its prognosis: a ridge regression on the first step's state, weights.

    Each stay's prognosis comes from the stays of the other folds; its mean over all stays is kept.
    """
    from sklearn.linear_model import Ridge

    evaluated, last = histories.evaluated, histories.last
    start = histories.propensity_columns()[histories.time == 0][:, : -histories.n_earlier]  # no dose came before
    spread = start.std(axis=0)
    start = (start - start.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    final, prognosis = histories.rewards[evaluated, last].astype(np.float64), np.zeros(len(evaluated))
    for one in held:
        here = one[evaluated]
        prognosis[here] = Ridge(RIDGE).fit(start[~here], final[~here]).predict(start[here])
    rewards = histories.rewards.astype(np.float64)
    rewards[evaluated, last] = final - (prognosis - prognosis.mean())
    return rewards
