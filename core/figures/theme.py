"""One look for every figure: colors that color-blind readers can tell apart, units on axes, plain number formats.

Phenotype k has the same color and the same marker on every page. The colors are Okabe and Ito's (2008), with gray in
place of black and brown added, so that all nine read on light and on dark grounds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from colorsys import hls_to_rgb
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from core.figures.draft import Draft

PHENOTYPE_COLORS = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # bluish green
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#CC79A7",  # reddish purple
    "#F0E442",  # yellow
    "#8A8F98",  # gray
    "#8C564B",  # brown
)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star", "triangle-down", "cross", "hexagon")

NEUTRAL = "#8A8F98"
INK = "#1f2430"  # what stands on the ground itself: `on_dark` turns it light
INK_ON_DARK = "#E6EAEE"
LINE = "#33518C"  # a measured course on the ground itself
LINE_ON_DARK = "#8DB2F2"
GROUND = "#FFFFFF"  # the fill of a hollow mark
GROUND_ON_DARK = "#11161C"  # of .streamlit/config.toml
INK_ON_FILL = "#1B2430"  # what stands on a light fill, on any ground
ACCENT = "#0072B2"
WARNING = "#D55E00"
GRID = "rgba(138, 143, 152, 0.22)"
REFERENCE_BAND = "rgba(0, 158, 115, 0.16)"  # reference range
# Estimators and critics: apart from every phenotype and policy, since both stand in the same figures.
ESTIMATOR_COLORS = {"phwis": "#3D4DB7", "phwdr": "#C2255C", "fqe": "#00707A", "fqi": "#8A6D00"}
UNSUPPORTED = "#A9AFB8"  # a value that the records do not support: paler than all others, on either ground
DARK = {
    INK: INK_ON_DARK,
    LINE: LINE_ON_DARK,
    GROUND: GROUND_ON_DARK,
    UNSUPPORTED: "#59626D",
    **dict(zip(ESTIMATOR_COLORS.values(), ("#8B9AFF", "#FF7AA8", "#3FB6C2", "#D8B13C"), strict=True)),
    "#7B3FA0": "#A566DB",  # the fused policy
    "#1F6F54": "#3FA37F",  # the advice
}
# Letters need more contrast than marks: colors of lines and phenotypes where they write a name.
DARK_LETTERS = DARK | {ACCENT: "#56B4E9", "#8C564B": "#C08A7F", "#6F7782": "#9AA2AD", "#5B7083": "#8FA3B5"}
SEQUENTIAL = "Cividis"  # amounts
DIVERGING = ((0.0, "#0072B2"), (0.5, "#F4F4F2"), (1.0, "#D55E00"))  # differences; center it on 0 with zmid=0

# Of a figure that leaves the app: plotly.js 4 would offer to upload it to a cloud, patients and all.
LEAVING = {"displaylogo": False, "showSendToCloud": False}

HOUR_STEPS = (4, 12, 24, 48, 96, 168, 336, 672)  # apart, for ticks on a time axis
SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class Style:
    """How one policy is drawn wherever it appears: readable name, color, line dash, marker."""

    name: str
    color: str
    dash: str
    symbol: str


_POLICIES = {
    "clinician": Style("Clinicians", "#6F7782", "solid", "circle"),
    "fused": Style("Fused", "#7B3FA0", "solid", "star"),
    "single-expert": Style("Single expert", "#B58BD0", "dash", "diamond"),
    "random": Style("Random", "#B8BDC6", "dot", "x"),
    "zero-drug": Style("No drug", "#A3886A", "dashdot", "square"),
    "advice": Style("Advice", "#1F6F54", "solid", "circle"),
}
_LEARNED = {  # on all patients, without phenotypes
    "dqn": "DQN",
    "double-dqn": "Double DQN",
    "dueling-dqn": "Dueling DQN",
    "dueling-double-dqn": "Dueling double DQN",
    "cql": "CQL",
    "wd3qne": "WD3QNE",
    "bcq": "BCQ",
    "iql": "IQL",
    "spibb": "SPIBB",
    "behavior-cloning": "Behavior cloning",
    "rf-fqi": "RF-FQI",
    "xgb-fqi": "XGB-FQI",
    "gb-fqi": "GB-FQI",
    "no-encoder": "Fused, no encoder",
}


def phenotype_color(k: int) -> str:
    """Color of phenotype k; the palette repeats after nine."""
    return PHENOTYPE_COLORS[k % len(PHENOTYPE_COLORS)]


def phenotype_symbol(k: int) -> str:
    """Marker of phenotype k."""
    return SYMBOLS[k % len(SYMBOLS)]


def phenotype_name(k: int, names: Sequence[str] = ()) -> str:
    """Readable name of phenotype k: that of `core.icu.ask.names` where names are given, else its number alone, which is
    the one that tables and policies carry."""
    return names[k] if k < len(names) else f"Phenotype {k}"


def two_lines(name: str) -> str:
    """A phenotype's name for a narrow place: its words under its number."""
    return name.replace(": ", "<br>", 1)


