"""Policies of a run judged by the mix: their difference to the clinicians, each stay by models that never saw it.

A run's own policies were learned from its training patients, so they are judged on test patients alone, by clinicians'
probabilities and critics of the patients that the policies may know. Of another cohort, whose patients no policy has
met, all are judged, by five folds among them. The pessimistic step is learned anew in each fold, so that all patients
of a run's own cohort judge it; the encoder and its phenotypes stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from core.base.errors import RunError
from core.base.rng import derive_seed
from core.base.statistics import Z95
from core.base.threads import side_by_side
from core.evaluation.judging.crossfit import N_FOLDS, Fold, JudgeSettings, assign_folds, judge
from core.evaluation.judging.deferring import Deferring, always_deferring
from core.evaluation.judging.features import FeatureSettings
from core.evaluation.judging.gate import DIALS, Advice, GateSettings, gate
from core.evaluation.judging.grade import GradeSettings, grade, judged_row
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.left_out import ColumnOdds
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.pessimism import pessimistic_step
from core.evaluation.judging.stacked import Propensities, PropensitySettings, fit_propensities
from core.evaluation.judging.survival import judge_survival
from core.icu.advice import SURVIVAL_COLUMNS, AdviceRecord, DialRecord, at_most, stays_advised
from core.icu.fit.advised import FoldStep, TrueGain
from core.icu.hidden_causes import hidden_causes, hidden_row, strengths
from core.icu.stays import Stays
from core.policies.key import CLINICIAN, PROSPECTIVE, PolicyKey
from core.study import StudySpec

STEP = "pessimistic-step"


@dataclass(frozen=True, eq=False)
class AdvisedStays:
    """What the advice of a run rests on, to ask it further.

    rows (n,) positions of the stays, their histories, the folds with the step at each dial, probs (n, T, A), the
    clinicians' probabilities by a model that never saw the stay, and behaviors (n, T, A) by the model of each fold.
    """

    rows: np.ndarray
    histories: Histories
    folds: tuple[Fold, ...]
    probs: np.ndarray
    behaviors: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class StepAdvice(AdvisedStays):
    """The pessimistic step of a run's own cohort.

    judged: at each dial, in reward; survival: the same as shares, None where nobody knows; advice: the gate's choice,
    by reward; own (N, T): the action that it takes by itself, -1 where it does as clinicians do, by a fold that never
    saw the stay; learned: what each fold has learned.
    """

    judged: tuple[Judged, ...]
    survival: tuple[Judged | None, ...]
    advice: Advice
    own: np.ndarray
    learned: tuple[FoldStep, ...]


@dataclass(frozen=True, eq=False)
class Bench:
    """What every judgment of the same policies on the same patients shares, whatever is earned: histories, folds with
    policies and clinicians' probabilities, and survived (N,) of the stays (None: nobody knows)."""

    histories: Histories
    folds: tuple[Fold, ...]
    survived: np.ndarray | None
    settings: JudgeSettings

    def reward(self) -> list[Judged]:
        """Value and difference to the clinicians of each policy, in the study's reward, and what hidden causes could do
        to it."""
        return judge(self.histories, self.folds, replace(self.settings, hidden=True))

    def survival(self) -> list[Judged] | list[None]:
        """Survival and difference to the clinicians' of each policy, as shares; None where nobody knows."""
        if self.survived is None:
            return [None] * len(self.folds[0].policies)
        return judge_survival(self.histories, self.survived, self.folds, self.settings)


def judge_policies(
    stays: Stays,
    study: StudySpec,
    n_clusters: int,
    keys: Sequence[PolicyKey],
    patients: np.ndarray,
    learners: np.ndarray | None,
) -> list[Judged]:
    """Value and difference of each policy, in the order of the keys; arguments as in `bench`."""
    return bench(stays, study, n_clusters, keys, patients, learners).reward()


def bench(
    stays: Stays,
    study: StudySpec,
    n_clusters: int,
    keys: Sequence[PolicyKey],
    patients: np.ndarray,
    learners: np.ndarray | None,
) -> Bench:
    """Judges of each policy on the given patients (positions).

    n_clusters: the phenotypes whose weights describe a patient. learners: patients to learn probabilities and critics
    from, none of whom is judged; None: five folds of the judged.
    """
    return make_jury(stays, study, n_clusters, patients, learners).bench_of(keys)


