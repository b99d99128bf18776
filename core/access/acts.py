"""The engine's door: what a person does, refused where they may not, and written into the audit.

Pages act through it alone; a page that forgets to hide a button gives nothing away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.access.person import Person, Role
from core.access.settings import ServerSettings, server_settings
from core.access.trail import Trail, What
from core.base.errors import AccessError, RunError
from core.keep.backup import Copied, backup, refuse_to_replace
from core.keep.delete import delete, past, refuse_at_work, stamp
from core.keep.holdings import MEGABYTE, UPLOADS, Holding, Kind, run_in, used
from core.keep.leftovers import clear
from core.runs import jobs
from core.runs.folders import data_root
from core.runs.lock import changing
from core.runs.status import JobStatus, seen_by, share
from core.runs.study import AnyStudy

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Acting:
    """A person at work on a data folder, under a server's settings."""

    person: Person
    root: Path
    settings: ServerSettings

    @property
    def trail(self) -> Trail:
        return Trail(self.root, self.settings.audit)

    def note(self, what: What, *, run: str = "", patient: str = "", detail: str = "") -> None:
        """Write a line of the audit; what cannot be recorded is refused, unless this machine has one user alone."""
        try:
            self.trail.add(self.person, what, run=run, patient=patient, detail=detail)
        except OSError as error:
            if self.settings.sign_in is not None:
                raise AccessError(
                    f"the audit cannot be written ({(error.strerror or str(error)).lower()}), and without it nothing "
                    "is shown or done; tell whoever runs this server."
                ) from None
            LOG.warning("the audit cannot be written: %s", error)

    @contextmanager
    def _refusals_noted(self, run: str = "") -> Iterator[None]:
        try:
            yield
        except (AccessError, RunError) as error:
            self.note("refused", run=run, detail=str(error))
            raise

    @contextmanager
    def doing(self, what: What, *, run: str = "", detail: str = "") -> Iterator[None]:
        """Within it an act is done. Its line comes first, so that none is done that cannot be recorded; where the act
        then fails, a line "failed" follows."""
        self.note(what, run=run, detail=detail)
        try:
            yield
        except Exception as error:
            why = str(error) if isinstance(error, AccessError | RunError) else "what was given cannot be used"
            if isinstance(error, OSError):
                why = error.strerror or str(error)  # without the path
            self.note("failed", run=run, detail=f"{f'{what} {detail}'.strip()}: {why}")  # others may quote patients
            raise

    def require(self, role: Role, doing: str, run: str = "") -> None:
        """Refuse, and record, what the role does not give."""
        with self._refusals_noted(run):
            self.person.require(role, doing)

    def must_fit(self, size: int = 0, runs: int = 0) -> None:
        """Refuse an upload of so many bytes, or so many runs more, that the quota does not hold."""
        quota = self.settings.quota
        if not (quota.megabytes or quota.runs):
            return
        kept, own_runs = used(self.root, self.person.owner)
        with self._refusals_noted():
            if quota.megabytes and kept + size > quota.megabytes * MEGABYTE:
                raise AccessError(
                    f"your runs and uploads take {kept / MEGABYTE:,.1f} MB; {size / MEGABYTE:,.1f} MB more would pass "
                    f"the {quota.megabytes:g} MB that each person may keep. Delete some under Kept data."
                )
            if runs and quota.runs and own_runs + runs > quota.runs:
                raise AccessError(
                    f"you keep {own_runs} runs, and each person may keep {quota.runs}; delete one under Kept data."
                )

    @contextmanager
    def storing(self, folder: Path, size: int, detail: str) -> Iterator[None]:
        """Within it something of `size` bytes takes its place in a folder of one's uploads, whole or not at all.

        Two at once, in two tabs or on two servers, do not pass the quota together, and nobody deletes from that folder.
        """
        self.require(Role.RESEARCHER, "storing data")
        with ExitStack() as alone:
            for place in dict.fromkeys((self.root / UPLOADS / self.person.owner, folder)):
                alone.enter_context(changing(place))
            self.must_fit(size)
            alone.enter_context(self.doing("upload", detail=detail))
            yield

    def start(
        self,
        study: AnyStudy,
        file: Path,
        run_dir: Path,
        preset: str = "",
        overrides: Mapping[str, str] | None = None,
        *,
        name: str = "",
        definition: Path | None = None,
    ) -> JobStatus:
        """`core.runs.jobs.start_run` for this person."""
        self.require(Role.RESEARCHER, "training a run", run_dir.name)
        if run_dir.exists():
            self._require_own(run_in(run_dir), "training into this run")
        self._must_read_own(file, overrides or {}, run_dir.name)
        self.must_fit(runs=1)
        with self.doing("train", run=run_dir.name):
            return jobs.start_run(
                study, file, run_dir, preset, overrides, self.person.owner, name=name, definition=definition
            )

    def _must_read_own(self, file: Path, overrides: Mapping[str, str], run: str) -> None:
        """A run reads one of their uploads, or the data of a run that they see; an administrator's reads any file."""
        own = (self.root / UPLOADS / self.person.owner).resolve()
        if not file.resolve().is_relative_to(own) and not seen_by(file.parent, self.person.owner):
            self.require(Role.ADMIN, "training on a file that is not among one's uploads", run)
        for key, value in overrides.items():
            names_a_folder = key.endswith("_folder") and value not in ("", "null")
            if names_a_folder and not Path(value).resolve().is_relative_to(own):
                self.require(Role.ADMIN, f"training with {key} outside of one's uploads", run)

    def resume(self, run_dir: Path) -> JobStatus:
        """`core.runs.jobs.resume`, of a run that is theirs."""
        self._require_own(run_in(run_dir), "resuming a run")
        with self.doing("resume", run=run_dir.name):
            return jobs.resume(run_dir)

    def cancel(self, run_dir: Path) -> None:
        """`core.runs.jobs.cancel`, of a run that is theirs."""
        self._require_own(run_in(run_dir), "cancelling a run")
        with self.doing("cancel", run=run_dir.name):
            jobs.cancel(run_dir)

    def share(self, run_dir: Path, shared: bool) -> None:
        """Let everybody who may enter see a run of theirs, or take that back."""
        self._require_own(run_in(run_dir), "sharing a run")
        with self.doing("share", run=run_dir.name, detail="with everybody" if shared else "with nobody any more"):
            share(run_dir, shared)

    def delete(self, what: Holding) -> None:
        """Delete what is theirs; an administrator deletes anybody's."""
        self._require_own(what, "deleting this")
        run = what.path.name if what.kind == "run" else ""
        with self._refusals_noted(run):
            refuse_at_work(what)
        with self.doing("delete", run=run, detail=f"{what.kind} {what.path.name}"):
            delete(self.root, what)

    def backup(self, archive: Path) -> Copied:
        """`core.keep.backup.backup`; the copy holds the line that says so."""
        with self._refusals_noted():
            refuse_to_replace(archive)
        with self.doing("backup", detail=archive.name):
            return backup(self.root, archive)

    def expire(self) -> list[Holding]:
        """Delete what visitors made and is past its days by the settings, and what killed programs left."""
        clear(self.root)
        keep = self.settings.retention
        days: dict[Kind, float] = {"run": keep.runs, "verdicts": keep.verdicts, "link": keep.links}
        days |= dict.fromkeys(("data", "encoder", "study", "policy"), keep.uploads)
        gone = past(self.root, days)
        for one in gone:
            self.delete(one)
        return gone

    @property
    def deletions(self) -> bytes:
        """Changes with every deletion, by whichever process."""
        return stamp(self.root)

    def owns(self, what: Holding) -> bool:
        """Theirs, or, for an administrator, anybody's; what has no owner is an administrator's."""
        return self.person.role >= Role.ADMIN or (what.owner != "" and what.owner == self.person.owner)

    def _require_own(self, what: Holding, doing: str) -> None:
        run = what.path.name if what.kind == "run" else ""
        verdicts = what.kind == "verdicts" and what.owner == self.person.owner  # whoever may give them may delete them
        self.require(Role.VIEWER if verdicts else Role.RESEARCHER, doing, run)
        with self._refusals_noted(run):
            if not self.owns(what):
                raise AccessError(f"{doing} is for its owner and for administrators; {what} is not yours.")


def acting(person: Person) -> Acting:
    """A person at work here and now."""
    return Acting(person, data_root(), server_settings())
