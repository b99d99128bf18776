"""Differences to the clinicians along an axis of policies: along lambda, and from the clinicians to a policy.

Judged as the run's policies are (`core.icu.ask.judge`): on test patients, by probabilities and critics of the others.
The jury is made once for a run; a policy more costs a critic and its weights. A run keeps the two axes of its own
policy that pages open with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.base.statistics import Z95
from core.evaluation.judging.deferring import Deferring, always_deferring
from core.evaluation.judging.grade import GradeSettings, judged_row
from core.evaluation.judging.left_out import ColumnOdds
from core.fusion.dials import DIALS, MIXTURE, Dial
from core.icu.ask.against import true_differences
from core.icu.ask.frontier import frontier_policy
from core.icu.ask.judge import Jury, make_jury
from core.icu.hidden_causes import HiddenCauses, hidden_row, in_words
from core.icu.view import RunView
from core.policies.key import FUSED, PolicyKey

TRUE = ("true_difference", "true_difference_se")
LAMBDA = "lambda"  # the axis that is no dial


@remembered_by(1)
def jury_of(view: RunView) -> Jury:
    """Judges of the run's own policies: its test patients, who learn nothing, and all others, who teach."""
    learners = view.split.learners
    kept = None if view.jury_behavior is None else [view.jury_behavior]
    return make_jury(view, view.study, view.n_clusters, view.split.test, learners, kept)


def recorded_columns(view: RunView) -> Sequence[ColumnOdds]:
    """How far each recorded column moves the odds of a dose; none for a run from before it was asked."""
    return (view.advice and view.advice.left_out) or ()


def hidden_in_words(view: RunView, row: Mapping[Any, Any]) -> str:
    """What unrecorded causes could do to a judged policy, of its row in a table with `HIDDEN_COLUMNS`."""
    return view.study.actions.said(in_words(HiddenCauses.of_row(row), recorded_columns(view)))


@remembered_by(12)
def differences_along(view: RunView, key: PolicyKey, dial: Dial) -> pd.DataFrame:
    """One row a setting of the dial, in its order: setting, then the columns of `judged_row`, and `HIDDEN_COLUMNS`: the
    strength of an unrecorded cause at which a gain of that setting is none any more.

    The dial starts at the clinicians themselves, whose difference is 0; further on they are as the run estimates them.
    """
    kept = _kept(view, dial.name) if key == view.own_policy else None
    return _along(view, key, dial) if kept is None else kept


def own_differences(view: RunView) -> pd.DataFrame:
    """What a run keeps of its own policy: `differences_along` the mixture and `differences_along_lambda`, by axis."""
    own = view.own_policy
    tables = {MIXTURE.name: _along(view, own, MIXTURE), LAMBDA: _along_lambda(view, own.n_clusters, own.mode)}
    return pd.concat([table.assign(axis=axis) for axis, table in tables.items()], ignore_index=True)


def _kept(view: RunView, axis: str) -> pd.DataFrame | None:
    """What the run keeps of an axis; None where it keeps nothing of it."""
    if view.own_differences is None:
        return None
    kept = view.own_differences[view.own_differences["axis"] == axis]
    return kept.drop(columns="axis").reset_index(drop=True) if len(kept) else None


def _along(view: RunView, key: PolicyKey, dial: Dial) -> pd.DataFrame:
    jury = jury_of(view)
    policies = [frontier_policy(jury.some, key, dial, setting) for setting in dial.settings[1:]]
    told = [always_deferring(jury.histories), *(Deferring("", probs) for probs in policies)]
    return _table(view, jury, told, dial.settings)


@remembered_by(4)
def differences_between(view: RunView, key: PolicyKey) -> pd.DataFrame:
    """Both dials at the settings that are rolled out and at the policy itself: dial, setting, then the columns as in
    `differences_along`, and true_difference with its _se where it is known, else NaN."""
    jury, tables = jury_of(view), []
    for dial in DIALS.values():
        settings = [*dial.known, dial.settings[-1]] if dial is MIXTURE else dial.known  # both end at the policy
        policies = [Deferring("", frontier_policy(jury.some, key, dial, setting)) for setting in settings]
        table = _table(view, jury, policies, settings).assign(dial=dial.name)
        truth = true_differences_along(view, key, dial)
        known = pd.DataFrame({"setting": settings}) if truth is None else truth
        tables.append(table.merge(known.reindex(columns=["setting", *TRUE]), on="setting", how="left"))
    return pd.concat(tables, ignore_index=True)


def true_differences_along(view: RunView, key: PolicyKey, dial: Dial) -> pd.DataFrame | None:
    """The run's `frontier_truth` along the dial with true_difference to its start and true_difference_se, where this
    very policy was rolled out; None elsewhere. Both ends of a difference have their own patients."""
    known = view.frontier_truth
    if key != view.own_policy or known.empty:
        return None
    known = known[known["dial"] == dial.name]
    first = known[known["setting"] == dial.settings[0]].iloc[0]
    apart = known["setting"] != dial.settings[0]
    return known.assign(
        true_difference=known["true_value"] - first["true_value"],
        true_difference_se=np.hypot(known["true_se"], first["true_se"]) * apart,
    )


@remembered_by(8)
def differences_along_lambda(view: RunView, n_clusters: int, mode: str) -> pd.DataFrame:
    """The fused policy at every stored lambda: setting (lambda), then the columns as in `differences_along`."""
    own = view.own_policy
    kept = _kept(view, LAMBDA) if (n_clusters, mode) == (own.n_clusters, own.mode) else None
    return _along_lambda(view, n_clusters, mode) if kept is None else kept


def _along_lambda(view: RunView, n_clusters: int, mode: str) -> pd.DataFrame:
    jury = jury_of(view)
    keys = [PolicyKey.at(FUSED, n_clusters, value, mode) for value in view.lambdas]
    return _table(view, jury, [Deferring("", np.asarray(jury.some.probs(key))) for key in keys], view.lambdas)


@remembered_by(8)
def true_differences_along_lambda(view: RunView, n_clusters: int, mode: str) -> pd.DataFrame | None:
    """setting (lambda), true_difference and its _se where the fused policy was rolled out; None where it never was."""
    if view.truth.empty:
        return None
    known = true_differences(view)
    known = known[(known["policy"] == FUSED) & (known["n_clusters"] == n_clusters) & (known["mode"] == mode)]
    known = known.rename(columns={"lambda_": "setting"}).dropna(subset=["true_difference"])
    return known[["setting", "true_difference", "true_difference_se"]] if len(known) else None


def _table(view: RunView, jury: Jury, policies: Sequence[Deferring], settings: Sequence[float]) -> pd.DataFrame:
    named = [replace(policy, name=str(place)) for place, policy in enumerate(policies)]
    floor, columns = GradeSettings(ess=view.config.evaluation.ess_floor), recorded_columns(view)
    rows = [judged_row(one, floor) | hidden_row(one, Z95, columns) for one in jury.bench(named).reward()]
    return pd.DataFrame(rows).assign(setting=list(settings))
