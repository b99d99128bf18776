"""Cases of a reader study: steps of recorded stays, the advice shown at each, and which of it is wrong on purpose.

Advice is the likeliest dose of the run's own policy, by the steps so far. Planted advice is a dose that it would not
give: of those that break a hazard rule of the study in that state, or else of all others, the one that clinicians give
least in such states. Advice that is not planted need not be right.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.base.config import Config
from core.base.errors import ConfigError
from core.base.rng import stream
from core.icu.ask.hazards import rules_met
from core.icu.ask.options import FEWEST_SIMILAR, SUPPORT_FLOOR
from core.icu.view import RunView
from core.policies.hazards import default_rules

Sampling = Literal["outcome", "disagreement", "selection"]
FEWEST_CASES, MOST_CASES = 3, 60


class ReadingSettings(Config):
    """How the cases of a reader study are chosen, and which advice is planted."""

    sampling: Sampling = Field(
        "outcome",
        description="outcome: evenly by phenotype and outcome; disagreement: evenly by how far advice and clinicians "
        "are apart; selection: by chance from selected patients",
    )
    n_cases: int = Field(12, ge=FEWEST_CASES, le=MOST_CASES, description="Cases that every reader sees")
    planted_share: float = Field(0.25, ge=0, le=0.5, description="Share of the cases with wrong advice on purpose")
    seed: int = Field(0, ge=0, description="Of cases, planting, arms and order: the same again by the same seed")


class Case(Config):
    """One step of a stay: patient (position) and its key, step from 0 and its hour; doses are bins: advice of the
    policy, the dose that is shown as advice, and the one that was given."""

    patient: int
    key: str
    step: int
    hours: float
    advice: int
    shown: int
    given: int

    @property
    def planted(self) -> bool:
        """True where the advice shown is wrong on purpose."""
        return self.shown != self.advice


def choose_cases(view: RunView, settings: ReadingSettings, patients: np.ndarray) -> tuple[Case, ...]:
    """One case of each of `settings.n_cases` patients (positions), chosen among the given ones.

    The step is drawn by chance from those with a step before and one after, at which the records support a ranking.
    `ConfigError` where fewer patients have such a step.
    """
    rng = stream(settings.seed, "reading", "cases")
    patients, steps = _drawn_steps(view, np.asarray(patients), rng)
    if len(patients) < settings.n_cases:
        raise ConfigError(
            f"{len(patients)} of these patients have a step at which the records support a ranking, and "
            f"{settings.n_cases} cases are asked for; ask for fewer, or choose among more patients."
        )
    advice = view.only(patients).probs(view.own_policy)[np.arange(len(patients)), steps].argmax(axis=-1)
    strata = _strata(view, settings.sampling, patients, steps, advice)
    chosen = evenly(strata, settings.n_cases, rng)
    n_planted = round(settings.planted_share * settings.n_cases)
    planted = set(rng.permutation(chosen)[:n_planted].tolist())
    return tuple(_case(view, int(patients[i]), int(steps[i]), int(advice[i]), int(i) in planted) for i in chosen)


def evenly(strata: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of n members, as evenly from all strata (m,) as these have members, in an order by chance."""
    place = np.empty(len(strata), dtype=np.int64)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        place[rng.permutation(members)] = np.arange(len(members))  # first members of all strata before second ones
    order = np.lexsort((rng.random(len(strata)), place))
    return np.asarray(rng.permutation(order[:n]))


def wrong_dose(clinicians: np.ndarray, advice: int, hazardous_from: int | None) -> int:
    """A dose that is not the advice and that hardly anybody gives: hazardous where one is, then least given, then
    farthest from the advice. clinicians (A,) probabilities; hazardous_from: lowest hazardous dose."""
    actions = np.arange(len(clinicians))
    others = actions[actions != advice]
    hazardous = others[others >= hazardous_from] if hazardous_from is not None else others[:0]
    among = hazardous if len(hazardous) else others
    return int(among[np.lexsort((-np.abs(among - advice), clinicians[among]))[0]])


def hazardous_from(view: RunView, patient: int, step: int) -> int | None:
    """Lowest dose that breaks one of the study's own hazard rules at a step; None where no rule applies."""
    met = rules_met(view, patient, step, default_rules(view.study))
    return min((found.rule.from_action for found in met), default=None)


def _drawn_steps(view: RunView, patients: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The patients who have a usable step, and one of these steps by chance."""
    steps, lengths = np.arange(view.study.horizon), view.cohort.lengths[patients, None]
    enough = (view.neighbors[patients] >= 0).sum(axis=-1) >= FEWEST_SIMILAR
    usable = enough & (view.support[patients] >= SUPPORT_FLOOR) & (steps >= 1) & (steps < lengths - 1)
    lots = np.where(usable, rng.random(usable.shape), -1.0)
    some = usable.any(axis=1)
    return patients[some], lots[some].argmax(axis=1)


def _strata(
    view: RunView, sampling: Sampling, patients: np.ndarray, steps: np.ndarray, advice: np.ndarray
) -> np.ndarray:
    if sampling == "selection":
        return np.zeros(len(patients), dtype=np.int64)
    if sampling == "disagreement":
        usual = view.behavior[patients, steps].argmax(axis=-1)
        return np.asarray(np.minimum(np.abs(advice - usual), 2))  # the same dose, the next one, farther
    labels = view.labels(view.n_clusters)[patients]
    return np.asarray(2 * labels + (view.cohort.outcomes[patients] > 0))


def _case(view: RunView, patient: int, step: int, advice: int, planted: bool) -> Case:
    shown = advice
    if planted:
        shown = wrong_dose(view.behavior[patient, step], advice, hazardous_from(view, patient, step))
    row = view.cohort.starts[patient] + step
    return Case(
        patient=patient,
        key=str(view.cohort.patients[patient]),
        step=step,
        hours=float(view.cohort.hours[row]),
        advice=advice,
        shown=shown,
        given=int(view.cohort.actions[row]),
    )
