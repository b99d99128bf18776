"""The trust frontier: from the clinicians' policy to a learned one, and how far the records can follow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.evaluation import action_shares
from core.fusion.dials import DIALS, Dial, furthest_supported
from core.icu.ask.against import hidden_text
from core.icu.ask.differences import differences_along, hidden_in_words, true_differences_along
from core.icu.ask.frontier import frontier_of, frontier_policy
from core.policies.key import CLINICIAN, FUSED, PolicyKey
from pages.components.policies.advice import HOW
from pages.components.policies.dose_bars import dose_bars
from pages.components.shell.estimates import fusion_controls, policy_names, support_rule
from pages.components.shell.names import policy_name
from pages.components.shell.panels import panel
from pages.components.study.dial_view import setting_text
from pages.components.study.frontier import FrontierWords, Way, choose_way, places, way_view

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.study import StudySpec


def _words(study: StudySpec) -> FrontierWords:
    """In the words of the study's actions."""
    said = study.actions.said
    dials = {name: said(title) for name, title in WORDS.dials.items()}
    return replace(WORDS, dials=dials, help=said(WORDS.help), differing=said(WORDS.differing))


WORDS = FrontierWords(
    start="clinicians",
    key="frontier",
    dials={"mixture": "Mixture with the clinicians", "floor": "Only doses that clinicians give"},
    help="Mixture: π ∝ clinicians^(1-a) · policy^a, from a = 0 (clinicians) to a = 1 (the policy). Doses that "
    "clinicians give: the policy chooses among the doses they give with at least a set probability.",
    differing="Doses that differ from the clinicians'",
    over="steps",
    value="Value (return)",
    how=f"{HOW} Here on test patients, whom the policies have not seen.",
)


@panel
def frontier_panel(run: RunView) -> None:
    """A dial between clinicians and policy, set at the furthest point that the records support."""
    k, lambda_, mode = fusion_controls(run, "frontier")
    policies, words = [name for name in policy_names(k, run) if name != CLINICIAN], _words(run.study)
    at = places()
    policy, name = choose_way(at[0], words, policies, FUSED, lambda name: policy_name(run, name), f"-{k}")
    dial, key = DIALS[name], PolicyKey.at(policy, k, lambda_, mode)
    table, floor = frontier_of(run, key, dial), run.config.evaluation.ess_floor
    with st.spinner("Judging against the clinicians ..."):
        judged = differences_along(run, key, dial)
    way = Way(
        dial=dial,
        policy=policy_name(run, policy),
        values=table,
        judged=judged,
        truth=true_differences_along(run, key, dial),
        furthest=furthest_supported(table, floor),
        floor=floor,
        hidden=lambda row: hidden_in_words(run, row),
        hidden_short=hidden_text,
    )
    slider = f"frontier-{run.manifest.data_hash}-{policy}-{dial.name}-{k}-{lambda_}-{mode}"
    setting = way_view(at, words, way, slider, f"K = {k}, {mode}.", support_rule(run))
    _doses(run, policy, key, dial, setting)


def _doses(run: RunView, policy: str, key: PolicyKey, dial: Dial, setting: float) -> None:
    """Dose shares of clinicians, of the policy at this setting, and of the policy itself."""
    some = run.only(run.split.test)
    mask = some.trajectories.mask
    ends = (dial.settings[0], setting, dial.settings[-1])
    shares = np.stack([action_shares(frontier_policy(some, key, dial, at), mask, top=False) for at in ends])
    names = ["Clinicians", f"At {setting_text(dial, setting, WORDS.start)}", policy_name(run, policy)]
    st.markdown(run.study.actions.said("**Doses** (mean probability)"))
    dose_bars(
        run.study,
        names,
        shares,
        "frontier-doses",
        run.study.actions.said("mean dose probabilities"),
        f"{int(mask.sum()):,} steps of {len(some.persons):,} test patients. The clinicians' policy is its estimate "
        "from similar patients.",
    )
