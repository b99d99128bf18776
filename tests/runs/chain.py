"""A study whose stages say when they were at work, to see which were so beside each other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import CohortError
from core.base.files import read_json, write_json
from core.base.types import Progress
from core.runs.study import Stage
from tests.contract.bandit import Bandit, BanditConfig, Plays, store_plays

SHAPE = {"left": (), "right": (), "middle": ("left",), "both": ("middle", "right")}


def note(stage: str, needs: tuple[str, ...], pause: float, folder: Path) -> Iterator[Progress]:
    """STAGE.json: the process, when it began and ended, and what the files of the stages that it needs hold."""
    began = time.time()
    yield Progress(stage, 1, 2, "at work")
    known = [read_json(folder / f"{need}.json")["stage"] for need in needs]
    if (folder.parent / f"break-{stage}").exists():
        raise CohortError(f"{stage} cannot be done.")
    if (folder.parent / f"die-{stage}").exists():
        os._exit(9)
    (folder.parent / f"began-{stage}").touch()
    if (folder.parent / "meet").exists() and not needs:  # it ends once the other one has begun
        end = time.monotonic() + 60
        while (
            not all((folder.parent / f"began-{name}").exists() for name in ("left", "right")) and time.monotonic() < end
        ):
            time.sleep(0.05)
    time.sleep(pause)
    drawn = float(np.random.default_rng(len(stage)).normal())
    write_json(
        folder / f"{stage}.json",
        {"stage": stage, "pid": os.getpid(), "began": began, "ended": time.time(), "known": known, "drawn": drawn},
    )
    yield Progress(stage, 2, 2)


class Chain(Bandit):
    """left -> middle -> both <- right."""

    kind = verb = "chain"
    home = "chains"
    pause = 0.5

    def simulate(self, n_patients: int, seed: int, options: Mapping[str, Any]) -> Plays:
        return Plays(pd.DataFrame({"arm": [0, 1], "reward": [0.0, 1.0]}))

    def threads(self, config: BanditConfig) -> int:
        return config.rounds

    def store(self, view: Path, data: Plays) -> Iterator[Progress]:
        return store_plays(view, data)

    def stages(self, view: Path) -> Mapping[str, Stage[Path]]:
        return {
            name: Stage(partial(note, name, needs, self.pause), 1 + len(needs), needs) for name, needs in SHAPE.items()
        }
