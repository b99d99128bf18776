"""Policies that were made elsewhere, judged here: any form, the same evidence, a card that can be recomputed."""

from core.bring.card import Card, make_card, read_card, write_card
from core.bring.judgment import JudgeConfig, Judgment, judge_on, make_bench
from core.bring.policy import BroughtPolicy, bring
from core.bring.verify import Verdict, verify_card

__all__ = [
    "BroughtPolicy",
    "Card",
    "JudgeConfig",
    "Judgment",
    "Verdict",
    "bring",
    "judge_on",
    "make_bench",
    "make_card",
    "read_card",
    "verify_card",
    "write_card",
]
