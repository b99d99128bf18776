"""A session as a file: the run, what its sliders say, the patients chosen, and the settings of the next run.

JSON, data only: nothing in it is executed, every field is checked when it is read, and it names no file of the server.
Patients stand by their keys, so that the file can be read by people and used with any run on the same data.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.base.errors import ArtifactError, PhenoPolicyError
from core.cohort import Cohort
from core.icu.config import load_preset

MOST_SELECTIONS = 200
MOST_BYTES = 20 << 20
FOLDER_SETTING = "run.encoder_folder"  # a path on the server that wrote the file: never taken from outside

Text = Annotated[str, Field(max_length=200)]
LongText = Annotated[str, Field(max_length=10_000)]  # a list of values, or the key of a patient


class SavedSession(BaseModel):
    """What a session file holds; `lambda_` may be "Infinity", settings are JSON texts by path ("encoder.epochs": "5").

    selections: patient keys by name; selected: the name of the current one; patient: the key of the one on show.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, ser_json_inf_nan="strings")

    format: Literal["phenopolicy-session"] = "phenopolicy-session"
    schema_version: Literal[1] = 1
    run: Text
    data_hash: Text
    n_clusters: Annotated[int, Field(ge=2, le=100)]
    lambda_: Annotated[float, Field(ge=0, strict=False, allow_inf_nan=True)]
    mode: Literal["prospective", "retrospective"]
    patient: LongText | None = None
    step: Annotated[int, Field(ge=0)] | None = None
    selected: Text | None = None
    selections: Annotated[dict[Text, list[LongText]], Field(max_length=MOST_SELECTIONS)] = {}
    preset: Text = "quick"
    settings: dict[Text, LongText] = {}

    def to_bytes(self) -> bytes:
        return self.model_dump_json(indent=1).encode()


def read_session(content: bytes) -> SavedSession:
    """The session in a file; `ArtifactError` says what is wrong with it, and nothing of it is used then."""
    if len(content) > MOST_BYTES:
        raise ArtifactError(
            f"a session file has at most {MOST_BYTES >> 20} MB; this one has {len(content) / 2**20:.0f}."
        )
    try:
        saved = SavedSession.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ArtifactError(f"this is no session file of this program: {place}: {first['msg']}.") from error
    if math.isnan(saved.lambda_):
        raise ArtifactError("this is no session file of this program: lambda_ is not a number.")
    if FOLDER_SETTING in saved.settings:
        raise ArtifactError(
            f"a session file may not set {FOLDER_SETTING}; load the encoder itself on the Encoder page."
        )
    try:
        load_preset(saved.preset, saved.settings)
    except (PhenoPolicyError, OSError) as error:
        raise ArtifactError(f"the settings in this session file cannot be used: {error}") from error
    return saved


def patient_keys(cohort: Cohort, positions: np.ndarray) -> list[str]:
    """Keys of the patients at these positions, as texts."""
    return [str(key) for key in cohort.patients[positions]]


def patient_positions(cohort: Cohort, keys: list[str]) -> np.ndarray:
    """(n,) positions of these keys, sorted; `ArtifactError` where the cohort lacks one."""
    place = {str(key): position for position, key in enumerate(cohort.patients)}
    lacking = [key for key in keys if key not in place]
    if lacking:
        raise ArtifactError(f"this cohort has no patient {', '.join(lacking[:3])}{' ...' if len(lacking) > 3 else ''}.")
    return np.sort(np.array([place[key] for key in keys], dtype=np.int64))
