"""Every learning rule by its name in configurations; a new one is a file with a `Rule` and one line here."""

from __future__ import annotations

from core.agents.cloning import BEHAVIOR_CLONING
from core.agents.conservative import CQL
from core.agents.constrained import BCQ
from core.agents.implicit import IQL
from core.agents.safe import SPIBB
from core.agents.targets import DOUBLE_DQN, DQN, DUELING_DOUBLE_DQN, DUELING_DQN, Rule
from core.agents.weighted import WD3QNE

RULES = (
    DQN,
    DOUBLE_DQN,
    DUELING_DQN,
    DUELING_DOUBLE_DQN,
    CQL,
    WD3QNE,
    BCQ,
    IQL,
    SPIBB,
    BEHAVIOR_CLONING,
)
CATALOG: dict[str, Rule] = {rule.name: rule for rule in RULES}
