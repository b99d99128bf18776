"""Errors that a user can mend: each says what, where, what was expected and what to do."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Protocol


class Report(Protocol):
    """What a check found, as far as an error carries it; see `core.tables.report.CohortReport`."""

    @property
    def problems(self) -> tuple[Any, ...]: ...
    @property
    def errors(self) -> tuple[Any, ...]: ...
    @property
    def warnings(self) -> tuple[Any, ...]: ...
    @property
    def attrition(self) -> tuple[Any, ...]: ...
    @property
    def summary(self) -> Mapping[str, Any]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def mapping(self) -> str: ...
    @property
    def ok(self) -> bool: ...


class PhenoPolicyError(Exception):
    """Base of every error caused by input rather than by a fault of ours (exit status 2)."""


class StudyError(PhenoPolicyError):
    """A study definition (TOML) is malformed or contradicts itself."""


class ConfigError(PhenoPolicyError):
    """A setting is unknown, of the wrong type or out of its range."""


class CohortError(PhenoPolicyError):
    """A cohort file cannot be used; `report` lists every problem found."""

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report


class PolicyError(PhenoPolicyError):
    """A policy that was brought in from outside cannot be used on these stays."""


class ExtractError(PhenoPolicyError):
    """A folder does not hold the EHR tables that an extraction needs."""


class ArtifactError(PhenoPolicyError):
    """A stored file (weights, manifest, array) is missing, foreign, broken or mismatched."""


class RunError(PhenoPolicyError):
    """A run folder cannot be started, resumed or read."""


class AccessError(PhenoPolicyError):
    """Somebody asks for what their role, their quota or their sign-in does not give them."""


def refused(error: OSError, again: str = "start the same command again, which goes on where it stopped") -> str:
    """What the system refused, in a sentence: a disk that is full, a folder that nobody may write into.

    again: what to do once there is room.
    """
    named = error.filename2 or error.filename
    where = f"{named}: " if named else ""
    remedy = {
        errno.ENOSPC: f"make room and {again}",
        errno.EDQUOT: f"make room and {again}",
        errno.EACCES: "choose a place that you may write to, or have the rights changed",
        errno.EPERM: "choose a place that you may write to, or have the rights changed",
        errno.EROFS: "choose a place that can be written to",
    }.get(error.errno or 0, f"mend that and {again.partition(',')[0]}")
    return f"{where}{(error.strerror or str(error)).lower()}; {remedy}."
