"""Policies that were made elsewhere, judged here: any form, the same evidence, a card that can be recomputed."""

from core.bring.added import (
    add_policy,
    added_cards,
    check_policy_name,
    open_again,
    policies_in,
    remove_policy,
)
from core.bring.card import Card, make_card, read_card, write_card
from core.bring.evidence import Evidence, judge_policy, run_bench
from core.bring.judgment import JudgeConfig, Judgment, judge_on, make_bench
from core.bring.policy import BroughtPolicy, bring, bring_table
from core.bring.sets import Asked, BroughtSets, bring_set_table, bring_sets
from core.bring.verify import Verdict, verify_card

__all__ = [
    "Asked",
    "BroughtPolicy",
    "BroughtSets",
    "Card",
    "Evidence",
    "JudgeConfig",
    "Judgment",
    "Verdict",
    "add_policy",
    "added_cards",
    "bring",
    "bring_set_table",
    "bring_sets",
    "bring_table",
    "check_policy_name",
    "judge_on",
    "judge_policy",
    "make_bench",
    "make_card",
    "open_again",
    "policies_in",
    "read_card",
    "remove_policy",
    "run_bench",
    "verify_card",
    "write_card",
]
