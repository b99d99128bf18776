"""What a policy from outside is worth on recorded stays: judged by models that never saw the stay they judge.

Folds are of persons. In each, clinicians' probabilities and critics come from the other persons; the difference to the
clinicians is by the mix of memories (`core.evaluation.judging.crossfit`), beside it PHWIS and PHWDR by the same
probabilities.
That the policy itself was not learned from the judged stays is the caller's word: nothing in the numbers can show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from core.base.config import Config
from core.base.rng import derive_seed, stream
from core.base.statistics import Z95
from core.base.types import OPEResult
from core.bring.choices import policy_choices
from core.bring.critics import StayCritic
from core.bring.policy import BroughtPolicy
from core.cohort import Cohort, TrueValue, ground_truth
from core.evaluation import (
    Critic,
    Recorded,
    action_shares,
    concordance_rate,
    propensities,
    state_values,
    unsupported_share,
    weighted_many,
)
from core.evaluation.judging.atlas import Records
from core.evaluation.judging.choices import PolicyChoices
from core.evaluation.judging.crossfit import Fold
from core.evaluation.judging.crossfit import judge as judge_folds
from core.evaluation.judging.deferring import Deferring
from core.evaluation.judging.grade import GradeSettings, grade
from core.evaluation.judging.histories import Histories
from core.evaluation.judging.left_out import ColumnOdds
from core.evaluation.judging.mix import Judged
from core.evaluation.judging.stacked import Propensities
from core.evaluation.judging.survival import judge_survival
from core.evaluation.support import Light
from core.icu.advice import at_most
from core.icu.ask.judge import fitted_clinicians, held_out, judge_settings, probs_of
from core.icu.hidden_causes import HIDDEN_COLUMNS, HiddenCauses, hidden_causes, in_words, strengths
from core.policies.courses import courses_of
from core.policies.hazards import GIVEN, default_rules, violation_rates
from core.registry.ask.hidden import hidden_in_words
from core.registry.simulate.truth import RegistryValue
from core.trajectories import Trajectories, fit_scaler, make_trajectories, padded, reward_terms

Form = Literal["doses", "drug sets"]
DOSES: Form = "doses"
SETS: Form = "drug sets"
CHOOSERS: dict[Form, str] = {DOSES: "clinicians", SETS: "experts"}


class JudgeConfig(Config):
    """Settings of a judgment; a card carries them, so that it can be recomputed."""

    gamma: float = Field(0.99, ge=0, le=1)
    seed: int = Field(0, ge=0)
    n_bootstrap: int = Field(300, ge=0, le=100_000)
    ess_floor: float = Field(30.0, ge=0)  # effective stays below which a difference is weak
    probability_floor: float = Field(0.01, ge=0, le=1)  # below which clinicians hardly ever give a dose
    truth_patients: int = Field(2000, ge=0, le=1_000_000)  # simulated patients of a roll-out; 0: none
    critic_trees: int = Field(20, ge=1, le=2000)


@dataclass(frozen=True)
class TrueGain:
    """A true difference over the same simulated patients, with its standard error."""

    value: float
    standard_error: float


def hidden_words(form: Form, found: HiddenCauses | None, columns: Sequence[ColumnOdds]) -> str:
    """What unrecorded causes could do, in the words of doses or of sets."""
    if form == DOSES:
        return in_words(found, columns)
    return hidden_in_words(dict.fromkeys(HIDDEN_COLUMNS, np.nan) if found is None else found.row, columns)


@dataclass(frozen=True, eq=False)
class Judgment:
    """A policy's evidence, of doses or (`form`) of sets of drugs.

    judged: value and difference by the mix, survival: the same of who survives, as shares (of doses alone, where the
    outcome tells it); light: the grade of judged; hidden: what unrecorded causes could do to it (None: nobody follows
    it), beside left_out, what recorded columns do; phwis, phwdr; hazards: see `violation_rates`, a row a rule for the
    policy and one for the recorded course; truth, gain: where it is known; choices: the difference under others of the
    study, where asked.
    """

    name: str
    judged: Judged
    survival: Judged | None
    light: Light
    hidden: HiddenCauses | None
    left_out: tuple[ColumnOdds, ...]
    phwis: OPEResult
    phwdr: OPEResult
    concordance: float
    unsupported: float
    action_shares: np.ndarray
    hazards: pd.DataFrame
    n_persons: int
    truth: TrueValue | RegistryValue | None
    gain: TrueValue | TrueGain | None
    form: Form = DOSES
    choices: PolicyChoices | None = None

    def __str__(self) -> str:
        found = self.judged.difference
        known = "" if self.gain is None else f"\n  true difference {self.gain.value:+.2f}"
        records = "courses" if self.form == SETS else "stays"
        first = f"{self.name}: {found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f}) against the"
        lines = (*self.light.reasons, hidden_words(self.form, self.hidden, self.left_out))
        return (
            f"{first} {CHOOSERS[self.form]}, {self.light.grade}\n"
            f"  value {self.judged.value.value:.2f}; {self.phwis.of(records)}; {self.phwdr.of(records)}{known}"
            + "".join(f"\n  {line}" for line in lines)
        )

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class Bench:
    """Stays on which policies are judged. rows: their positions in the cohort, the judged and those who only teach;
    held: (n,) bool of each fold's judged stays among the rows; moved: how far recorded columns move the odds of a dose,
    where a run knows it of all its stays; centered: False to judge as runs did before critics centered actions."""

    cohort: Cohort
    rows: np.ndarray
    trajectories: Trajectories
    histories: Histories
    held: tuple[np.ndarray, ...]
    config: JudgeConfig
    moved: tuple[ColumnOdds, ...] | None = None
    centered: bool = True

    @property
    def judged(self) -> np.ndarray:
        """(n,) bool"""
        return np.asarray(np.any(self.held, axis=0))

    @cached_property
    def clinicians(self) -> list[Propensities]:
        """The clinicians' model of each fold, learned from the stays outside it."""
        seed = derive_seed(self.config.seed, "judgment")
        return [fitted_clinicians(self.histories, ~one, seed) for one in self.held]

    @cached_property
    def behavior(self) -> list[np.ndarray]:
        """(n, T, A) clinicians' probabilities by each fold's model."""
        return [probs_of(self.histories, one) for one in self.clinicians]

    @cached_property
    def critics(self) -> list[StayCritic]:
        """The forests of each fold, which learn from the stays outside it."""
        return [self._critic(~one) for one in self.held]

    @cached_property
    def whole_critic(self) -> StayCritic:
        """The forests that learn from all stays."""
        return self._critic(np.ones(len(self.rows), dtype=bool))

    def _critic(self, learners: np.ndarray) -> StayCritic:
        config = self.config
        return StayCritic(self.trajectories, np.flatnonzero(learners), config.gamma, config.critic_trees, config.seed)

    @cached_property
    def left_out(self) -> tuple[ColumnOdds, ...]:
        """How far each recorded column moves the odds of a dose, strongest first."""
        if self.moved is not None:
            return self.moved
        return strengths(self.cohort.study, self.histories, self.clinicians, self.held)


