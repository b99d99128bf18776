"""A policy of an ICU run in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.figures.differences import IN_REWARD
from core.icu.ask.in_words import in_words
from core.icu.ask.judge import STEP
from core.policies.key import CLINICIAN, FUSED
from core.policies.tree_words import words_of
from pages.components.policies.advice import BEFORE, HOW
from pages.components.shell.estimates import policy_names
from pages.components.shell.frame import empty
from pages.components.shell.names import policy_name
from pages.components.shell.panels import panel
from pages.components.study.in_words import Told, asked, words_view

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study.actions import Actions

KEY = "in-words"
STEP_NAME = "Advice (the pessimistic step)"


@panel
def in_words_panel(run: RunView) -> None:
    """Choose a policy, put it into words, and show what the words are worth."""
    if run.judgments is None:
        empty("Not judged against the clinicians", BEFORE, icon=":material/balance:")
        return
    names = [name for name in policy_names(run.n_clusters, run) if name != CLINICIAN]
    names = names if run.advice is None else [STEP, *names]
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    policy = left.selectbox(
        "Policy",
        names,
        index=names.index(FUSED if run.advice is None else STEP),
        format_func=lambda name: _name(run, name),
        key=f"{KEY}-policy",
    )
    with right:
        go = asked(KEY, f"{KEY}-{run.path.name}-{policy}")
    if not go:
        st.caption(
            "A tree of at most four questions is grown on the training patients, judged on the test patients, and in "
            "simulated ones rolled out: a quarter of a minute or so."
        )
        return
    with st.spinner("Growing the tree and judging it ..."):
        found = in_words(run, policy)
    words_view(_told(run, policy), found)


def _name(run: RunView, policy: str) -> str:
    return STEP_NAME if policy == STEP else policy_name(run, policy, run.n_clusters)


def _told(run: RunView, policy: str) -> Told:
    actions = run.study.actions
    learned = " At a = 1, learned anew from patients who do not judge it." if policy == STEP else ""
    return Told(
        key=KEY,
        words=words_of(run.study),
        name=_name(run, policy),
        run=run.manifest.name,
        how=HOW,
        below=f"At the run's own K and λ, prospective, by this step's columns alone.{learned} {_colors(actions)}",
        axis=IN_REWARD,
        unit=actions.unit,
        effect="following the tree in this group alone, as clinicians do everywhere else, minus the clinicians, in "
        "reward over all stays.",
    )


def _colors(actions: Actions) -> str:
    """What the colors of the boxes mean that could be mistaken: the clinicians' gray, and that of the lowest dose."""
    if not actions.ordered:
        return "Gray: as clinicians do."
    return f"Doses in {actions.unit}; light gray: {actions.label(0)}; dark gray: as clinicians do."
