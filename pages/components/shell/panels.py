"""A panel: a part of a page that reruns alone, keeps the URL in step, and says so when the run lacks what it shows."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import streamlit as st

from core.base.errors import PhenoPolicyError
from pages.components.shell.frame import failed
from pages.components.shell.selection_bar import bar_is_stale
from pages.components.shell.session import write_url

if TYPE_CHECKING:
    from core.icu.view import RunView

P = ParamSpec("P")


def panel(draw: Callable[Concatenate[RunView, P], None]) -> Callable[Concatenate[RunView, P], None]:
    """Make a fragment of a function that draws a part of a run; a missing or broken artifact becomes a sentence."""

    @wraps(draw)
    def guarded(run: RunView, *args: P.args, **kwargs: P.kwargs) -> None:
        write_url()  # not read: the browser may still have the address of the move before, and a slider would jump back
        if bar_is_stale():
            st.rerun()
        try:
            draw(run, *args, **kwargs)
        except PhenoPolicyError as error:
            failed(error, "Reading this part of the run")

    return st.fragment(guarded)
