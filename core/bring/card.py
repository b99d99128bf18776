"""An evidence card: one page on what a policy's value rests on, which anybody with the same files can recompute.

A card holds aggregates alone, and counts of patients below 11 are left out. Its seal is the SHA-256 of all else in it,
written as JSON with sorted keys, so that a changed number shows; digests of policy and data say what it was made of.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.base.config import Config
from core.base.errors import ArtifactError, ConfigError
from core.base.files import write_atomic, write_json
from core.base.judging import judging_words
from core.base.types import OPEResult
from core.bring.judgment import DOSES, SETS, Form, JudgeConfig, Judgment, hidden_words
from core.bring.policy import BroughtPolicy
from core.bring.sets import BroughtSets
from core.cohort import Cohort
from core.evaluation.judging.choices import PolicyChoices
from core.evaluation.judging.left_out import ColumnOdds
from core.evaluation.judging.mix import MixEstimate
from core.icu.hidden_causes import HiddenCauses
from core.registry.cohort.table import RegistryCohort
from core.runs.manifest import JUDGED_BY, now, versions

WORDS: dict[Form, dict[str, str]] = {
    DOSES: {
        "choosers": "clinicians",
        "records": "stays",
        "persons": "persons",
        "choice": "dose",
        "times": "steps",
    },
    SETS: {
        "choosers": "experts",
        "records": "courses",
        "persons": "patients",
        "choice": "combination",
        "times": "decisions",
    },
}
FEWEST_SHOWN = 11  # patients; below it a count could point at somebody
LARGEST = 2_000_000  # bytes of a card that is read
_EMBEDDED = re.compile(r'<script type="application/json" id="card">(.*?)</script>', re.DOTALL)


class Number(Config):
    """An estimate with its 95 % interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None
    se: float | None = None
    ess: float | None = None


class Hazard(Config):
    """How often a hazardous dose is chosen, by the policy and as recorded; patients: None below 11."""

    text: str
    policy: Number
    given: float | None
    patients: int | None


class Gamma(Config):
    """What unrecorded causes could do to the difference (None: nobody follows the policy), and how far leaving out each
    recorded column moves the odds of a dose."""

    hidden: HiddenCauses | None
    columns: list[ColumnOdds]


