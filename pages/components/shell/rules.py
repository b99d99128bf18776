"""The hazard rules in force in this session: the study's own, or what the visitor has made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.policies.hazards import default_rules
from core.policies.rules import Rule

if TYPE_CHECKING:
    from core.study import StudySpec

KEPT = "hazard-rules"  # study -> rules of this session


def rules_of_session(study: StudySpec) -> list[Rule]:
    """The rules in force: those of the editable table and the warnings that were made rules, or the study's defaults
    where nobody has changed them."""
    kept: dict[str, list[Rule]] = st.session_state.setdefault(KEPT, {})
    return kept.setdefault(study.name, default_rules(study))