def policy_style(policy: str, names: Sequence[str] = ()) -> Style:
    """Name, color, dash and marker of a policy ("clinician", "phenotype-0", "fused", ...); names: of the phenotypes."""
    base, _, variant = policy.partition(":")
    if variant:  # "fused:greedy"
        style = policy_style(base, names)
        return replace(style, name=f"{style.name}, {variant}", dash="longdash")
    head, _, tail = policy.rpartition("-")
    if head == "phenotype" and tail.isdigit():
        k = int(tail)
        return Style(phenotype_name(k, names), phenotype_color(k), "solid", phenotype_symbol(k))
    if policy in _LEARNED:  # too many for colors of their own: told apart by marker
        symbol = SYMBOLS[list(_LEARNED).index(policy) % len(SYMBOLS)]
        return Style(_LEARNED[policy], "#5B7083", "longdash", f"{symbol}-open")
    return _POLICIES.get(policy, Style(policy, NEUTRAL, "longdash", "circle-open"))


def action_colors(n_actions: int, ordered: bool = True) -> list[str]:
    """Colors of the dose bins: gray for no drug, then light to dark with the dose (any number of bins); of actions
    without an order colors that are only told apart."""
    if not ordered:
        few = n_actions <= len(PHENOTYPE_COLORS)
        return [*PHENOTYPE_COLORS[:n_actions]] if few else _hues(n_actions)
    if n_actions < 2:
        return ["#C9CED6"]
    points = [0.85 - 0.58 * i / max(n_actions - 2, 1) for i in range(n_actions - 1)]
    return ["#C9CED6", *sample_colorscale("Viridis", points)]


def _hues(n: int) -> list[str]:
    """n hues around the circle, dark and light in turn, so that neighbors differ."""
    rgb = (hls_to_rgb(i / n, 0.42 + 0.24 * (i % 2), 0.55) for i in range(n))
    return ["#" + "".join(f"{round(255 * part):02X}" for part in one) for one in rgb]


def ink_on(color: str) -> str:
    """Ink that is read on a fill `#RRGGBB`: dark on light, white on dark."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return INK_ON_FILL if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else "white"


def with_alpha(color: str, alpha: float) -> str:
    """`#RRGGBB` as rgba, for bands and fills."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"


def axis_label(name: str, unit: str | None = None) -> str:
    """'Platelets (×10⁹/L)'; the unit is left out where there is none, or the number 1."""
    return f"{name} ({fmt_unit(unit)})" if unit and unit != "1" else name


def _template() -> dict[str, Any]:
    """What all figures have in common, as plain dicts; checked once."""
    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": GRID,
        "automargin": True,
        "separatethousands": True,
        "title": {"standoff": 8},
    }
    layout = go.Layout(
        font={"family": "Source Sans, Segoe UI, Helvetica, Arial, sans-serif", "size": 13},
        title={"x": 0.0, "xanchor": "left", "xref": "paper", "font": {"size": 15}, "pad": {"b": 8}},
        colorway=list(PHENOTYPE_COLORS),
        margin={"l": 56, "r": 16, "t": 48, "b": 48},
        xaxis=axis,
        yaxis=axis,
        legend={"orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"},
        hoverlabel={"font": {"size": 12}},
        bargap=0.25,
        separators=".,",
    )
    return dict(go.layout.Template(layout=layout).to_plotly_json())


TEMPLATE = _template()


