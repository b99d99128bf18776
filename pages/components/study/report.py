"""The report and the model card of a run of any study: built when they are asked for, downloaded as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.report import render_report
from core.report.card import card_html, croissant, model_card
from pages.components.shell.export import file_name, recorded

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.registry.view import RegistryView
    from core.sites import SiteResult


def report_button(run: RunView | RegistryView, holds: str, experiment: Path | None = None) -> None:
    """The report; holds: what stands in it, in words; experiment: repeats for its box plots."""
    name, folder = run.manifest.name, run.path
    st.markdown(
        f"One HTML file of about 5 MB that works without a network and prints well: {holds}. It names no patient."
    )
    st.download_button(
        "Build and download the report",
        data=recorded(lambda: render_report(run, experiment), f"report {folder.name}"),
        file_name=file_name(f"report-{name}", "html"),
        mime="text/html",
        key="report-download",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )
    st.caption(
        f"Takes a few seconds. The same on the command line: `python -m core report {_shown(folder)} --out FILE`"
    )


def card_buttons(run: RunView | RegistryView, holds: str, sites: Sequence[SiteResult] = ()) -> None:
    """The model card as a page and as data, and the description of the cohort; holds: what reviewers ask here; sites:
    results of other sites that stand in it."""
    name, folder = run.manifest.name, run.path
    st.markdown(
        f"**Model card**: what reviewers ask ({holds}), each beside its item of TRIPOD+AI, DECIDE-AI or HTI-1; what "
        "the run does not answer is said to be open. Croissant describes the file's columns, without a row."
    )
    with st.container(horizontal=True):
        for label, ending, make in (
            ("Model card", "html", lambda run: card_html(model_card(run, sites))),
            ("JSON", "json", lambda run: _json(model_card(run, sites).model_dump(mode="json"))),
            ("Croissant", "croissant.json", lambda run: _json(croissant(run))),
        ):
            st.download_button(
                label,
                data=recorded(partial(make, run), f"{label} {folder.name}"),
                file_name=file_name(f"card-{name}", ending),
                mime="text/html" if ending == "html" else "application/json",
                key=f"card-{label.lower().replace(' ', '-')}",
                icon=":material/download:",
                type="secondary" if ending == "html" else "tertiary",
                on_click="ignore",
            )
    st.caption(
        f"A model card takes a few seconds. On the command line: `python -m core report {_shown(folder)} --card FILE`"
    )


def _json(content: object) -> str:
    return json.dumps(content, indent=1)


def _shown(folder: Path) -> str:
    """The run's folder as a command takes it: 'data/runs/default', 'data/registry/default'."""
    return f"data/{folder.parent.name}/{folder.name}"
