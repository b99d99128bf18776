"""The trust frontier of the registry study: how far a policy may depart from the experts while records can judge it,
and what that is worth against them.

The dials are those of the ICU study (`core.fusion.dials`). The experts are the screening networks' calibrated
probabilities, the policies are taken in their softened form (`core.registry.ask.policies`), and a combination outside
the catalog is one more choice, which no learned policy makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from core.base.types import Progress
from core.fusion.dials import TRUTH_COLUMNS, Dial, furthest_supported
from core.registry.advice import RegistryAdvice
from core.registry.ask.compared import DIALS, GREEDY, OBSERVED, POLICIES, RECOMMENDED, along
from core.registry.ask.hidden import strengths
from core.registry.ask.judge import Bench, advice, judgment_table
from core.registry.ask.ope import Advice, Plan, Recorded
from core.registry.ask.policies import DialedPolicy
from core.registry.ask.tables import Evaluation
from core.registry.ask.true_values import TRUE_DIFFERENCE, longest_treatment, truth_seed
from core.registry.simulate import registry_truth
from core.registry.view import RegistryView


@dataclass(frozen=True, eq=False)
class Frontier:
    """Every policy along both dials: values by the published estimators and judgments against the experts, settings in
    the order of the dial; and what the gate advises.

    values: one row a policy, dial, setting and estimator, then the columns of `Judging.table`. judgments: one row a
    policy, dial and setting, then those of `judged_row`; the policies themselves, as they are, have dial "".
    """

    values: pd.DataFrame
    judgments: pd.DataFrame
    advice: RegistryAdvice


def frontier(evaluation: Evaluation) -> Frontier:
    """Follow every policy from the experts to itself; the gate has the choice among dials of the recommended one.

    Each setting has a critic of its own, so that the critics' disagreement counts everywhere.
    """
    judging, recorded, learned = evaluation.judging, evaluation.recorded, evaluation.learned
    bench, values = Bench.of(judging, recorded, learned), []
    whole = bench.judge([plans_of(evaluation, name) for name in POLICIES])
    judged = {(name, ""): [one] for name, one in zip(POLICIES, whole, strict=True)}
    for policy in GREEDY:
        for dial in DIALS.values():
            plans, taught = (plans_along(evaluation, courses, policy, dial) for courses in (recorded, learned))
            table = judging.table(recorded, plans, [judging.critic(learned, plan) for plan in taught])
            settings = np.repeat(dial.settings, len(table) // len(dial.settings))
            values.append(_named(table, policy, dial.name, settings))
            pairs = list(zip(plans, taught, strict=True))
            judged[policy, dial.name] = bench.judge([None, *pairs[1:]])  # the dial starts at the experts themselves
    rows = [
        _named(judgment_table(found, judging.ess_floor), policy, dial, DIALS[dial].settings if dial else np.nan)
        for (policy, dial), found in judged.items()
    ]
    advised = advice(RECOMMENDED, {dial: judged[RECOMMENDED, dial] for dial in DIALS}, judging.ess_floor)
    advised = advised.model_copy(update={"left_out": strengths(evaluation.view, recorded)})
    return Frontier(pd.concat(values, ignore_index=True), pd.concat(rows, ignore_index=True), advised)


def _named(table: pd.DataFrame, policy: str, dial: str, settings: Any) -> pd.DataFrame:
    for place, (name, value) in enumerate((("policy", policy), ("dial", dial), ("setting", settings))):
        table.insert(place, name, value)
    return table


def plans_of(evaluation: Evaluation, policy: str) -> tuple[Plan, Plan] | None:
    """What a policy does at recorded and learned courses; None for the experts."""
    if policy == OBSERVED:
        return None
    return evaluation.plan(evaluation.recorded, policy), evaluation.plan(evaluation.learned, policy)


def plans_along(evaluation: Evaluation, recorded: Recorded, policy: str, dial: Dial) -> list[Plan]:
    """What a policy does at every recorded decision, at each setting of a dial."""
    view, floor = evaluation.view, evaluation.view.config.evaluation.probability_floor
    plans: list[dict[str, Advice]] = [{} for _ in dial.settings]
    for name, points in recorded.treatments.items():
        stage = points.step + recorded.courses.first
        soft = points.learned(view.models(name).soft_probs(policy, points.states, stage, view.screen))
        for plan, setting in zip(plans, dial.settings, strict=True):
            plan[name] = points.advice(dial.mix(points.behavior, soft, setting), floor)
    return list(plans)


def frontier_truth(view: RegistryView) -> Iterator[tuple[Progress, pd.DataFrame]]:
    """Roll out every policy at a few settings of both dials; yields progress and the table so far.

    Columns policy, dial, setting, true_value, true_se, n; empty for real patients. Among the settings are the softened
    policy itself and the furthest that the run's test patients support; at the first stand the experts themselves.
    """
    columns, truth = ["policy", *TRUTH_COLUMNS, *TRUE_DIFFERENCE], registry_truth(view.cohort)
    if truth is None or view.truth.empty:
        said = Progress("frontier", 1, 1, "No truth: the patients are real, or roll-outs are off")
        yield said, pd.DataFrame(columns=columns)
        return
    n, seed, rows = view.config.evaluation.truth_patients, truth_seed(view), list[tuple]()
    earned_by = partial(truth.returns, n=n, seed=seed, decision=longest_treatment(view))
    experts = earned_by({})
    points = [(policy, dial, setting) for policy in GREEDY for dial, setting in _known(view, policy)]
    for done, (policy, dial, setting) in enumerate(points, start=1):
        earned = experts
        if setting != dial.settings[0]:
            acting = {
                name: DialedPolicy(view.models(name), view.encoder, policy, view.screen, dial, setting)
                for name in view.treatments
            }
            earned = earned_by(acting)
        found = earned.value()
        numbers = found.value, found.standard_error, found.n, *earned.less(experts)
        rows.append((policy, dial.name, setting, *numbers))
        said = Progress("frontier", done, len(points), "Truth along the trust frontier")
        yield said, pd.DataFrame(rows, columns=columns)


def _known(view: RegistryView, policy: str) -> Iterator[tuple[Dial, float]]:
    """Dials and settings that are rolled out, in order."""
    for dial in DIALS.values():
        reached = furthest_supported(along(view.frontier, policy, dial.name), view.config.evaluation.ess_floor)
        known = {dial.settings[0], *dial.known, dial.settings[-1], *([] if reached is None else [reached])}
        yield from ((dial, setting) for setting in dial.settings if setting in known)
