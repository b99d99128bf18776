"""Dose shares of policies as stacked bars, with their text alternative and table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.figures.policies import action_share_bars
from core.study import StudySpec
from pages.components.shell.export import show


def dose_bars(study: StudySpec, names: Sequence[str], shares: np.ndarray, key: str, what: str, caption: str) -> None:
    """Draw the shares (policies, A) of each dose; `what` names them in the text alternative."""
    labels = study.actions.labels
    data = pd.DataFrame(shares, columns=labels)
    data.insert(0, "policy", list(names))
    show(
        action_share_bars(names, shares, labels, legend=study.actions.title, ordered=study.actions.ordered),
        key,
        f"Stacked bars of {study.actions.said(what)}: "
        + "; ".join(
            f"{n}: " + ", ".join(f"{lab} {100 * s:.0f} %" for lab, s in zip(labels, row, strict=True))
            for n, row in zip(names, shares, strict=True)
        ),
        caption=caption,
        data=data,
    )