class Card(Config):
    """What a policy's value rests on. gamma, choices (reward atlas): None where not asked; form: what it chooses."""

    schema_version: Literal[1] = 1
    policy: str
    policy_digest: str
    policy_file: str
    cohort_file: str
    data_hash: str
    basis: Literal["cohort", "run"]  # judged on all of a cohort in folds, or on the test patients of a run
    simulated: bool
    study: str
    stays: int
    persons: int
    actions: list[str]
    config: JudgeConfig
    difference: Number
    value: Number
    phwis: Number
    phwdr: Number
    grade: str
    reasons: list[str]
    concordance: float | None
    unsupported: float | None
    action_shares: list[float]
    hazards: list[Hazard]
    true_value: Number | None
    true_difference: Number | None
    limits: list[str]
    versions: dict[str, str]
    made: str
    gamma: Gamma | None = None
    form: Form = DOSES
    choices: PolicyChoices | None = None
    seal: str = ""

    @property
    def right_seal(self) -> str:
        """64 hex digits over everything else in the card."""
        # as cards were sealed before there was a gamma, a form, and other choices
        later = {"gamma": self.gamma is None, "form": self.form == DOSES, "choices": self.choices is None}
        left_out = {"seal", *(name for name, unsaid in later.items() if unsaid)}
        content = json.dumps(self.model_dump(mode="json", exclude=left_out), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def hidden_words(self) -> str:
        """What unrecorded causes could do to the difference."""
        if self.gamma is None:
            return "This card was made before unrecorded causes were asked about; judge the policy again."
        return hidden_words(self.form, self.gamma.hidden, self.gamma.columns)

    @property
    def judging(self) -> int | None:
        """The version of the judging; None for a card from before it had a number."""
        version = self.versions.get(JUDGED_BY, "")
        return int(version) if version.isdigit() else None

    @property
    def words(self) -> dict[str, str]:
        """What this study calls its records, choices and choosers."""
        return WORDS[self.form]

    @property
    def numbers(self) -> dict[str, Any]:
        """What a recomputation must find again: all but names of files, versions and the day."""
        left_out = {"seal", "made", "versions", "policy_file", "cohort_file", "limits"}
        return self.model_dump(mode="json", exclude=left_out)


def make_card(
    found: Judgment,
    policy: BroughtPolicy | BroughtSets,
    cohort: Cohort | RegistryCohort,
    config: JudgeConfig,
    files: Mapping[str, str] | None = None,
    basis: Literal["cohort", "run"] = "cohort",
    centered: bool = True,
) -> Card:
    """The sealed card of a judgment. files: names of the files it was made of, under "policy" and "cohort"; centered:
    as the `Bench` that judged."""
    names = files or {}
    card = Card(
        policy=policy.name,
        policy_digest=policy.digest,
        policy_file=names.get("policy", ""),
        cohort_file=names.get("cohort", ""),
        data_hash=cohort.data_hash,
        basis=basis,
        simulated=cohort.origin.simulated,
        study=cohort.study.name if isinstance(cohort, Cohort) else cohort.spec.name,
        stays=found.judged.difference.n,
        persons=found.n_persons,
        actions=_actions(policy, cohort),
        config=config,
        difference=_number(found.judged.difference),
        value=_number(found.judged.value),
        phwis=_number(found.phwis),
        phwdr=_number(found.phwdr),
        grade=found.light.grade,
        reasons=list(found.light.reasons),
        concordance=_finite(found.concordance),
        unsupported=_finite(found.unsupported),
        action_shares=[float(share) for share in found.action_shares],
        hazards=_hazards(found),
        true_value=None if found.truth is None else _true(found.truth.value, found.truth.standard_error),
        true_difference=None if found.gain is None else _true(found.gain.value, found.gain.standard_error),
        limits=_limits(found, policy, cohort),
        versions=versions(centered),
        made=now(),
        gamma=Gamma(hidden=found.hidden, columns=list(found.left_out)),
        form=found.form,
        choices=found.choices,
    )
    return card.model_copy(update={"seal": card.right_seal})


def write_card(card: Card, path: Path) -> list[Path]:
    """The card as HTML and JSON side by side, whichever of the two names is given; `ConfigError` for another one."""
    if path.suffix not in (".html", ".json"):
        raise ConfigError(f"{path.name}: a card is written as .html (with .json beside it); name it so.")
    page, data = path.with_suffix(".html"), path.with_suffix(".json")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    content = card.model_dump(mode="json")
    embedded = json.dumps(content, sort_keys=True).replace("<", "\\u003c")
    text = environment.get_template("card.html.j2").render(
        card=card, embedded=embedded, judged_by=judging_words(card.judging)
    )
    write_json(data, content)
    write_atomic(page, lambda file: file.write(text.encode()))
    return [page, data]


def read_card(path: Path) -> Card:
    """A card from its HTML or JSON; `ArtifactError` where it is none, or its numbers were changed."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise ArtifactError(f"{path} is no evidence card: it is missing or too large.")
    text = path.read_text(encoding="utf-8", errors="replace")
    embedded = _EMBEDDED.search(text)
    try:
        card = Card.build(json.loads(embedded[1] if embedded else text), where=path.name)
    except (ValueError, TypeError, ConfigError) as error:
        raise ArtifactError(f"{path.name} is no evidence card: {str(error).splitlines()[0]}") from None
    if card.seal != card.right_seal:
        raise ArtifactError(f"{path.name} was changed after it was made: its seal does not fit what it says.")
    return card


def _number(found: MixEstimate | OPEResult) -> Number:
    return Number(
        value=_finite(found.value),
        low=_finite(found.low),
        high=_finite(found.high),
        se=_finite(found.se) if isinstance(found, MixEstimate) else None,
        ess=_finite(found.ess),
    )


def _true(value: float, error: float) -> Number:
    return Number(value=value, low=value - 1.96 * error, high=value + 1.96 * error, se=error)


def _hazards(found: Judgment) -> list[Hazard]:
    hazards = []
    for text, rows in found.hazards.groupby("text", sort=False) if len(found.hazards) else ():
        by = {str(row["policy"]): row for _, row in rows.iterrows()}
        own, patients = by["policy"], int(by["policy"]["patients"])
        few = patients < FEWEST_SHOWN
        numbers = [None if few else _finite(own[name]) for name in ("rate", "low", "high")]
        given = None if few else _finite(by["given"]["rate"])
        rate = Number(value=numbers[0], low=numbers[1], high=numbers[2])
        hazards.append(Hazard(text=str(text), policy=rate, given=given, patients=None if few else patients))
    return hazards


def _actions(policy: BroughtPolicy | BroughtSets, cohort: Cohort | RegistryCohort) -> list[str]:
    """What its shares are of: doses, or the drugs of each decision that it makes."""
    if isinstance(cohort, Cohort):
        return cohort.study.actions.labels
    decided = policy.choices if isinstance(policy, BroughtSets) else {}
    return [
        f"{cohort.spec.decision(name).title}: {drug}" for name, one in decided.items() for drug in one.catalog.drugs
    ]


def _limits(found: Judgment, policy: BroughtPolicy | BroughtSets, cohort: Cohort | RegistryCohort) -> list[str]:
    words = WORDS[found.form]
    said = [
        "Research and teaching only; never bedside advice.",
        f"The value holds for patients like the recorded ones, and only where the record holds what "
        f"{words['choosers']} decided by.",
        f"That the policy was not learned from the judged {words['records']} is its maker's word; nothing here can "
        "show it.",
    ]
    if isinstance(cohort, RegistryCohort) and isinstance(policy, BroughtSets):
        said.append("Loss to follow-up is taken to depend on nothing but the stage.")
        left = [cohort.spec.decision(name).title for name in cohort.spec.learned if name not in policy.choices]
        said += [f"It leaves to the experts: {', '.join(left)}."] if left else []
    if found.truth is not None:
        said.append("The patients are simulated, so the true value is known; it is not known of real ones.")
    elif cohort.origin.simulated:
        said.append("The patients are simulated, but a table of probabilities cannot be rolled out: no true value.")
    return said


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
