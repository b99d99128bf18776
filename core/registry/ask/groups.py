"""What a registry run's advice is worth in groups of patients, by each baseline feature."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.evaluation.judging.groups import Group, judged_groups, thirds
from core.registry.ask.compared import DIALS
from core.registry.ask.frontier import plans_along, softened
from core.registry.ask.judge import Bench
from core.registry.ask.ope import WORDS
from core.registry.ask.tables import Evaluation
from core.registry.cohort.describe import MISSING
from core.registry.cohort.table import RegistryCohort
from core.registry.view import RegistryView


@remembered_by(1)
def subgroups(view: RegistryView) -> pd.DataFrame | None:
    """The difference of the dial that the advice is about in groups of test patients, a row each, as in
    `core.evaluation.judging.groups`; None for a run from before there was advice. Takes seconds once.

    Where the experts are advised it is the dial that came nearest.
    """
    advice = view.advice
    if advice is None:
        return None
    evaluation, dial = Evaluation.own(view), DIALS[advice.dial]
    floor, place = view.config.evaluation.probability_floor, dial.settings.index(advice.setting)
    both = evaluation.recorded, evaluation.learned
    plans = [plans_along(softened(evaluation, part, advice.policy), dial, floor)[place] for part in both]
    bench = Bench.of(evaluation.judging, *both)
    patients = np.concatenate([part.courses.patients for part in both])
    settings = view.config.evaluation
    groups = baseline_groups(view.cohort, patients)
    return judged_groups(bench.histories, [bench.fold([plans])], groups, bench.settings, settings.ess_floor, WORDS)


def baseline_groups(cohort: RegistryCohort, patients: np.ndarray) -> Iterable[Group]:
    """Patients (positions) by category of each feature, or by thirds of a number, and those without a value."""
    table = cohort.baseline.iloc[patients]
    for feature in cohort.spec.features:
        values = table[feature.name]
        known = values.notna().to_numpy()
        if feature.kind == "number" and known.any():
            yield from thirds(feature.name, values.to_numpy(np.float64))
        elif feature.kind == "category":
            yield from ((feature.name, category, (values == category).to_numpy()) for category in feature.categories)
        if not known.all():
            yield feature.name, MISSING, ~known
