"""The reward atlas of a registry run: what other reasonable rewards and discounts say of its advice and policies.

A state of the registry costs what it earns less than being alive and well. One at a time: each passing state's cost
off, halved and doubled, that of a state that ends the decisions and that of death halved and doubled, no state below
death; other discounts. Then draws of all costs at once, each between half and double, the discounts in turn. Sets of
drugs have no bins to join.

Policies, networks and folds stay as they are. A policy is judged anew by critics in the rewards of each choice, which
are all solved at once (`core.evaluation.judging.terms`). Of what is learned from rewards only the random forest is
learned anew, its trees as they are and their leaves averaged in other rewards, which is exact and costs a sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.evaluation.judging.atlas import (
    CHANGES,
    GAMMAS,
    Choice,
    Named,
    Records,
    World,
    judged_under,
    latin_factors,
    policies_under,
    told_of,
)
from core.evaluation.judging.choices import DISCOUNT, OUTCOME, SEVERAL, ChoiceRecord
from core.evaluation.judging.crossfit import Fold
from core.evaluation.judging.mix import Judged
from core.registry.advice import RegistryAdvice
from core.registry.ask.compared import DIALS, GREEDY, RECOMMENDED, dial_text, gate_places
from core.registry.ask.frontier import Ends, plans_along, plans_of, softened
from core.registry.ask.judge import Bench, gate_of
from core.registry.ask.ope import Plan
from core.registry.ask.patient import point
from core.registry.ask.tables import Evaluation, learned
from core.registry.atlas import SetAtlas
from core.registry.cohort.courses import course_rewards
from core.registry.cohort.decisions import point_rewards
from core.registry.cohort.table import RegistryCohort
from core.registry.spec import ALIVE, DEAD, RegistrySpec
from core.registry.view import RegistryView


@dataclass(frozen=True)
class Otherwise:
    """A registry whose rewards or discount were chosen otherwise, and how, in words (see `ChoiceLine`)."""

    spec: RegistrySpec
    cause: str = ""
    change: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """record: what a run keeps; means: leaf means (C, leaves) of each decision's forest under each choice."""

    record: SetAtlas
    means: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PointChoices:
    """One decision of a patient: what the forest gives in the run's own rewards; of: how many others there are, others:
    those under which it gives another combination."""

    own: str
    of: int
    others: tuple[tuple[ChoiceRecord, str], ...]


def choices_of(spec: RegistrySpec, seed: int) -> list[Otherwise]:
    """The registry's own choice, then every other one that changes anything."""
    found = [Otherwise(spec)]
    for state, title in _states(spec):
        for factor, change in CHANGES.items():
            if factor or state in spec.passing:
                cause = OUTCOME if state == DEAD else f"weight of {title}"
                found.append(Otherwise(_weighed(spec, {state: factor}), cause, change))
    gammas = [one for one in GAMMAS if abs(one - spec.gamma) > 1e-9]
    found += [Otherwise(spec.model_copy(update={"gamma": one}), DISCOUNT, f"{one:g}") for one in gammas]
    costly, told = [state for state, _ in _states(spec)], [spec.gamma, *gammas]
    for number, factors in enumerate(latin_factors(len(costly), seed) if costly else ()):
        drawn = _weighed(spec, dict(zip(costly, map(float, factors), strict=True)))
        gamma = told[number % len(told)]
        said = f"draw {number + 1}, discount {gamma:g}"
        found.append(Otherwise(drawn.model_copy(update={"gamma": gamma}), SEVERAL, said))
    seen: dict[tuple[object, ...], Otherwise] = {}
    for one in found:
        seen.setdefault((*sorted(one.spec.rewards.items()), one.spec.gamma), one)
    return list(seen.values())


def _states(spec: RegistrySpec) -> list[tuple[str, str]]:
    """States that cost anything, with their titles; death comes last."""
    named = [*((one.name, one.title) for one in spec.indicators), (DEAD, DEAD)]
    return [(name, title) for name, title in named if spec.rewards[name] != spec.rewards[ALIVE]]


def _weighed(spec: RegistrySpec, factors: Mapping[str, float]) -> RegistrySpec:
    """The registry with the costs of some states multiplied; nothing is worth less than death."""
    alive = spec.rewards[ALIVE]
    rewards = {state: alive - factors.get(state, 1.0) * (alive - worth) for state, worth in spec.rewards.items()}
    kept = {state: round(max(worth, rewards[DEAD]), 12) for state, worth in rewards.items()}
    return spec.model_copy(update={"rewards": kept})


def records_of(
    cohort: RegistryCohort, bench: Bench, folds: Sequence[Fold], choices: Sequence[Otherwise]
) -> tuple[Records, list[Named]]:
    """Courses and the policies of the folds for `judged_under`: a reward a term, of which each choice takes one."""
    specs = {tuple(sorted(one.spec.rewards.items())): one.spec for one in choices}
    terms = [
        np.concatenate([course_rewards(cohort, one, part.courses) for part in bench.parts]) for one in specs.values()
    ]
    order, named = list(specs), list[Named]()
    for one in choices:
        at = order.index(tuple(sorted(one.spec.rewards.items())))
        factors = tuple(float(place == at) for place in range(len(order)))
        named.append(Named(Choice(factors, World(one.spec.gamma)), one.cause, one.change))
    settings = bench.settings
    return Records(bench.histories, np.stack(terms, axis=-1), folds, (), settings.features, settings), named


