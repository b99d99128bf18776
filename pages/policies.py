"""Policies: what they would give beside what was given, the lambda axis, what each is worth, and what supports it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import action_shares, given_shares, policy_entropy
from core.figures.policies import bin_names, dose_difference_map
from core.figures.theme import fmt_lambda, two_lines
from core.icu.ask.names import phenotype_names, phenotype_texts
from core.icu.view import RunView
from core.policies.doses import DoseMap, dose_map
from core.policies.families import expert_keys
from core.policies.key import FUSED, PolicyKey
from pages.components.policies.choices import choices_panel
from pages.components.policies.dose_bars import dose_bars
from pages.components.policies.excess import excess_panel
from pages.components.policies.frontier import frontier_panel
from pages.components.policies.fusion import lambda_panel
from pages.components.policies.hazards import hazard_panel
from pages.components.policies.in_words import in_words_panel
from pages.components.policies.worth import support_panel, value_panel
from pages.components.shell.estimates import NEAR_UNIFORM, choose_patients, fusion_controls, too_few
from pages.components.shell.export import show
from pages.components.shell.frame import page, require_run
from pages.components.shell.held import held
from pages.components.shell.names import policy_name
from pages.components.shell.panels import panel
from pages.components.shell.selection_bar import selection_bar

COUNTED_BY = ("likeliest dose", "probabilities")
VIEWS = (
    "Doses",
    "Fusion λ",
    "Trust frontier",
    "Value",
    "Support",
    "Choices",
    "Dose excess",
    "Hazard rules",
    "In words",
    "Your own",
)
OF_DOSES = VIEWS[6:8]  # they speak of "this dose and more"


@dataclass(frozen=True, eq=False)
class Given:
    """What clinicians gave: patients (n,) positions, mask (n, T) real steps, actions of those steps; `who` in words."""

    patients: np.ndarray
    mask: np.ndarray
    actions: np.ndarray
    who: str


def main() -> None:
    """Draw the page."""
    page(
        "Policies", "What clinicians gave, what each phenotype's policy would give, and what the fusion makes of them."
    )
    run = require_run()
    selection_bar(run)
    actions = run.study.actions
    views = VIEWS if actions.ordered else tuple(name for name in VIEWS if name not in OF_DOSES)
    view = st.segmented_control(
        "View",
        views,
        **held("policies-view", views),
        format_func=actions.said,
        required=True,
        label_visibility="collapsed",
    )
    panels = {
        VIEWS[0]: dose_panel,
        VIEWS[1]: lambda_panel,
        VIEWS[2]: frontier_panel,
        VIEWS[3]: value_panel,
        VIEWS[4]: support_panel,
        VIEWS[5]: choices_panel,
        VIEWS[6]: excess_panel,
        VIEWS[7]: hazard_panel,
        VIEWS[8]: in_words_panel,
        VIEWS[9]: _own,
    }
    panels[view or VIEWS[0]](run)


def _own(run: RunView) -> None:
    """Policies from elsewhere; only this view reads what judges them."""
    from pages.components.policies.own import own_panel

    own_panel(run)


@panel
def dose_panel(run: RunView) -> None:
    """Dose shares of every policy, and where the chosen one departs from the clinicians."""
    k, lambda_, mode = fusion_controls(run, "doses")
    counted, picture = st.columns([2, 5], gap="medium")
    with counted:
        patients, who = choose_patients(run, "doses-patients")
        top = (
            st.segmented_control(
                "A policy counts by its",
                COUNTED_BY,
                **held("doses-top", COUNTED_BY),
                required=True,
                format_func=run.study.actions.said,
                help=run.study.actions.said(
                    "A policy is a probability for each dose; the published tables count its likeliest dose."
                ),
            )
            == COUNTED_BY[0]
        )
    mask = run.trajectories.mask[patients]
    if too_few(patients):
        return
    actions = run.trajectories.actions[patients][mask]
    names = [*(key.policy for key in expert_keys(k)), FUSED, *run.added]
    probs = {n: run.probs(PolicyKey.at(n, k, lambda_, mode))[patients] for n in names}
    shares = np.stack(
        [given_shares(actions, run.study.n_actions), *(action_shares(p, mask, top=top) for p in probs.values())]
    )
    readable = ["Given by clinicians", *map(two_lines, phenotype_texts(run, k)), f"Fused, λ = {fmt_lambda(lambda_)}"]
    readable += run.added
    with picture:
        dose_bars(
            run.study,
            readable,
            shares,
            "dose-shares",
            "dose shares",
            f"{len(actions):,} steps of {len(patients):,} {who}, {mode}. Shares under 4.5 % carry no number; hover or "
            "export.",
        )
    _near_uniform(run, probs, mask)
    _difference(run, Given(patients, mask, actions, who), probs, k, top)


def _near_uniform(run: RunView, probs: dict[str, np.ndarray], mask: np.ndarray) -> None:
    """Say which policies hardly prefer any dose."""
    entropies = {name: policy_entropy(p, mask) for name, p in probs.items()}
    flat = [f"{policy_name(run, n)} ({e:.2f})" for n, e in entropies.items() if e >= NEAR_UNIFORM]
    if flat:
        st.warning(
            f"Near-uniform: {', '.join(flat)} of the entropy of a uniform choice. Such a policy hardly prefers any "
            + run.study.actions.said("dose; its likeliest dose overstates what it says."),
            icon=":material/warning:",
        )


def _difference(run: RunView, given: Given, probs: dict[str, np.ndarray], k: int, top: bool) -> None:
    """Choose a policy and the rows of the map, and draw where it departs from the clinicians."""
    st.markdown("**Where the policy departs from the clinicians**")
    first, second, third = st.columns(3, vertical_alignment="bottom")
    policy = first.selectbox(
        "Policy",
        list(probs),
        format_func=lambda name: policy_name(run, name),
        **held("difference-policy", probs, FUSED, key=f"difference-policy-{k}"),
    )
    severity = run.study.column(run.study.severity)
    by_severity, by_phenotype = severity.label or severity.name, "Phenotype"
    rows = second.segmented_control(
        "Rows", (by_severity, by_phenotype), required=True, **held("difference-rows", (by_severity, by_phenotype))
    )
    minimum = third.number_input(
        "Fewest recorded steps in a cell",
        1,
        1000,
        10,
        key="difference-minimum",
        help="Cells with fewer are hatched: too little was recorded to say anything.",
    )
    p = probs[policy][given.mask]
    p = np.eye(p.shape[1])[p.argmax(axis=1)] if top else p
    if rows == by_phenotype:
        cells = np.repeat(run.labels(k)[given.patients], given.mask.sum(axis=1))
        names, title = [name.short for name in phenotype_names(run, k)], "phenotype"
    else:
        cells, names = _severity_bins(run, given.patients, given.mask)
        title = f"{by_severity} ({severity.unit})"
    _draw_difference(run, dose_map(p, given.actions, cells, len(names)), names, title, policy, int(minimum), given.who)


def _draw_difference(
    run: RunView, cell: DoseMap, names: list[str], title: str, policy: str, minimum: int, who: str
) -> None:
    labels, word = run.study.actions.labels, run.study.actions.word
    data = pd.DataFrame(
        {
            "row": np.repeat(names, len(labels)),
            word: labels * len(names),
            "recommended": cell.recommended.ravel(),
            "given": cell.given.ravel(),
            "difference": cell.difference.ravel(),
            "recorded steps": cell.count.ravel(),
        }
    )
    unit = run.study.actions.title
    figure = dose_difference_map(
        cell.difference, cell.count, minimum, names, labels, row_title=title, action_title=unit
    )
    show(
        figure,
        "dose-difference",
        f"Heat map of recommended minus given share, {policy_name(run, policy)}, by {title} and {word}; "
        f"{int((cell.count < minimum).sum())} cells hatched as insufficient data.",
        caption=f"Recommended minus given share, percentage points, {who}: orange is more often than clinicians, blue "
        f"less often. Hatched: insufficient data, fewer than {minimum} recorded steps with that {word} (n "
        "is written).",
        data=data,
    )


def _severity_bins(run: RunView, patients: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Severity of each step in bins that hold about equal numbers of the cohort's steps."""
    column = run.study.index(run.study.severity)
    everything = run.cohort.states[:, column]
    padded = np.zeros(run.trajectories.mask.shape, dtype=np.float32)
    padded[run.trajectories.mask] = everything
    cuts = np.unique(np.round(np.quantile(everything, [0.15, 0.3, 0.45, 0.6, 0.75, 0.9])))
    cuts = cuts[(cuts > everything.min()) & (cuts <= everything.max())]
    names = bin_names(cuts, float(everything.min()), whole=bool((everything == np.round(everything)).all()))
    return np.searchsorted(cuts, padded[patients][mask], side="right"), names


main()
