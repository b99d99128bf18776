"""The trust frontier: from the clinicians' policy to a learned one, and how far the records can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import action_shares
from core.figures.dials import frontier_axis
from core.figures.theme import fmt, fmt_percent, policy_style
from core.runs.frontier import DIALS, Dial, frontier_policy, furthest_supported, own_policy
from core.runs.stays import policy_key
from pages.components.dose_bars import dose_bars
from pages.components.estimates import ESTIMATORS, bracketed, fusion_controls, policy_names, rows_of, support_rule
from pages.components.export import metric, show
from pages.components.panels import panel

if TYPE_CHECKING:
    from core.runs.view import RunView

DIAL_NAMES = {"mixture": "Mixture with the clinicians", "floor": "Only doses that clinicians give"}
MOST_TICKS = 7


@panel
def frontier_panel(run: RunView) -> None:
    """A dial between clinicians and policy, set at the furthest point that the records support."""
    k, lambda_, mode = fusion_controls(run, "frontier")
    first, second = st.columns([2, 3], vertical_alignment="bottom")
    policies = [name for name in policy_names(k, run) if name != "clinician"]
    policy = first.selectbox(
        "Policy",
        policies,
        index=policies.index("fused"),
        format_func=lambda name: policy_style(name).name,
        key=f"frontier-policy-{k}",
    )
    name = second.segmented_control(
        "Dial",
        list(DIALS),
        default="mixture",
        format_func=DIAL_NAMES.__getitem__,
        key="frontier-dial",
        required=True,
        help="Mixture: π ∝ clinicians^(1-a) · policy^a, from a = 0 (clinicians) to a = 1 (the policy). Doses that "
        "clinicians give: the policy chooses among the doses they give with at least a set probability.",
    )
    dial = DIALS[name or "mixture"]
    table = run.frontier(policy, k, lambda_, mode, dial.name)
    furthest = furthest_supported(table, run.config.evaluation.ess_floor)
    start = dial.settings[0] if furthest is None else furthest
    setting = st.select_slider(
        "Departure from the clinicians",
        options=dial.settings,
        value=start,
        format_func=lambda value: _setting_text(dial, value),
        key=f"frontier-{run.manifest.data_hash}-{policy}-{dial.name}-{k}-{lambda_}-{mode}",
        help="Starts at the furthest point whose effective sample sizes meet the run's floor.",
    )
    truth = _truth(run, policy, k, lambda_, mode, dial)
    _verdict(run, table, dial, setting, furthest)
    _numbers(table, truth, setting)
    ticks = _ticks(dial)
    show(
        frontier_axis(
            table,
            ticks,
            setting,
            furthest,
            ess_floor=run.config.evaluation.ess_floor,
            axis=dial.title,
            truth=truth,
        ),
        "frontier",
        f"Value and effective sample size of {policy_style(policy).name} from the clinicians' policy to itself; "
        f"{_setting_text(dial, setting)} is marked.",
        caption=f"{int(table['n'].iloc[0]):,} test patients, K = {k}, {mode}. Shaded: the records still support it; "
        f"to the right of it, values rest on hardly any patient. Hollow: weak, gray: not supported."
        + ("" if truth is None else " Upright bars: true values of simulated patients, ± 1.96 standard errors."),
        data=table,
        help=support_rule(run),
    )
    _doses(run, policy, k, lambda_, mode, dial, setting)


def _setting_text(dial: Dial, value: float) -> str:
    if value == dial.settings[0]:
        return "clinicians"
    if value == dial.settings[-1]:
        return "the policy itself"
    return f"a = {value:g}" if dial.name == "mixture" else f"≥ {fmt_percent(value, 1 if value < 0.01 else 0)}"


def _ticks(dial: Dial) -> dict[float, str]:
    """Texts of the ends and of some settings between them."""
    every = -(-(len(dial.settings) - 1) // (MOST_TICKS - 1))
    inner = {v: _setting_text(dial, v).removeprefix("a = ") for v in dial.settings[every:-every:every]}
    return {dial.settings[0]: "clinicians", **inner, dial.settings[-1]: "policy"}


def _truth(run: RunView, policy: str, k: int, lambda_: float, mode: str, dial: Dial) -> pd.DataFrame | None:
    """True values along the dial where this very policy was rolled out; None elsewhere."""
    known = run.frontier_truth
    if policy_key(policy, k, lambda_, mode).text != own_policy(run).text or known.empty:
        return None
    return known[known["dial"] == dial.name]


def _verdict(run: RunView, table: pd.DataFrame, dial: Dial, setting: float, furthest: float | None) -> None:
    floor = run.config.evaluation.ess_floor
    if furthest is None:
        st.warning(
            f"Even the clinicians' own policy rests on fewer than {floor:g} patients here: nothing can be judged.",
            icon=":material/block:",
        )
        return
    reached = _setting_text(dial, furthest)
    if dial.settings.index(setting) > dial.settings.index(furthest):
        here = table[table["setting"] == setting].iloc[0]
        st.warning(
            f"Beyond the trust frontier ({reached}): the effective sample size is {fmt(float(here['ess']), 1)}, "
            f"{fmt(float(here['pooled_ess']), 1)} over all stays together, or has fallen under {floor:g} on the way. "
            "What is shown here rests on too few patients.",
            icon=":material/warning:",
        )
    else:
        st.info(
            f"The records support this policy as far as **{reached}**: the effective sample size is at least "
            f"{floor:g}, by length of stay and over all stays together.",
            icon=":material/verified:",
        )


def _numbers(table: pd.DataFrame, truth: pd.DataFrame | None, setting: float) -> None:
    now = table[table["setting"] == setting]
    cards = st.columns(4)
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
    distance = float(now["distance"].iloc[0])
    with cards[2]:
        metric(
            "Doses that differ from the clinicians'",
            distance,
            text=fmt_percent(distance),
            estimator="mean total variation over the steps",
        )
    known = None if truth is None else truth[truth["setting"] == setting]
    with cards[3]:
        if known is not None and len(known):
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
        elif truth is not None:
            settings = ", ".join(f"{v:g}" for v in truth["setting"])
            metric("True value (simulated)", None, estimator=f"rolled out at {settings}")


def _doses(run: RunView, policy: str, k: int, lambda_: float, mode: str, dial: Dial, setting: float) -> None:
    """Dose shares of clinicians, of the policy at this setting, and of the policy itself."""
    some = run.only(run.split.test)
    mask = some.trajectories.mask
    key = policy_key(policy, k, lambda_, mode)
    ends = (dial.settings[0], setting, dial.settings[-1])
    shares = np.stack([action_shares(frontier_policy(some, key, dial, at), mask, top=False) for at in ends])
    names = ["Clinicians", f"At {_setting_text(dial, setting)}", policy_style(policy).name]
    st.markdown("**Doses** (mean probability)")
    dose_bars(
        run.study,
        names,
        shares,
        "frontier-doses",
        "mean dose probabilities",
        f"{int(mask.sum()):,} steps of {len(some.persons):,} test patients. The clinicians' policy is its estimate "
        "from similar patients.",
    )
