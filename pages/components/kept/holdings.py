"""What is kept, a line each; the marked one can be shared, where it is a run, and deleted."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.keep.holdings import MEGABYTE, SHORTEST_OWNER, Holding, holdings, with_rows_of
from pages.components.shell.export import table
from pages.components.shell.frame import empty, failed
from pages.components.shell.places import STUDIES
from pages.components.shell.visitor import me

WORDS = {
    "run": "run",
    "policy": "policy of your own",
    "data": "data",
    "encoder": "encoder",
    "study": "definition of a study",
    "verdicts": "verdicts on a run",
    "link": "text of a long link",
}


def yours() -> None:
    """What the visitor keeps, and how much more it may be."""
    here = me()
    own = [one for one in holdings(here.root) if one.owner and one.owner == here.person.owner]
    st.markdown(_sum(own))
    if not own:
        empty(
            "You keep nothing here", "What you upload, train and judge is listed here.", icon=":material/inventory_2:"
        )
        return
    _list(own, "kept-yours")


def everybodys() -> None:
    """All of it, for administrators: names and sizes, whose it is, never what is in it."""
    found = holdings(me().root)
    size = sum(one.size for one in found)
    owners = len({one.owner for one in found})
    whose = f"{owners:,} owner{'' if owners == 1 else 's'}"
    st.markdown(f"{len(found):,} thing{'' if len(found) == 1 else 's'} of {whose}, {size / MEGABYTE:,.1f} MB.")
    if found:
        _list(found, "kept-everybodys", owners=True)


def _sum(own: list[Holding]) -> str:
    quota = me().settings.quota
    size, runs = sum(one.size for one in own) / MEGABYTE, sum(one.kind == "run" for one in own)
    text = f"You keep **{runs} {'run' if runs == 1 else 'runs'}**"
    text += f" of at most {quota.runs}" if quota.runs else ""
    text += f" and **{size:,.1f} MB**"
    return f"{text} of at most {quota.megabytes:g} MB." if quota.megabytes else f"{text}."


def _list(found: list[Holding], key: str, owners: bool = False) -> None:
    rows = pd.DataFrame([_row(one, owners) for one in found])
    event = table(
        rows,
        key,
        caption="Mark a row to share or delete what it names.",
        on_select="rerun",
        selection_mode="single-row",
        column_config={"MB": st.column_config.NumberColumn(format="%.2f")},
    )
    marked = list(event["selection"]["rows"]) if event else []
    if marked and marked[0] < len(found):
        _marked(found[marked[0]], key)


def _row(one: Holding, owners: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "what": WORDS[one.kind],
        "name": one.name,
        "MB": one.size / MEGABYTE,
        "since": datetime.fromtimestamp(one.created, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "data hash": one.data_hash,
        "seen by": "everybody" if one.shared or not one.owner else "its owner",
    }
    return row | ({"owner": one.owner[:SHORTEST_OWNER] or "everybody"} if owners else {})


def _marked(one: Holding, key: str) -> None:
    with st.container(border=True):
        st.markdown(f"**{WORDS[one.kind].capitalize()}: {markdown(one.name)}**")
        if one.kind == "run" and one.owner and one.path.parent in {study.folder for study in STUDIES}:
            _share(one, key)
        _delete(one, key)


def _share(one: Holding, key: str) -> None:
    said = "Everybody who may enter sees this run, with its patients" if me().settings.sign_in else "Everybody sees it"
    wanted = st.toggle(said, value=one.shared, key=f"{key}-share-{one.path.name}")
    if wanted == one.shared:
        return
    try:
        me().share(one.path, wanted)
    except PhenoPolicyError as error:
        failed(error, "Sharing")
        return
    st.rerun()


def _delete(one: Holding, key: str) -> None:
    """The button, behind a question that says what else holds rows of the same patients."""
    here = me()
    others = [other for other in with_rows_of(here.root, one.data_hash) if other.path != one.path]
    mine = [other for other in others if here.owns(other)] if one.kind == "data" else []
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown("It is gone from every copy on this server, and does not come back.")
        if others:
            names = ", ".join(f"{WORDS[other.kind]} '{markdown(other.name)}'" for other in others if here.owns(other))
            foreign = len(others) - sum(here.owns(other) for other in others)
            st.markdown(
                f"The same patients are also in: {names or 'nothing of yours'}"
                + (f", and in {foreign} of other people." if foreign else ".")
            )
        too = bool(mine) and st.checkbox("Delete these, too", key=f"{key}-too")
        if st.button("Delete for good", type="primary", key=f"{key}-delete"):
            try:
                for doomed in [one, *(mine if too else ())]:
                    here.delete(doomed)
            except (PhenoPolicyError, OSError) as error:
                failed(error, "Deleting")
                return
            st.rerun()
