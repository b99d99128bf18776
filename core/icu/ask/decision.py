"""One question about one step of a stay, and its frozen answer: all that is said there of a decision.

Prospective: only what was known by then decides. What stands beside it from later (the phenotype of the whole stay, how
the stay and its like went on) is named as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.base.errors import ConfigError
from core.icu.ask.frontier import as_far_as_supported, reach_of
from core.icu.ask.hazards import HitAt, Met, hit_at, rules_met
from core.icu.ask.options import AGENTS, SPREADS, critic_ties, rank_options, refusal, step_estimates
from core.icu.ask.similar import Similar, later_course, neighborhood, similar_patients, similar_table
from core.icu.view import RunView
from core.policies.families import expert_keys
from core.policies.hazards import default_warnings
from core.policies.key import FUSED, PROSPECTIVE, PolicyKey
from core.policies.rules import HitRule, Rule


@dataclass(frozen=True)
class DecisionSettings:
    """How to decide: the fused policy's K and lambda, the hazard rules in force, and the columns to follow in similar
    patients."""

    n_clusters: int
    lambda_: float
    rules: tuple[Rule, ...] = ()
    followed: tuple[str, ...] = ()

    @property
    def key(self) -> PolicyKey:
        """The fused policy by the steps so far."""
        return PolicyKey.at(FUSED, self.n_clusters, self.lambda_, PROSPECTIVE)


@dataclass(frozen=True, eq=False)
class Weighed:
    """Action probabilities at the step: of clinicians (A,), each phenotype's policy (K, A), the fused policy (A,), and
    of the fused policy as far as the records support it (A,), which is up to `reach` on the trust frontier's mixture
    (None, and the clinicians' own, where not even these meet the floor); added: (A,) of each policy from elsewhere that
    was added to the run, by name."""

    clinicians: np.ndarray
    experts: np.ndarray
    fused: np.ndarray
    supported: np.ndarray
    reach: float | None
    added: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Options:
    """What each dose is estimated to be worth (see `step_estimates`), and the doses ranked by either estimate that has
    a spread (see `rank_options`); `tied`: the critic cannot tell them apart. refused: why none may be ranked, or ""."""

    refused: str
    estimates: pd.DataFrame
    by_agents: pd.DataFrame
    by_critic: pd.DataFrame
    tied: bool

    def ranked(self, by: str = AGENTS) -> pd.DataFrame:
        """The doses in groups from best to worst by one of `SPREADS`; `ConfigError` for another estimate."""
        if by not in SPREADS:
            raise ConfigError(f"options are ranked by {' or by '.join(SPREADS)}, not by {by}.")
        return self.by_agents if by == AGENTS else self.by_critic


@dataclass(frozen=True, eq=False)
class Course:
    """How a column went on: others (see `later_course`), own (t,) in this stay from the step on, physical units, and
    own_hours (t,) after the step."""

    column: str
    others: pd.DataFrame
    own: np.ndarray
    own_hours: np.ndarray


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The most similar training states: what they got (see `neighborhood`), whose they are, and how these went on.

    closeness: support of the state, 1 in the midst of the training states, 0 beyond all of them; died: of the patients.
    """

    closeness: float
    doses: pd.DataFrame
    patients: Similar
    died: int
    courses: tuple[Course, ...]
    table: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Decision:
    """The answer: which step of whom, the dose given, fusion weights along the stay (t, K), and the phenotype of the
    whole stay, which nobody knows at the step; with what is weighed, the options, neighbors, hazard rules met, the
    study's warnings that apply without being rules, and what is said of HIT (None where the study does not ask)."""

    patient: int
    step: int
    settings: DecisionSettings
    given: int
    weights: np.ndarray
    phenotype: int
    weighed: Weighed
    options: Options
    neighbors: Neighbors
    hazards: tuple[Met, ...]
    warnings: tuple[Met, ...]
    hit: HitAt | None


def decision_at(run: RunView, patient: int, step: int, settings: DecisionSettings) -> Decision:
    """Everything about one decision; `ConfigError` for a step beyond the stay."""
    length = int(run.cohort.lengths[patient])
    if not 0 <= step < length:
        raise ConfigError(f"this stay has steps 0 to {length - 1}; nothing is decided at {step}, choose one of them.")
    key = settings.key
    here = run.only(np.array([patient]))
    warned = rules_met(run, patient, step, _warnings(run, settings))
    return Decision(
        patient=patient,
        step=step,
        settings=settings,
        given=int(run.trajectories.actions[patient, step]),
        weights=here.weights(key.n_clusters, key.lambda_, key.mode)[0, :length],
        phenotype=int(run.labels(settings.n_clusters)[patient]),
        weighed=_weighed(run, patient, step, key),
        options=_options(run, patient, step, key),
        neighbors=_neighbors(run, patient, step, settings),
        hazards=tuple(rules_met(run, patient, step, settings.rules)),
        warnings=tuple(one for one in warned if not any(one.implied_by(other) for other in warned)),
        hit=hit_at(run, patient, step),
    )


def _warnings(run: RunView, settings: DecisionSettings) -> list[Rule]:
    """The study's warnings that are not rules now; HIT has a line of its own."""
    return [
        rule for rule in default_warnings(run.study) if rule not in settings.rules and not isinstance(rule, HitRule)
    ]


def _weighed(run: RunView, patient: int, step: int, key: PolicyKey) -> Weighed:
    here = run.only(np.array([patient]))
    clinicians, fused = here.behavior[0, step], here.probs(key)[0, step]
    experts = np.stack([here.probs(expert)[0, step] for expert in expert_keys(key.n_clusters)])
    supported = as_far_as_supported(run, key, clinicians, fused)
    added = {name: here.probs(PolicyKey(name))[0, step] for name in run.added}
    return Weighed(clinicians, experts, fused, supported, reach_of(run, key), added)


def _options(run: RunView, patient: int, step: int, key: PolicyKey) -> Options:
    estimates = step_estimates(run, patient, step, key)
    by_agents, by_critic = (rank_options(run, patient, step, key, estimates, by) for by in SPREADS)
    return Options(refusal(run, patient, step), estimates, by_agents, by_critic, critic_ties(estimates))


def _neighbors(run: RunView, patient: int, step: int, settings: DecisionSettings) -> Neighbors:
    similar, cohort = similar_patients(run, patient, step), run.cohort
    rest = slice(cohort.rows(patient).start + step, cohort.rows(patient).stop)
    own, hours = cohort.states[rest], cohort.hours[rest] - cohort.hours[rest.start]
    courses = [
        Course(name, later_course(run, similar, name), own[:, run.study.index(name)], hours)
        for name in settings.followed
    ]
    return Neighbors(
        closeness=float(run.support[patient, step]),
        doses=neighborhood(run, patient, step),
        patients=similar,
        died=int(cohort.died[similar.patients].sum()),
        courses=tuple(courses),
        table=similar_table(run, similar, list(settings.followed), settings.n_clusters),
    )
