"""A bundle on another hospital's cohort: only aggregates leave, and no count of patients below 11.

The policies of the bundle are judged on all of the cohort's stays by probabilities and critics learned there, five
folds by person (see `core.icu.ask.judge`). Where one count of a division is left out, the next smallest is left out
with it, or the total would tell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from core.base.config import Config
from core.base.errors import ArtifactError, ConfigError, RunError
from core.base.judging import JUDGING
from core.cohort import Cohort
from core.evaluation import action_shares
from core.evaluation.judging.grade import GradeSettings, grade
from core.evaluation.judging.mix import Judged
from core.icu.ask.judge import judge_policies
from core.icu.foreign import ForeignStays
from core.policies.families import policy_keys
from core.policies.key import CLINICIAN, PROSPECTIVE, PolicyKey
from core.sites.bundle import opened

FEWEST_SHOWN = 11
LARGEST = 2_000_000  # bytes of a site's result that is read


class SitePolicy(Config):
    """One policy at one site: its difference to the clinicians there, and its mean probability of each dose over all
    recorded steps, which asks nothing of what was given."""

    policy: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:_.-]{0,60}$")
    difference: float
    low: float
    high: float
    se: float = Field(gt=0)
    ess: float
    grade: str
    reasons: list[str]
    dose_shares: list[float]


class SiteResult(Config):
    """What leaves a site. deaths, phenotypes: None where a count below 11 is left out, deaths
    also where the outcome does not tell them. judging: the version that judged, None from before it had a number."""

    schema_version: Literal[2] = 2
    site: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$")
    bundle: str
    study: str
    stays: int = Field(ge=FEWEST_SHOWN)
    steps: int = Field(ge=FEWEST_SHOWN)
    deaths: int | None
    phenotypes: list[int | None]
    policies: list[SitePolicy]
    judging: int | None = None


def validate(bundle: Path, cohort: Cohort, site: str) -> SiteResult:
    """Judge a bundle's policies on a cohort; `RunError` for fewer than 11 stays or a cohort of another study."""
    if cohort.n_patients < FEWEST_SHOWN:
        raise RunError(f"{cohort.n_patients} stays are too few to leave a site; {FEWEST_SHOWN} are the fewest.")
    with opened(bundle) as (view, digest):
        k, fusion = view.n_clusters, view.config.fusion
        stays = ForeignStays(view, cohort, "own")
        compared = policy_keys([k], [fusion.lambda_], [PROSPECTIVE], view.study.actions.has_nothing)
        keys = [key for key in compared if key.base != CLINICIAN]
        judged = judge_policies(stays, view.study, k, keys, np.arange(cohort.n_patients), None)
        labels = view.phenotypes.labels(view.encoder().encode(stays.trajectories), k)
        died = int(cohort.died.sum())
        told = view.study.tells_survival
        return SiteResult.build(
            {
                "site": site,
                "bundle": digest,
                "study": view.study.name,
                "stays": cohort.n_patients,
                "steps": len(cohort.frame),
                "deaths": suppressed([died, cohort.n_patients - died])[0] if told else None,
                "phenotypes": suppressed(np.bincount(labels, minlength=k).tolist()),
                "policies": [_policy(stays, key, one) for key, one in zip(keys, judged, strict=True)],
                "judging": JUDGING,
            },
            where="site",
        )


def read_site(path: Path) -> SiteResult:
    """A site's result; `ArtifactError` where it is none."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise ArtifactError(f"{path} is no site's result: it is missing or too large.")
    return parse_site(path.read_bytes(), path.name)


def parse_site(content: bytes, name: str) -> SiteResult:
    """A site's result from the content of its file, which is called so; `ArtifactError` where it is none."""
    try:
        if len(content) > LARGEST:
            raise ValueError("it is too large")
        return SiteResult.build(json.loads(content.decode("utf-8")), where=name)
    except (ValueError, TypeError, RecursionError, ConfigError) as error:
        raise ArtifactError(f"{name} is no site's result: {str(error).splitlines()[0]}") from None


def suppressed(counts: Sequence[int]) -> list[int | None]:
    """Counts of a division of known total without those of 1 to 10; if that hides one alone, the next smallest too."""
    hidden = [0 < count < FEWEST_SHOWN for count in counts]
    shown = [place for place, hide in enumerate(hidden) if not hide and counts[place] > 0]
    if sum(hidden) == 1 and shown:
        hidden[min(shown, key=lambda place: counts[place])] = True
    return [None if hide else count for count, hide in zip(counts, hidden, strict=True)]


def _policy(stays: ForeignStays, key: PolicyKey, judged: Judged) -> SitePolicy:
    light = grade(judged, GradeSettings(ess=stays.config.evaluation.ess_floor))
    found, shares = judged.difference, action_shares(stays.probs(key), stays.trajectories.mask, top=False)
    return SitePolicy(
        policy=key.policy,
        difference=found.value,
        low=found.low,
        high=found.high,
        se=found.se,
        ess=found.ess,
        grade=light.grade,
        reasons=list(light.reasons),
        dose_shares=[float(share) for share in shares],
    )