def make_bench(cohort: Cohort, config: JudgeConfig) -> Bench:
    """All stays of a cohort (of very many, a draw), in five folds by person; `RunError` where one person is all."""
    seed = derive_seed(config.seed, "judgment")
    rows = at_most(np.arange(cohort.n_patients), seed)
    data = make_trajectories(cohort, fit_scaler(cohort)).subset(rows)
    doses = cohort.study.actions.given
    grids = data.states, data.actions, data.rewards, data.transition_mask
    histories = Histories(*grids, doses, None, cohort.persons[rows], config.gamma)
    return Bench(cohort, rows, data, histories, tuple(held_out(histories, seed)), config)


def judge_on(bench: Bench, policy: BroughtPolicy, choices: bool = False) -> Judgment:
    """Everything about one policy on these stays; choices: also under other reasonable choices of the study, which
    takes as long again."""
    config, data, study = bench.config, bench.trajectories, bench.cohort.study
    probs = on_grid(bench.cohort, policy.probs)[bench.rows]
    folds = [
        Fold.by(bench.histories, one, [Deferring(policy.name, probs)], each, bench.centered)
        for one, each in zip(bench.held, bench.behavior, strict=True)
    ]
    settings = judge_settings(study)
    judged = judge_folds(bench.histories, folds, replace(settings, hidden=True))[0]
    clinicians = np.select([one[:, None, None] for one in bench.held], bench.behavior)
    phwis, phwdr = _weighted(bench, probs, clinicians)
    shown, mask = bench.judged, data.transition_mask[bench.judged]
    truth, gain = _true(bench, policy)
    lived = data.survived
    return Judgment(
        name=policy.name,
        judged=judged,
        survival=None if lived is None else judge_survival(bench.histories, lived, folds, settings)[0],
        light=grade(judged, GradeSettings(ess=config.ess_floor)),
        hidden=hidden_causes(judged, Z95, bench.left_out),
        left_out=bench.left_out,
        phwis=phwis,
        phwdr=phwdr,
        concordance=concordance_rate(probs[shown], data.actions[shown], mask),
        unsupported=unsupported_share(probs[shown], clinicians[shown], mask, config.probability_floor),
        action_shares=action_shares(probs[shown], mask, top=False),
        hazards=_hazards(bench, probs),
        n_persons=len(np.unique(bench.histories.person[shown])),
        truth=truth,
        gain=gain,
        choices=_under_choices(bench, folds) if choices else None,
    )


