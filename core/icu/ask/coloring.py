"""What the map of a run's patients can be colored by: phenotype, outcome, any column, length of stay, disagreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from core.figures.coloring import Coloring
from core.figures.theme import PHENOTYPE_COLORS, fmt_unit, phenotype_color
from core.icu.advice import stays_advised
from core.icu.ask.hazards import rule_applies
from core.icu.ask.hover import outcome_texts
from core.icu.ask.names import phenotype_texts
from core.icu.ask.options import FEWEST_SIMILAR, SUPPORT_FLOOR
from core.icu.ask.stay_values import StayValue, values_of_stays
from core.icu.view import RunView
from core.policies.key import PolicyKey
from core.policies.rules import Rule

Against = Literal["given", "clinicians"]
AGAINST: tuple[Against, ...] = get_args(Against)
SAID: dict[StayValue, str] = {
    "first": "first of the stay",
    "last": "last of the stay",
    "change": "change over the stay, last minus first",
    "mean": "mean of the stay",
    "lowest": "lowest of the stay",
    "highest": "highest of the stay",
}
SURVIVED, DIED = PHENOTYPE_COLORS[4], PHENOTYPE_COLORS[1]  # sky blue and vermilion: apart for every eye


def by_phenotype(view: RunView, n_clusters: int) -> Coloring:
    """The phenotype of the whole stay, by name."""
    names = phenotype_texts(view, n_clusters)
    colors = tuple(phenotype_color(k) for k in range(n_clusters))
    note = "Low and high in a name compare with all other patients, not with health."
    return Coloring("Phenotype", "groups", view.labels(n_clusters), names, colors, note=note)


def by_outcome(view: RunView) -> Coloring:
    """Survived or died, in the study's words; only where the outcome tells it."""
    died = view.cohort.died.astype(int)
    return Coloring("Outcome", "groups", died, outcome_texts(view.study), (SURVIVED, DIED))


def by_column(view: RunView, name: str, what: StayValue) -> Coloring:
    """One value a stay of any column; a yes-or-no column's first or last is two groups."""
    column = view.study.column(name)
    values = values_of_stays(view, what)[:, view.study.index(name)]
    title = column.label or name
    title = title if column.kind == "static" else f"{title}, {SAID[what]}"
    if column.binary and what in ("first", "last", "lowest", "highest"):
        words = (column.word(0) or "no", column.word(1) or "yes")
        return Coloring(title, "groups", values.astype(int), words, (SURVIVED, DIED))
    unit = "" if column.binary or column.unit == "1" else fmt_unit(column.unit)
    kind: Literal["amount", "change"] = "change" if what == "change" else "amount"
    return Coloring(title, kind, values, unit=unit, decimals=2 if column.binary else column.decimals)


def by_length(view: RunView) -> Coloring:
    """Steps of the stay."""
    return Coloring("Length of stay", "amount", view.cohort.lengths.astype(float), unit="steps", decimals=0)


def by_hours(view: RunView) -> Coloring:
    """Hours from the start of the first recorded step to the end of the last."""
    cohort = view.cohort
    last = cohort.starts + cohort.lengths - 1
    hours = cohort.hours[last] - cohort.hours[cohort.starts] + view.study.step_hours
    return Coloring("Recorded hours", "amount", hours.astype(float), unit="h", decimals=0)


def departures(view: RunView, key: PolicyKey | None, against: Against) -> tuple[np.ndarray, np.ndarray]:
    """(N, T) where a policy's likeliest dose is another one than given, or than the clinicians' likeliest, and (N, T)
    that dose; key None: the run's advice, whose dose is -1 where it has none of its own."""
    data = view.trajectories
    dose = view.advised_action if key is None else view.probs(key).argmax(axis=-1)
    other = data.actions if against == "given" else view.behavior.argmax(axis=-1)
    return data.mask & (dose >= 0) & (dose != other), dose


def share_departing(view: RunView, departs: np.ndarray, key: PolicyKey | None) -> np.ndarray:
    """(N,) percent of each stay's steps; NaN for stays that the run's advice (key None) was not computed for."""
    share = np.asarray(100 * departs.sum(axis=1) / view.cohort.lengths)
    if key is None:
        n = len(share)
        share[np.setdiff1d(np.arange(n), stays_advised(n, view.config.run.seed))] = np.nan
    return share


def by_disagreement(
    view: RunView, key: PolicyKey | None, against: Against, rules: Sequence[Rule], name: str
) -> Coloring:
    """Share of a stay's steps at which a policy's likeliest dose is another one than given, or than the clinicians'
    likeliest.

    key None: the run's advice, which departs only where it has a dose of its own, and is known for the stays that were
    advised alone. Hollow: more than half of these steps have too few similar states, lie too far from the records, or
    get a dose that clinicians give with less than the run's floor. Ring: at some step the dose breaks a rule.
    """
    everyone = np.arange(view.cohort.n_patients)
    departs, dose = departures(view, key, against)
    steps, share = departs.sum(axis=1), share_departing(view, departs, key)
    chance = np.take_along_axis(view.behavior, np.maximum(dose, 0)[..., None], axis=-1)[..., 0]
    floor = view.config.evaluation.probability_floor
    rests = (view.support >= SUPPORT_FLOOR) & ((view.neighbors >= 0).sum(axis=-1) >= FEWEST_SIMILAR) & (chance >= floor)
    hazard = np.zeros(len(everyone), dtype=bool)
    for rule in rules:
        rule.check(view.study)
        hazard |= (rule_applies(view, rule, everyone) & (dose >= rule.from_action)).any(axis=1)
    whose = "given" if against == "given" else "the clinicians' likeliest"
    return Coloring(
        f"Steps with another dose than {whose}: {name}",
        "amount",
        share,
        unit="%",
        decimals=0,
        hollow=2 * (departs & ~rests).sum(axis=1) > steps,
        ring=hazard,
        hollow_means="hollow: most of these steps are not supported by the records",
        ring_means=f"red ring: a dose against a hazard rule ({'; '.join(rule.text(view.study) for rule in rules)})"
        if rules
        else "",
        note=f"A policy counts by its likeliest dose. Not supported: fewer than {FEWEST_SIMILAR} similar states, too "
        f"far from the records, or a dose that clinicians give with less than {100 * floor:g} % there.",
    )
