"""The model card of a run: what a reviewer asks, answered from the run beside the guideline's item."""

from core.report.card.build import model_card
from core.report.card.croissant import croissant
from core.report.card.parts import CardItem, CardTable, ModelCard, Reference
from core.report.card.write import card_html, write_model_card

__all__ = [
    "CardItem",
    "CardTable",
    "ModelCard",
    "Reference",
    "card_html",
    "croissant",
    "model_card",
    "write_model_card",
]
