"""The stored comparison of a run, with the truth where it is known: whole, at one setting, and along lambda."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.icu.view import RunView
from core.policies.key import FUSED, KEY_COLUMNS, SINGLE_EXPERT


def with_truth(view: RunView, table: pd.DataFrame) -> pd.DataFrame:
    """Add true_value, true_se, true_survival, true_survival_se (NaN where unknown) to a table of policies."""
    return table.merge(known_truth(view).drop(columns="n"), on=list(KEY_COLUMNS), how="left")


def known_truth(view: RunView) -> pd.DataFrame:
    """True values of the run's policies that were rolled out, and of added ones; empty for real patients."""
    return _with_added(view.truth, [one.truth for one in view.added_policies.values()])


def all_judgments(view: RunView) -> pd.DataFrame | None:
    """Differences to the clinicians of the run's policies and of added ones; None for a run from before them."""
    if view.judgments is None:
        return None
    return _with_added(view.judgments, [one.judgments for one in view.added_policies.values()])


def _with_added(table: pd.DataFrame, more: list[pd.DataFrame]) -> pd.DataFrame:
    """Rows of the run, then those of each added policy; the run's columns."""
    found = [part for part in (table, *more) if len(part)]
    return pd.concat(found, ignore_index=True)[list(table.columns)] if len(found) > 1 else table


@remembered_by(1)
def comparison(view: RunView) -> pd.DataFrame:
    """One row a policy, K, mode, lambda and estimator (see `core.icu.ask.compare`), with the truth where known;
    added policies stand last."""
    return with_truth(view, _with_added(view.evaluations, [one.evaluations for one in view.added_policies.values()]))


def policy_table(view: RunView, n_clusters: int, lambda_: float, mode: str) -> pd.DataFrame:
    """Rows of `comparison` at one setting of the sliders: baselines, phenotypes, fused, single expert."""
    table = comparison(view)
    shared = table["n_clusters"] == 0
    phenotype = (table["n_clusters"] == n_clusters) & table["lambda_"].isna()
    fused = (table["n_clusters"] == n_clusters) & (table["mode"] == mode)
    fused &= np.isclose(table["lambda_"], lambda_) | np.isinf(table["lambda_"])
    chosen: pd.DataFrame = table[shared | phenotype | fused]
    return chosen.reset_index(drop=True)


def lambda_curve(view: RunView, n_clusters: int, mode: str) -> pd.DataFrame:
    """The fused policy along the lambda axis; each estimator ends with the single expert (infinity)."""
    table = comparison(view)
    fused = table["policy"].isin((FUSED, SINGLE_EXPERT))
    return table[fused & (table["n_clusters"] == n_clusters) & (table["mode"] == mode)].reset_index(drop=True)
