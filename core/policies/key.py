"""What a policy is called, and what the name means: read and written here, and nowhere else.

A policy's name is a base and, behind a colon, a version: "fused", "phenotype-3:greedy", "dqn:t0.2". Bases are the
simple policies, the policies of the phenotypes' agents, their fusion and its limit, the single expert, and the
policies that a run's own are held against. A `PolicyKey` adds what the policy depends on.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from core.base.errors import ConfigError

CLINICIAN, RANDOM, ZERO_DRUG = "clinician", "random", "zero-drug"
SIMPLE = (CLINICIAN, RANDOM, ZERO_DRUG)
FUSED, SINGLE_EXPERT = "fused", "single-expert"
FOREST, BOOSTED, NO_ENCODER = "rf-fqi", "xgb-fqi", "no-encoder"
MODES = PROSPECTIVE, RETROSPECTIVE = ("prospective", "retrospective")
KEY_COLUMNS = ("policy", "n_clusters", "mode", "lambda_")  # of every table that has a row a policy
EPSILONS = {"greedy": 0.0, "soft": 0.1}  # "fused:soft": this share spread over all actions, the rest on the top one
_TEMPERATURE = re.compile(r"t(\d+(\.\d+)?)")  # "fused:t0.2": at this temperature instead of the run's
_PHENOTYPE = re.compile(r"phenotype-(\d+)")


@dataclass(frozen=True)
class Version:
    """How a policy is sharpened: its experts at another temperature (None: the run's), and only then all but the share
    `epsilon` of its probability on the top action (None: left as it is)."""

    temperature: float | None = None
    epsilon: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of what stands behind the colon ("greedy", "soft", "t0.2", or nothing); `ConfigError` for anything else."""
        if not text:
            return cls()
        if text in EPSILONS:
            return cls(epsilon=EPSILONS[text])
        named = _TEMPERATURE.fullmatch(text)
        if not named:
            known = f"versions are {', '.join(EPSILONS)}, or t and a temperature"
            raise ConfigError(f"policy version '{text}' is not known: {known}.")
        return cls(temperature=float(named[1]))


@dataclass(frozen=True, eq=False)
class PolicyKey:
    """Which policy: its name and what it depends on, in the order in which it is asked for.

    n_clusters: 0 where it has no phenotypes; lambda_: NaN where it fuses nothing, infinity for the single expert; mode:
    empty where it does not look at the distances. Two keys of the same policy are equal, though NaN is not. Raises
    `ConfigError` for an unknown version or mode. See `PolicyKey.at` to leave out what a policy does not depend on.
    """

    policy: str
    n_clusters: int = 0
    lambda_: float = np.nan
    mode: str = ""

    def __post_init__(self) -> None:
        if self.mode not in ("", *MODES):
            raise ConfigError(f"policy '{self.policy}': mode '{self.mode}' is not one of {', '.join(MODES)}.")
        Version.parse(self.version_name)

    @classmethod
    def at(cls, policy: str, n_clusters: int, lambda_: float, mode: str) -> Self:
        """The key of a policy at one setting of the sliders, without what it does not depend on."""
        base, _, version = policy.partition(":")
        if base == FUSED and not version and np.isinf(lambda_):  # the same policy, which has a critic and a truth
            base = policy = SINGLE_EXPERT
        if base in (FUSED, NO_ENCODER):
            return cls(policy, n_clusters, float(lambda_), mode)
        if base == SINGLE_EXPERT:
            return cls(policy, n_clusters, np.inf, mode)
        return cls(policy, n_clusters if _PHENOTYPE.fullmatch(base) else 0)

    @classmethod
    def of_row(cls, row: Mapping[Hashable, Any]) -> Self:
        """The key in a row of a table, of its `KEY_COLUMNS`."""
        return cls(str(row["policy"]), int(row["n_clusters"]), float(row["lambda_"]), str(row["mode"]))

    @classmethod
    def of_expert(cls, index: int, n_clusters: int) -> Self:
        """The policy of one phenotype's agent."""
        return cls(expert_name(index), n_clusters)

    @property
    def row(self) -> dict[str, object]:
        """`KEY_COLUMNS` of a table."""
        return {name: getattr(self, name) for name in KEY_COLUMNS}

    @property
    def base(self) -> str:
        """The name without its version."""
        return self.policy.partition(":")[0]

    @property
    def version_name(self) -> str:
        """What stands behind the colon; empty for the policy as it is."""
        return self.policy.partition(":")[2]

    @property
    def version(self) -> Version:
        return Version.parse(self.version_name)

    @property
    def expert(self) -> int | None:
        """3 for "phenotype-3": the phenotype whose agent decides alone; None for any other policy."""
        found = _PHENOTYPE.fullmatch(self.base)
        return int(found[1]) if found else None

    @property
    def plain(self) -> PolicyKey:
        """The policy of which this is a version; the key itself where it is none."""
        return PolicyKey.at(self.base, self.n_clusters, self.lambda_, self.mode) if self.version_name else self

    @property
    def acts_forward(self) -> bool:
        """True where the policy needs nothing that comes later, so that it can be rolled out."""
        return self.mode != RETROSPECTIVE

    def in_version(self, name: str) -> PolicyKey:
        """A version of the policy by its name, as "greedy"; "" is the policy as it is."""
        return replace(self, policy=f"{self.base}:{name}" if name else self.base)

    @property
    def _identity(self) -> tuple[str, int, float | None, str]:
        return self.policy, self.n_clusters, None if np.isnan(self.lambda_) else self.lambda_, self.mode

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyKey) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


def expert_name(index: int) -> str:
    """ "phenotype-3": the policy of that phenotype's agent."""
    return f"phenotype-{index}"


def has_phenotypes(policy: str) -> bool:
    """True for a policy that is made of the phenotypes' agents: one of them, or a fusion of all."""
    key = PolicyKey(policy)
    return key.expert is not None or key.base in (FUSED, SINGLE_EXPERT, NO_ENCODER)
