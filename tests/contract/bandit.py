"""A made-up study: a bandit with three arms. It joins the kit as the two real ones do, from outside of core."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.config import Config
from core.base.errors import CohortError, ConfigError
from core.base.files import read_json, write_atomic, write_json
from core.base.types import Progress
from core.cohort.cohort import Origin
from core.runs.study import Evaluation, Option, Stage, Study, register


class Casino(Config):
    """The definition: what the arms are called."""

    name: str = "casino"
    arms: tuple[str, ...] = ("left", "middle", "right")


class BanditConfig(Config):
    """The settings: rounds of averaging, and the seconds that each one takes."""

    rounds: int = 3
    pause: float = 0.0


class ArmValues(Config):
    """What `evaluate` writes."""

    arms: dict[str, float]


@dataclass(frozen=True)
class Plays:
    """The data: one row a play, columns arm (0..2) and reward."""

    frame: pd.DataFrame
    origin: Origin = field(default_factory=Origin)

    @property
    def n_patients(self) -> int:
        return len(self.frame)

    @property
    def data_hash(self) -> str:
        return hashlib.sha256(self.frame.to_csv(index=False).encode()).hexdigest()[:16]


def store_plays(folder: Path, plays: Plays) -> Iterator[Progress]:
    """plays.csv."""
    text = plays.frame.to_csv(index=False)
    write_atomic(folder / "plays.csv", lambda file: file.write(text.encode()))
    yield Progress("cohort", 1, 1)


def mean_rewards(folder: Path) -> Iterator[Progress]:
    """values.json: mean reward of each arm; told round by round, so that it can be cut short."""
    config = BANDIT.stored_config(BANDIT.manifest(folder).config, "")
    for done in range(1, config.rounds + 1):
        time.sleep(config.pause)
        yield Progress("values", done, config.rounds)
    means = pd.read_csv(folder / "plays.csv").groupby("arm")["reward"].mean()
    write_json(folder / "values.json", {str(arm): float(value) for arm, value in means.items()})


def best_arm(folder: Path) -> Iterator[Progress]:
    """choice.json: the name of the arm of the highest mean reward."""
    values = read_json(folder / "values.json")
    best = int(max(values, key=values.get))
    write_json(folder / "choice.json", {"arm": BANDIT.manifest(folder).study.arms[best]})
    yield Progress("choice", 1, 1)


class Bandit(Study[Plays, BanditConfig, Casino, Path]):
    """Its view of a run is the folder itself."""

    kind = verb = "bandit"
    title = "the bandit"
    home = "bandits"
    data_word = "table of plays"
    example = "rounds=5"
    patients = 60
    demo_name = "Default bandit"
    evaluate_options = (Option("--arm", "value of this arm alone", choices=("0", "1", "2")),)

    def config(self, preset: str, overrides: Mapping[str, str]) -> BanditConfig:
        return BanditConfig.build(overrides, where="settings")

    def stored_config(self, values: Mapping[str, Any], where: str) -> BanditConfig:
        return BanditConfig.build(values, where)

    def read_definition(self, values: Any) -> Casino:
        return Casino.model_validate(values)

    def definition(self, data: Plays, config: BanditConfig) -> Casino:
        return Casino()

    def load(self, file: Path, definition: str | Path | None, config: BanditConfig) -> Plays:
        if definition is not None:
            raise ConfigError("there is one casino.")
        return self.load_for(file, file)

    def load_for(self, file: Path, view: Path) -> Plays:
        frame = pd.read_csv(file)
        if not set(frame["arm"]) <= {0, 1, 2}:
            raise CohortError("arm: 0, 1 or 2 is expected.")
        return Plays(frame)

    def simulate(self, n_patients: int, seed: int, options: Mapping[str, Any]) -> Plays:
        rng = np.random.default_rng(seed)
        arm = rng.integers(0, 3, n_patients)
        return Plays(pd.DataFrame({"arm": arm, "reward": arm == 1}), Origin("simulated", "casino", n_patients, seed))

    def save(self, data: Plays, path: Path) -> None:
        data.frame.to_csv(path, index=False)

    def store(self, view: Path, data: Plays) -> Iterator[Progress]:
        return store_plays(view, data)

    def stages(self, view: Path) -> Mapping[str, Stage[Path]]:
        return {"values": Stage(mean_rewards, 3), "choice": Stage(best_arm, 1, ("values",))}

    def open(self, folder: Path) -> Path:
        return folder

    def evaluate(self, view: Path, data: Plays, options: Mapping[str, Any]) -> Evaluation:
        values = read_json(view / "values.json")
        shown = {arm: value for arm, value in values.items() if options.get("arm") in (None, arm)}
        return Evaluation(
            ArmValues(arms=shown), tuple(f"{arm} {value:.2f}" for arm, value in shown.items()), "all plays"
        )


BANDIT = Bandit()
register(BANDIT)
