"""A policy from elsewhere beside the policies of an ICU run: a table of probabilities, a row a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from core.bring import bring_table
from pages.components.policies.advice import BEFORE
from pages.components.shell.frame import empty
from pages.components.shell.panels import panel
from pages.components.study.own import OwnWords, own_view

if TYPE_CHECKING:
    from core.icu.view import RunView


@panel
def own_panel(run: RunView) -> None:
    """Upload and check a policy, keep it, and list those that the run has."""
    if run.judgments is None:
        empty("Not judged against the clinicians", BEFORE, icon=":material/balance:")
        return
    own_view(run, _words(run))


def _words(run: RunView) -> OwnWords:
    study = run.study
    doses = "; ".join(f"`p{a}` {label}" for a, label in enumerate(study.actions.labels))
    unit = f" in {study.actions.unit}" if study.actions.unit else ""
    return OwnWords(
        key="own-policy",
        form=f"one row for every step of this run, with the columns `traj`, `step` and `p0` to `p{study.n_actions - 1}`"
        f", the probabilities of the {study.actions.words}.",
        columns=f"{study.actions.words.capitalize()}{unit}: {doses}. The file beside is this run's fused policy in "
        "that form.",
        example=lambda: policy_file(run),
        read=lambda frame, name: bring_table(frame, run.cohort, "policy", name),
        size=lambda policy: policy.n_bytes,
        whole=f"The file has probabilities for all {len(run.cohort.frame):,} steps of this run.",
        against="clinicians",
        stands="Value, Trust frontier, Support, Hazard rules, Dose excess, the Patient page, the report and `evaluate`",
    )


def policy_file(run: RunView) -> pd.DataFrame:
    """The run's own policy as a table traj, step, p0 .. p(A-1)."""
    rows = run.probs(run.own_policy)[run.trajectories.mask]
    probs = pd.DataFrame(rows, columns=[f"p{a}" for a in range(run.study.n_actions)])
    return pd.concat([run.cohort.frame[["traj", "step"]].reset_index(drop=True), probs], axis=1)