@dataclass(frozen=True, eq=False)
class Jury:
    """What judges every policy on the same patients: the stays, judged ones first, their histories, and held (n,) bool
    of each fold's judged stays.

    kept: the `behavior` of a jury that was made before from the same, so that nothing needs to be fitted; of runs from
    before critics were centered (n, T), the probability of the action taken alone. None: fit.
    """

    some: Stays
    histories: Histories
    held: tuple[np.ndarray, ...]
    settings: JudgeSettings
    seed: int
    kept: tuple[np.ndarray, ...] | None = None

    @cached_property
    def clinicians(self) -> tuple[Propensities, ...]:
        """The clinicians of each fold as the other stays show them."""
        return tuple(side_by_side(lambda one: fitted_clinicians(self.histories, ~one, self.seed), self.held))

    @cached_property
    def behavior(self) -> tuple[np.ndarray, ...]:
        """(n, T, A) of each fold: its clinicians' probabilities."""
        if self.kept is not None:
            return self.kept
        return tuple(side_by_side(lambda one: probs_of(self.histories, one), self.clinicians))

    def bench_of(self, keys: Sequence[PolicyKey]) -> Bench:
        """Judges of these policies of the run, in their order."""
        return self.bench([_as_told(self.some, key, self.histories, str(place)) for place, key in enumerate(keys)])

    def bench(self, policies: Sequence[Deferring]) -> Bench:
        """Judges of these policies, probabilities at all the stays."""
        folds = tuple(
            fold_of(self.histories, held, policies, kept) for held, kept in zip(self.held, self.behavior, strict=True)
        )
        return Bench(self.histories, folds, self.some.trajectories.survived, self.settings)


def make_jury(
    stays: Stays,
    study: StudySpec,
    n_clusters: int,
    patients: np.ndarray,
    learners: np.ndarray | None,
    kept: Sequence[np.ndarray] | None = None,
) -> Jury:
    """Arguments as in `bench`; kept: as in `Jury`."""
    seed = derive_seed(stays.config.run.seed, "judgment")
    judged = at_most(patients, seed)
    rows = judged if learners is None else np.concatenate([judged, at_most(learners, seed)])
    some = stays.only(rows)
    histories = histories_of(some, study, n_clusters)
    held = held_out(histories, seed) if learners is None else [np.arange(len(rows)) < len(judged)]
    return Jury(some, histories, tuple(held), judge_settings(study), seed, None if kept is None else tuple(kept))


def advise(stays: Stays, study: StudySpec, n_clusters: int) -> StepAdvice:
    """The pessimistic step on all stays, cross-fitted over five folds, judged at each dial and put before the gate."""
    seed = derive_seed(stays.config.run.seed, "advice")
    some = stays_advised(len(stays.trajectories.mask), stays.config.run.seed)
    histories = histories_of(stays.only(some), study, n_clusters)
    learned, behaviors, steps, own = [], [], [], np.full(stays.trajectories.mask.shape, -1, dtype=np.int8)
    parts = held_out(histories, seed)
    clinicians = side_by_side(lambda held: fitted_clinicians(histories, ~held, seed), parts)
    for held, fitted in zip(parts, clinicians, strict=True):
        # to the precision in which a run keeps them, so that whatever is asked of it later rests on the same numbers
        behavior = probs_of(histories, fitted).astype(np.float32).astype(np.float64)
        fitted_step = pessimistic_step(histories, ~held, step_features(study), chances=behavior)
        behaviors.append(behavior)
        learned.append(FoldStep(fitted, fitted_step, int(held.sum())))
        step = fitted_step.policy(STEP, histories, behavior)
        steps.append(step)
        own[some[held]] = taken_by(step, histories)[held]
    records = advised_stays(some, histories, parts, steps, behaviors)
    lived = stays.trajectories.survived
    judges = Bench(histories, records.folds, None if lived is None else lived[some], judge_settings(study))
    judged, survival = tuple(judges.reward()), tuple(judges.survival())
    advice = gate(judged, GateSettings.of_floor(stays.config.evaluation.ess_floor))
    return StepAdvice(**vars(records), judged=judged, survival=survival, advice=advice, own=own, learned=tuple(learned))


