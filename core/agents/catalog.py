"""Every learning rule by its name in configurations; a new one is a file with a `Rule` and one line here."""

from __future__ import annotations

from core.agents.targets import DOUBLE_DQN, DQN, DUELING_DOUBLE_DQN, DUELING_DQN, Rule

CATALOG: dict[str, Rule] = {rule.name: rule for rule in (DQN, DOUBLE_DQN, DUELING_DQN, DUELING_DOUBLE_DQN)}
