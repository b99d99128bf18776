"""What a background run was asked to do: data, checked when they are read. A file never holds a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from core.base.config import Config, explain
from core.base.errors import ArtifactError
from core.base.files import read_json, write_json
from core.runs.process import ProcessId

JOB = "job.json"
CANCELLED = "cancelled.json"
LOG = "log.txt"
LONGEST_TEXT = 4096
LONGEST_MAPPING = 60_000


class JobRecord(Config):
    """The run to make, and the process that makes it."""

    schema_version: Literal[2] = 2  # version 1 held a command, which is not read any more
    kind: str = Field(pattern=r"^[a-z]{1,16}$")  # of the study
    file: str = Field(min_length=1, max_length=LONGEST_TEXT)
    definition: str = Field("", max_length=LONGEST_TEXT)  # TOML file; empty: the study's own
    mapping: str = Field("", max_length=LONGEST_MAPPING)  # TOML; empty: the file is in the study's form
    preset: str = Field("", max_length=40)
    overrides: dict[str, str] = Field(default_factory=dict, max_length=500)
    name: str = Field("", max_length=200)
    owner: str = Field("", pattern=r"^([0-9a-f]{32})?$")  # see `owner_of`
    process: ProcessId = ProcessId()
    started: str = Field("", max_length=40)

    def write(self, run_dir: Path) -> None:
        write_json(run_dir / JOB, self.model_dump(mode="json"))


def read_record(run_dir: Path) -> JobRecord:
    """What a run was asked to do; `ArtifactError` where no background run was started there, or it cannot be read."""
    values: Any = read_json(run_dir / JOB)
    if isinstance(values, dict) and "command" in values:
        raise ArtifactError(
            f"{run_dir.name} was started by an earlier version of this program, which cannot be resumed from here; "
            "train into the same folder on the command line to keep what is finished."
        )
    try:
        return JobRecord.model_validate(values)
    except ValidationError as error:
        raise ArtifactError(explain(error, str(run_dir / JOB))) from None
