"""A table of patients that is a door: a click on a cell opens the patient, ticked rows can become the selection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from pages.components.export import table
from pages.components.patients import open_patient
from pages.components.session import get_session

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
) -> None:
    """Draw one row a patient; patients (n,) positions of the rows, steps (n,) to open them at (None: the first view).

    `name` is that of the file and, with the ticked rows, of the selection.
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
    if ticked := list(marked.get("rows", ())):
        noun = "patient" if len(ticked) == 1 else "patients"
        st.button(
            f"Select the {len(ticked):,} ticked {noun}",
            key=f"{key}-select",
            icon=":material/select_check_box:",
            on_click=get_session().select,
            args=(f"rows of {name}", patients[ticked]),
        )
    if clicked := list(marked.get("cells", ())):
        row = int(clicked[0][0])
        open_patient(int(patients[row]), None if steps is None else int(steps[row]))