def _under_choices(bench: Bench, folds: Sequence[Fold]) -> PolicyChoices | None:
    """The policy of the folds under other choices of reward, discount and dose bins."""
    study, scaler = bench.cohort.study, bench.trajectories.scaler
    if scaler is None:
        return None
    terms = reward_terms(bench.cohort, study, scaler)[bench.rows]
    settings = judge_settings(study)
    records = Records(bench.histories, terms, folds, bench.behavior, settings.features, settings)
    return policy_choices(records, study, bench.config.ess_floor, bench.config.seed)


def _weighted(bench: Bench, probs: np.ndarray, clinicians: np.ndarray) -> tuple[OPEResult, OPEResult]:
    """PHWIS and PHWDR of the judged stays; the critic of each fold is a forest grown on the others."""
    data, config, shown = bench.trajectories, bench.config, bench.judged
    q = np.zeros_like(probs)
    for held, critic in zip(bench.held, bench.critics, strict=True):
        mask = data.mask[held]
        q[held] = padded(critic.fitted(probs).q_values(data.states[held][mask]).astype(np.float64), mask)
    mask, actions = data.transition_mask[shown], data.actions[shown]
    behavior = np.where(mask, propensities(clinicians[shown], actions), 1.0)
    recorded = Recorded(data.rewards[shown], mask, behavior, config.gamma, bench.histories.person[shown])
    chosen = propensities(probs[shown], actions)[None]
    valued = Critic(propensities(q[shown], actions)[None], state_values(probs[shown], q[shown])[None])
    rng = stream(config.seed, "judgment", "bootstrap")
    phwis = weighted_many("phwis", recorded, chosen, None, config.n_bootstrap, rng)[0]
    rng = stream(config.seed, "judgment", "bootstrap")
    phwdr = weighted_many("phwdr", recorded, chosen, valued, config.n_bootstrap, rng)[0]
    return phwis.known, phwdr.known


def _hazards(bench: Bench, probs: np.ndarray) -> pd.DataFrame:
    """Rates of hazardous doses at the judged stays, one row a rule for the policy and one for what was given."""
    cohort, data, shown = bench.cohort, bench.trajectories, bench.judged
    tables = []
    for rule in default_rules(cohort.study):
        courses = courses_of(cohort, rule.columns, bench.rows[shown])
        hazard = {
            GIVEN: (data.actions[shown] >= rule.from_action).astype(float),
            "policy": probs[shown][..., rule.from_action :].sum(axis=-1),
        }
        applies, persons = rule.applies(courses), bench.histories.person[shown]
        rng = stream(bench.config.seed, "judgment", "hazards")
        table = violation_rates(hazard, applies, persons, bench.config.n_bootstrap, rng)
        tables.append(table.assign(text=rule.text(cohort.study)))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def on_grid(cohort: Cohort, rows: np.ndarray) -> np.ndarray:
    """(rows, ...) values of a cohort's rows on the grid of its stays, (N, T, ...), 0 on padding."""
    return padded(rows, np.arange(cohort.study.horizon) < cohort.lengths[:, None])


def _true(bench: Bench, policy: BroughtPolicy) -> tuple[TrueValue | None, TrueValue | None]:
    """Value and gain over the clinicians by roll-outs, where patients are simulated and the policy can act."""
    acts, n = policy.acts(bench.cohort.study), bench.config.truth_patients
    truth = ground_truth(bench.cohort) if acts is not None and n else None
    if truth is None or acts is None:
        return None, None
    truth, seed = replace(truth, study=bench.cohort.study), derive_seed(bench.config.seed, "truth")
    spans, gamma = bench.trajectories.scaler.spans if bench.trajectories.scaler else None, bench.config.gamma
    return truth.policy_value(acts, n, seed, spans, gamma), truth.policy_gain(acts, n, seed, spans, gamma)
