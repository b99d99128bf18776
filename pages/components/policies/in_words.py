"""A policy in words: its tree, how faithful it is and what it is worth, and the few groups where it departs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from core.base.text import markdown
from core.figures.differences import difference_forest
from core.figures.policy_tree import policy_tree
from core.figures.theme import fmt_interval, fmt_unit, two_lines
from core.icu.ask.in_words import InWords, in_words
from core.icu.ask.judge import STEP
from core.icu.ask.tree_words import (
    as_text,
    boxes,
    deferring_text,
    departures,
    effect_text,
    fidelity_text,
    true_text,
)
from core.policies.key import CLINICIAN, FUSED
from pages.components.policies.advice import BEFORE, HOW
from pages.components.shell.estimates import bracketed, policy_names, rows_of
from pages.components.shell.export import file_name, recorded, show, table
from pages.components.shell.frame import empty
from pages.components.shell.names import policy_name
from pages.components.shell.panels import panel

if TYPE_CHECKING:
    from core.icu.view import RunView

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
        key="in-words-policy",
    )
    done = f"in-words-{run.path.name}-{policy}"
    if right.button("Put it into words", type="primary", icon=":material/account_tree:", key="in-words-go"):
        st.session_state[done] = True
    if not st.session_state.get(done):
        st.caption(
            "A tree of at most four questions is grown on the training patients, judged on the test patients, and in "
            "simulated ones rolled out: a quarter of a minute or so."
        )
        return
    with st.spinner("Growing the tree and judging it ..."):
        found = in_words(run, policy)
    _tree(run, found)
    _worth(run, found)
    _departures(run, found)


def _name(run: RunView, policy: str) -> str:
    return STEP_NAME if policy == STEP else policy_name(run, policy, run.n_clusters)


def _tree(run: RunView, found: InWords) -> None:
    study, name = run.study, _name(run, found.policy)
    text = as_text(study, found, name, run.manifest.name)
    learned = " At a = 1, learned anew from patients who do not judge it." if found.policy == STEP else ""
    show(
        policy_tree(boxes(study, found), study.n_actions, ordered=study.actions.ordered),
        "policy-tree",
        f"Tree of {name}, from all states to {len(found.tree.limits)} groups; as text below.",
        caption=f"{fidelity_text(found)} At the run's own K and λ, prospective, by this step's columns alone.{learned} "
        f"{f'Doses in {study.actions.unit}; gray' if study.actions.ordered else 'Gray'}: as clinicians do.",
        data=found.groups,
    )
    with st.expander("As text"):
        st.code(text, language=None, wrap_lines=True)
    st.download_button(
        "Text",
        data=recorded(lambda: text, f"policy {found.policy} in words"),
        file_name=file_name(f"in-words-{found.policy}", "txt"),
        mime="text/plain",
        key="in-words-text",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _worth(run: RunView, found: InWords) -> None:
    """The difference of the policy, its tree, and the tree where it departs."""
    st.markdown("**What the words are worth: difference to the clinicians by the mix**")
    rows = found.judged.assign(policy=found.judged["what"])
    names = {str(what): two_lines(str(what).replace(", ", ": ").capitalize()) for what in rows["what"]}
    known = rows["true_difference"].notna().any()
    show(
        difference_forest(rows, names, height_each=44),
        "in-words-worth",
        "; ".join(
            f"{r.what} {r.difference:+.2f} {fmt_interval(r.difference_low, r.difference_high)}, ESS {r.ess:.1f} of "
            f"{r.n:,}, {r.grade}, true {true_text(r)}"
            for r in rows_of(rows)
        ),
        caption=f"{found.stays:,} test patients. Hollow: weak; hollow and gray: not supported."
        + (" Upright bar: true difference by simulation." if known else ""),
        help=HOW,
        data=rows,
    )


def _mean_doses(row: Any, unit: str) -> dict[str, str]:
    """The mean dose given in a group, and by how much the tree changes it."""
    return {
        f"mean dose given, {unit}": f"{row.given:,.0f}",
        "change of it": f"{row.change:+,.0f} [{row.change_low:+,.0f}, {row.change_high:+,.0f}]",
    }


def _departures(run: RunView, found: InWords) -> None:
    """The groups in which the tree departs, and what to do elsewhere."""
    st.markdown("**Where it truly departs from the clinicians**")
    rows, unit, words = departures(run.study, found), run.study.actions.unit, run.study.actions.words
    known = rows["true_difference"].notna().any()
    lines = [
        {
            "group of states": fmt_unit(row.group),
            "what it does": row.said,
            "effect": bracketed(effect_text(row), str(row.grade)),
        }
        | ({"true effect": true_text(row)} if known else {})
        | {
            "ESS": round(row.ess, 1) if np.isfinite(row.ess) else None,
            "steps": row.steps,
            "patients": row.stays,
            f"{words} moved": f"{100 * row.moved:.0f} % [{100 * row.moved_low:.0f}, {100 * row.moved_high:.0f}]",
        }
        | (_mean_doses(row, unit) if run.study.actions.ordered else {})
        for row in rows_of(rows)
    ]
    if lines:
        table(
            pd.DataFrame(lines),
            "departures-table",
            name=f"departures-{found.policy}",
            caption="Effect: following the tree in this group alone, as clinicians do everywhere else, minus the "
            f"clinicians, in reward over all stays. Intervals are corrected for looking at {len(found.groups)} groups; "
            "one that holds 0 shows nothing. Doses moved: at least, beside the shares given. In brackets: not "
            "supported." + (" True effect: simulated patients, ± standard error." if known else ""),
            csv=rows,
        )
    else:
        st.markdown("Nowhere: no group in which more than a tenth of the doses move beyond chance.")
    st.markdown(markdown(deferring_text(found)))
