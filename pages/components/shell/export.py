"""Tables and figures with their exports, and numbers with their basis."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.base.text import cell, markdown, markup
from core.figures.theme import LEAVING, fmt, fmt_count, fmt_interval, on_dark
from pages.components.shell.session import get_session
from pages.components.shell.visitor import me

KEYS = ("patient", "seed", "row")  # numbers that name something
THOUSAND, SMALLEST_FIXED, MOST_DECIMALS = 1000, 0.05, 2
NUMBER = re.compile(r"[-+<>≥≤±\d.,%\s\[\]()–∞]+")  # and its interval, in brackets or without
SelectionMode = Literal["points", "box", "lasso"]
Rows = pd.DataFrame | Callable[[], pd.DataFrame]
Given = TypeVar("Given", str, bytes)
RowMode = Literal["multi-row", "single-row", "single-cell"]


def neutralize(value: Any) -> Any:
    """A text cell that a spreadsheet would run as a formula gets a leading apostrophe; numbers stay numbers."""
    return cell(value) if isinstance(value, str) else value


def to_csv(table: pd.DataFrame) -> bytes:
    """CSV in which no cell, header or index starts a formula."""
    safe = table.copy()
    for column in safe.columns[[not pd.api.types.is_numeric_dtype(dtype) for dtype in safe.dtypes]]:
        safe[column] = safe[column].astype(object).map(neutralize)
    safe.columns = [neutralize(str(column)) for column in safe.columns]
    return safe.to_csv(index=False).encode("utf-8")


def file_name(text: str, ending: str) -> str:
    """A harmless file name from any text."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', text).strip('-.')[:60] or 'phenopolicy'}.{ending}"


def recorded(make: Callable[[], Given], what: str) -> Callable[[], Given]:
    """What a download gives, made when it is clicked and entered in the audit then; what: names it there.

    A download is made outside of the page's run, where neither visitor nor session can be asked for.
    """
    visitor, run = me(), get_session().run

    def give() -> Given:
        visitor.note("export", run=run, detail=what)
        return make()

    return give


