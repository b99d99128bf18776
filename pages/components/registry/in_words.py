"""A policy of a registry run in words, decision by decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.figures.registry_values import registry_policy
from core.registry.ask.compared import GREEDY, RECOMMENDED
from pages.components.registry.against import IN_REWARD
from pages.components.registry.frontier import HOW
from pages.components.registry.session import in_text, looks_of
from pages.components.shell.frame import empty
from pages.components.shell.held import held
from pages.components.shell.session import write_url
from pages.components.study.frontier import BEFORE
from pages.components.study.in_words import Told, asked, words_view

if TYPE_CHECKING:
    from core.registry.ask.in_words import Spoken
    from core.registry.view import RegistryView

KEY = "registry-in-words"


@st.fragment
def in_words_panel(run: RegistryView) -> None:
    """Choose a decision and a policy, put it into words, and show what the words are worth."""
    write_url()
    if run.judgments is None:
        empty("Not judged against the experts", BEFORE, icon=":material/balance:")
        return
    looks = looks_of(run.spec)
    left, middle, right = st.columns([2, 2, 2], vertical_alignment="bottom")
    with left:
        decision = st.selectbox(
            "Decision",
            run.treatments,
            format_func=lambda name: looks.decision(name).name,
            **held(f"{KEY}-decision", run.treatments),
        )
    policies = [*GREEDY, *(name for name, one in run.added_policies.items() if decision in one.choices)]
    with middle:
        policy = st.selectbox(
            "Policy",
            policies,
            format_func=lambda name: registry_policy(name).name,
            **held(f"{KEY}-policy", policies, RECOMMENDED),
        )
    with right:
        go = asked(KEY, f"{KEY}-{run.path.name}-{decision}-{policy}")
    if not go:
        st.caption(
            "A tree of at most four questions is grown on what the policy gives training patients, judged on the test "
            "patients, and for simulated ones rolled out: a quarter of a minute or so."
        )
        return
    with st.spinner("Growing the tree and judging it ..."):
        from core.registry.ask.in_words import decision_in_words

        spoken = decision_in_words(run, decision, policy)
    words_view(_told(run, decision, policy, spoken), spoken.found)


def _told(run: RegistryView, decision: str, policy: str, spoken: Spoken) -> Told:
    name = in_text(looks_of(run.spec).decision(decision).name)
    return Told(
        key=KEY,
        words=spoken.words,
        name=f"{registry_policy(policy).name}, {name}",
        run=run.manifest.name,
        how=HOW,
        below="By what is known of the patient at the stage alone; a number that was not recorded counts as the mean. "
        "The commonest combinations of policy and experts are told apart, all others are one.",
        axis=IN_REWARD,
        unit="",
        effect="following the tree in this group alone, as experts do in all others and in every other decision, "
        "minus the experts, in rewards over all courses (in simulation, as the screening network predicts experts).",
    )
