"""Report and model card of the registry run on show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages.components.study.report import card_buttons, report_button

if TYPE_CHECKING:
    from core.registry.view import RegistryView

HOLDS = (
    "parameters, data hash, versions, attrition, decisions, differences to the experts with intervals, effective "
    "courses, grades and truth, published estimators, and limits"
)
ASKED = (
    "use, patients and loss, reward and estimand, assumptions, prediction of the experts' choice, support, results, "
    "subgroups, limits, versions"
)


def report_panel(run: RegistryView) -> None:
    """Two files to download."""
    report_button(run, HOLDS)
    card_buttons(run, ASKED)
