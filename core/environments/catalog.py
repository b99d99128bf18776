"""All simulated worlds by the ids under which `gymnasium.make` finds them.

Entry points are text, so that a data set that names an environment can find it again.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from core.base.errors import ConfigError
from core.cohort.simulate.named import WORLDS as HEPARIN
from core.environments.heparin import HeparinEnv
from core.environments.transplant import TransplantEnv
from core.registry.simulate.world import WORLDS as TRANSPLANT

NAMES = (*HEPARIN, *TRANSPLANT)


def world_id(name: str) -> str:
    """ "slow-drift" -> "phenopolicy/HeparinSlowDrift-v0"; "heparin" and "transplant" stand for themselves."""
    words = name if name in TRANSPLANT or name == "heparin" else f"heparin-{name}"
    return f"phenopolicy/{''.join(word.capitalize() for word in words.split('-'))}-v0"


def make_world(name: str, **settings: Any) -> HeparinEnv | TransplantEnv:
    """The environment of a world by its name, one of `NAMES`; settings of its class; `ConfigError` for another name."""
    if name in TRANSPLANT:
        return TransplantEnv(TRANSPLANT[name], **settings)
    if name in HEPARIN:
        return HeparinEnv(HEPARIN[name], **settings)
    raise ConfigError(f"world '{name}' is not known; choose among {', '.join(NAMES)}.")


def register_worlds() -> list[str]:
    """Let `gymnasium.make("phenopolicy/Heparin-v0")` and the other worlds be found; returns their ids."""
    for name in NAMES:
        if world_id(name) not in gymnasium.registry:
            gymnasium.register(id=world_id(name), entry_point=f"{__name__}:make_world", kwargs={"name": name})
    return [world_id(name) for name in NAMES]
