"""The clinician's own verdict on a step, kept on this machine for this visitor and exported as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.icu.ask.decision import Decision
from core.icu.verdicts import LONGEST_NOTE, VERDICTS, give_verdict, load_verdicts
from pages.components.shell.export import csv_button
from pages.components.shell.frame import failed
from pages.components.shell.held import held_switch
from pages.components.shell.places import uploads_root
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from pathlib import Path

    from core.icu.view import RunView


def verdict_file(run: RunView) -> Path:
    """Where this visitor's verdicts on a run are kept."""
    # by name and data: a run that was made anew on other patients starts without verdicts
    name = f"{run.path.name}-{run.manifest.data_hash}.parquet"
    return uploads_root(get_session().owner) / "verdicts" / name


def verdict_panel(run: RunView, decision: Decision, hidden: bool = False) -> None:
    """Follow, modify, delay or reject what the fused policy weighs highest at this step.

    hidden: what was given is not told, and keeping a verdict draws the page anew to tell it.
    """
    patient, step, path = decision.patient, decision.step, verdict_file(run)
    stored = load_verdicts(path)
    key = str(run.cohort.patients[patient])
    here = stored[(stored["patient"] == key) & (stored["step"] == step + 1)]
    label = run.study.actions.label
    recommended, given = label(int(decision.weighed.fused.argmax())), label(decision.given)
    title = "Your verdict" + (f": {here['verdict'].iloc[0]}" if len(here) else "")
    done = "Keeping it shows what was given, what followed and the outcome." if hidden else f"**{given}** was given."
    with st.expander(title, icon=":material/rate_review:", **held_switch("verdict-open", hidden)):
        st.caption(
            f"The fused policy weighs **{recommended}** highest at this step. {done} Your verdict stays on this "
            "machine, for this browser alone."
        )
        with st.form(f"verdict-{patient}-{step}", border=False):
            current = here["verdict"].iloc[0] if len(here) else None
            verdict = st.segmented_control("I would", VERDICTS, default=current, format_func=str.capitalize)
            note = st.text_input("Why (optional)", here["note"].iloc[0] if len(here) else "", max_chars=LONGEST_NOTE)
            pressed = st.form_submit_button("Keep verdict", icon=":material/save:")
        if pressed and not verdict:
            st.warning("Choose follow, modify, delay or reject first.", icon=":material/info:")
        elif pressed:
            try:
                stored = give_verdict(
                    path,
                    patient=key,
                    step=step + 1,
                    verdict=str(verdict),
                    note=note,
                    recommended=recommended,
                    given=given,
                    n_clusters=decision.settings.n_clusters,
                    lambda_=decision.settings.lambda_,
                )
            except (PhenoPolicyError, OSError) as error:
                failed(error, "Keeping the verdict")
            else:
                if hidden:
                    st.rerun()
                st.success(f"Kept: {verdict} at step {step + 1} of patient {markdown(key)}.", icon=":material/check:")
        if len(stored):
            csv_button(
                stored,
                "verdicts",
                name=f"verdicts-{run.path.name}",
                label="The one verdict (CSV)" if len(stored) == 1 else f"All {len(stored)} verdicts (CSV)",
            )
