"""What a study is: its columns, actions, rewards and horizon, read from a TOML file.

The ICU heparin study is `data/studies/thrombocytopenia.toml`. Another drug, other columns or other reward weights are
another TOML file, not another program.
"""

from core.study.actions import Actions
from core.study.parts import TERMINAL, Column, Indication, OtherUnit, Published, RewardTerm
from core.study.spec import DEFAULT_STUDY, MOST_STEPS, RESERVED, STUDIES, StudySpec, load_study

__all__ = [
    "DEFAULT_STUDY",
    "MOST_STEPS",
    "RESERVED",
    "STUDIES",
    "TERMINAL",
    "Actions",
    "Column",
    "Indication",
    "OtherUnit",
    "Published",
    "RewardTerm",
    "StudySpec",
    "load_study",
]
