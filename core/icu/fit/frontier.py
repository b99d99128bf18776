"""True values along the trust frontier: a run's own policy, part of the way from the clinicians'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from core.base.rng import derive_seed
from core.base.types import Progress
from core.cohort import ground_truth
from core.fusion.dials import DIALS, TRUTH_COLUMNS, Dial
from core.icu.fit.clinicians import estimated_clinicians
from core.icu.fit.simulated import RunPolicy
from core.icu.view import RunView
from core.policies import DialedPolicy, NamedPolicy, PolicyKey
from core.policies.key import CLINICIAN


def frontier_truth(view: RunView) -> Iterator[tuple[Progress, pd.DataFrame]]:
    """Roll out the run's own fused policy along both dials; yields progress and the table so far.

    Columns dial, setting, true_value, true_se, n; empty for real patients. The ends are the clinicians themselves and
    the fused policy, whose true values the run already holds.
    """
    truth, key, settings = ground_truth(view.cohort), view.own_policy, view.config.evaluation
    n = min(settings.frontier_patients, settings.truth_patients)
    if truth is None or view.truth.empty or n == 0:
        yield Progress("frontier", 1, 1, "No truth: the patients are real, or roll-outs are off"), _table([])
        return
    rows = [_row(dial, *end) for dial in DIALS.values() for end in _ends(view, dial, key)]
    truth = replace(truth, study=view.study)
    points = [(dial, setting) for dial in DIALS.values() for setting in dial.known]
    seed, clinicians = derive_seed(view.config.run.seed, "truth"), estimated_clinicians(view)
    for done, (dial, setting) in enumerate(points, start=1):
        policy = RunPolicy(view, DialedPolicy(NamedPolicy(key), dial, setting), clinicians)
        result = truth.policy_value(policy, n, seed, spans=view.scaler.spans, gamma=view.config.agents.gamma)
        rows.append(_row(dial, setting, result.value, result.standard_error, result.n))
        yield Progress("frontier", done, len(points), "Truth along the trust frontier"), _table(rows)


def _ends(view: RunView, dial: Dial, key: PolicyKey) -> Iterator[tuple[float, float, float, int]]:
    """Setting, true value, standard error and n of both ends of a dial."""
    table = view.truth
    keys = [PolicyKey.of_row(row) for row in table.to_dict("records")]
    for setting, end in ((dial.settings[0], PolicyKey(CLINICIAN)), (dial.settings[-1], key)):
        row = table.iloc[keys.index(end)]
        yield setting, float(row["true_value"]), float(row["true_se"]), int(row["n"])


def _row(dial: Dial, setting: float, value: float, error: float, n: int) -> dict[str, object]:
    return {"dial": dial.name, "setting": setting, "true_value": value, "true_se": error, "n": n}


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(TRUTH_COLUMNS))
    return table.sort_values(["dial", "setting"], ignore_index=True)
