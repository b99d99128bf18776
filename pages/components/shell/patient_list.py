"""A table of patients that is a door: a click on a cell opens the patient, ticked rows can become the selection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from pages.components.shell.export import table
from pages.components.shell.patients import open_patient
from pages.components.shell.session import get_session

HOW = "Click a cell to open that patient, or tick rows to select them."


def patient_list(
    rows: pd.DataFrame,
    patients: np.ndarray,
    key: str,
    *,
    name: str,
    caption: str = "",
    height: int = 320,
    csv: Callable[[], pd.DataFrame] | None = None,
    steps: np.ndarray | None = None,
    whole: np.ndarray | None = None,
    leave: Callable[[], None] = lambda: None,
) -> None:
    """Draw one row a patient; patients (n,) positions of the rows, steps (n,) to open them at (None: the first view).

    `name` is that of the file and of the selection. `whole`: positions that a button selects all at once, for a list
    that is not the selection itself. `leave` is called just before another patient is opened.
    """
    event = table(
        rows,
        key,
        name=name,
        caption=f"{caption} {HOW}".strip(),
        height=min(38 + 35 * len(rows), height),
        on_select="rerun",
        selection_mode=("multi-row", "single-cell"),
        csv=csv,
    )
    marked = event["selection"] if event else {}
    with st.container(horizontal=True):
        if whole is not None:
            _select(f"Select {_people(len(whole))}", name, whole, f"{key}-all")
        if ticked := list(marked.get("rows", ())):
            _select(f"Select the ticked {_people(len(ticked))}", f"rows of {name}", patients[ticked], f"{key}-ticked")
    if clicked := list(marked.get("cells", ())):
        row = int(clicked[0][0])
        leave()
        open_patient(int(patients[row]), None if steps is None else int(steps[row]))


def _people(n: int) -> str:
    return f"{n:,} patient" + ("" if n == 1 else "s")


def _select(label: str, name: str, patients: np.ndarray, key: str) -> None:
    st.button(label, key=key, icon=":material/select_check_box:", on_click=get_session().select, args=(name, patients))
