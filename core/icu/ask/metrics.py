"""The JSON that `evaluate` writes: each policy's estimates with interval and support, and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from core.base.config import Config
from core.cohort import Cohort
from core.cohort.overlap import Overlap
from core.evaluation.judging.left_out import ColumnOdds
from core.icu.advice import AdviceRecord
from core.icu.hidden_causes import HiddenCauses
from core.runs.added import added_note
from core.runs.document import Against, Difference, EvaluatedOn, Interval, Weighed, against, evaluated_on, number
from core.runs.manifest import Manifest

WEIGHTED_SURVIVAL = {"value": "survival", "low": "survival_low", "high": "survival_high", "ess": "ess"}
SURVIVAL = {"value": "survival", "low": "survival_low", "high": "survival_high"}
SURVIVAL_DIFFERENCE = {
    "value": "survival_difference",
    "low": "survival_difference_low",
    "high": "survival_difference_high",
    "se": "survival_difference_se",
}
CLINICIANS = {
    "own": "Estimates divide by what clinicians did to other patients of this very cohort in similar states.",
    "development": (
        "Estimates divide by what clinicians of the run's development cohort did in similar states. Where those here "
        "dose otherwise, PHWIS and PHWDR are biased, and neither their intervals nor the ESS show it."
    ),
}


class PolicyMetrics(Against):
    """One policy. mix: its value by the mix of short memories; difference: the same less the clinicians'.

    grade: how far that difference may be believed; gamma: what unrecorded causes could do to it, null where nobody
    follows. mix_survival and survival_difference: the same of survival, as
    shares; survival: the weights of PHWIS on who survived; expected_survival: the published figure, read off a curve of
    survival by value at PHWDR, which is no survival rate. fqe is null where its own Q was not evaluated; true_value and
    true_survival are known of simulated patients alone.
    """

    mix_survival: Interval
    survival_difference: Difference
    gamma: HiddenCauses | None

    phwis: Weighed
    phwdr: Weighed
    fqe: Weighed | None
    support: str
    support_reasons: str
    concordance_rate: float | None
    expected_survival: float | None
    survival: Weighed
    entropy: float | None
    unsupported_share: float | None
    action_shares: list[float | None]
    true_value: float | None
    true_se: float | None
    true_survival: float | None
    true_survival_se: float | None


class CohortMetrics(EvaluatedOn):
    """The cohort evaluated on.

    clinicians: whose habits the estimates divide by; shared_stays: how many stays of another cohort are of patients
    that the run already knows, and shared_note in words ("" for none).
    """

    steps: int
    mortality: float | None
    clinicians: str
    clinicians_note: str
    shared_stays: int
    shared_note: str


class RunMetrics(Config):
    """The run and the setting of its policies; `lambda` in the file, where "inf" is the single expert, which the fused
    policy then is and stands under the name of."""

    name: str
    data_hash: str
    versions: dict[str, str]
    n_clusters: int
    lambda_: float | Literal["inf"] = Field(serialization_alias="lambda")
    mode: str
    preset: str


class GammaMetrics(Config):
    """Of the advice, or of what came nearest to it: how strong an unrecorded cause must be to kill its claimed gain
    (null: none is claimed), and how far leaving out each recorded column moves the odds of a dose, strongest first."""

    claim_dies_at: float | None
    claim_dies_at_passing: float | None
    columns: list[ColumnOdds]


class FrontierPoint(Against):
    """The fused policy part of the way from the clinicians: a dial of the trust frontier at one setting. gamma: as of a
    policy; the truth where that very policy was rolled out."""

    dial: str
    setting: float
    ess: float
    gamma: HiddenCauses | None
    true_difference: float | None
    true_difference_se: float | None


class Metrics(Config):
    """The whole document. recommended: a policy's name with its dial, or "clinicians"; advice says on what grounds;
    gamma: null for a run from before it was asked; frontier: of the run's own patients, else empty.

    added: names of the policies that were added to the run from elsewhere, and added_note what that means here.
    """

    recommended: str
    added: list[str]
    added_note: str
    advice: AdviceRecord
    gamma: GammaMetrics | None
    cohort: CohortMetrics
    run: RunMetrics
    policies: dict[str, PolicyMetrics]
    frontier: list[FrontierPoint]


def metrics_document(
    table: pd.DataFrame,
    judgments: pd.DataFrame,
    advice: AdviceRecord,
    cohort: Cohort,
    patients: np.ndarray,
    own: bool,
    run: RunMetrics,
    clinicians: str = "own",
    shared: Overlap | None = None,
    added: Sequence[str] = (),
    frontier: pd.DataFrame | None = None,
) -> Metrics:
    """From a table of `compare_policies` and one of `judgment_rows`, at one setting of the policies.

    clinicians: "own" where the estimates divide by the habits found in this cohort, "development" where by those of
    the cohort that the run was trained on. shared: what another cohort has in common with the run's own.
    added: names of policies from elsewhere. frontier: of `core.icu.ask.differences.differences_between`.
    """
    on = evaluated_on(cohort, len(patients), own, "cohort")
    judged = {str(row["policy"]): row for _, row in judgments.iterrows()}
    return Metrics(
        recommended=advice.recommended,
        added=list(added),
        added_note=added_note(added, own),
        advice=advice,
        gamma=_gamma(advice),
        cohort=CohortMetrics(
            **on.model_dump(),
            steps=len(cohort.frame),
            mortality=number(cohort.mortality()),
            clinicians=clinicians,
            clinicians_note=CLINICIANS[clinicians],
            shared_stays=0 if shared is None else int(shared.any.sum()),
            shared_note="" if shared is None else str(shared),
        ),
        run=run,
        policies={str(name): _policy(rows, judged[str(name)]) for name, rows in table.groupby("policy", sort=False)},
        frontier=[] if frontier is None else [_point(row) for _, row in frontier.iterrows()],
    )


def _gamma(advice: AdviceRecord) -> GammaMetrics | None:
    if advice.left_out is None:
        return None
    found = advice.shown.hidden
    return GammaMetrics(
        claim_dies_at=found and found.claim_dies_at,
        claim_dies_at_passing=found and found.claim_dies_at_passing,
        columns=list(advice.left_out),
    )


def _point(row: pd.Series) -> FrontierPoint:
    return FrontierPoint(
        **dict(against(row)),
        dial=str(row["dial"]),
        setting=float(row["setting"]),
        ess=float(row["ess"]),
        gamma=HiddenCauses.of_row(row.to_dict()),
        true_difference=number(row["true_difference"]),
        true_difference_se=number(row["true_difference_se"]),
    )


def run_metrics(manifest: Manifest, n_clusters: int, lambda_: float, mode: str, preset: str) -> RunMetrics:
    """The run and the setting, from its manifest."""
    return RunMetrics(
        name=manifest.name,
        data_hash=manifest.data_hash,
        versions=manifest.versions,
        n_clusters=n_clusters,
        lambda_=lambda_ if math.isfinite(lambda_) else "inf",
        mode=mode,
        preset=preset,
    )


def _policy(rows: pd.DataFrame, judged: pd.Series) -> PolicyMetrics:
    """All estimates of one policy, one row an estimator, and its judgment."""
    first = rows.iloc[0]
    found = {row["estimator"]: Weighed.of(row) for _, row in rows.iterrows()}
    return PolicyMetrics(
        **dict(against(judged)),
        mix_survival=Interval.of(judged, SURVIVAL),
        survival_difference=Difference.of(judged, SURVIVAL_DIFFERENCE),
        gamma=HiddenCauses.of_row(judged.to_dict()),
        phwis=found["phwis"],
        phwdr=found["phwdr"],
        fqe=found.get("fqe"),
        support=str(first["support"]),
        support_reasons=str(first["reasons"]),
        concordance_rate=number(first["concordance_rate"]),
        expected_survival=number(first["expected_survival"]),
        survival=Weighed.of(first, WEIGHTED_SURVIVAL),
        entropy=number(first["entropy"]),
        unsupported_share=number(first["unsupported_share"]),
        action_shares=[number(share) for share in first["action_shares"]],
        true_value=number(first.get("true_value", math.nan)),
        true_se=number(first.get("true_se", math.nan)),
        true_survival=number(first.get("true_survival", math.nan)),
        true_survival_se=number(first.get("true_survival_se", math.nan)),
    )
