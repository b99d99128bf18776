"""The scale measurements as JSON, as a Markdown table and as a plot (SVG, drawn by Chromium)."""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from core.figures.draft import Draft, scatter
from core.figures.theme import NEUTRAL, PHENOTYPE_COLORS, SYMBOLS, apply_theme
from tests.benchmarks.report import circumstances

Measured = Sequence[Mapping[str, Any]]
LINES = {  # drawn together: what grows with the number of patients
    "read": ("read", "split and impute", "tensors"),
    "encode": ("encode whole stays", "encode prefixes, distances"),
    "cluster": ("cluster, K = 2..9",),
    "map": ("map",),
    "fuse": ("agents' Q and fusion",),
    "clinician policy": ("clinician policy, test",),
    "values": ("values, test",),
}
ALLOWED_TIME, ALLOWED_MEMORY = 11, 3
SVG = """async () => {
    const plot = document.querySelector('.plotly-graph-div');
    const image = await Plotly.toImage(plot, {format: 'svg', width: 1000, height: 420});
    return decodeURIComponent(image.split(',').slice(1).join(','));
}"""


def write_report(found: Measured, out: Path | None) -> None:
    """Print the table; with a folder, write scale.json, scale.md and scale.svg there.

    Sizes that the folder's scale.json holds and that were not measured now are kept.
    """
    if out is not None and (out / "scale.json").is_file():
        now = {row["patients"] for row in found}
        before = json.loads((out / "scale.json").read_text(encoding="utf-8"))["sizes"]
        found = sorted([*found, *(row for row in before if row["patients"] not in now)], key=itemgetter("patients"))
    about = circumstances("scale", found[-1]["patients"], found[-1]["threads"].get("torch", 0))
    text = document(about, found)
    print(text)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "scale.json").write_text(json.dumps({**about, "sizes": list(found)}, indent=1) + "\n", encoding="utf-8")
    (out / "scale.md").write_text(text, encoding="utf-8")
    write_svg(scale_figure(found), out / "scale.svg")


def document(about: Mapping[str, Any], found: Measured) -> str:
    """Circumstances, seconds of each step with their growth, memory against the cohort's arrays."""
    host = about["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    memory = [
        f"{row['patients']:,} patients: {row['states']:,} states, table {row['table_mb']:,.0f} MB, tensors "
        f"{row['tensors_mb']:,.0f} MB, peak {row['peak_mb']:,.0f} MB = {memory_ratio(row):.1f} times both"
        for row in found
    ]
    return "\n\n".join(
        [
            "# Scale: one split from the published size up",
            f"Measured {about['date']}, {about['threads']} threads on {host['cores']} cores ({host['processor']}, "
            f"{host['memory_gb']} GB). {versions}.",
            "Simulated patients. Steps marked (sample) learn from the same number of training patients at every size. "
            f"Ten times the patients may take {ALLOWED_TIME} times the time and, in memory, {ALLOWED_MEMORY} times the "
            "cohort's arrays. Memory: what a step takes beyond what is held before it.",
            step_table(found),
            over_limit(found),
            "\n".join(f"- {line}" for line in memory) + "\n",
        ]
    )


def memory_ratio(row: Mapping[str, Any]) -> float:
    """Peak memory of the process over the cohort's arrays: its table and its tensors."""
    return row["peak_mb"] / (row["table_mb"] + row["tensors_mb"])


def growth(small: Mapping[str, Any], large: Mapping[str, Any], step: str) -> float:
    """Times as long per tenfold patients."""
    ratio = large["steps"][step]["seconds"] / small["steps"][step]["seconds"]
    return ratio ** (1 / math.log10(large["patients"] / small["patients"]))


def over_limit(found: Measured) -> str:
    """One sentence on the steps of more than a second that grow faster than allowed, and on all steps together."""
    slow, whole = [], []
    for small, large in itertools.pairwise(found):
        to = f"to {large['patients']:,}"
        for step, row in large["steps"].items():
            if row["seconds"] > 1 and (times := growth(small, large, step)) > ALLOWED_TIME:
                slow.append(f"{step} ({times:.1f} {to})")
        before, after = (sum(row["seconds"] for row in size["steps"].values()) for size in (small, large))
        whole.append(f"{after / before:.1f} {to}")
    return f"All steps together: {', '.join(whole)}. Faster than allowed: {', '.join(slow) or 'none'}."


def step_table(found: Measured) -> str:
    sizes = [f"{row['patients']:,}" for row in found]
    heads = ["step", *sizes, *(f"×10 to {size}" for size in sizes[1:]), f"memory at {sizes[-1]}"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    for step in found[0]["steps"]:
        seconds = [f"{row['steps'][step]['seconds']:.3g} s" for row in found]
        grown = [f"{growth(a, b, step):.1f}" for a, b in itertools.pairwise(found)]
        lines.append(f"| {step} | {' | '.join([*seconds, *grown])} | {found[-1]['steps'][step]['extra_mb']:,.0f} MB |")
    return "\n".join(lines)


def scale_figure(found: Measured) -> go.Figure:
    """Seconds of each step and peak memory against patients, both axes logarithmic; dotted: exactly linear."""
    patients = [row["patients"] for row in found]
    fig = Draft(rows=1, cols=2, horizontal_spacing=0.1)
    for i, (name, steps) in enumerate(LINES.items()):
        seconds = [sum(row["steps"][step]["seconds"] for step in steps) for row in found]
        marker, line = {"symbol": SYMBOLS[i], "size": 8}, {"color": PHENOTYPE_COLORS[i]}
        fig.add_trace(scatter(x=patients, y=seconds, name=name, marker=marker, line=line), row=1, col=1)
    arrays = [(row["table_mb"] + row["tensors_mb"]) / 1000 for row in found]
    peak = {"name": "peak memory", "marker": {"symbol": "star", "size": 9}, "line": {"color": PHENOTYPE_COLORS[7]}}
    fig.add_trace(scatter(x=patients, y=[row["peak_mb"] / 1000 for row in found], **peak), row=1, col=2)
    held = {"name": "cohort's arrays", "line": {"color": NEUTRAL, "dash": "dash"}}
    fig.add_trace(scatter(x=patients, y=arrays, mode="lines", **held), row=1, col=2)
    linear = [found[0]["steps"]["read"]["seconds"] * n / patients[0] for n in patients]
    dotted = {"name": "linear", "line": {"color": NEUTRAL, "dash": "dot"}}
    fig.add_trace(scatter(x=patients, y=linear, mode="lines", **dotted), row=1, col=1)
    apply_theme(fig, "Time of each step and peak memory, simulated patients", height=420)
    fig.update_xaxes(type="log", title_text="patients", tickvals=patients, ticktext=[f"{n:,}" for n in patients])
    fig.update_yaxes(type="log", dtick=1)
    fig.update_yaxes(title_text="time (s)", row=1, col=1)
    fig.update_yaxes(title_text="memory (GB)", row=1, col=2)
    return fig.figure()


def write_svg(figure: go.Figure, path: Path) -> None:
    """Have Chromium draw the figure; without one, say so and leave it."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
    from app_server import chromium, find_chromium

    executable = find_chromium()
    if executable is None:
        print(f"{path.name} is not drawn: no Chromium is installed", file=sys.stderr)
        return
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    with chromium(executable) as browser:
        page = browser.new_page()
        page.set_content(figure.to_html(include_plotlyjs=True))
        path.write_text(page.evaluate(SVG), encoding="utf-8")