def csv_button(table: Rows, key: str, *, name: str = "", label: str = "CSV") -> None:
    """Download button; the file, and a table given as a function, is made when it is clicked."""
    st.download_button(
        label,
        data=recorded(lambda: to_csv(table() if callable(table) else table), f"{key}-csv"),
        file_name=file_name(name or key, "csv"),
        mime="text/csv",
        key=f"{key}-csv",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def table(
    frame: pd.DataFrame,
    key: str,
    *,
    name: str = "",
    caption: str = "",
    height: int | Literal["auto"] = "auto",
    on_select: Literal["ignore", "rerun"] | Callable[..., None] = "ignore",
    selection_mode: RowMode | tuple[RowMode, ...] = "multi-row",
    column_config: dict[str, Any] | None = None,
    csv: Rows | None = None,
    placeholder: str | None = None,
    help: str | None = None,
    reasons: str = "",
) -> Any:
    """Show a table with a CSV download; `csv` is the table to export where it differs. Returns the selection event.

    `placeholder` is shown in empty cells; `help` opens at the end of the caption. Numbers are told as `number_columns`
    says, unless `column_config` says otherwise; the CSV has them whole. `reasons` names a column of sentences, which no
    cell shows whole: they stand under the table, by the text of its first column.
    """
    shown, told = number_columns(frame.drop(columns=reasons) if reasons else frame)
    told |= {name: _joined(told.get(name), config) for name, config in (column_config or {}).items()}
    for name in [name for name in shown.columns if _is_percent(told.get(name))]:  # its own format drops closing zeros
        shown[name] = 100 * shown[name]
        told[name] = told[name] | {"type_config": told[name]["type_config"] | {"format": "%.1f %%"}}
    event = st.dataframe(
        shown,
        key=key,
        hide_index=True,
        height=height,
        on_select=on_select,
        selection_mode=selection_mode,
        column_config=told,
        placeholder=placeholder,
        alt=caption or name or key,
    )
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.caption(caption or f"{len(frame):,} rows", help=help)
        csv_button(frame if csv is None else csv, key, name=name)
    if reasons:
        _reasons(frame, reasons)
    return event


def _reasons(frame: pd.DataFrame, column: str) -> None:
    """The sentences of a column, folded, one line a row that has any."""
    told = [(who, why) for who, why in zip(frame.iloc[:, 0], frame[column], strict=True) if why not in ("", "–")]
    if told:
        with st.expander(f"{column[:1].upper()}{column[1:]} ({len(told)})", icon=":material/info:"):
            st.markdown("\n".join(f"- **{markdown(str(who))}**: {markdown(str(why))}" for who, why in told))


def number_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table to be read, and how its columns are told: each with as many decimals throughout as it needs (two at most,
    none from 1,000 on, where thousands are separated), numbers in text at the right."""
    shown, told = frame.copy(deep=False), {}
    for name in frame.columns:
        values = frame[name]
        if name in KEYS or not isinstance(values, pd.Series) or pd.api.types.is_bool_dtype(values.dtype):
            continue
        if pd.api.types.is_numeric_dtype(values.dtype):
            largest = float(values.abs().replace(np.inf, np.nan).max())
            if largest >= THOUSAND:
                shown[name] = values.round(0)
                told[name] = st.column_config.NumberColumn(format="localized")
            elif pd.api.types.is_float_dtype(values.dtype) and largest >= SMALLEST_FIXED:
                told[name] = st.column_config.NumberColumn(format=f"%.{_decimals(values)}f")
        elif len(texts := [text for text in values.dropna() if text != ""]) and all(map(_is_number, texts)):
            told[name] = st.column_config.Column(alignment="right")
    return shown, told


def _joined(ours: dict[str, Any] | None, theirs: Any) -> Any:
    """A caller's column with our format and alignment where it says nothing of them."""
    if not ours or not isinstance(theirs, dict):
        return theirs
    kind, own = theirs.get("type_config") or {}, ours.get("type_config") or {}
    if kind and kind.get("type") == own.get("type") and kind.get("format") is None:
        kind = kind | {"format": own.get("format")}
    joined = theirs | {"alignment": theirs.get("alignment") or ours.get("alignment")}
    return joined | ({"type_config": kind} if kind else {})


def _is_percent(config: Any) -> bool:
    """True for a share that is to be told in percent, and not as a bar."""
    kind = (config.get("type_config") or {}) if isinstance(config, dict) else {}
    return bool(kind.get("type") == "number" and kind.get("format") == "percent")


def _decimals(values: pd.Series) -> int:
    """The fewest decimals, of at most two, that lose nothing of values rounded to two."""
    rounded = values.dropna().round(MOST_DECIMALS)
    return next((d for d in range(MOST_DECIMALS) if bool((rounded.round(d) == rounded).all())), MOST_DECIMALS)


def _is_number(text: object) -> bool:
    """True for '27.5 %', '(1.20 [0.80, 1.60])' and '118 (38.1 %)'."""
    return isinstance(text, str) and NUMBER.fullmatch(text) is not None


def show(
    fig: go.Figure,
    key: str,
    alt: str,
    *,
    caption: str = "",
    on_select: Literal["ignore", "rerun"] | Callable[..., None] = "ignore",
    selection_mode: SelectionMode | tuple[SelectionMode, ...] = ("points", "box", "lasso"),
    data: Rows | None = None,
    help: str | None = None,
) -> Any:
    """Draw a figure with its text alternative, a caption that says what to see, and exports.

    `help` opens at the end of the caption: what one reads once, and not under every figure.

    The camera in the figure's tool bar saves PNG or SVG as chosen under Export; HTML is the live figure in one file
    that needs no network; CSV is the numbers behind it (`data`). Returns the selection event of `st.plotly_chart`.
    """
    picture = st.session_state.get(f"{key}-picture") or "SVG"
    config = {
        "displaylogo": False,
        "displayModeBar": "hover",
        "toImageButtonOptions": {"format": picture.lower(), "filename": file_name(key, "")[:-1], "scale": 2},
    }
    event = st.plotly_chart(
        on_dark(fig) if st.context.theme.type == "dark" else fig,
        key=key,
        on_select=on_select,
        selection_mode=selection_mode,
        config=config,
        alt=alt,
        theme="streamlit",
    )
    exports(key, caption, alt, figure=lambda: fig, data=data, help=help, camera=True)
    return event


def exports(
    key: str,
    caption: str,
    alt: str,
    *,
    figure: Callable[[], go.Figure],
    data: Rows | None = None,
    help: str | None = None,
    camera: bool = False,
) -> None:
    """The line under a picture: its caption, and what can be taken away; the figure is made when it is asked for.

    camera: the picture above is plotly's own, whose tool bar saves it.
    """
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.caption(caption, help=help)
        with st.popover("Export", type="tertiary", icon=":material/ios_share:"):
            if camera:
                _camera(key)
            _downloads(key, alt, figure, data)


def _camera(key: str) -> None:
    st.segmented_control(
        "Picture: the camera above the figure saves", ["SVG", "PNG"], default="SVG", required=True, key=f"{key}-picture"
    )


def _downloads(key: str, alt: str, figure: Callable[[], go.Figure], data: Rows | None) -> None:
    st.download_button(
        "HTML",
        data=recorded(lambda: figure_html(figure(), alt), f"{key}-html"),
        file_name=file_name(key, "html"),
        mime="text/html",
        key=f"{key}-html",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
    if data is not None:
        csv_button(data, key)
    st.caption(alt)


def figure_html(fig: go.Figure, alt: str) -> str:
    """The figure as one page that works without a network, and sends nothing to one."""
    body: str = fig.to_html(include_plotlyjs=True, full_html=True, config=LEAVING)
    return body.replace("<body>", f'<body role="img" aria-label="{markup(alt)}">', 1)


def metric(
    label: str,
    value: float | None,
    *,
    low: float | None = None,
    high: float | None = None,
    ess: float | None = None,
    n: float | None = None,
    estimator: str = "",
    mode: str = "",
    unit: str = "",
    digits: int = 2,
    text: str | None = None,
    help: str | None = None,
    ess_floor: float | None = None,
    note: str = "",
    fill: bool = True,
) -> None:
    """A number with its basis under it: interval, effective sample size, patients, estimator and mode.

    A value whose ESS lies below `ess_floor` is marked; `note` says in words what the number means; `fill` makes cards
    of one row equally high.
    """
    shown = text if text is not None else fmt(value, digits)
    with st.container(border=True, gap=None, height="stretch" if fill else "content"):
        st.metric(label, f"{shown} {unit}".strip(), help=help)
        st.caption(basis(low=low, high=high, ess=ess, n=n, estimator=estimator, mode=mode, digits=digits))
        if note:
            st.markdown(note)
        if ess is not None and ess_floor is not None and ess < ess_floor:
            st.badge(f"weak: ESS under {ess_floor:g}", color="orange", icon=":material/warning:")


def basis(
    *,
    low: float | None = None,
    high: float | None = None,
    ess: float | None = None,
    n: float | None = None,
    estimator: str = "",
    mode: str = "",
    digits: int = 2,
) -> str:
    """One line: '95 % CI [1.20, 3.40] · ESS 12.3 of 2,004 · PHWIS · prospective'."""
    parts = []
    if low is not None or high is not None:
        parts.append(f"95 % CI {fmt_interval(low, high, digits)}")
    if ess is not None:
        parts.append(f"ESS {fmt(ess, 1)}" + (f" of {fmt_count(n)}" if n is not None else ""))
    elif n is not None:
        parts.append(f"n = {fmt_count(n)}")
    parts += [part for part in (estimator, mode) if part]
    return " · ".join(parts) or "no basis stated"
