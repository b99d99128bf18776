"""Picture of hazard rules: how often each policy doses where it should not, beside the recorded course."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from core.figures.draft import Draft, Props, scatter
from core.figures.theme import NEUTRAL, apply_theme, fmt_percent, policy_style, two_lines

GIVEN, ADVICE = "given", "advice"  # in the place of a policy
SPECIAL = {GIVEN: "As given", ADVICE: "Advice"}
MARKS = {GIVEN: "line-ns", ADVICE: "diamond"}
NOWHERE = "The rule applies at no step of these patients"
TITLE_WIDTH = 34  # letters in a line: two panels stand beside each other in a narrow window


def hazard_name(policy: str, names: Sequence[str] = ()) -> str:
    """Name of a policy in tables of hazards, where the recorded course stands in the place of one; names: of the
    phenotypes."""
    return SPECIAL[policy] if policy in SPECIAL else policy_style(policy, names).name


def hazard_rates(table: pd.DataFrame, names: Sequence[str] = (), *, across: int = 2) -> go.Figure:
    """Violation rate of each policy with its 95 % interval, one panel a rule; dotted: the recorded course.

    table: rule, text, policy, rate, low, high (0..1), steps, patients (see `core.policies.hazards`); names: of the
    phenotypes.
    """
    rules = list(table.drop_duplicates("rule")[["rule", "text"]].itertuples(index=False))
    policies = list(dict.fromkeys(table["policy"]))
    shown = {policy: two_lines(hazard_name(policy, names)) for policy in policies}
    columns = max(1, min(across, len(rules)))
    rows = -(-len(rules) // columns)
    titles = [wrap(str(text), TITLE_WIDTH) for _, text in rules]
    fig = Draft(
        rows=rows,
        cols=columns,
        subplot_titles=["<br>".join(lines) for lines in titles],
        shared_yaxes=True,
        horizontal_spacing=0.05,
        vertical_spacing=min(0.14, 0.4 / rows),
    )
    for i, (rule, _) in enumerate(rules):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        part = table[table["rule"] == rule].set_index("policy")
        for policy in policies:
            fig.add_trace(_dot(part.loc[policy], policy, shown[policy]), **place)
        if GIVEN in part.index and pd.notna(given := part.loc[GIVEN, "rate"]):
            fig.add_vline(x=100 * given, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, **place)
        if part["rate"].isna().all():
            fig.add_annotation(text=NOWHERE, x=50, y=0.5, yref="y domain", showarrow=False, **place)
    apply_theme(fig, height=rows * ((32 if names else 26) * len(policies) + 110), legend=False)
    fig.update_annotations(font_size=13)
    fig.update_xaxes(title_text="steps with a hazardous dose (%)", range=[-3, 103])
    fig.update_yaxes(categoryorder="array", categoryarray=list(shown.values())[::-1])
    fig.update_layout(margin={"l": 8, "r": 12, "t": 24 + 17 * max(map(len, titles), default=1), "b": 48})
    return fig.figure()


def _dot(row: pd.Series, policy: str, name: str) -> Props:
    color, symbol = ("#5F6875", MARKS[policy]) if policy in MARKS else (policy_style(policy).color, "circle")
    rate, low, high = (100 * float(row[part]) for part in ("rate", "low", "high"))
    basis = f"{int(row['steps']):,} steps of {int(row['patients']):,} patients"
    interval = f"[{fmt_percent(row['low'])}, {fmt_percent(row['high'])}]" if pd.notna(row["low"]) else "no interval"
    return scatter(
        x=[rate],
        y=[name],
        mode="markers",
        name=name,
        marker={"color": color, "symbol": symbol, "size": 11, "line": {"width": 3 if policy == GIVEN else 0}},
        error_x={"array": [high - rate], "arrayminus": [rate - low], "thickness": 1.5, "width": 3, "color": color},
        hovertemplate=f"{name}: %{{x:.1f}} % {interval}<br>{basis}<extra></extra>",
    )
