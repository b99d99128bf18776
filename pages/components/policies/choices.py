"""The reward atlas: whether other weights of the reward, another discount or other dose bins say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.figures.differences import IN_SPREADS
from core.icu.ask.atlas import step_choices
from pages.components.shell.panels import panel
from pages.components.study.choices import ChoiceWords, choices_caption, choices_view

if TYPE_CHECKING:
    from core.evaluation.judging.choices import ChoiceRecord
    from core.icu.view import RunView
    from core.study import StudySpec

HOW = (
    "Tried: each weight of the reward off, halved and doubled, the weight of the outcome halved and doubled, other "
    "discounts, neighboring doses taken as one, and draws of all weights at once between half and double. Folds and "
    "the clinicians' probabilities stay. The run's own policy is judged anew under each choice: whether to depart from "
    "clinicians, whether a gain is claimed, and the sign of the difference. The step is also learned anew, to see "
    "whether its doses stay. Robust: these choices do not matter. It does not say that the advice is right."
)

WORDS = ChoiceWords(
    key="choices",
    how=HOW,
    of="of weights, discount and dose bins: advice, claim and sign of the estimate.",
    groups=("Weights", "Discount and doses", "Several at once"),
    who="clinicians",
    records="stays",
    same=(
        "same dose",
        "Same dose: steps at which the step learned anew and the run's own agree, of those where either departs from "
        "clinicians; joined doses count as one.",
    ),
    axis=IN_SPREADS,
    page="pages/encoder.py",
)


def words_for(study: StudySpec) -> ChoiceWords:
    """In the words of the study's actions; those without an order have no neighbors to take as one."""
    told = study.actions.said
    if study.actions.ordered:
        return WORDS
    title, caption = WORDS.same
    return replace(
        WORDS,
        how=told(HOW.replace("neighboring doses taken as one, ", "")),
        of=WORDS.of.replace("weights, discount and dose bins", "weights and discount"),
        groups=("Weights", "Discount", "Several at once"),
        same=(told(title), told(caption.replace("; joined doses count as one", ""))),
        told=told,
    )


@panel
def choices_panel(run: RunView) -> None:
    """Badge, forest, sentences and table of all choices."""
    advice = run.advice
    choices_view(advice.atlas if advice else None, advice.n if advice else 0, words_for(run.study))


def choices_here(run: RunView, patient: int, step: int) -> None:
    """Whether the advice at one step of a stay survives the choices, in a caption; nothing for a run without them."""
    found = step_choices(run, patient, step)
    if found is not None and found.of:
        choices_caption(
            found.of, [(one, _dose(run, one, action)) for one, action in found.others], words_for(run.study).how
        )


def _dose(run: RunView, choice: ChoiceRecord, action: int) -> str:
    """An action of a choice's own doses, in words."""
    if action < 0:
        return "as clinicians do"
    label, joined = run.study.actions.label, choice.joined
    if joined is None or action < joined:
        return label(action)
    return f"{label(joined)} or {label(joined + 1)}" if action == joined else label(action + 1)