def reward_atlas(evaluation: Evaluation, advice: RegistryAdvice) -> Found:
    """The advice, and every compared policy as it is, under every choice, on the run's test patients."""
    view, floor = evaluation.view, evaluation.judging.ess_floor
    choices = choices_of(view.spec, view.config.run.seed)
    bench = Bench.of(evaluation.judging, evaluation.recorded, evaluation.learned)
    dials = [bench.fold(_dialed(evaluation))]
    records, named = records_of(view.cohort, bench, dials, choices)
    judged = judged_under(records, [one.choice for one in named])
    whole = [bench.fold([plans_of(evaluation, name) for name in GREEDY])]
    policies = policies_under(records_of(view.cohort, bench, whole, choices)[0], named, floor)
    means = {name: _averaged(view, name, choices) for name in view.treatments}
    taken = [_at_test_points(view, name, means[name]) for name in view.treatments]
    picked, usual = (np.concatenate(parts, axis=-1) for parts in zip(*taken, strict=True))
    same, leaves = picked == picked[0], picked != usual
    departs, shown = leaves | leaves[0], gate_places().index((advice.dial, advice.setting))
    counts = zip((same & departs).sum(axis=1), departs.sum(axis=1), strict=True)
    rows = [_record(*told, shown, floor) for told in zip(choices, judged, counts, strict=True)]
    steady = same.all(axis=0) & leaves[0]
    record = SetAtlas(
        share=advice.setting,
        choices=tuple(rows),
        steady=int(steady.sum()),
        departs=int(leaves[0].sum()),
        policies=dict(zip(GREEDY, policies, strict=True)),
    )
    return Found(record, means)


def _dialed(evaluation: Evaluation) -> list[tuple[Plan, Plan]]:
    """The recommended policy at the gate's places, at recorded and at learned courses."""
    floor = evaluation.judging.probability_floor

    def along(ends: Ends) -> Iterator[Plan]:
        for name, setting in gate_places():
            yield plans_along(ends, replace(DIALS[name], settings=(setting,)), floor)[0]

    parts = (evaluation.recorded, evaluation.learned)
    return list(zip(*(along(softened(evaluation, part, RECOMMENDED)) for part in parts), strict=True))


def _record(
    one: Otherwise, judged: Sequence[Judged], counts: tuple[int, int], shown: int, floor: float
) -> ChoiceRecord:
    """counts: decisions at which the forest keeps its choice, of those where either departs from the experts."""
    chosen = gate_of(RECOMMENDED, judged, floor)
    at = None if chosen.chosen is None else gate_places()[_place(judged, chosen.chosen)]
    return ChoiceRecord(
        cause=one.cause,
        change=one.change,
        factors=tuple(one.spec.rewards.values()),
        gamma=one.spec.gamma,
        joined=None,
        **told_of(judged[shown], floor),
        recommended=0.0 if at is None else at[1],
        advised="" if at is None else dial_text(DIALS[at[0]], at[1]),
        claims=chosen.claims,
        same=int(counts[0]),
        departs=int(counts[1]),
    )


def _place(judged: Sequence[Judged], chosen: Judged) -> int:
    return [one.difference for one in judged].index(chosen.difference)


def _averaged(view: RegistryView, decision: str, choices: Sequence[Otherwise]) -> np.ndarray:
    """(C, leaves) means of a decision's forest in the rewards of each choice; the first are the run's own."""
    data, models, learners = view.points[decision], view.models(decision), view.split.learners
    used = data.of(learned(view)) & data.followed
    rows = data.row[used]
    rewards = [point_rewards(view.cohort, one.spec, decision, rows, learners) for one in choices]
    x = models.inputs.transform(data.states[used], data.stage[used])
    return models.forest.averaged(x, data.drugs[used], np.stack(rewards, axis=1))


def _at_test_points(view: RegistryView, decision: str, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, n) what the forest gives under each choice to test patients who have what the decision treats (to all of
    them, where it treats nothing in particular), and (n,) the experts' likeliest combination."""
    data, models = view.points[decision], view.models(decision)
    here = data.of(view.split.test)
    if models.treats:
        here &= models.has_treated(data.states)
    x = models.inputs.transform(data.states[here], data.stage[here])
    distinct, back = np.unique(means, axis=0, return_inverse=True)
    picked = models.forest.best(x, models.catalog.matrix, distinct)[back.reshape(-1)]
    return picked, models.expert_probs(data.states[here], data.stage[here]).argmax(axis=1)


def point_choices(view: RegistryView, patient: int, stage: int, decision: str) -> PointChoices | None:
    """What the choices do at one decision of a patient (position) at a stage (index); None for a run without them."""
    atlas, means = view.advice.atlas if view.advice else None, view.atlas_means
    if atlas is None or means is None or decision not in means:
        return None
    models, data, here = view.models(decision), view.points[decision], [point(view, patient, stage, decision)]
    x = models.inputs.transform(data.states[here], data.stage[here])
    picked = models.forest.best(x, models.catalog.matrix, means[decision])[:, 0]
    names = [models.catalog.name(int(one)) for one in picked]
    others = [(one, name) for one, name in zip(atlas.others, names[1:], strict=True) if name != names[0]]
    return PointChoices(names[0], len(atlas.others), tuple(others))
