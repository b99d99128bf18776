"""A policy from elsewhere: uploaded as a table, checked, judged on the run's test patients, and kept beside its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.bring import add_policy, bring_table, remove_policy
from core.figures.theme import fmt_interval
from core.icu.added import NAME, added_to, check_name
from core.runs.folders import private_files
from core.tables.read import read_table
from pages.components.policies.advice import BEFORE
from pages.components.shell.estimates import bracketed
from pages.components.shell.export import csv_button, file_name, recorded, table
from pages.components.shell.frame import empty, failed
from pages.components.shell.held import held
from pages.components.shell.panels import panel
from pages.components.shell.session import get_session
from pages.components.shell.visitor import me
from pages.components.study.upload import MAX_MEGABYTES

if TYPE_CHECKING:
    from core.bring import BroughtPolicy
    from core.icu.added import AddedPolicy
    from core.icu.view import RunView

ADDED = "own-policy-added"  # name of the policy that was just added, until it is said


@panel
def own_panel(run: RunView) -> None:
    """Upload and check a policy, keep it, and list those that the run has."""
    if run.judgments is None:
        empty("Not judged against the clinicians", BEFORE, icon=":material/balance:")
        return
    study = run.study
    st.markdown(
        f"A policy that was made elsewhere, as **Parquet**, **CSV** or **gzipped CSV**: one row for every step of this "
        f"run, with the columns `traj`, `step` and `p0` to `p{study.n_actions - 1}`, the probabilities of the doses. "
        "It is read as numbers and nothing of it is run. It then stands wherever this run's own policies stand."
    )
    _form(run)
    file = st.file_uploader("Policy", type=["parquet", "csv", "gz"], max_upload_size=MAX_MEGABYTES, key="own-policy")
    if file is not None:
        _checked(run, file)
    if added := st.session_state.pop(ADDED, ""):
        st.success(f"**{markdown(added)}** was judged and is kept beside this run.", icon=":material/check_circle:")
    _list(run)


def _form(run: RunView) -> None:
    """What the columns mean, and a file to start from."""
    study = run.study
    doses = "; ".join(f"`p{a}` {study.actions.label(a)}" for a in range(study.n_actions))
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.caption(f"Doses in {study.actions.unit}: {doses}. The file beside is this run's fused policy in that form.")
        csv_button(lambda: policy_file(run), "own-policy-form", name=f"policy-{run.manifest.name}", label="Example")


def policy_file(run: RunView) -> pd.DataFrame:
    """The run's own policy as a table traj, step, p0 .. p(A-1)."""
    rows = run.probs(run.own_policy)[run.trajectories.mask]
    probs = pd.DataFrame(rows, columns=[f"p{a}" for a in range(run.study.n_actions)])
    return pd.concat([run.cohort.frame[["traj", "step"]].reset_index(drop=True), probs], axis=1)


def _checked(run: RunView, file: Any) -> None:
    """Check the file, ask for a name, and keep the policy."""
    try:
        policy = bring_table(read_table(file).frame, run.cohort, "policy", file.name)
    except PhenoPolicyError as error:
        failed(error, "Reading the policy")
        return
    st.success(
        f"The file has probabilities for all {len(run.cohort.frame):,} steps of this run.", icon=":material/check:"
    )
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    name = left.text_input("Name", value=_proposed(file.name), max_chars=40, key=f"own-policy-name-{file.file_id}")
    if right.button("Judge and keep it", type="primary", icon=":material/balance:", key="own-policy-keep"):
        _keep(run, policy, name.strip())


def _proposed(text: str) -> str:
    """A name from a file's."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(text).name.split(".")[0])[:40]
    return name if NAME.fullmatch(name) else "my-policy"


def _keep(run: RunView, policy: BroughtPolicy, name: str) -> None:
    """Add the policy as this visitor's own; the page is then drawn anew with it."""
    session = get_session()
    try:
        check_name(run.path, name, session.owners)
        me().upload(policy.probs.nbytes, f"policy {name}")
        with st.spinner("Judging the policy as the run's own were: about a quarter of a minute ..."), private_files():
            add_policy(run, name, policy, session.owner)
    except (PhenoPolicyError, OSError) as error:  # also a run that the server may only read
        failed(error, "Keeping the policy")
        return
    st.session_state[ADDED] = name
    st.rerun()


def _list(run: RunView) -> None:
    """The policies that were added to this run and may be seen, and the visitor's own to take out again."""
    st.markdown("**Policies that were added to this run**")
    found, refused = added_to(run.path, get_session().owners)
    for name, why in refused.items():
        st.warning(f"**{markdown(name)}** is not used: {markdown(why)}", icon=":material/warning:")
    if not found:
        empty("None yet", "Upload one above, or on the command line: `python -m core policy add RUN FILE --name mine`.")
        return
    own = get_session().owner
    table(
        pd.DataFrame([_line(one, one.owner == own) for one in found.values()]),
        "own-policies",
        name="added-policies",
        caption="In brackets: not supported by the records. Value, Trust frontier, Support, Hazard rules, Dose excess, "
        "the Patient page, the report and `evaluate` hold them too. A table of probabilities cannot be asked about "
        "states that were never recorded, so it is not rolled out in the simulator: its true value stays unknown. "
        "Whether it was learned from the very patients that judge it, no number can show.",
        reasons="why not more",
    )
    _each(run, found, own)


def _line(one: AddedPolicy, own: bool) -> dict[str, object]:
    row, truth = one.judgments.iloc[0], one.truth
    interval = fmt_interval(row["difference_low"], row["difference_high"])
    return {
        "policy": one.name,
        "difference to the clinicians": bracketed(f"{row['difference']:+.2f} {interval}", row["grade"]),
        "grade": row["grade"],
        "why not more": row["doubts"],
        "true value": f"{truth['true_value'].iloc[0]:.2f}" if len(truth) else "not rolled out",
        "seen by": "you alone" if own else "all who see the run",
    }


def _each(run: RunView, found: dict[str, AddedPolicy], own: str) -> None:
    """One policy's evidence card, and a way out for one's own."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Policy", list(found), **held("own-choice", found), width=260)
        chosen = found[name]
        st.download_button(
            "Evidence card",
            data=recorded(lambda: (chosen.folder / "card.html").read_text(encoding="utf-8"), f"card of policy {name}"),
            file_name=file_name(f"card-{name}", "html"),
            mime="text/html",
            key="own-policy-card",
            icon=":material/download:",
            on_click="ignore",
        )
        if chosen.owner == own and st.button("Take it out", icon=":material/delete:", key="own-policy-remove"):
            me().note("delete", run=run.path.name, detail=f"policy {name}")
            remove_policy(run.path, name, own)
            st.rerun()
