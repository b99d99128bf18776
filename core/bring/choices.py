"""Does a policy's difference survive other reasonable choices of the study? The reward atlas, for one from elsewhere.

The policy stays as it is; the reward's weights, the discount and the dose bins change as in a run's own atlas
(`core.icu.ask.atlas.choices_of`).
"""

from __future__ import annotations

from core.evaluation.judging.atlas import Records, policies_under
from core.evaluation.judging.choices import PolicyChoices
from core.icu.ask.atlas import choices_of
from core.study import StudySpec


def policy_choices(records: Records, study: StudySpec, ess_floor: float, seed: int) -> PolicyChoices:
    """The one policy of the records' folds under every choice."""
    return policies_under(records, choices_of(study, records.histories.gamma, seed), ess_floor)[0]
