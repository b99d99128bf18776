"""A student's own policy, as far as his choices tell it, and what it is worth.

What somebody would do in a state that he was never asked about is not known. It is taken to be what he chose at the
most similar step that he was asked about, over all cases of a conference:

    pi(s) = a_i,  i = argmin_i sum_j ((s_j - s_ij) / sd_j)^2,  sd over the run's training states

among the steps that meet the same hazard rules of the study where he answered such a step, else among all. With a few
answers that is a crude generalization, so the number of answers stands beside every value of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.base.rng import derive_seed, stream
from core.base.statistics import Z95
from core.cohort import History, TrueValue, ground_truth
from core.cohort.simulate.history import Policy
from core.evaluation import zero_drug_policy
from core.icu.ask.hazards import rule_applies
from core.icu.view import RunView
from core.policies.hazards import GIVEN, default_rules, hazard_bands, violation_rates
from core.policies.key import CLINICIAN, FUSED, ZERO_DRUG
from core.study import StudySpec
from core.teaching.conference import Conference

FEWEST_ROLLED_OUT = 500  # patients, where the run itself rolled out none
ROW = (
    *("policy", "answers", "as_given", "hazard", "hazard_low", "hazard_high", "hazard_steps"),
    *("value", "value_low", "value_high", "survival", "gain", "gain_low", "gain_high", "n"),
)


@dataclass(frozen=True, eq=False)
class NearestAnswer:
    """The dose of the most similar answered step: states (m, D) physical units, actions (m,), spread (D,) of each
    column. Called with a simulated history it is a policy, (n, A) probabilities."""

    study: StudySpec
    states: np.ndarray
    actions: np.ndarray
    spread: np.ndarray

    def actions_at(self, states: np.ndarray) -> np.ndarray:
        """(...) dose bins at states (..., D) in physical units."""
        flat = states.reshape(-1, states.shape[-1])
        mine, own = flat / self.spread, self.states / self.spread
        apart = ((mine[:, None, :] - own[None, :, :]) ** 2).sum(axis=-1)  # (n, m)
        same = hazard_bands(self.study, flat)[:, None] == hazard_bands(self.study, self.states)
        apart = np.where(same.any(axis=1, keepdims=True) & ~same, np.inf, apart)
        return np.asarray(self.actions[apart.argmin(axis=1)].reshape(states.shape[:-1]))

    def __call__(self, history: History) -> np.ndarray:
        return np.asarray(np.eye(self.study.n_actions)[self.actions_at(history.state.astype(np.float64))])


def answers_of(conference: Conference, member: str) -> tuple[np.ndarray, np.ndarray]:
    """(m, 2) patient and step, and (m,) dose, of all that a member chose."""
    own = [c for c in conference.commits if c.member == member]
    places = [(conference.cases[c.case].patient, c.step) for c in own]
    return np.array(places, dtype=np.int64).reshape(-1, 2), np.array([c.action for c in own], dtype=np.int64)


def student_policy(view: RunView, places: np.ndarray, actions: np.ndarray) -> NearestAnswer:
    """The policy of one who chose these doses at these steps (at least one) of the run's stays."""
    cohort, train = view.cohort, view.training_states
    spread = cohort.states[cohort.starts[train[:, 0]] + train[:, 1]].astype(np.float64).std(axis=0)
    spread[spread == 0] = 1.0
    states = cohort.states[cohort.starts[places[:, 0]] + places[:, 1]].astype(np.float64)
    return NearestAnswer(view.study, states, actions, spread)


