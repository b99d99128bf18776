"""Where a table comes from, and how that survives in a Parquet file: JSON under the metadata key `phenopolicy`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

METADATA_KEY = b"phenopolicy"
MAX_METADATA = 4096


@dataclass(frozen=True)
class Origin:
    """Where a table comes from. Simulated ones can be made again from (like, n_patients, seed, world), with truth."""

    kind: Literal["recorded", "simulated"] = "recorded"
    like: str = ""  # "mimic-iv" or "eicu" for simulated ones; the extractor's name for extracted ones
    n_patients: int = 0
    seed: int = 0
    world: str = ""  # how a simulated world differs from the default one, as its `str`; empty where it does not

    @property
    def simulated(self) -> bool:
        return self.kind == "simulated"


class _Origin(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["recorded", "simulated"]
    like: str = Field("", max_length=40, pattern=r"^[A-Za-z0-9 ._-]*$")
    n_patients: int = Field(0, ge=0, le=10_000_000)
    seed: int = Field(0, ge=0, lt=2**63)
    world: str = Field("", max_length=200, pattern=r"^[A-Za-z0-9 ._=+-]*$", exclude_if=lambda text: not text)


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    schema_version: Literal[1]
    origin: _Origin


def origin_metadata(origin: Origin) -> dict[bytes, bytes]:
    """Schema metadata that `read_origin` understands."""
    stored = _Origin(**asdict(origin))
    return {METADATA_KEY: _Metadata(schema_version=1, origin=stored).model_dump_json().encode()}


def read_origin(metadata: Mapping[bytes, bytes] | None) -> Origin:
    """Origin from a file's metadata; foreign or malformed metadata counts as recorded data."""
    text = (metadata or {}).get(METADATA_KEY, b"")
    if not text or len(text) > MAX_METADATA:
        return Origin()
    try:
        stored = _Metadata.model_validate_json(text).origin
    except ValidationError:
        return Origin()
    return Origin(stored.kind, stored.like, stored.n_patients, stored.seed, stored.world)
