"""A study from a file: what its columns are, in which ranges and doses, each with the evidence for it."""

from core.cohort.define.propose import ProposedStudy, propose_study
from core.cohort.define.roles import Told
from core.cohort.define.text import study_text

__all__ = ["ProposedStudy", "Told", "propose_study", "study_text"]
