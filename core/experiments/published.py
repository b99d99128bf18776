"""The published results beside which those of a study stand, and the published names of our policies."""

from __future__ import annotations

from functools import cache

import pandas as pd

from core.base.shipped import shipped
from core.policies.key import PolicyKey
from core.study import StudySpec, load_study

REFERENCE = shipped("reference")
COHORTS = {"mimic-iv": "MIMIC-IV", "eicu": "eICU"}
NAMES = {
    "clinician": "Clinician",
    "random": "Random",
    "zero-drug": "Zero drug",
    "rf-fqi": "RF-FQI",
    "xgb-fqi": "XGB-FQI",
    "gb-fqi": "GB-FQI",
    "dqn": "DQN",
    "double-dqn": "DoubleDQN",
    "dueling-dqn": "DuelingDQN",
    "dueling-double-dqn": "DuelingDoubleDQN",
    "cql": "CQL",
    "wd3qne": "WD3QNE",
    "bcq": "BCQ",
    "iql": "IQL",
    "spibb": "SPIBB",
    "behavior-cloning": "Behavior cloning",
    "single-expert": "HOPAS-A (single expert)",
    "fused": "HOPAS-B (fused)",
    "no-encoder": "HOPAS-B without encoder",
    "no-stratification": "HOPAS-B without stratification",
    "no-fusion": "HOPAS-B without fusion",
}
VERSIONS = {"greedy": "greedy", "soft": "epsilon-soft"}
# Where a row of the publication has another name, or is the same policy under a second name.
ROWS = {
    "single-expert": "HOPAS-A",
    "fused": "HOPAS-B",
    "no-fusion": "HOPAS-A",
    "no-stratification": "DuelingDoubleDQN",
    "gb-fqi": "XGB-FQI",
}
ABLATIONS = {"no-encoder": "no-encoder", "no-stratification": "dueling-double-dqn", "no-fusion": "single-expert"}
MEASURES = ("phwis", "phwdr", "esr_percent")


def display_name(policy: str, mode: str = "") -> str:
    """Name in tables: "HOPAS-B (fused), prospective"; variants such as "fused:greedy" keep theirs behind a comma."""
    key = PolicyKey(policy)
    base, version = key.base, key.version_name
    return ", ".join(part for part in (NAMES.get(base, base), VERSIONS.get(version, version), mode) if part)


def published(like: str, policy: str, study: StudySpec | None = None) -> dict[str, float | None]:
    """phwis_mean, phwis_sd, phwdr_mean ... esr_percent_sd of a published row; None where nothing was published.

    study: whose publication is meant (None: the ICU heparin study, of which the experiments' cohorts are).
    """
    name = ROWS.get(policy, NAMES.get(policy, ""))
    columns = [f"{measure}_{part}" for measure in MEASURES for part in ("mean", "sd")]
    own = _default() if study is None else study
    if own.published is None or not own.published.policies:
        return dict.fromkeys(columns)
    table = _reference(own.published.policies)
    rows = table[(table["cohort"] == COHORTS.get(like, "")) & (table["policy"] == name)]
    if rows.empty:
        return dict.fromkeys(columns)
    return {column: float(rows[column].iloc[0]) for column in columns}


@cache
def _default() -> StudySpec:
    return load_study()


@cache
def _reference(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / name)
