"""A policy in words, whatever the study: its tree, how faithful it is and what it is worth, and where it departs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.base.text import markdown
from core.figures.differences import difference_forest
from core.figures.policy_tree import policy_tree
from core.figures.theme import fmt_interval, fmt_unit, two_lines
from core.policies.in_words import InWords
from core.policies.tree_words import (
    TreeWords,
    as_text,
    boxes,
    deferring_text,
    departures,
    effect_text,
    fidelity_text,
    true_text,
)
from pages.components.shell.estimates import bracketed, rows_of
from pages.components.shell.export import file_name, recorded, show, table


@dataclass(frozen=True)
class Told:
    """How a page tells of trees. key: of its widgets; name: of the policy; run: of the run; how: it was judged, on
    asking; below: what is said under the tree, after its fidelity; axis: what a difference is; unit: of a dose; effect:
    what the effect of a group is."""

    key: str
    words: TreeWords
    name: str
    run: str
    how: str
    below: str
    axis: str
    unit: str
    effect: str


def asked(key: str, done: str) -> bool:
    """The button that puts a policy into words, which stays done for the policy."""
    if st.button("Put it into words", type="primary", icon=":material/account_tree:", key=f"{key}-go"):
        st.session_state[done] = True
    return bool(st.session_state.get(done))


def words_view(told: Told, found: InWords) -> None:
    """The tree, what it is worth, and where it departs."""
    _tree(told, found)
    _worth(told, found)
    _departures(told, found)


def _tree(told: Told, found: InWords) -> None:
    words = told.words
    text = as_text(words, found, told.name, told.run)
    show(
        policy_tree(boxes(words, found), len(words.outcomes) - 1, ordered=words.doses),
        f"{told.key}-tree",
        f"Tree of {told.name}, from all states to {len(found.tree.limits)} groups; as text below.",
        caption=f"{fidelity_text(words, found)} {told.below}",
        data=found.groups,
    )
    with st.expander("As text"):
        st.code(text, language=None, wrap_lines=True)
    st.download_button(
        "Text",
        data=recorded(lambda: text, f"policy {found.policy} in words"),
        file_name=file_name(f"in-words-{found.policy}", "txt"),
        mime="text/plain",
        key=f"{told.key}-text",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _worth(told: Told, found: InWords) -> None:
    """The difference of the policy, its tree, and the tree where it departs."""
    st.markdown(f"**What the words are worth: difference to the {told.words.who} by the mix**")
    rows = found.judged.assign(policy=found.judged["what"])
    names = {str(what): two_lines(str(what).replace(", ", ": ").capitalize()) for what in rows["what"]}
    known = rows["true_difference"].notna().any()
    show(
        difference_forest(rows, names, height_each=44, x=told.axis),
        f"{told.key}-worth",
        "; ".join(
            f"{r.what} {r.difference:+.2f} {fmt_interval(r.difference_low, r.difference_high)}, ESS {r.ess:.1f} of "
            f"{r.n:,}, {r.grade}, true {true_text(r)}"
            for r in rows_of(rows)
        ),
        caption=f"{int(rows['n'].iloc[0]):,} test patients. Hollow: weak; hollow and gray: not supported."
        + (" Upright bar: true difference by simulation." if known else ""),
        help=told.how,
        data=rows,
    )


def _mean_doses(row: Any, unit: str) -> dict[str, str]:
    """The mean dose given in a group, and by how much the tree changes it."""
    return {
        f"mean dose given, {unit}": f"{row.given:,.0f}",
        "change of it": f"{row.change:+,.0f} [{row.change_low:+,.0f}, {row.change_high:+,.0f}]",
    }


def _departures(told: Told, found: InWords) -> None:
    """The groups in which the tree departs, and what to do elsewhere."""
    words, actions = told.words, told.words.actions
    st.markdown(f"**Where it truly departs from the {words.who}**")
    rows = departures(words, found)
    known = rows["true_difference"].notna().any()
    lines = [
        {
            "group of states": fmt_unit(row.group),
            "what it does": row.said,
            "what was given": row.gave,
            "effect": bracketed(effect_text(row), str(row.grade)),
        }
        | ({"true effect": true_text(row)} if known else {})
        | {
            "ESS": round(row.ess, 1) if np.isfinite(row.ess) else None,
            words.steps: row.steps,
            "patients": row.stays,
            f"{actions} moved": f"{100 * row.moved:.0f} % [{100 * row.moved_low:.0f}, {100 * row.moved_high:.0f}]",
        }
        | (_mean_doses(row, told.unit) if words.doses else {})
        for row in rows_of(rows)
    ]
    if lines:
        table(
            pd.DataFrame(lines),
            f"{told.key}-departures",
            name=f"departures-{found.policy}",
            caption=f"Effect: {told.effect} Intervals are corrected for looking at {len(found.groups)} groups; one "
            f"that holds 0 shows nothing. {actions.capitalize()} moved: at least, beside the shares given. In "
            "brackets: not supported." + (" True effect: simulated patients, ± standard error." if known else ""),
            csv=rows,
        )
    else:
        st.markdown(f"Nowhere: no group in which more than a tenth of the {actions} move beyond chance.")
    st.markdown(markdown(deferring_text(words, found)))
