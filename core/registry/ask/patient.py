"""What one asks of a run about one patient: every combination ranked at a stage, and what was given there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.base.errors import RunError
from core.registry.ask.compared import MIXTURE, RECOMMENDED, Screen
from core.registry.ask.recommend import recommendation_table
from core.registry.cohort.drugs import prescription
from core.registry.view import RegistryView


def recommend(
    view: RegistryView, patient: int, stage: int, decision: str, n: int | None = None, threshold: float | None = None
) -> pd.DataFrame:
    """All combinations for a patient (position) at a stage (index): see `recommendation_table`.

    n, threshold: the screen (both None: the run's own). Decisions without a Q-network are ranked by the experts'
    probability, and q is NaN. Raises `RunError` where the decision was not posed to the patient then.
    """
    here = point(view, patient, stage, decision)
    data = view.points[decision]
    states, stages = data.states[[here]], data.stage[[here]]
    probs = view.screening(decision).probs(view.inputs[decision].transform(states, stages))[0]
    if decision in view.treatments:
        q = view.models(decision).q(states, stages)[0]
    else:
        q = np.full(len(probs), np.nan, dtype=np.float32)
    if n is None and threshold is None:
        n, threshold = view.screen.n, view.screen.threshold
    chance = _chance(view, decision, states, stages, Screen(n or len(probs), threshold or 0.0))
    recorded = view.combinations[view.combinations["decision"] == decision]
    return recommendation_table(q, probs, view.catalogs[decision], recorded, n, threshold, chance)


def _chance(
    view: RegistryView, decision: str, states: np.ndarray, stage: np.ndarray, screen: Screen
) -> np.ndarray | None:
    """(A,) probability of each combination under the screened policy, mixed with the experts as far as the run's
    test patients support it; None where it is not learned, or nothing is supported."""
    reach = view.reach(RECOMMENDED, MIXTURE.name) if decision in view.treatments else None
    if reach is None:
        return None
    models = view.models(decision)
    soft = models.soft_probs(RECOMMENDED, states, stage, screen)
    return np.asarray(MIXTURE.mix(models.expert_probs(states, stage), soft, reach)[0])


def point(view: RegistryView, patient: int, stage: int, decision: str) -> int:
    """Index into `points[decision]` of a patient (position) at a stage (index)."""
    if decision not in view.decisions:
        raise RunError(f"there is no decision '{decision}'; choose one of {', '.join(view.decisions)}.")
    data = view.points[decision]
    found = np.flatnonzero((data.patient == patient) & (data.stage == stage))
    if not len(found):
        raise RunError(
            f"{view.spec.decision(decision).title.lower()} is not decided for patient number {patient} at stage "
            f"{stage}: choose a stage at which the patient was recorded alive and the decisions had not ended."
        )
    return int(found[0])


def prescribed(view: RegistryView, patient: int, stage: int, decision: str) -> tuple[int, str]:
    """Action (-1 outside the catalog) and words of what the patient was given."""
    drugs = view.points[decision].drugs[[point(view, patient, stage, decision)]]
    catalog = view.catalogs[decision]
    return int(catalog.encode(drugs)[0]), prescription(drugs[0], catalog.drugs)
