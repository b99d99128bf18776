"""What the trust frontiers of both studies show along their dial: where one stands, what the records say there."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.figures.theme import fmt, fmt_percent
from core.fusion.dials import MIXTURE, Dial, furthest_graded
from pages.components.shell.estimates import ESTIMATORS, bracketed, rows_of
from pages.components.shell.export import metric
from pages.components.shell.held import held

MOST_TICKS = 7


def setting_text(dial: Dial, value: float, start: str) -> str:
    """Words for a setting; start: who the dial leads from, as "clinicians"."""
    if value == dial.settings[0]:
        return start
    if value == dial.settings[-1]:
        return "the policy itself"
    return f"a = {value:g}" if dial.name == MIXTURE.name else f"≥ {fmt_percent(value, 1 if value < 0.01 else 0)}"


def dial_ticks(dial: Dial, start: str) -> dict[float, str]:
    """Texts of the ends and of some settings between them."""
    every = -(-(len(dial.settings) - 1) // (MOST_TICKS - 1))
    inner = {v: setting_text(dial, v, start).removeprefix("a = ") for v in dial.settings[every:-every:every]}
    return {dial.settings[0]: start, **inner, dial.settings[-1]: "policy"}


def dial_slider(dial: Dial, furthest: float | None, start: str, key: str, name: str) -> float:
    """The slider, set at the furthest supported point until it is moved; name: of its parameter in the link."""
    return float(
        st.select_slider(
            f"Departure from the {start}",
            options=dial.settings,
            format_func=lambda value: setting_text(dial, value, start),
            **held(name, dial.settings, furthest, key=key),
            help="Starts at the furthest point whose effective sample sizes meet the run's floor.",
        )
    )


def dial_verdict(
    table: pd.DataFrame,
    judged: pd.DataFrame | None,
    dial: Dial,
    setting: float,
    furthest: float | None,
    floor: float,
    start: str,
) -> None:
    """Whether the trust frontier holds this setting, and what the mix says beyond it.

    table: the published estimators, whose effective sample sizes make the frontier; judged: the mix, None where an
    earlier run has none.
    """
    if furthest is None:
        st.warning(
            f"Even the {start}' own policy rests on fewer than {floor:g} patients here: nothing can be judged.",
            icon=":material/block:",
        )
        return
    reached, pooled = setting_text(dial, furthest, start), "pooled_ess" in table
    mix = _mix_text(judged, dial, furthest, start)
    if dial.settings.index(setting) > dial.settings.index(furthest):
        here = table[table["setting"] == setting].iloc[0]
        both = f", {fmt(float(here['pooled_ess']), 1)} over all stays together" if pooled else ""
        st.warning(
            f"Beyond the trust frontier ({reached}), where the published estimators' effective sample size first falls "
            f"under {floor:g}; here it is {fmt(float(here['ess']), 1)}{both}. {mix}",
            icon=":material/warning:",
        )
        return
    both = ", by length of stay and over all stays together" if pooled else ""
    doubt = str(table.loc[table["setting"] == furthest, "support"].iloc[0]) != "supported"
    weakly = " Even there they are supported weakly." if doubt else ""
    st.info(
        f"**Trust frontier: {reached}.** As far as that the published estimators keep an effective sample size of at "
        f"least {floor:g}{both}.{weakly} {mix}",
        icon=":material/rule:" if doubt else ":material/verified:",
    )


def _mix_text(judged: pd.DataFrame | None, dial: Dial, furthest: float, start: str) -> str:
    """How far the mix goes, which remembers fewer actions than the published estimators, and so keeps more patients."""
    if judged is None:
        return ""
    graded, place = furthest_graded(judged), dial.settings.index
    if graded is None or place(graded) < place(furthest):
        reached = "at no setting" if graded is None else f"only as far as {setting_text(dial, graded, start)}"
        return f"The mix goes less far: it grades the difference supported {reached}."
    if graded == furthest:
        last = furthest == dial.settings[-1]
        return "" if last else "The mix goes no further: the next difference is not graded supported either."
    return (
        f"The mix looks back on fewer actions and keeps more patients: it grades the difference supported as far as "
        f"{setting_text(dial, graded, start)}, but between the two it is the only witness."
    )


def dial_distance(now: pd.DataFrame, differing: str, over: str) -> None:
    """How far the policy is from those who treated, as "Doses that differ from the clinicians'"; over: what it is a
    mean over."""
    distance = float(now["distance"].iloc[0])
    metric(differing, distance, text=fmt_percent(distance), estimator=f"mean total variation over the {over}")


def dial_values(now: pd.DataFrame, truth: pd.DataFrame | None, dial: Dial, setting: float, start: str) -> None:
    """Both published estimates with their grade, and the true value where known.

    truth: setting, true_value, true_se, n of this very policy; None where it was not rolled out.
    """
    cards = st.columns(3)
    for card, row in zip(cards[:2], rows_of(now), strict=True):
        with card:
            metric(
                ESTIMATORS[row.estimator],
                row.value,
                text=bracketed(fmt(row.value), row.support),
                low=row.low,
                high=row.high,
                ess=row.ess,
                n=row.n,
                estimator=row.support,
            )
    with cards[2]:
        if truth is not None:
            _truth(truth, dial, setting, start)
    if reasons := str(now["reasons"].iloc[0]):
        st.caption(f":material/info: {now['support'].iloc[0].capitalize()}: {reasons}")


def _truth(truth: pd.DataFrame, dial: Dial, setting: float, start: str) -> None:
    known = truth[truth["setting"] == setting]
    if known.empty:
        at = [v for v in dial.settings if v in set(truth["setting"])]
        st.caption(f"True values are known at {', '.join(setting_text(dial, v, start) for v in at)}.")
        return
    value, error, n = (float(known[c].iloc[0]) for c in ("true_value", "true_se", "n"))
    metric(
        "True value (simulated)",
        value,
        text=fmt(value),
        low=value - 1.96 * error,
        high=value + 1.96 * error,
        n=int(n),
        estimator="roll-out",
    )
