"""Expert predictions: is the expert's choice among the N likeliest, and are the probabilities right?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.figures.registry import decision_look
from core.figures.registry_accuracy import accuracy_by_stage, calibration_panels, top_n_accuracy
from core.figures.theme import fmt_percent
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty

if TYPE_CHECKING:
    from core.registry.view import RegistryView

VIEWS = ("Initial treatment", "Acute GVHD", "Chronic GVHD", "Calibration", "Table")
INITIAL = ("conditioning", "prophylaxis")
PUBLISHED_N = (7, 10)
PUBLISHED = (0.75, 0.90)  # "about 75-90 %", all decisions and N
BAND = "Band: 95 % bootstrap interval over test patients."


def draw(run: RegistryView) -> None:
    """The chosen figure; all are of test patients, whom the networks have not seen."""
    view = st.segmented_control(
        "Show",
        VIEWS,
        default=VIEWS[0],
        required=True,
        key="registry-accuracy-view",
        label_visibility="collapsed",
        persist_state="session",
    )
    if view == "Calibration":
        _calibration(run)
        return
    rows = run.accuracy
    if rows.empty:
        empty("Nothing measured", "This run holds no accuracy of the screening networks.")
    elif view == VIEWS[0]:
        _by_n(rows[rows["decision"].isin(INITIAL)], "initial", "Conditioning and GVHD prophylaxis, at the transplant")
    elif view == VIEWS[1]:
        _by_n(rows[rows["decision"] == "acute"], "acute", "Acute GVHD treatment, by stage")
    elif view == VIEWS[2]:
        _chronic(rows[rows["decision"] == "chronic"])
    else:
        _table(rows)


def _said(rows: pd.DataFrame) -> str:
    """One sentence on each line: the accuracy at the largest N."""
    largest = rows[rows["n"] == rows["n"].max()]
    return "; ".join(
        f"{decision_look(r.decision).name} at {r.stage}: top {r.n} {fmt_percent(r.accuracy)} "
        f"[{fmt_percent(r.low)}, {fmt_percent(r.high)}]"
        for r in rows_of(largest)
    )


def _basis(rows: pd.DataFrame) -> str:
    """How many test decisions stand behind each line."""
    once = rows.drop_duplicates(["decision", "stage"])
    several = once["decision"].nunique() > 1
    return "Test decisions: " + ", ".join(
        f"{decision_look(r.decision).name if several else r.stage} {r.decisions:,}" for r in rows_of(once)
    )


def _by_n(rows: pd.DataFrame, key: str, title: str) -> None:
    if rows.empty:
        empty("No such decision", "This registry does not have this decision.")
        return
    st.markdown(f"**{title}: is the expert's choice among the N likeliest combinations?**")
    show(
        top_n_accuracy(rows, PUBLISHED),
        f"registry-top-n-{key}",
        f"Top-N accuracy by N. {_said(rows)}",
        caption=f"{BAND} {_basis(rows)}. A choice never seen in training counts as a miss.",
        data=rows,
    )


def _chronic(rows: pd.DataFrame) -> None:
    if rows.empty:
        empty("No such decision", "This registry does not have this decision.")
        return
    left, right = st.columns(2, gap="medium")
    known = [n for n in PUBLISHED_N if n in set(rows["n"])]
    with left:
        st.markdown("**Chronic GVHD treatment at the four stages, top 7 and top 10**")
        part = rows[rows["n"].isin(known)]
        show(
            accuracy_by_stage(part),
            "registry-top-n-stage",
            f"Top-7 and top-10 accuracy of chronic GVHD treatment by stage. {_said(part)}",
            caption=f"Bars: 95 % bootstrap intervals over test patients. {_basis(part)}.",
            data=part,
        )
    with right:
        st.markdown("**The same by N**")
        show(
            top_n_accuracy(rows, PUBLISHED),
            "registry-top-n-chronic",
            f"Top-N accuracy of chronic GVHD treatment by N. {_said(rows)}",
            caption=BAND,
            data=rows,
        )


def _calibration(run: RegistryView) -> None:
    rows = run.calibration
    rows = rows[rows["stage"] == "all"]
    if rows.empty:
        empty("Nothing measured", "This run holds no calibration of the screening networks.")
        return
    st.markdown("**When a network says 30 %, is it chosen in 30 of 100?**")
    once = rows.drop_duplicates("decision")
    errors = "; ".join(f"{decision_look(r.decision).name} {100 * r.error:.1f}" for r in rows_of(once))
    show(
        calibration_panels(rows),
        "registry-calibration",
        f"Calibration of the screening networks, predicted against chosen. Mean error in points: {errors}",
        caption=f"Test patients; pairs with a predicted probability of at least 1 %; 95 % intervals. Mean distance "
        f"from the diagonal, percentage points: {errors}.",
        data=rows,
    )


def _table(rows: pd.DataFrame) -> None:
    st.markdown("**Top-N accuracy, every decision and stage**")
    wide = rows.assign(
        text=[f"{100 * r.accuracy:.1f} [{100 * r.low:.1f}, {100 * r.high:.1f}]" for r in rows_of(rows)],
        decision=[decision_look(name).name for name in rows["decision"]],
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
