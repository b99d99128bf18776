"""Steps that the uploads of both studies share: why a file cannot be read, and its first rows."""

from __future__ import annotations

import streamlit as st

from core.base.errors import CohortError
from core.tables.read import RawTable
from pages.components.cohort.views import problems_table
from pages.components.shell.frame import failed

PREVIEW_ROWS = 8


def unreadable(error: CohortError, key: str) -> None:
    """Say why a file is no table, problem by problem where the reader named them."""
    if error.report is not None and error.report.problems:
        st.error("This file cannot be read as a table.", icon=":material/error:")
        problems_table(error.report.problems, key)
    else:
        failed(error, "Reading the file")


def preview(raw: RawTable) -> None:
    """First rows; columns of one name are told apart by their position."""
    names = list(raw.frame.columns)
    st.markdown(f"**1. Preview** · {len(raw.frame):,} rows, {len(names)} columns")
    first = raw.frame.head(PREVIEW_ROWS)
    first.columns = [f"{name}" if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]
    st.dataframe(first.astype(str), hide_index=True, alt="First rows of the uploaded file")
