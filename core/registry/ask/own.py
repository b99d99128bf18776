"""What any policy of a registry run does at its decision points, its own and those that were added from elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.registry.ask.compared import RECOMMENDED
from core.registry.ask.ope import with_unseen
from core.registry.ask.patient import point
from core.registry.cohort.drugs import Combinations
from core.registry.view import RegistryView


def policy_probs(
    view: RegistryView, decision: str, policy: str, softened: bool = False
) -> tuple[Combinations, np.ndarray]:
    """The sets a policy chooses among, and their probabilities (n, A) at all points of a decision.

    An added one may have sets behind the catalog's, and is taken as it is; where it leaves the decision to the experts
    it has their probabilities. softened: one of the run's own in its softened form.
    """
    data, models = view.points[decision], view.models(decision)
    added = view.added_policies.get(policy)
    if added is None:
        of = models.soft_probs if softened else models.probs
        return models.catalog, of(policy, data.states, data.stage, view.screen)
    if decision not in added.choices:
        return models.catalog, models.expert_probs(data.states, data.stage)
    chosen = added.choices[decision]
    return chosen.catalog, chosen.probs(np.arange(chosen.n))


def beside_known(experts: np.ndarray, catalog: Combinations) -> np.ndarray:
    """Experts' probabilities (n, A) over a catalog that goes on behind theirs."""
    return with_unseen(experts, len(catalog) - experts.shape[1])


def added_choices(view: RegistryView, patient: int, stage: int, decision: str) -> dict[str, list[tuple[str, float]]]:
    """What each added policy gives a patient (position) at a stage (index): combinations with their probabilities, the
    likeliest first; nothing where it leaves the decision to the experts."""
    here, found = np.array([point(view, patient, stage, decision)]), dict[str, list[tuple[str, float]]]()
    for name, added in view.added_policies.items():
        chosen = added.choices.get(decision)
        probs = np.zeros(0) if chosen is None else chosen.probs(here)[0]
        order = [int(a) for a in np.argsort(-probs, kind="stable") if probs[a] > 0]
        found[name] = [] if chosen is None else [(chosen.catalog.name(a), float(probs[a])) for a in order]
    return found


def policy_file(view: RegistryView, policy: str = RECOMMENDED) -> pd.DataFrame:
    """A policy of the run as a table patient, stage, decision, combination, probability: the form in which one from
    elsewhere is read."""
    stages, parts = np.array([stage.name for stage in view.spec.stages]), []
    for decision in view.treatments:
        (catalog, probs), data = policy_probs(view, decision, policy), view.points[decision]
        point, action = np.nonzero(probs)
        columns = {
            "patient": view.cohort.patients[data.patient[point]],
            "stage": stages[data.stage[point]],
            "decision": decision,
            "combination": np.asarray(catalog.names, dtype=object)[action],
            "probability": probs[point, action],
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
