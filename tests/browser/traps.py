"""An app whose every name is a trap: markup, links, a formula and a mark that turns the text around.

Planted are keys of patients, names of runs, of one that failed and its reason, of uploads, of an own policy, of a
reader study with its cases and of those who play a case conference, and notes. Words of a study that hold markup are
refused when it is read.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path

import numpy as np

from core.base.files import write_json
from core.bring import add_policy, bring_table
from core.cohort import load_cohort, make_cohort, save_cohort
from core.icu.verdicts import give_verdict
from core.icu.view import RunView
from core.runs.folders import owner_of
from core.runs.job import JobRecord
from core.runs.progress import ProgressFile
from core.teaching.cases import FEWEST_CASES, Case, ReadingSettings
from core.teaching.conference import CaseSteps, Commit, Conference, Member
from core.teaching.kept import write_kept
from core.teaching.reading import LONGEST_NAME, Answer, ReaderStudy
from tests.manifests import edit_manifest

PATIENT = 3
TRAP = "![k](http://evil.test/k) <img src=http://evil.test/i> [l](http://evil.test/l) =1+1 \u202eabc $x$ http://evil.test/a"
KEY = "a-key-of-this-test-only"  # of the visitor's cookie
HOST, CODE = "evil.test", "2345-6789"  # names of an own policy and of a conference
# What a page holds where a trap has become more than text.
SPRUNG = """() => [...document.querySelectorAll('[src*="evil"], [href*="evil"], image[href], iframe')]
    .map(found => found.outerHTML.slice(0, 200))"""


def plant_all(data: Path, run: Path, registry: Path) -> None:
    """Fill an empty data folder: copies of a run of each study, and what a visitor keeps, all of it named by traps."""
    plant(Path(shutil.copytree(run, data / "runs" / "tiny")))
    edit_manifest(Path(shutil.copytree(registry, data / "registry" / "tiny")), lambda told: told.update(name=TRAP))
    plant_own(data)


def plant(run: Path) -> None:
    """Give every patient of a run, and the run itself, a name that is a trap; all else stays."""
    cohort = load_cohort(run / "cohort.parquet", RunView(run).study)
    position = np.repeat(np.arange(cohort.n_patients), cohort.lengths)
    keys = np.array([f"{number:05d} {TRAP}" for number in range(cohort.n_patients)], dtype=object)
    save_cohort(make_cohort(cohort.frame.assign(traj=keys[position]), cohort.study), run / "cohort.parquet")
    digest = hashlib.sha256((run / "cohort.parquet").read_bytes()).hexdigest()

    def change(manifest: dict) -> None:
        manifest["name"] = TRAP
        manifest["stages"]["cohort"]["files"]["cohort.parquet"] = digest

    edit_manifest(run, change)


def plant_own(data: Path) -> None:
    """What the visitor keeps: a run at work, an upload, a note on every step of a patient, a policy and two classes."""
    run, home = RunView(data / "runs" / "tiny"), data / "uploads" / owner_of(KEY)
    plant_policy(run)
    plant_conference(data, run)
    plant_reading(home / "readings", run)
    JobRecord(kind="icu", file="cohort.parquet", name=TRAP, owner=owner_of(KEY)).write(data / "runs" / "at-work")
    ProgressFile(data / "runs" / "at-work", {}).write("failed", error=TRAP)
    stored = home / f"{run.manifest.data_hash}.parquet"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(run.path / "cohort.parquet", stored)
    facts = {"label": TRAP, "n_patients": 3, "simulated": True, "created": "2026-11-01T00:00:00+00:00"}
    write_json(stored.with_suffix(".json"), facts)
    for step in range(1, int(run.cohort.lengths[PATIENT]) + 1):
        give_verdict(
            home / "verdicts" / f"tiny-{run.manifest.data_hash}.parquet", patient=str(run.cohort.patients[PATIENT]),
            step=step, verdict="reject", note=TRAP, recommended=TRAP, given=TRAP, n_clusters=3, lambda_=1.0,
        )  # fmt: skip


def plant_policy(run: RunView) -> None:
    """An own policy. Its name may hold no sign of markup and no address, but be that of a machine."""
    probs = run.probs(run.own_policy)[run.trajectories.mask]
    table = run.cohort.frame[["traj", "step"]].assign(**{f"p{dose}": share for dose, share in enumerate(probs.T)})
    add_policy(run, HOST, bring_table(table, run.cohort, HOST), owner_of(KEY))


def plant_conference(data: Path, run: RunView) -> None:
    """A conference of the visitor, played and revealed."""
    members = tuple(Member(id=who, nickname=f"{who[:3]} {TRAP}") for who in (owner_of(KEY), "third"))
    conference = Conference(
        code=CODE, teacher="another", run="tiny", data_hash=run.manifest.data_hash, opened=time.time(),
        pace="together", cases=(CaseSteps(patient=PATIENT, first=0, n=1),), step=0, revealed=True, members=members,
        commits=tuple(Commit(member=member.id, case=0, step=0, action=1) for member in members),
    )  # fmt: skip
    write_kept(data / "conferences" / f"{CODE}.json", conference)


def plant_reading(folder: Path, run: RunView) -> None:
    """A reader study; its reader has decided on all cases but the last."""
    doses = {"advice": 1, "shown": 1, "given": 1}
    cases = [Case(patient=i, key=run.cohort.patients[i], step=0, hours=0.0, **doses) for i in range(FEWEST_CASES)]
    said = {"before": 1, "confidence_before": 50, "first": 1.0, "after": 1, "confidence_after": 50, "second": 2.0}
    answers = [Answer.build({"reader": 1, "order": order, "opened": 0.0, **said}) for order in range(1, FEWEST_CASES)]
    study = ReaderStudy(
        name=TRAP[:LONGEST_NAME], data_hash=run.manifest.data_hash, settings=ReadingSettings(n_cases=FEWEST_CASES),
        cases=tuple(cases), answers=tuple(answers),
    )  # fmt: skip
    write_kept(folder / f"tiny-{run.manifest.data_hash}" / "trap.json", study)