def apply_theme(
    fig: Draft,
    title: str = "",
    x: str | None = None,
    y: str | None = None,
    *,
    height: int | None = None,
    legend: bool | None = None,
) -> Draft:
    """Give a figure the common look, a title that says what it shows, and axis labels with units; returns it."""
    # The legend stands between title and plot, left-aligned, so that neither can run into the other.
    named = sum(trace.get("name") is not None and trace.get("showlegend") is not False for trace in fig.traces)
    top = 14 + (34 if title else 0) + (26 if named > 1 and legend is not False else 0)
    heading = {"text": title, "x": 0.0, "xref": "paper", "xanchor": "left", "font": {"size": 15}}
    layout: dict[str, Any] = {
        "template": TEMPLATE,
        "margin": {"l": 56, "r": 16, "t": top, "b": 48},
        "title": {**heading, "y": 1.0, "yref": "container", "yanchor": "top", "pad": {"t": 10}},
        "legend": {"orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"},
    }
    layout |= {"height": height} if height is not None else {}
    layout |= {"showlegend": legend} if legend is not None else {}
    fig.update_layout(**layout)
    if x is not None:
        fig.update_xaxes(title_text=x)
    if y is not None:
        fig.update_yaxes(title_text=y)
    return fig


def message_figure(text: str, *, height: int = 220) -> go.Figure:
    """An empty figure that says why it is empty and what to do."""
    fig = Draft()
    fig.add_annotation(text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 14})
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    return apply_theme(fig, height=height).figure()


def fmt(value: float | None, digits: int = 2) -> str:
    """A number for people: thousands separated, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "∞" if value is not None and math.isinf(value) and value > 0 else "–"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.{digits}f}"


def fmt_count(value: float | None) -> str:
    """A count: '13,355'."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.0f}"


def fmt_percent(share: float | None, digits: int = 1) -> str:
    """A share 0..1 as percent: '27.5 %'."""
    return "–" if share is None or not math.isfinite(share) else f"{100 * share:.{digits}f} %"


def fmt_interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """'[1.20, 3.40]', or 'no interval'."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "no interval"
    return f"[{fmt(low, digits)}, {fmt(high, digits)}]"


def fmt_unit(text: str) -> str:
    """A study's unit as print writes it: '10^9/L' as '×10⁹/L', 'deg C' as '°C', 'ug/kg/min' as 'µg/kg/min'."""
    text = re.sub(r"\bdeg (?=[CF]\b)", "°", text)
    text = re.sub(r"\bu(?=(?:g|mol|L)\b)", "µ", text)
    text = re.sub(r"(?:\bx )?\b10\^", lambda found: "× 10^" if found[0].startswith("x") else "×10^", text)
    return re.sub(r"\^(-?\d+)", lambda found: found[1].translate(SUPERSCRIPT), text)


def on_dark(fig: go.Figure) -> go.Figure:
    """The figure for a dark ground: ink and lines that stand on the ground itself are light, hollow marks dark."""
    return go.Figure(_on_dark(fig.to_dict()), _validate=False)  # as right as the one that was drawn


def _on_dark(part: Any, colors: Mapping[str, str] = DARK) -> Any:
    """A copy of a figure's dict, list or value with the colors for a dark ground."""
    if isinstance(part, dict):
        return {key: _on_dark(value, DARK_LETTERS if key == "font" else colors) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [_on_dark(value, colors) for value in part]
    return colors.get(part, part) if isinstance(part, str) else part


def hour_ticks(
    fig: Draft, hours: Sequence[float] | np.ndarray, *, most: int = 8, preferred: float = HOUR_STEPS[0]
) -> Draft:
    """Ticks at 0 and at multiples of `preferred` or else 4, 12, 24, ... hours, at most about `most` of them on each
    panel; returns it."""
    span = float(np.max(hours) - np.min(hours)) if len(hours) else 0.0
    every = next((step for step in (preferred, *HOUR_STEPS) if span / step <= most), HOUR_STEPS[-1])
    fig.update_xaxes(tick0=0, dtick=every)
    return fig


def fmt_lambda(value: float) -> str:
    """Lambda for a slider: '0 (average)', '15', '∞ (single expert)'."""
    if math.isinf(value):
        return "∞ (single expert)"
    return "0 (average)" if value == 0 else f"{value:g}"


def fmt_duration(seconds: float | None) -> str:
    """'45 s', '3 min 20 s', '2 h 05 min'."""
    if seconds is None or not math.isfinite(seconds):
        return "not known yet"
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
