"""Policies of drug sets in a registry run: added with everything that is asked of the run's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.files import write_table
from core.bring.judgment import Judgment
from core.bring.sets import BroughtSets
from core.bring.sets_bench import RunBench
from core.bring.sets_truth import true_along
from core.fusion.dials import furthest_supported
from core.registry.added import write_choices
from core.registry.ask.compared import DIALS
from core.registry.ask.frontier import brought_ends, follow
from core.registry.ask.judge import judgment_table
from core.registry.ask.true_values import COURSE
from core.registry.simulate.truth import RegistryValue

PLACE = ("policy", "dial", "setting")


def write_sets(folder: Path, bench: RunBench, policy: BroughtSets, found: Judgment) -> None:
    """All files of an added policy but its card and its record: choices and rows of the run's tables."""
    evaluation, floor = bench.evaluation, bench.config.ess_floor
    ends = (bench.ends(policy.choices), brought_ends(evaluation.learned, policy.choices))
    judgments = [_placed(judgment_table([found.judged], floor), policy.name, "", np.nan)]
    values = []
    for dial in DIALS.values():
        table, judged = follow(evaluation, bench.bench, ends, dial)
        values.append(_placed(table, policy.name, dial.name, table.pop("setting")))
        judgments.append(_placed(judgment_table(judged, floor), policy.name, dial.name, dial.settings))
    along = pd.concat(values, ignore_index=True)
    ope = bench.table(policy.choices)
    ope.insert(0, "policy", policy.name)
    reached = {name: furthest_supported(along[along["dial"] == name], floor) for name in DIALS}
    write_choices(folder, policy.choices)
    for name, table in {
        "judgments": pd.concat(judgments, ignore_index=True),
        "ope": ope,
        "frontier": along,
        "truth": _truth(policy.name, found),
        "frontier_truth": true_along(evaluation.view, policy, bench.config, reached),
    }.items():
        write_table(folder / f"{name}.parquet", table)


def _placed(table: pd.DataFrame, policy: str, dial: str, settings: Any) -> pd.DataFrame:
    for place, (name, value) in enumerate(zip(PLACE, (policy, dial, settings), strict=True)):
        table.insert(place, name, value)
    return table


def _truth(name: str, found: Judgment) -> pd.DataFrame:
    """A row of the run's true values; none where it was not rolled out."""
    value, gain = found.truth, found.gain
    if not isinstance(value, RegistryValue) or gain is None:
        return pd.DataFrame(columns=COURSE)
    free = value.event_free, value.event_free_standard_error
    row = (name, value.value, value.standard_error, gain.value, gain.standard_error, *free, value.n)
    return pd.DataFrame([row], columns=COURSE)
