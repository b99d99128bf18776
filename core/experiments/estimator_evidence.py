"""What the estimator lab measured, in short: the file that pages quote beside every estimate.

`data/reference/estimator_evidence.json` is made from a lab on report seeds by
`python -m core.experiments.estimator_evidence LAB_FOLDER`, or with an experiment's other findings by
`python -m core experiment NAME --publish`; no number in it is written by hand.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from core.base.files import read_json, write_json
from core.base.shipped import shipped

PATH = shipped("reference", "estimator_evidence.json")
COVERAGE_GOAL, RANK_GOAL = 0.9, 0.8
ESS_FLOOR = 30.0
NAMES = {
    "phwis": "PHWIS",
    "phwdr": "PHWDR",
    "phwdr-fqi": "PHWDR with FQI",
    "wis": "WIS",
    "pdwis": "per-decision WIS",
    "wdr": "WDR",
    "fqe": "FQE",
}
MEASURED = {  # of the quoted table, in words
    "n": "policies",
    "bias": "bias",
    "rmse": "RMSE",
    "coverage": "interval holds the truth",
    "width": "width of the interval",
    "rank_correlation": "rank correlation",
    "rank_sd": "its SD over seeds",
    "seeds": "seeds",
}
SWEPT = ("propensities", "k", "pseudo_count", "n", "bias", "rmse", "median_ess", "calibration_error", "log_ratio_rmse")
Row = dict[str, Any]


def make_evidence(summary: Row, date: str) -> Row:
    """The part of a lab's summary that pages quote: estimated propensities, as in a run, policies above the floor."""
    studies = [study for study in ("simulated", "icu-sepsis") if study in summary["settings"]["studies"]]
    return {
        "schema_version": 1,
        "date": date,
        "settings": summary["settings"],
        "ess_floor": ESS_FLOOR,
        "goals": {"coverage": COVERAGE_GOAL, "rank_correlation": RANK_GOAL},
        "studies": {study: _estimators(summary, study) for study in studies},
        "bands": _chosen(summary["by_ess"], ("band", "estimator", "n", "bias", "rmse", "coverage", "width")),
        "propensities": [
            {name: _short(row[name]) for name in SWEPT}
            for row in summary["propensities"]
            if (row["study"], row["estimator"]) == ("simulated", "phwdr")
        ],
        "light": _chosen(summary["light"], ("grade", "estimator", "n", "bias", "rmse", "coverage", "width")),
    }


def _chosen(rows: list[Row], columns: tuple[str, ...]) -> list[Row]:
    """Simulated cohorts with estimated propensities."""
    kept = [row for row in rows if (row["study"], row["propensities"]) == ("simulated", "knn")]
    return [{name: _short(row[name]) for name in columns} for row in kept]


def _short(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _estimators(summary: Row, study: str) -> dict[str, Row]:
    def of(rows: list[Row], **wanted: Any) -> dict[str, Row]:
        wanted = {"study": study, "propensities": "knn", **wanted}
        return {row["estimator"]: row for row in rows if all(row[key] == value for key, value in wanted.items())}

    errors = of(summary["above_floor"])
    ranks = of(summary["ranks"], ess_floor=ESS_FLOOR)
    found = {}
    for name in NAMES:
        if name in errors:
            measured = {key: errors[name][key] for key in ("n", "bias", "rmse", "coverage", "width")}
            rank = ranks.get(name, {})
            measured |= {key: rank.get(key) for key in ("rank_correlation", "rank_sd", "seeds")}
            found[name] = {key: _short(value) for key, value in measured.items()}
    return found


@lru_cache(maxsize=1)
def load_evidence() -> Row | None:
    """The stored evidence; None where no lab has been quoted yet."""
    return read_json(PATH) if PATH.is_file() else None


def evidence_table(evidence: Row, study: str = "simulated") -> pd.DataFrame:
    """One row an estimator, by its name in words, in the columns of `MEASURED`."""
    rows = [{"estimator": NAMES[name], **row} for name, row in evidence["studies"][study].items()]
    return pd.DataFrame(rows)[["estimator", *MEASURED]]


def evidence_note(estimator: str, evidence: Row | None = None) -> str:
    """One sentence on what an estimator did on simulated cohorts, and on the goals it meets; empty if not measured."""
    evidence = load_evidence() if evidence is None else evidence
    measured = None if evidence is None else evidence["studies"].get("simulated", {}).get(estimator)
    if evidence is None or measured is None or None in (measured["coverage"], measured["rank_correlation"]):
        return ""
    goals, coverage, rank = evidence["goals"], measured["coverage"], measured["rank_correlation"]
    missed = [] if coverage >= goals["coverage"] else ["coverage"]
    missed += [] if rank >= goals["rank_correlation"] else ["order"]
    verdict = f"It misses the goal in {' and in '.join(missed)}." if missed else "Both goals are met."
    return (
        f"{NAMES[estimator]} on {len(evidence['settings']['seeds'])} simulated cohorts, policies with ESS of "
        f"{evidence['ess_floor']:g} or more: its 95 % intervals held the true value in {100 * coverage:.0f} % of "
        f"{measured['n']} cases (goal {100 * goals['coverage']:.0f} %), and its order agreed with the true one by a "
        f"rank correlation of {rank:.2f} (goal {goals['rank_correlation']:g}). {verdict}"
    ) + _supported_note(estimator, evidence)


def _supported_note(estimator: str, evidence: Row) -> str:
    """How often its intervals held the truth where the light says supported; empty where it was not graded."""
    for row in evidence["light"]:
        if (row["grade"], row["estimator"]) == ("supported", estimator):
            return f" Where values are graded supported: {100 * row['coverage']:.0f} % of {row['n']} cases."
    return ""


def publish(summary: Path, date: str) -> Path:
    """Quote a lab by its summary.json: write the file that pages read."""
    write_json(PATH, make_evidence(read_json(summary), date))
    load_evidence.cache_clear()
    return PATH


def main(arguments: list[str]) -> int:
    """Quote the lab in a folder."""
    if len(arguments) != 1:
        print("usage: python -m core.experiments.estimator_evidence LAB_FOLDER", file=sys.stderr)
        return 2
    publish(Path(arguments[0]) / "summary.json", datetime.now(UTC).date().isoformat())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