def taken_by(step: Deferring, histories: Histories) -> np.ndarray:
    """(N, T) int8 action that a step takes by itself, -1 where it does as clinicians do."""
    assert step.deferred is not None
    return np.where((step.deferred < 1) & histories.mask, step.own.argmax(axis=-1), -1).astype(np.int8)


def advised_stays(
    rows: np.ndarray,
    histories: Histories,
    parts: Sequence[np.ndarray],
    steps: Sequence[Deferring],
    behaviors: Sequence[np.ndarray],
) -> AdvisedStays:
    """From what each fold learned, without the stays `parts` (n,) bool: its step, and its clinicians' probabilities
    (n, T, A), of older runs (n, T) of the action taken alone."""
    probs = np.zeros(behaviors[0].shape)
    for held, behavior in zip(parts, behaviors, strict=True):
        probs[held] = behavior[held]
    folds = tuple(
        fold_of(histories, held, [step.toward(share) for share in DIALS], behavior)
        for held, step, behavior in zip(parts, steps, behaviors, strict=True)
    )
    return AdvisedStays(rows, histories, folds, probs, tuple(behaviors))


def advice_record(
    advised: StepAdvice, floor: float, left_out: Sequence[ColumnOdds], gains: Sequence[TrueGain] | None = None
) -> AdviceRecord:
    """What a run folder keeps of it. floor: effective stays below which a difference is weak; left_out: the strength
    of recorded columns; gains: of each dial in truth, where it is known."""
    dials = []
    known = [None] * len(DIALS) if gains is None else gains
    for share, one, lives, gain in zip(DIALS, advised.judged, advised.survival, known, strict=True):
        light, found = grade(one, GradeSettings(ess=floor)), one.difference
        dials.append(
            DialRecord(
                share=share,
                value=found.value,
                low=found.low,
                high=found.high,
                se=found.se,
                ess=found.ess,
                grade=light.grade,
                doubts=" ".join(light.reasons),
                hidden=hidden_causes(one, advised.advice.claim_z, left_out),
                true_gain=gain and gain.value,
                true_se=gain and gain.se,
                true_n=gain and gain.n,
                true_survival_gain=gain and gain.survival,
                true_survival_se=gain and gain.survival_se,
                **({} if lives is None else survival_columns(lives)),
            )
        )
    names = [one.name for one in advised.judged]
    chosen = advised.advice.recommended
    share = DIALS[names.index(chosen)] if chosen in names else 0.0
    name = "Pessimistic step" if share == 1 else f"Pessimistic step, taken in {100 * share:.0f} % of its steps"
    return AdviceRecord(
        recommended=chosen,
        share=share,
        claims=advised.advice.claims,
        advise_z=GateSettings().advise_z,
        claim_z=advised.advice.claim_z,
        n=advised.judged[0].difference.n,
        text=advised.advice.text(name),
        dials=tuple(dials),
        left_out=tuple(left_out),
    )


def judgment_rows(
    keys: Sequence[PolicyKey],
    judged: Sequence[Judged],
    survival: Sequence[Judged | None],
    floor: float,
    left_out: Sequence[ColumnOdds],
) -> pd.DataFrame:
    """One row a policy: its key, mix and difference with interval and standard error, the same of survival, ess,
    spread, n, grade, doubts, `HIDDEN_COLUMNS` (NaN where nobody follows).

    judged and survival: of each key, in reward and as shares (None: nobody knows); floor: effective stays below which a
    difference is weak; left_out: the strength of recorded columns.
    """
    rows = []
    for key, one, lives in zip(keys, judged, survival, strict=True):
        row = key.row | judged_row(one, GradeSettings(ess=floor)) | survival_columns(lives)
        rows.append(row | hidden_row(one, Z95, left_out))
    return pd.DataFrame(rows)


