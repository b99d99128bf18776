"""Previous, the patient by key, next: a walk through a list of patients, the same in both studies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def step_through(
    slots: Sequence[DeltaGenerator],
    listed: np.ndarray,
    patient: int,
    keys: np.ndarray | Sequence[Any],
    open_: Callable[[int], None],
    *,
    prefix: str = "",
) -> None:
    """Draw the walk into three slots. listed: sorted positions; keys: of all patients; `open_` shows a position.

    A patient outside of the list is named first and said to be outside of it; `prefix` makes widget keys unique.
    """
    before, pick, after = slots
    place = int(np.searchsorted(listed, patient))
    inside = place < len(listed) and listed[place] == patient
    before.button(
        "Previous",
        icon=":material/chevron_left:",
        key=f"{prefix}previous-patient",
        width="stretch",
        disabled=place == 0,
        on_click=open_,
        args=(int(listed[max(place - 1, 0)]),),
    )
    following = min(place + (1 if inside else 0), len(listed) - 1)
    after.button(
        "Next",
        icon=":material/chevron_right:",
        key=f"{prefix}next-patient",
        width="stretch",
        disabled=inside and place == len(listed) - 1,
        on_click=open_,
        args=(int(listed[following]),),
    )
    outside = "" if inside else ", not this one"
    count = f"{len(listed):,} in the list{outside}"
    key = f"{prefix}pick-patient"
    st.session_state[key] = patient  # always: the count in the labels changes while the patient stays
    pick.selectbox(
        f"Patient ({count})",
        [int(p) for p in listed] if inside else [patient, *(int(p) for p in listed)],
        format_func=lambda p: f"Patient {keys[p]}" + (f" ({count})" if p == patient else ""),
        key=key,
        label_visibility="collapsed",
        on_change=lambda: open_(int(st.session_state[key])),
    )
