"""The trust frontier: from the clinicians' policy to a learned one, and how far the records can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import action_shares
from core.figures.dials import frontier_axis
from core.fusion.dials import DIALS, Dial, furthest_supported
from core.icu.ask.frontier import frontier_of, frontier_policy
from core.policies.key import CLINICIAN, FUSED, PolicyKey
from pages.components.policies.dose_bars import dose_bars
from pages.components.shell.estimates import fusion_controls, policy_names, support_rule
from pages.components.shell.export import show
from pages.components.shell.names import policy_name
from pages.components.shell.panels import panel
from pages.components.study.dial_view import dial_numbers, dial_slider, dial_ticks, dial_verdict, setting_text

if TYPE_CHECKING:
    from core.icu.view import RunView

DIAL_NAMES = {"mixture": "Mixture with the clinicians", "floor": "Only doses that clinicians give"}
START = "clinicians"  # where the dials begin


@panel
def frontier_panel(run: RunView) -> None:
    """A dial between clinicians and policy, set at the furthest point that the records support."""
    k, lambda_, mode = fusion_controls(run, "frontier")
    first, second = st.columns([2, 3], vertical_alignment="bottom")
    policies = [name for name in policy_names(k, run) if name != CLINICIAN]
    policy = first.selectbox(
        "Policy",
        policies,
        index=policies.index(FUSED),
        format_func=lambda name: policy_name(run, name),
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
    key = PolicyKey.at(policy, k, lambda_, mode)
    table = frontier_of(run, key, dial)
    floor = run.config.evaluation.ess_floor
    furthest = furthest_supported(table, floor)
    setting = dial_slider(
        dial, furthest, START, f"frontier-{run.manifest.data_hash}-{policy}-{dial.name}-{k}-{lambda_}-{mode}"
    )
    truth = _truth(run, key, dial)
    dial_verdict(table, dial, setting, furthest, floor, START)
    dial_numbers(table, truth, dial, setting, START, "Doses that differ from the clinicians'", "steps")
    show(
        frontier_axis(
            table,
            dial_ticks(dial, START),
            setting,
            furthest,
            ess_floor=floor,
            axis=dial.title,
            truth=truth,
        ),
        "frontier",
        f"Value and effective sample size of {policy_name(run, policy)} from the clinicians' policy to itself; "
        f"{setting_text(dial, setting, START)} is marked.",
        caption=f"{int(table['n'].iloc[0]):,} test patients, K = {k}, {mode}. Shaded: the records still support it; "
        f"to the right of it, values rest on hardly any patient. Hollow: weak, gray: not supported."
        + ("" if truth is None else " Upright bars: true values of simulated patients, ± 1.96 standard errors."),
        data=table,
        help=support_rule(run),
    )
    _doses(run, policy, key, dial, setting)


def _truth(run: RunView, key: PolicyKey, dial: Dial) -> pd.DataFrame | None:
    """True values along the dial where this very policy was rolled out; None elsewhere."""
    known = run.frontier_truth
    if key != run.own_policy or known.empty:
        return None
    return known[known["dial"] == dial.name]


def _doses(run: RunView, policy: str, key: PolicyKey, dial: Dial, setting: float) -> None:
    """Dose shares of clinicians, of the policy at this setting, and of the policy itself."""
    some = run.only(run.split.test)
    mask = some.trajectories.mask
    ends = (dial.settings[0], setting, dial.settings[-1])
    shares = np.stack([action_shares(frontier_policy(some, key, dial, at), mask, top=False) for at in ends])
    names = ["Clinicians", f"At {setting_text(dial, setting, START)}", policy_name(run, policy)]
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
