"""What a clinician says of a recommendation: kept beside the run's name, for the one who wrote it, and exported.

Clinicians negotiate with advice rather than take or leave it (Sivaraman et al. 2023), so there are four verdicts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from filelock import FileLock

from core.base.errors import ConfigError
from core.base.files import read_table, write_table

VERDICTS = ("follow", "modify", "delay", "reject")
COLUMNS = ("patient", "step", "verdict", "note", "recommended", "given", "n_clusters", "lambda_", "when")
LONGEST_NOTE = 500


def load_verdicts(path: Path) -> pd.DataFrame:
    """All verdicts of one person on one run, one row a patient and step; empty where none was given."""
    return read_table(path) if path.is_file() else pd.DataFrame(columns=list(COLUMNS))


def give_verdict(
    path: Path,
    *,
    patient: str,
    step: int,
    verdict: str,
    note: str,
    recommended: str,
    given: str,
    n_clusters: int,
    lambda_: float,
) -> pd.DataFrame:
    """Store a verdict on one step; a later one on the same step takes its place. Returns all.

    recommended, given: the doses in words; lambda_ and n_clusters: what the recommendation was made with. Raises
    `ConfigError` for another word than the four, or a note of more than 500 characters.
    """
    if verdict not in VERDICTS:
        raise ConfigError(f"verdict '{verdict}' is not one of {', '.join(VERDICTS)}.")
    if len(note) > LONGEST_NOTE:
        raise ConfigError(f"the note has {len(note)} characters; keep it to {LONGEST_NOTE}.")
    row = (
        patient,
        step,
        verdict,
        note,
        recommended,
        given,
        n_clusters,
        lambda_,
        datetime.now(UTC).isoformat("T", "seconds"),
    )
    new = pd.DataFrame([row], columns=list(COLUMNS))
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # two tabs of one person may keep verdicts at once
        return _replaced(path, new)


def _replaced(path: Path, new: pd.DataFrame) -> pd.DataFrame:
    """Store one row in the place of an earlier one on the same step."""
    before, (patient, step) = load_verdicts(path), new.loc[0, ["patient", "step"]]
    kept = before[~((before["patient"] == patient) & (before["step"] == step))]
    table = new if kept.empty else pd.concat([kept, new], ignore_index=True)
    write_table(path, table)
    return table
