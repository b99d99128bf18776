"""Dose bins, a first reward, hazards, severity and highlights of a proposed study."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.actions import Actions
from core.cohort.define.names import names
from core.cohort.define.roles import Roles
from core.hazard import Hazard
from core.study import Column, RewardTerm, load_study
from core.tables.values import read_cells

QUARTILES = (0.25, 0.5, 0.75)
MOST_HIGHLIGHTS = 7
FEWEST_STAYS = 10  # before a column's relation to death is looked at
NO_TERM = re.compile(r"[^\w -]+")  # what the name of a reward term may not hold


def dose_bins(table: pd.DataFrame, roles: Roles) -> tuple[Actions, str]:
    """0 and the quartiles of the positive doses of a step; few distinct doses, or bins, stand as they are."""
    if not roles.dose:
        highest = int(np.nanmax(read_cells(table["action"]).values))
        levels = tuple(map(float, range(max(highest, 1) + 1)))
        evidence = "the file holds bins, not doses: write the upper dose of each here"
        return Actions(drug=roles.drug, unit=roles.unit, upper=levels, representative=levels), evidence
    doses = read_cells(table["dose"]).values
    positive = doses[np.isfinite(doses) & (doses > 0)]
    distinct = np.unique(positive)
    quartiles = np.quantile(positive, QUARTILES, method="lower")  # doses that were given, so that no bin is empty
    edges = distinct if len(distinct) <= 4 else np.unique([*quartiles, distinct[-1]])
    place = np.searchsorted(edges, positive, side="left")
    middle = [float(f"{np.median(positive[place == i]):.6g}") for i in range(len(edges))]
    what = "each dose that is given" if len(distinct) <= 4 else "quartiles and maximum"
    share = 100 * len(positive) / len(doses)
    evidence = f"0, then {what} of {len(positive):,} positive doses ({share:.1f} % of {len(doses):,} steps)"
    return Actions(
        drug=roles.drug, unit=roles.unit, upper=(0.0, *edges.tolist()), representative=(0.0, *middle)
    ), evidence


@dataclass(frozen=True)
class Terms:
    """What is proposed of rewards and hazards, with evidence for each in the same order."""

    rewards: tuple[RewardTerm, ...]
    why: tuple[str, ...]
    hazards: tuple[Hazard, ...]
    hazards_why: tuple[str, ...]


def first_terms(columns: Sequence[Column], roles: Roles) -> Terms:
    """Terms of the ICU heparin study for columns that are known, and what is known of the drug's hazards."""
    study, drug = load_study(), names().drugs.get(roles.drug)
    own = {roles.known[c.name]: c.name for c in columns if c.name in roles.known and c.kind == "temporal"}
    rewards: list[tuple[RewardTerm, str]] = []
    for term in study.rewards:
        if term.kind != "range" and term.column in own:
            word = "unchanged" if term.kind == "stagnation" else "change"
            given = {"name": _named(own[term.column], word), "column": own[term.column]}
            rewards.append((term.model_copy(update=given), f"weight of the ICU heparin study for {term.column}"))
    for target in () if drug is None else drug.targets:
        aim = study.column(target).target
        if target in own and aim is not None:
            name = _named(own[target], "in target")
            term = RewardTerm(name=name, kind="range", column=own[target], coefficient=0.05, low=aim[0], high=aim[1])
            rewards.append((term, f"{roles.drug} is given for {target}: {aim[0]:g} to {aim[1]:g} is its usual target"))
    known = [h for h in (() if drug is None else drug.hazards) if h.column in own]
    hazards = [h.model_copy(update={"column": own[h.column]}) for h in known]
    why = [f"known of {roles.drug}: {h.column} {h.operator} {h.threshold:g}" for h in known]
    return Terms(tuple(t for t, _ in rewards), tuple(w for _, w in rewards), tuple(hazards), tuple(why))


def _named(column: str, word: str) -> str:
    """The name of a term: the column's in characters that a setting may have."""
    plain = NO_TERM.sub(" ", column).strip(" _-")[:40] or "state"
    return f"{plain} {word}"


def severity_of(columns: Sequence[Column], roles: Roles, table: pd.DataFrame) -> tuple[str, tuple[str, ...], str]:
    """The column that reads as severity, the columns to show first, and why.

    A score that is known wins; else the column of which a high last value goes most with death.
    """
    known = {roles.known[c.name]: c.name for c in columns if c.name in roles.known}
    temporal = [c.name for c in columns if c.kind == "temporal"]
    related = _related(temporal, table)
    shown = [known[name] for name in load_study().highlights if name in known]
    shown = list(dict.fromkeys([*shown, *(name for name, _ in related), *temporal]))[:MOST_HIGHLIGHTS]
    if "SOFA" in known:
        return known["SOFA"], tuple(shown), "the SOFA score"
    rising = [pair for pair in related if pair[1] > 0]  # more of a severity is worse
    if rising:
        name, r = rising[0]
        return (
            name,
            tuple(shown),
            f"no score is known here; of all columns a high last value goes most with death (r = {r:+.2f})",
        )
    return temporal[0], tuple(shown), "no score is known here and too few stays tell: the first temporal column"


def _related(columns: Sequence[str], table: pd.DataFrame) -> list[tuple[str, float]]:
    """(column, correlation of its last value in a stay with death), the strongest first."""
    if "outcome" not in table:
        return []
    by_stay = table["traj"].to_numpy()
    died = pd.Series(read_cells(table["outcome"]).values).groupby(by_stay).min() < 0
    found = []
    for name in columns:
        last = pd.Series(read_cells(table[name]).values).groupby(by_stay).last()
        pairs = pd.DataFrame({"x": last, "y": died.astype(float)}).dropna()
        if len(pairs) >= FEWEST_STAYS and pairs["x"].std() > 0 and pairs["y"].std() > 0:
            found.append((name, float(pairs["x"].corr(pairs["y"]))))
    return sorted(found, key=lambda pair: -abs(pair[1]))
