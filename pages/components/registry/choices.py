"""The reward atlas of a registry run: whether other rewards of its states, or another discount, say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.figures.differences import in_spreads
from core.registry.advice import EXPERTS
from pages.components.study.choices import ChoiceWords, choices_caption, choices_view

if TYPE_CHECKING:
    from core.registry.view import RegistryView

WORDS = ChoiceWords(
    key="registry-choices",
    how="A state costs what it earns less than being alive and well. Tried: each passing state's cost off, halved and "
    "doubled, that of a state that ends the decisions and that of death halved and doubled, other discounts, and draws "
    "of all costs at once between half and double; nothing is worth less than death. Networks, policies and the "
    "experts' probabilities stay. The dials are judged anew under each choice: whether to depart from experts, whether "
    "a gain is claimed, and the sign of the difference. The random forest's leaves are averaged anew, to see whether "
    "its combinations stay; the Q-networks are not learned anew. Robust: these choices do not matter. It does not say "
    "that the advice is right.",
    of="of rewards and discount: advice, claim and sign of the estimate.",
    groups=("Weights", "Discount", "Several at once"),
    who=EXPERTS,
    records="courses",
    same=(
        "same combination",
        "Same combination: decisions of ill test patients at which the random forest keeps its choice, of those where "
        "either departs from the experts' likeliest.",
    ),
    axis=in_spreads(EXPERTS, "courses"),
    page="pages/registry.py",
)


def choices_panel(run: RegistryView) -> None:
    """Badge, forest, sentences and table of all choices."""
    advice = run.advice
    choices_view(advice.atlas if advice else None, advice.n if advice else 0, WORDS)


def choices_here(run: RegistryView, patient: int, stage: int, decision: str) -> None:
    """Whether the random forest keeps its combination here, in a caption; nothing for a run without choices."""
    from core.registry.ask.atlas import point_choices  # brings the networks' library, which no other view needs

    found = point_choices(run, patient, stage, decision)
    if found is not None and found.of:
        choices_caption(found.of, found.others, WORDS.how, f", the random forest's choice ({found.own})")
