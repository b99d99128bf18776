"""Expert predictions: is the expert's choice among the N likeliest, and are the probabilities right?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.figures.registry_accuracy import accuracy_by_stage, calibration_panels, top_n_accuracy
from core.figures.registry_looks import Looks
from core.figures.theme import fmt_percent
from pages.components.registry.session import is_published, looks_of
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty
from pages.components.shell.held import held

if TYPE_CHECKING:
    from core.registry.spec import RegistrySpec
    from core.registry.view import RegistryView

CALIBRATION, LEARNED, TABLE = "Calibration", "Did they learn?", "Table"
BY_STAGE_N = (7, 10)  # N of the figure by stage, as published
PUBLISHED = (0.75, 0.90)  # "about 75-90 %", all decisions and N
MOST_BY_N = 2  # stages of a decision, above which there is a figure by stage as well
BAND = "Band: 95 % bootstrap interval over test patients."


def draw(run: RegistryView) -> None:
    """The chosen figure; all are of test patients, whom the networks have not seen."""
    parts = decision_views(run.spec)
    views = [*parts, CALIBRATION, LEARNED, TABLE]
    view = st.segmented_control(
        "Show",
        views,
        required=True,
        **held("registry-accuracy-view", views),
        label_visibility="collapsed",
    )
    looks = looks_of(run.spec)
    if view == CALIBRATION:
        _calibration(run, looks)
        return
    if view == LEARNED:
        _learned(run, looks)
        return
    rows, published = run.accuracy, PUBLISHED if is_published(run.spec) else None
    if rows.empty:
        empty("Nothing measured", "This run holds no accuracy of the screening networks.")
        return
    if view not in parts:
        _table(rows, looks)
        return
    rows = rows[rows["decision"].isin(parts[view])]
    if len(parts[view]) == 1 and rows["stage"].nunique() > MOST_BY_N:
        _by_stage(rows, str(view), looks, published)
    else:
        _by_n(rows, str(view), looks, published)


def decision_views(spec: RegistrySpec) -> dict[str, tuple[str, ...]]:
    """{label: decisions}: those that are made once, and at the same stage, stand together; each other has a view."""
    views: dict[str, tuple[str, ...]] = {}
    for decision in spec.decisions:
        once = [other for other in spec.decisions if other.stages == decision.stages and len(decision.stages) == 1]
        label = f"At {spec.stages[decision.stages[0]].name}" if len(once) > 1 else decision.title
        views[label] = (*views.get(label, ()), decision.name)
    return views


def _said(rows: pd.DataFrame, looks: Looks) -> str:
    """One sentence on each line: the accuracy at the largest N."""
    largest = rows[rows["n"] == rows["n"].max()]
    return "; ".join(
        f"{looks.decision(r.decision).name} at {r.stage}: top {r.n} {fmt_percent(r.accuracy)} "
        f"[{fmt_percent(r.low)}, {fmt_percent(r.high)}]"
        for r in rows_of(largest)
    )


def _basis(rows: pd.DataFrame, looks: Looks) -> str:
    """How many test decisions stand behind each line."""
    once = rows.drop_duplicates(["decision", "stage"])
    several = once["decision"].nunique() > 1
    return "Test decisions: " + ", ".join(
        f"{looks.decision(r.decision).name if several else r.stage} {r.decisions:,}" for r in rows_of(once)
    )


def _by_n(rows: pd.DataFrame, title: str, looks: Looks, published: tuple[float, float] | None) -> None:
    st.markdown(f"**{title}: is the expert's choice among the N likeliest combinations?**")
    show(
        top_n_accuracy(rows, looks, published),
        f"registry-top-n-{'-'.join(dict.fromkeys(rows['decision']))}",
        f"Top-N accuracy by N. {_said(rows, looks)}",
        caption=f"{BAND} {_basis(rows, looks)}. A choice never seen in training counts as a miss.",
        data=rows,
    )


def _by_stage(rows: pd.DataFrame, title: str, looks: Looks, published: tuple[float, float] | None) -> None:
    left, right = st.columns(2, gap="medium")
    known = [n for n in BY_STAGE_N if n in set(rows["n"])] or [int(rows["n"].max())]
    tops = " and ".join(f"top {n}" for n in known)
    with left:
        st.markdown(f"**{title} at its stages, {tops}**")
        part = rows[rows["n"].isin(known)]
        show(
            accuracy_by_stage(part),
            "registry-top-n-stage",
            f"{tops.capitalize()} accuracy of {title} by stage. {_said(part, looks)}",
            caption=f"Bars: 95 % bootstrap intervals over test patients. {_basis(part, looks)}.",
            data=part,
        )
    with right:
        st.markdown("**The same by N**")
        show(
            top_n_accuracy(rows, looks, published),
            "registry-top-n-by-n",
            f"Top-N accuracy of {title} by N. {_said(rows, looks)}",
            caption=BAND,
            data=rows,
        )


def _calibration(run: RegistryView, looks: Looks) -> None:
    rows = run.calibration
    rows = rows[rows["stage"] == "all"]
    if rows.empty:
        empty("Nothing measured", "This run holds no calibration of the screening networks.")
        return
    st.markdown("**When a network says 30 %, is it chosen in 30 of 100?**")
    once = rows.drop_duplicates("decision")
    errors = "; ".join(f"{looks.decision(r.decision).name} {100 * r.error:.1f}" for r in rows_of(once))
    show(
        calibration_panels(rows, looks),
        "registry-calibration",
        f"Calibration of the screening networks, predicted against chosen. Mean error in points: {errors}",
        caption=f"Test patients; pairs with a predicted probability of at least 1 %; 95 % intervals. Mean distance "
        f"from the diagonal, percentage points: {errors}.",
        data=rows,
    )


def _learned(run: RegistryView, looks: Looks) -> None:
    if run.learned is None or run.learned.empty:
        empty("Not asked", "This run was made before its models were asked, or has no test patients; train it again.")
        return
    st.markdown("**Does each model say of test patients what was recorded of them?**")
    rows = run.learned
    shown = pd.DataFrame(
        {
            "decision": [looks.decision(name).name for name in rows["decision"]],
            "model": rows["name"],
            "patients": rows["n"],
            "light": ["agrees" if agrees else "does not agree" for agrees in rows["agrees"]],
            "on what grounds": [text.partition(": ")[2] for text in rows["text"]],
        }
    )
    table(
        shown,
        "registry-learned",
        caption="Experts' choices should be likelier by a network than by fixed shares. A Q-network should say of what "
        "was given what it says of the reward and the state that followed, on average over test patients. Models of "
        "rewards should err less than a mean does. A light that agrees says no more than that something was learned.",
        csv=rows,
    )


def _table(rows: pd.DataFrame, looks: Looks) -> None:
    st.markdown("**Top-N accuracy, every decision and stage**")
    wide = rows.assign(
        text=[f"{100 * r.accuracy:.1f} [{100 * r.low:.1f}, {100 * r.high:.1f}]" for r in rows_of(rows)],
        decision=[looks.decision(name).name for name in rows["decision"]],
    )
    wide = wide[wide["n"].isin((1, 3, 5, 7, 10, 20))]
    order = list(dict.fromkeys(zip(wide["decision"], wide["stage"], strict=True)))
    wide = wide.pivot(index=["decision", "stage", "decisions"], columns="n", values="text").reset_index()
    wide["order"] = [order.index(pair) for pair in zip(wide["decision"], wide["stage"], strict=True)]
    wide = wide.sort_values("order").drop(columns="order")
    wide.columns = [name if isinstance(name, str) else f"top {name}" for name in wide.columns]
    table(
        wide,
        "registry-accuracy-table",
        caption="Percent of test decisions with 95 % bootstrap intervals over patients. The CSV holds every N.",
        csv=rows,
    )
