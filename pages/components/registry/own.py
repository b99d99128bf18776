"""A policy from elsewhere beside the policies of a registry run: a table of drug sets, a row a set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.bring import Asked, bring_set_table
from core.registry.ask.own import policy_file
from pages.components.registry.session import looks_of
from pages.components.shell.frame import empty
from pages.components.shell.session import write_url
from pages.components.study.frontier import BEFORE
from pages.components.study.own import OwnWords, own_view

if TYPE_CHECKING:
    from core.registry.view import RegistryView


@st.fragment
def own_panel(run: RegistryView) -> None:
    """Upload and check a policy, keep it, and list those that the run has."""
    write_url()
    if run.judgments is None:
        empty("Not judged against the experts", BEFORE, icon=":material/balance:")
        return
    own_view(run, _words(run))


def _words(run: RegistryView) -> OwnWords:
    looks = looks_of(run.spec)
    decisions = "; ".join(f"`{name}` {looks.decision(name).name}" for name in run.treatments)
    points = sum(len(run.points[name]) for name in run.treatments)
    return OwnWords(
        key="registry-own",
        form="the columns `patient`, `stage` (its name or day), `decision` and `combination`, the drugs joined by "
        f"`{run.spec.separator}`, with a row for every patient and stage at which the decision was posed in this run. "
        "Where a policy is not certain, it has a row for each combination and a column `probability`.",
        columns=f"Decisions: {decisions}. One that the file leaves out stays with the experts. The file beside is this "
        "run's screened DQN in that form.",
        example=lambda: policy_file(run),
        read=lambda frame, name: bring_set_table(frame, Asked.of_run(run), "policy", name),
        size=lambda policy: policy.n_bytes,
        whole=f"The file answers every decision that it names; this run has {points:,} decisions.",
        against="experts",
        stands="Against the experts, Whole course, Trust frontier, Table, Patient, the report and `evaluate`",
    )