def left_out(advised: StepAdvice, study: StudySpec) -> tuple[ColumnOdds, ...]:
    """How far each recorded column moves the odds of a dose, by the clinicians' probabilities of the advice's folds."""
    models = [one.clinicians for one in advised.learned]
    return strengths(study, advised.histories, models, [fold.held for fold in advised.folds])


def survival_columns(judged: Judged | None) -> dict[str, float]:
    """`SURVIVAL_COLUMNS` of a policy, shares in 0..1; NaN where its survival was not judged."""
    if judged is None:
        return dict.fromkeys(SURVIVAL_COLUMNS, np.nan)
    found = judged.value, judged.difference
    numbers = [number for one in found for number in (one.value, one.low, one.high, one.se)]
    return dict(zip(SURVIVAL_COLUMNS, numbers, strict=True))


def judge_settings(study: StudySpec) -> JudgeSettings:
    """The study's highlights may change what a dose does, most important first."""
    return JudgeSettings(FeatureSettings(_highlights(study), study.actions.ordered))


def step_features(study: StudySpec) -> FeatureSettings:
    """What the pessimistic step looks at: the judge's features, and the doses so far."""
    return FeatureSettings(_highlights(study), study.actions.ordered, history=True)


def histories_of(stays: Stays, study: StudySpec, n_clusters: int) -> Histories:
    """Stays as the mix sees them: scaled states, and phenotype weights by the steps so far at the run's lambda."""
    data = stays.trajectories
    memberships = stays.weights(n_clusters, stays.config.fusion.lambda_, PROSPECTIVE)
    doses = study.actions.given
    grids = data.states, data.actions, data.rewards, data.transition_mask
    return Histories(*grids, doses, memberships, stays.persons, stays.config.agents.gamma)


def _highlights(study: StudySpec) -> tuple[int, ...]:
    return tuple(study.index(name) for name in study.highlights)


def _as_told(stays: Stays, key: PolicyKey, histories: Histories, name: str) -> Deferring:
    """A policy of the run; the clinicians' is what was recorded, whatever probabilities a model gives them."""
    if key.base == CLINICIAN:
        return replace(always_deferring(histories), name=name)
    return Deferring(name, np.asarray(stays.probs(key)))


def held_out(histories: Histories, seed: int) -> list[np.ndarray]:
    """Stays (N,) of each of five folds by person, of fewer where there are fewer persons; `RunError` for one alone."""
    persons = len(np.unique(histories.person))
    if persons < 2:
        raise RunError(
            "a single person's stays cannot be judged: there is nobody else to learn from; give two at least."
        )
    number = assign_folds(histories.person, min(N_FOLDS, persons), seed)
    return [number == k for k in range(int(number.max()) + 1)]


def fold_of(histories: Histories, held: np.ndarray, policies: Sequence[Deferring], kept: np.ndarray) -> Fold:
    """A fold by what a run kept of its clinicians: (N, T, A), or (N, T) of the action taken alone in older runs."""
    if kept.ndim == 2:
        return Fold(held, policies, kept.astype(np.float64))
    return Fold.by(histories, held, policies, kept)


def fitted_clinicians(histories: Histories, learners: np.ndarray, seed: int) -> Propensities:
    """The clinicians' probabilities, by the stack fitted on the learners (N,) bool."""
    columns, actions = histories.propensity_columns(), histories.flat(histories.actions)
    steps = learners[histories.stay]
    settings = PropensitySettings(seed=seed)
    person = histories.person[histories.stay]
    return fit_propensities(columns[steps], actions[steps], person[steps], histories.n_actions, settings)


def behavior_probs(histories: Histories, learners: np.ndarray, seed: int) -> np.ndarray:
    """(N, T, A) clinicians' probabilities at evaluated steps, by the stack fitted on the learners (N,) bool."""
    return probs_of(histories, fitted_clinicians(histories, learners, seed))


def probs_of(histories: Histories, fitted: Propensities) -> np.ndarray:
    """(N, T, A) the clinicians' probabilities at evaluated steps."""
    behavior = np.zeros((*histories.mask.shape, histories.n_actions))
    behavior[histories.mask] = fitted.probs(histories.propensity_columns())
    return behavior
