"""What is compared, by name: policies, the screen, and the dials from the experts to a policy. Needs no networks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from core.fusion import dials

OBSERVED = "observed"
GREEDY = ("dqn", "dqn-screened", "random-forest", "most-frequent")
POLICIES = (*GREEDY, OBSERVED)
RECOMMENDED = "dqn-screened"  # the policy behind the list of options of a patient
TITLES = {
    "dqn": "DQN",
    "dqn-screened": "DQN, screened",
    "random-forest": "Random forest",
    "most-frequent": "One size fits all",
    "observed": "Observed",
    "baseline": "All other combinations",
}
MIXTURE = replace(dials.MIXTURE, title="Share of the policy, a: π ∝ experts^(1-a) · policy^a")
FLOOR = replace(dials.FLOOR, title="Only combinations that experts give with at least this probability")
DIALS = {dial.name: dial for dial in (MIXTURE, FLOOR)}


@dataclass(frozen=True)
class Screen:
    """Which combinations may be recommended: among the n likeliest, with at least this probability."""

    n: int
    threshold: float


def along(table: pd.DataFrame, policy: str, dial: str) -> pd.DataFrame:
    """The rows of one policy and dial, of a frontier's table or of its truth."""
    return table[(table["policy"] == policy) & (table["dial"] == dial)].reset_index(drop=True)


def dial_text(dial: dials.Dial, setting: float) -> str:
    """A setting in words: "mixture at 0.25", "floor at 0.05"."""
    return f"{dial.name} at {setting:g}"


def gate_places() -> list[tuple[str, float]]:
    """Dials and settings of the recommended policy among which the gate chooses: those that are rolled out where
    patients are simulated, and the softened policy itself, at which both dials end."""
    mixtures = [(MIXTURE.name, setting) for setting in (*MIXTURE.known, MIXTURE.settings[-1])]
    return [*mixtures, *((FLOOR.name, setting) for setting in FLOOR.known)]
