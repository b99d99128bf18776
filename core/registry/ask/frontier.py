"""The trust frontier of the registry study: how far a policy may depart from the experts while records can judge it.

The dials are those of the ICU study (`core.fusion.dials`). The experts are the screening networks' calibrated
probabilities, the policies are taken in their softened form (`core.registry.ask.policies`), and a combination outside
the catalog is one more choice, which no learned policy makes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.base.types import Progress
from core.fusion.dials import TRUTH_COLUMNS, Dial, furthest_supported
from core.registry.ask.compared import DIALS, GREEDY, OBSERVED, along
from core.registry.ask.ope import Advice, Plan, Recorded
from core.registry.ask.policies import DialedPolicy
from core.registry.ask.tables import Evaluation
from core.registry.ask.true_values import longest_treatment, truth_seed
from core.registry.simulate import registry_truth
from core.registry.view import RegistryView


def frontier_table(evaluation: Evaluation) -> pd.DataFrame:
    """Value and support of every policy along both dials.

    One row a policy, dial, setting and estimator, settings in the order of the dial: policy, dial, setting, then those
    of `Judging.table`. Each setting has a critic of its own, so that the critics' disagreement counts everywhere.
    """
    judging, recorded, learned = evaluation.judging, evaluation.recorded, evaluation.learned
    tables = []
    for policy in GREEDY:
        for dial in DIALS.values():
            critics = [judging.critic(learned, plan) for plan in _plans(evaluation, learned, policy, dial)]
            plans = _plans(evaluation, recorded, policy, dial)
            table = judging.table(recorded, plans, critics)
            table.insert(0, "policy", policy)
            table.insert(1, "dial", dial.name)
            table.insert(2, "setting", np.repeat(dial.settings, len(table) // len(dial.settings)))
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _plans(evaluation: Evaluation, recorded: Recorded, policy: str, dial: Dial) -> list[Plan]:
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
    columns, truth = ["policy", *TRUTH_COLUMNS], registry_truth(view.cohort)
    if truth is None or view.truth.empty:
        said = Progress("frontier", 1, 1, "No truth: the patients are real, or roll-outs are off")
        yield said, pd.DataFrame(columns=columns)
        return
    experts = view.truth[view.truth["policy"] == OBSERVED].iloc[0]
    rows: list[tuple] = []
    points = [(policy, dial, setting) for policy in GREEDY for dial, setting in _known(view, policy)]
    for done, (policy, dial, setting) in enumerate(points, start=1):
        if setting == dial.settings[0]:
            value, error, n = experts["true_value"], experts["true_se"], experts["n"]
        else:
            acting = {
                name: DialedPolicy(view.models(name), view.encoder, policy, view.screen, dial, setting)
                for name in view.treatments
            }
            n_patients = view.config.evaluation.truth_patients
            found = truth.policy_value(acting, n_patients, truth_seed(view), decision=longest_treatment(view))
            value, error, n = found.value, found.standard_error, found.n
        rows.append((policy, dial.name, setting, float(value), float(error), int(n)))
        said = Progress("frontier", done, len(points), "Truth along the trust frontier")
        yield said, pd.DataFrame(rows, columns=columns)


def _known(view: RegistryView, policy: str) -> Iterator[tuple[Dial, float]]:
    """Dials and settings that are rolled out, in order."""
    for dial in DIALS.values():
        reached = furthest_supported(along(view.frontier, policy, dial.name), view.config.evaluation.ess_floor)
        known = {dial.settings[0], *dial.known, dial.settings[-1], *([] if reached is None else [reached])}
        yield from ((dial, setting) for setting in dial.settings if setting in known)
