"""The trust frontier of the registry study: from the experts to a policy, and how far the records can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.figures.registry_values import registry_policy
from core.registry.ask.compared import DIALS, GREEDY, RECOMMENDED, along
from core.registry.ask.hidden import hidden_in_words, hidden_text
from core.runs.manifest import judged_otherwise
from pages.components.shell.session import write_url
from pages.components.study.frontier import FrontierWords, Way, choose_way, places, way_view

if TYPE_CHECKING:
    from core.registry.view import RegistryView

HOW = (
    "Mix: the mean of estimates by a model of what follows, alone and corrected by the last decision, two and more, "
    "each weighed by its noise and by what it is expected to leave out, as a difference to what the experts achieved "
    "in the same courses. Courses that were followed stand for the lost. Test patients judge; policies, models and "
    "the experts' probabilities come from others. The interval counts both, and how far these estimates lie apart. "
    "ESS: how many courses' worth of records follow the policy for two decisions in a row."
)
WORDS = FrontierWords(
    start="experts",
    key="registry-frontier",
    dials={"mixture": "Mixture with the experts", "floor": "Only what experts give"},
    help="Mixture: π ∝ experts^(1-a) · policy^a, from a = 0 (experts) to a = 1 (the policy). Combinations that experts "
    "give: the policy chooses among those they give with at least a set probability.",
    differing="Choices that differ from the experts'",
    over="decisions",
    value="Expected sum of rewards",
    how=HOW,
)
SOFTENED = (
    "A policy that is certain of one combination in hundreds agrees with hardly any course to its end. Here each "
    "policy is taken in a softened form that keeps its order of the combinations: the softmax of its Q or predicted "
    "reward, in which combinations closer than half the smallest difference between two rewards can hardly be told "
    "apart; for one size fits all, the shares in which combinations were given with the disease and without. "
    "One from elsewhere is taken as it is."
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
    write_url()
    st.markdown("**How far the records can follow a policy**", help=SOFTENED)
    if otherwise := judged_otherwise(run.manifest):
        st.caption(f":material/update: {otherwise}")
    at = places()
    policy, name = choose_way(at[0], WORDS, (*GREEDY, *run.added), RECOMMENDED, lambda name: registry_policy(name).name)
    truth = along(run.frontier_truth, policy, name)
    way = Way(
        dial=DIALS[name],
        policy=registry_policy(policy).name,
        values=along(run.frontier, policy, name),
        judged=None if run.judgments is None else along(run.judgments, policy, name),
        truth=truth if "true_difference" in truth and len(truth) else None,
        furthest=run.reach(policy, name),
        floor=run.config.evaluation.ess_floor,
        hidden=lambda row: hidden_in_words(row, run.columns),
        hidden_short=hidden_text,
    )
    starts = (
        " At the left end stand the experts themselves, further on the experts as the screening network predicts them."
    )
    way_view(
        at,
        WORDS,
        way,
        f"registry-frontier-{run.path.name}-{policy}-{name}",
        f"from the first treatment stage on.{starts} {course_rule(run)}",
    )
