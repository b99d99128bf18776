"""What a run's figures rest on: what its states may know, and where its stays come from."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.cohort import CohortReport, Origin
from core.cohort.knowledge import what_a_state_knows
from core.study import StudySpec


def state_knows(report: CohortReport, origin: Origin, study: StudySpec) -> None:
    """One line: whether a state holds values from before its dose alone, in the words of the study's actions."""
    if sentence := what_a_state_knows(report, origin):
        st.caption(f":material/schedule: {study.actions.said(sentence)}")


def where_from(report: CohortReport, key: str) -> None:
    """Source, options, definitions and losses of an extract, one a line; nothing where the file kept none."""
    if report.notes:
        st.dataframe(
            pd.DataFrame({"Where the stays come from, and by which rules": report.notes}), hide_index=True, key=key
        )