def policy_rows(view: RunView, students: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """One row a policy: clinicians, the run's fused policy, no drug, then each student who chose anything.

    students: `answers_of` by the member's id, under which their rows stand. Columns `ROW`: answers behind a student's
    policy and the share of them that is the dose given; hazard: of the recorded test steps at which a hazard rule of
    the study applies, the share at which the policy gives a hazardous dose, with its interval by person; in the
    simulator value, survival, and gain over the clinicians on the same patients and chance (95 %), NaN for recorded
    patients and where it was not rolled out.
    """
    answered = {name: answers for name, answers in students.items() if len(answers[1])}
    policies = {name: student_policy(view, *answers) for name, answers in answered.items()}
    table = _hazards(view, policies)
    counted = {name: _counted(view, *answers) for name, answers in answered.items()}
    table["answers"] = [counted[name][0] if name in counted else np.nan for name in table["policy"]]
    table["as_given"] = [counted[name][1] if name in counted else np.nan for name in table["policy"]]
    worth = pd.DataFrame(_worth(view, policies), columns=["policy", *ROW[7:]])
    return table.merge(worth, on="policy", how="left")[list(ROW)]


def _counted(view: RunView, places: np.ndarray, actions: np.ndarray) -> tuple[int, float]:
    given = view.trajectories.actions[places[:, 0], places[:, 1]]
    return len(actions), float((given == actions).mean())


def _hazards(view: RunView, policies: Mapping[str, NearestAnswer]) -> pd.DataFrame:
    """policy, hazard, hazard_low, hazard_high, hazard_steps on the test patients (all, where none is held out)."""
    patients = view.split.test if len(view.split.test) else np.arange(view.cohort.n_patients)
    lowest = np.full((len(patients), view.study.horizon), view.study.n_actions)  # hazardous dose at each step
    for rule in default_rules(view.study):
        lowest = np.where(rule_applies(view, rule, patients), np.minimum(lowest, rule.from_action), lowest)
    applies = lowest < view.study.n_actions
    doses = np.arange(view.study.n_actions) >= lowest[..., None]
    hazard = {GIVEN: (view.trajectories.actions[patients] >= lowest).astype(float)}
    for name, key in ((CLINICIAN, view.behavior[patients]), (FUSED, view.probs(view.own_policy)[patients])):
        hazard[name] = (key * doses).sum(axis=-1)
    hazard[ZERO_DRUG] = np.zeros(applies.shape)
    where = np.argwhere(applies)
    rows = view.cohort.starts[patients[where[:, 0]]] + where[:, 1]
    for name, policy in policies.items():
        chosen = np.zeros(applies.shape)
        actions = policy.actions_at(view.cohort.states[rows].astype(np.float64)) if len(rows) else np.zeros(0)
        chosen[tuple(where.T)] = actions >= lowest[tuple(where.T)]
        hazard[name] = chosen
    rng = stream(view.config.run.seed, "teaching", "hazards")
    found = violation_rates(hazard, applies, view.persons[patients], view.config.evaluation.n_bootstrap, rng)
    found = found[found["policy"] != GIVEN].reset_index(drop=True)
    names = {"rate": "hazard", "low": "hazard_low", "high": "hazard_high", "steps": "hazard_steps"}
    return found[["policy", *names]].rename(columns=names)


def _worth(view: RunView, policies: Mapping[str, NearestAnswer]) -> list[tuple[object, ...]]:
    """policy, value, low, high, survival, gain, low, high, n by roll-out; nothing for recorded patients."""
    truth = ground_truth(view.cohort)
    if truth is None:
        return []
    truth = replace(truth, study=view.study)  # the run's reward weights
    n = view.config.evaluation.truth_patients or FEWEST_ROLLED_OUT
    seed = derive_seed(view.config.run.seed, "truth")  # the patients whom the run's own policies met
    spans, gamma = view.scaler.spans, view.config.agents.gamma

    def no_drug(history: History) -> np.ndarray:
        return zero_drug_policy((len(history),), view.study.n_actions)

    acting: dict[str, Policy] = {ZERO_DRUG: no_drug, **policies}
    gains = truth.policy_gains(list(acting.values()), n, seed, spans, gamma)
    rows: list[tuple[object, ...]] = [_row(CLINICIAN, truth.policy_value("clinician", n, seed, spans, gamma), None)]
    for (name, policy), gain in zip(acting.items(), gains, strict=True):
        rows.append(_row(name, truth.policy_value(policy, n, seed, spans, gamma), gain))
    return rows + _stored(view)


def _row(name: str, worth: TrueValue, gain: TrueValue | None) -> tuple[object, ...]:
    half = Z95 * worth.standard_error
    gained = (np.nan, np.nan, np.nan)
    if gain is not None:
        wide = Z95 * gain.standard_error
        gained = (gain.value, gain.value - wide, gain.value + wide)
    return (name, worth.value, worth.value - half, worth.value + half, worth.survival, *gained, worth.n)


def _stored(view: RunView) -> list[tuple[object, ...]]:
    """The fused policy as the run rolled it out, on the same patients; nothing where it did not."""
    if view.truth.empty:
        return []
    key = view.own_policy.row
    known = view.truth[(view.truth["policy"] == key["policy"]) & (view.truth["n_clusters"] == key["n_clusters"])]
    known = known[(known["mode"] == key["mode"]) & (known["lambda_"] == key["lambda_"])]
    columns = ["true_value", "true_se", "true_survival", "true_survival_se", "n"]
    found = known[columns].to_numpy(np.float64).tolist()
    return [_row(FUSED, TrueValue(v, e, s, se, int(n)), None) for v, e, s, se, n in found]
