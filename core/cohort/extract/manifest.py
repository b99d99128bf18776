"""What stands beside a columnar copy of a database: of which source it is, how far each table is, what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from core.base.config import Config
from core.base.errors import ConfigError, ExtractError
from core.base.files import read_json, write_json
from core.cohort.extract.concepts import Concepts, Kind
from core.cohort.extract.wanted import Wanted, wanted

NAME = "copy.json"


class CopiedTable(Config):
    """A table of the copy.

    stamp: size and time of change of the source's file, "" where it is none; offset: unpacked bytes of it that the
    parts hold, consumed: bytes as it lies; rows: how many were read; kept: how many of them have a wanted code; parsed:
    columns that it holds as read, and as text only where that could not be read.
    """

    label: str
    stamp: str
    columns: tuple[str, ...]
    code: str = ""
    codes: tuple[str, ...] = ()
    parsed: dict[str, Kind] = Field(default_factory=dict)
    latin: bool = False
    offset: int = 0
    consumed: int = 0
    parts: int = 0
    rows: int = 0
    kept: int = 0
    done: bool = False

    @property
    def begun_as(self) -> tuple[object, ...]:
        """What a copy must share with one that is begun now, for it to go on."""
        return self.stamp, self.columns, self.codes, self.parsed

    def holds(self, need: Wanted) -> bool:
        """Whether the rows and columns that an extraction needs are among those copied."""
        return self.code in ("", need.code) and (not self.code or set(need.codes) <= set(self.codes))


class CopyManifest(Config):
    """The whole copy; `source` is what was copied, `made` the day it was finished, "" until then."""

    schema_version: Literal[1] = 1
    database: str
    source: str
    made: str = ""
    tables: dict[str, CopiedTable] = Field(default_factory=dict)

    def write(self, folder: Path) -> None:
        write_json(folder / NAME, self.model_dump())

    @property
    def latin(self) -> tuple[str, ...]:
        """Names of the files that were read as Latin-1."""
        return tuple(sorted(Path(table.label).name for table in self.tables.values() if table.latin))


def read_manifest(folder: Path) -> CopyManifest | None:
    """What `folder` is a copy of; None where it is no copy. `ExtractError` where the manifest is damaged."""
    if not (folder / NAME).is_file():
        return None
    try:
        return CopyManifest.build(read_json(folder / NAME), NAME)
    except (ConfigError, TypeError, ValueError) as error:
        raise ExtractError(f"{folder / NAME} is damaged: {error} Make the copy again in an empty folder.") from None


def check_copy(folder: Path, manifest: CopyManifest, concepts: Concepts) -> None:
    """`ExtractError` where the copy is of another database, unfinished, or lacks what the concepts need by now."""
    again = f"Run extract cache {manifest.source} --out {folder} --database {manifest.database} again."
    if manifest.database != concepts.database:
        raise ExtractError(f"{folder} is a copy of {manifest.database}; extract {manifest.database} from it.")
    if not manifest.made:
        raise ExtractError(f"{folder} is a copy that was not finished. {again} It goes on where it stopped.")
    for name, table in manifest.tables.items():
        if name in concepts.tables and not table.holds(wanted(concepts, name)):
            raise ExtractError(
                f"{folder} was copied for fewer codes of {table.label} than the concepts name now. {again}"
            )
