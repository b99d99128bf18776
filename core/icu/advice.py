"""What a run advises by default, as its folder keeps it: the gate's choice, and every dial that stood before it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from core.base.config import Config
from core.base.rng import derive_seed, stream
from core.base.statistics import Z95
from core.evaluation.judging.choices import AtlasRecord
from core.evaluation.judging.gate import corrected_z
from core.evaluation.judging.left_out import ColumnOdds
from core.icu.hidden_causes import UNKNOWN, HiddenCauses, in_words

MOST_STAYS = 20_000  # that learn, and that are judged: more would narrow no interval that matters, and cost memory
SURVIVAL_COLUMNS = tuple(
    f"{what}{part}" for what in ("survival", "survival_difference") for part in ("", "_low", "_high", "_se")
)


class DialRecord(Config):
    """The pessimistic step with probability `share`, else the clinicians: its difference to them, in reward.

    survival: the share that survives under it, and survival_difference to the clinicians', by the same judges; None in
    a run from before survival was judged. hidden: what unrecorded causes could do to the difference; None in a run from
    before that was asked, and where nobody follows it. true_gain, true_survival_gain: differences by roll-out over
    true_n simulated patients, with their standard errors; None where the patients are real, roll-outs are off, or the
    run is from before they were done.
    """

    share: float
    value: float
    low: float
    high: float
    se: float
    ess: float
    grade: str
    doubts: str
    survival: float | None = None
    survival_low: float | None = None
    survival_high: float | None = None
    survival_se: float | None = None
    survival_difference: float | None = None
    survival_difference_low: float | None = None
    survival_difference_high: float | None = None
    survival_difference_se: float | None = None
    hidden: HiddenCauses | None = None
    true_gain: float | None = None
    true_se: float | None = None
    true_n: int | None = None
    true_survival_gain: float | None = None
    true_survival_se: float | None = None

    @property
    def survival_points(self) -> tuple[float, float, float] | None:
        """Difference in survival to the clinicians with its interval, in points of a hundred; None where unknown."""
        found = self.survival_difference, self.survival_difference_low, self.survival_difference_high
        if found[0] is None or found[1] is None or found[2] is None:
            return None
        return 100 * found[0], 100 * found[1], 100 * found[2]


class Control(Config):
    """Judged gain on a column's value at the first step, which no dose can change. z: gain in standard errors."""

    column: str
    gain: float
    se: float

    @property
    def z(self) -> float:
        return self.gain / self.se if self.se > 0 else 0.0


class AuditRecord(Config):
    """Of the dial shown (`share`).

    null_repeats cohorts whose drug was drawn anew and does nothing: in null_advised the pipeline advised a dose, in
    null_claimed it claimed a gain. residual_value, low, high: the dial's difference when the prognosis at the start is
    taken out of the last reward.
    """

    share: float
    null_repeats: int
    null_advised: int
    null_claimed: int
    residual_value: float
    residual_low: float
    residual_high: float
    controls: tuple[Control, ...]

    @property
    def failed(self) -> tuple[Control, ...]:
        """Controls whose gain is no chance, corrected for their number."""
        return tuple(one for one in self.controls if abs(one.z) > corrected_z(Z95, len(self.controls)))

    def sentences(self) -> list[str]:
        """What the audits found, in words."""
        found = []
        if self.null_repeats:
            found.append(
                f"In {self.null_repeats} copies of these records in which the drug was drawn anew, so that it does "
                f"nothing, the same steps advised a change in {self.null_advised} and claimed a gain in "
                f"{self.null_claimed}."
            )
        found.append(
            f"With the prognosis at the first step taken out of the last reward, the difference is "
            f"{self.residual_value:+.2f} [{self.residual_low:+.2f}, {self.residual_high:+.2f}]."
        )
        names = ", ".join(f"{one.column} ({one.gain:+.2f} ± {one.se:.2f})" for one in self.failed)
        none = f"none of {len(self.controls)} shows one beyond chance"
        found.append(
            "Where nothing can be gained, on values that were settled at the first step, a gain is seen for "
            f"{names}: what clinicians saw is not all accounted for."
            if names
            else f"Where nothing can be gained, on values that were settled at the first step, {none}."
        )
        return found


class Audited(Config):
    """What is asked of an advice once it is made: tests of its claim on the run's own records, and the same under other
    choices of the study."""

    audit: AuditRecord
    atlas: AtlasRecord


class AdviceRecord(Config):
    """recommended: "clinicians", or the policy's name with its dial; share: that dial, 0 for the clinicians.

    claims: the gain may be called one, at claim_z standard errors, which is more than it takes to advise (advise_z).
    audit: tests of that claim on the run's own records; left_out: how far recorded columns move the odds of a dose,
    strongest first; atlas: the same under other choices of the study; None in a run from before they were asked.
    """

    schema_version: Literal[1] = 1
    recommended: str
    share: float
    claims: bool
    advise_z: float
    claim_z: float
    n: int
    text: str
    dials: tuple[DialRecord, ...]
    audit: AuditRecord | None = None
    left_out: tuple[ColumnOdds, ...] | None = None
    atlas: AtlasRecord | None = None

    @property
    def shown(self) -> DialRecord:
        """The dial to show: the advised one, or the one that came nearest to being advised.

        Nearest: the largest value minus `advise_z` standard errors among dials that recorded stays follow.
        """
        if self.share > 0:
            return next(dial for dial in self.dials if dial.share == self.share)
        followed = [dial for dial in self.dials if dial.ess > 0] or list(self.dials)
        return max(followed, key=lambda dial: dial.value - self.advise_z * dial.se)

    @property
    def hidden_in_words(self) -> str:
        """What unrecorded causes could do to the dial shown."""
        return UNKNOWN if self.left_out is None else in_words(self.shown.hidden, self.left_out)


def at_most(patients: np.ndarray, seed: int) -> np.ndarray:
    """Positions in their order: all of them, or `MOST_STAYS` drawn with the seed."""
    if len(patients) <= MOST_STAYS:
        return np.asarray(patients)
    return np.sort(stream(seed, "stays").choice(patients, MOST_STAYS, replace=False))


def stays_advised(n_patients: int, run_seed: int) -> np.ndarray:
    """Positions of the stays of a run's own cohort for which the advice was learned and judged."""
    return at_most(np.arange(n_patients), derive_seed(run_seed, "advice"))
