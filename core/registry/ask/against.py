"""Against the experts: what a registry run shows first: differences of its policies and dials, and the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.registry.ask.compared import DIALS, GREEDY, RECOMMENDED, TITLES, along, dial_text, gate_places
from core.registry.view import RegistryView

TRUE = ["true_value", "true_difference", "true_difference_se"]


def against_experts(view: RegistryView) -> pd.DataFrame | None:
    """Judgments of the dials that the gate chose among, then of every policy as it is, added ones
    last; None for an earlier run.

    Columns of `view.judgments`, policy by its title and with its dial where it has one, true_value, true_difference,
    true_difference_se (NaN for real patients), and choices: the badge of the reward atlas, "" where it was not asked.
    """
    if view.judgments is None:
        return None
    advice, rows = view.advice, []
    atlas = advice.atlas if advice else None
    for name, setting in gate_places():
        place = f"{TITLES[RECOMMENDED]}, {dial_text(DIALS[name], setting)}"
        row = _row(view.judgments, view.frontier_truth, RECOMMENDED, name, setting)
        shown = atlas is not None and advice is not None and (advice.dial, advice.setting) == (name, setting)
        rows.append(row | {"policy": place, "choices": atlas.badge if atlas and shown else ""})
    for policy in (*GREEDY, *view.added):
        row = _row(view.judgments, view.truth, policy, "", None)
        tried = atlas.policies.get(policy) if atlas else None
        rows.append(row | {"policy": TITLES.get(policy, policy), "choices": tried.badge if tried else ""})
    return pd.DataFrame(rows)


def _row(judgments: pd.DataFrame, truth: pd.DataFrame, policy: str, dial: str, setting: float | None) -> dict:
    """One judgment with its truth."""
    here = along(judgments, policy, dial)
    known = along(truth, policy, dial) if dial else truth[truth["policy"] == policy]
    if setting is not None:
        here, known = (table[table["setting"] == setting] for table in (here, known))
    found = known.reindex(columns=TRUE)
    return here.iloc[0].to_dict() | (found.iloc[0].to_dict() if len(found) else dict.fromkeys(TRUE, np.nan))
