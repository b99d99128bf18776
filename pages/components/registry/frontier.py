"""The trust frontier of the registry study: from the experts to a policy, and how far the records can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.figures.dials import frontier_axis
from core.figures.registry_values import registry_policy
from core.registry.ask.compared import DIALS, GREEDY, RECOMMENDED, along
from pages.components.shell.export import show
from pages.components.study.dial_view import dial_numbers, dial_slider, dial_ticks, dial_verdict, setting_text

if TYPE_CHECKING:
    from core.registry.view import RegistryView

START = "experts"  # where the dials begin
DIAL_NAMES = {"mixture": "Mixture with the experts", "floor": "Only combinations that experts give"}
SOFTENED = (
    "A policy that is certain of one combination in hundreds agrees with hardly any course to its end. Here each "
    "policy is taken in a softened form that keeps its order of the combinations: the softmax of its Q or predicted "
    "reward, in which combinations closer than half the smallest difference between two rewards can hardly be told "
    "apart; for one size fits all, the shares in which combinations were given with the disease and without."
)


def course_rule(run: RegistryView) -> str:
    """The rule behind the grades of courses, with the run's own floor."""
    floor = run.config.evaluation.ess_floor
    return (
        f"Support: not supported where ESS is under {floor:g}; weak under {2 * floor:g}, or where more than half of "
        "the courses have ratio 0, one carries more than 10 % of the weight, more than 10 % of the likeliest "
        "combinations are hardly ever given by experts, or PHWIS, PHWDR and its critic alone lie further apart than "
        "half an interval."
    )


@st.fragment
def frontier_panel(run: RegistryView) -> None:
    """A dial between experts and policy, set at the furthest point that the records support."""
    st.markdown(f"**How far the records can follow a policy.** {SOFTENED}")
    first, second = st.columns([2, 3], vertical_alignment="bottom")
    policy = first.selectbox(
        "Policy",
        GREEDY,
        index=GREEDY.index(RECOMMENDED),
        format_func=lambda name: registry_policy(name).name,
        key="registry-frontier-policy",
    )
    name = second.segmented_control(
        "Dial",
        list(DIALS),
        default="mixture",
        format_func=DIAL_NAMES.__getitem__,
        key="registry-frontier-dial",
        required=True,
        help="Mixture: π ∝ experts^(1-a) · policy^a, from a = 0 (experts) to a = 1 (the policy). Combinations that "
        "experts give: the policy chooses among those they give with at least a set probability.",
    )
    dial, floor = DIALS[name or "mixture"], run.config.evaluation.ess_floor
    table, truth = along(run.frontier, policy, dial.name), along(run.frontier_truth, policy, dial.name)
    furthest = run.reach(policy, dial.name)
    setting = dial_slider(dial, furthest, START, f"registry-frontier-{run.path.name}-{policy}-{dial.name}")
    dial_verdict(table, dial, setting, furthest, floor, START)
    dial_numbers(
        table,
        truth if len(truth) else None,
        dial,
        setting,
        START,
        "Choices that differ from the experts'",
        "decisions",
    )
    show(
        frontier_axis(
            table,
            dial_ticks(dial, START),
            setting,
            furthest,
            ess_floor=floor,
            axis=dial.title,
            truth=truth,
            value="Expected sum of rewards",
        ),
        "registry-frontier",
        f"Value and effective sample size of {registry_policy(policy).name} from the experts to itself; "
        f"{setting_text(dial, setting, START)} is marked.",
        caption=f"{int(table['n'].iloc[0]):,} test patients, from the first treatment stage on. Shaded: the records "
        "still support it; to the right of it, values rest on hardly any patient. Hollow: weak, gray: not supported. "
        + course_rule(run)
        + (
            " Upright bars: true values of simulated patients, ± 1.96 standard errors; at the left end those of the "
            "experts themselves, further on those with the experts as the screening network predicts them."
            if len(truth)
            else ""
        ),
        data=table,
    )
