"""What a policy is worth, and how far that estimate can be trusted. Arrays in, frozen results out; no torch.

The published estimators stand here, and what they share; `judging` is the room of the mix, which judges a policy that
was learned from the same patients.
"""

from core.evaluation.behavior import BehaviorPolicy, NeighborPolicy, knn_behavior_policy
from core.evaluation.calibration import Reliability, reliability
from core.evaluation.concordance import concordance_rate, concordant
from core.evaluation.differences import differences
from core.evaluation.direct import direct, direct_many
from core.evaluation.doses import dose_excess, mortality_by_excess, step_excess
from core.evaluation.judging.crossfit import Fold, JudgeSettings, assign_folds, judge
from core.evaluation.judging.deferring import Deferring, always_deferring
from core.evaluation.judging.features import FeatureMap, FeatureSettings
from core.evaluation.judging.gate import Advice, GateSettings, gate
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.lstd import Lstd, LstdSettings
from core.evaluation.judging.mix import Judged, MixEstimate, MixSettings
from core.evaluation.judging.pessimism import PessimismSettings, PessimisticStep, pessimistic_step
from core.evaluation.judging.stacked import Propensities, PropensitySettings, fit_propensities
from core.evaluation.phwdr import phwdr
from core.evaluation.phwis import phwis
from core.evaluation.policies import (
    action_shares,
    epsilon_soft,
    given_shares,
    policy_entropy,
    propensities,
    random_policy,
    state_values,
    unsupported_share,
    zero_drug_policy,
)
from core.evaluation.recorded import Recorded
from core.evaluation.similar import SimilarStates, find_similar
from core.evaluation.support import Light, Support, support_light
from core.evaluation.survival import SurvivalCurve, expected_survival, no_curve, survival_curve
from core.evaluation.weighted import DEFAULT_ESTIMATOR, METHODS, Critic, weighted_draws, weighted_many
from core.evaluation.wis import per_decision_wis, wdr, wis

__all__ = [
    "DEFAULT_ESTIMATOR",
    "METHODS",
    "Advice",
    "BehaviorPolicy",
    "Critic",
    "Deferring",
    "FeatureMap",
    "FeatureSettings",
    "Fold",
    "GateSettings",
    "Histories",
    "JudgeSettings",
    "Judged",
    "Light",
    "Lstd",
    "LstdSettings",
    "MixEstimate",
    "MixSettings",
    "NeighborPolicy",
    "PessimismSettings",
    "PessimisticStep",
    "Propensities",
    "PropensitySettings",
    "Recorded",
    "Reliability",
    "SimilarStates",
    "Support",
    "SurvivalCurve",
    "action_shares",
    "always_deferring",
    "assign_folds",
    "concordance_rate",
    "concordant",
    "differences",
    "direct",
    "direct_many",
    "dose_excess",
    "epsilon_soft",
    "expected_survival",
    "find_similar",
    "fit_propensities",
    "gate",
    "given_shares",
    "judge",
    "knn_behavior_policy",
    "mortality_by_excess",
    "no_curve",
    "per_decision_wis",
    "pessimistic_step",
    "phwdr",
    "phwis",
    "policy_entropy",
    "propensities",
    "random_policy",
    "reliability",
    "state_values",
    "step_excess",
    "support_light",
    "survival_curve",
    "unsupported_share",
    "wdr",
    "weighted_draws",
    "weighted_many",
    "wis",
    "zero_drug_policy",
]
