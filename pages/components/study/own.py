"""A policy from elsewhere: uploaded as a table, checked, judged on the run's test patients, and kept beside its own.

One panel for both studies: what differs is the table's form, and what the study calls its records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.bring import add_policy, check_policy_name, policies_in, read_card, remove_policy
from core.figures.theme import fmt_interval
from core.runs.added import may_name
from core.runs.folders import private_files
from core.tables.read import read_table
from pages.components.shell.estimates import bracketed
from pages.components.shell.export import csv_button, file_name, recorded, table
from pages.components.shell.frame import empty, failed
from pages.components.shell.held import held
from pages.components.shell.places import uploads_root
from pages.components.shell.session import get_session
from pages.components.shell.visitor import me
from pages.components.study.upload import MAX_MEGABYTES

if TYPE_CHECKING:
    from core.bring import BroughtPolicy, BroughtSets
    from core.bring.added import AnyAdded, AnyView

    Brought = BroughtPolicy | BroughtSets


@dataclass(frozen=True)
class OwnWords:
    """key: of widgets; form: what the file looks like, columns: what they mean; example: such a file; read: a table
    and its file's name to a policy, size: its bytes; whole: what the file was found to hold; against: those who
    treated; stands: where the policy stands from then on."""

    key: str
    form: str
    columns: str
    example: Callable[[], pd.DataFrame]
    read: Callable[[pd.DataFrame, str], Brought]
    size: Callable[[Brought], int]
    whole: str
    against: str
    stands: str


def own_view(run: AnyView, words: OwnWords) -> None:
    """Upload and check a policy, keep it, and list those that the run has."""
    st.markdown(
        f"A policy that was made elsewhere, as **Parquet**, **CSV** or **gzipped CSV**: {words.form} It is read as "
        "numbers and nothing of it is run. It then stands wherever this run's own policies stand."
    )
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.caption(words.columns)
        csv_button(words.example, f"{words.key}-form", name=f"policy-{run.manifest.name}", label="Example")
    file = st.file_uploader("Policy", type=["parquet", "csv", "gz"], max_upload_size=MAX_MEGABYTES, key=words.key)
    if file is not None:
        _checked(run, words, file)
    if added := st.session_state.pop(_said(words), ""):
        st.success(f"**{markdown(added)}** was judged and is kept beside this run.", icon=":material/check_circle:")
    _list(run, words)


def _said(words: OwnWords) -> str:
    """Where the name of the policy that was just added stands until it is said."""
    return f"{words.key}-added"


def _checked(run: AnyView, words: OwnWords, file: Any) -> None:
    """Check the file, ask for a name, and keep the policy."""
    try:
        policy = words.read(read_table(file).frame, file.name)
    except PhenoPolicyError as error:
        failed(error, "Reading the policy")
        return
    st.success(words.whole, icon=":material/check:")
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    name = left.text_input("Name", value=_proposed(file.name), max_chars=40, key=f"{words.key}-name-{file.file_id}")
    if right.button("Judge and keep it", type="primary", icon=":material/balance:", key=f"{words.key}-keep"):
        _keep(run, words, policy, name.strip())


def _proposed(text: str) -> str:
    """A name from a file's."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(text).name.split(".")[0])[:40]
    return name if may_name(name) else "my-policy"


def _keep(run: AnyView, words: OwnWords, policy: Brought, name: str) -> None:
    """Add the policy as this visitor's own; the page is then drawn anew with it."""
    session = get_session()
    try:
        check_policy_name(run, name, session.owners)
        said = "Judging the policy as the run's own were: about a quarter of a minute ..."
        storing = me().storing(uploads_root(session.owner), words.size(policy), f"policy {name}")
        with st.spinner(said), private_files(), storing:
            add_policy(run, name, policy, session.owner)
    except (PhenoPolicyError, OSError) as error:  # also a run that the server may only read
        failed(error, "Keeping the policy")
        return
    st.session_state[_said(words)] = name
    st.rerun()


def _list(run: AnyView, words: OwnWords) -> None:
    """The policies that were added to this run and may be seen, and the visitor's own to take out again."""
    st.markdown("**Policies that were added to this run**")
    found, refused = policies_in(run, get_session().owners)
    for name, why in refused.items():
        st.warning(f"**{markdown(name)}** is not used: {markdown(why)}", icon=":material/warning:")
    if not found:
        empty("None yet", "Upload one above, or on the command line: `python -m core policy add RUN FILE --name mine`.")
        return
    own = get_session().owner
    table(
        pd.DataFrame([_line(one, words, one.owner == own) for one in found.values()]),
        f"{words.key}-list",
        name="added-policies",
        caption=f"In brackets: not supported by the records. {words.stands} hold them too. A table cannot be asked "
        "about what was never recorded, so it is not rolled out in the simulator: its true value stays unknown. "
        "Whether it was learned from the very patients that judge it, no number can show.",
        reasons="why not more",
    )
    _each(run, words, found, own)


def _line(one: AnyAdded, words: OwnWords, own: bool) -> dict[str, object]:
    row, truth, card = one.judgments.iloc[0], one.truth, read_card(one.folder / "card.json")
    interval = fmt_interval(row["difference_low"], row["difference_high"])
    return {
        "policy": one.name,
        f"difference to the {words.against}": bracketed(f"{row['difference']:+.2f} {interval}", row["grade"]),
        "grade": row["grade"],
        "why not more": row["doubts"],
        **({"under other choices": card.choices.badge} if card.choices else {}),
        "true value": f"{truth['true_value'].iloc[0]:.2f}" if len(truth) else "not rolled out",
        "seen by": "you alone" if own else "all who see the run",
    }


def _each(run: AnyView, words: OwnWords, found: Mapping[str, AnyAdded], own: str) -> None:
    """One policy's evidence card, and a way out for one's own."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Policy", list(found), **held(f"{words.key}-choice", found), width=260)
        chosen = found[name]
        st.download_button(
            "Evidence card",
            data=recorded(lambda: (chosen.folder / "card.html").read_text(encoding="utf-8"), f"card of policy {name}"),
            file_name=file_name(f"card-{name}", "html"),
            mime="text/html",
            key=f"{words.key}-card",
            icon=":material/download:",
            on_click="ignore",
        )
        if chosen.owner == own and st.button("Take it out", icon=":material/delete:", key=f"{words.key}-remove"):
            with me().doing("delete", run=run.path.name, detail=f"policy {name}"):
                remove_policy(run.path, name, own)
            st.rerun()
