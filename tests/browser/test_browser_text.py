"""Markup in all that people name stays text: every view opens, and asks nobody but the app.

Planted are keys of patients, names of runs, of one that failed and its reason, of uploads, of an own policy, of a
reader study with its cases and of those who play a case conference, and notes. Words of a study that hold markup are
refused when it is read.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest
from app_server import SIZE, serve
from point_map import PointMap
from visitor import PATIENCE, Tab

from app import PAGES
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
from pages.components.shell.door import COOKIE
from tests.manifests import edit_manifest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

PATIENT = 3
TRAP = "![k](http://evil.test/k) <img src=http://evil.test/i> [l](http://evil.test/l) =1+1 \u202eabc $x$ http://evil.test/a"
SHOWS = (
    "overview",
    "cohort",
    "encoder",
    "phenotypes",
    "policies",
    "values",
    "patient",
    "experiments",
    "classroom",
    "kept",
    "registry",
)
KEY = "a-key-of-this-test-only"  # of the visitor's cookie
HOST, CODE = "www.evil.test", "2345-6789"  # names of an own policy and of a conference
PLACES = {  # else the page with a patient
    "overview": [""],
    "encoder": ["encoder?job=at-work"],
    "classroom": ["classroom", f"classroom?class-code={CODE}"],
}
SAID = {  # by pages, what must have been seen of the traps; else their beginning
    "policies": [HOST],
}
PLANTED = """() => [...document.querySelectorAll('[src*="evil"], [href*="evil"], image[href], iframe')]
    .map(found => found.outerHTML.slice(0, 200))"""


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
    """An own policy. Its name holds no sign of markup, but may be that of a machine, which Markdown would link."""
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


@pytest.fixture(scope="module")
def trapped(
    browser: Browser, tiny_run: Path, tiny_registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of an app whose only runs are full of traps."""
    data = tmp_path_factory.mktemp("trapped")
    plant(Path(shutil.copytree(tiny_run, data / "runs" / "tiny")))
    registry = Path(shutil.copytree(tiny_registry, data / "registry" / "tiny"))
    edit_manifest(registry, lambda manifest: manifest.update(name=TRAP))
    plant_own(data)
    with serve(data) as address:
        yield address


def test_the_views_are_those_of_the_app() -> None:
    names = {name for name, _, _ in chain.from_iterable(PAGES.values())}
    assert set(SHOWS) | {"learn"} == names, "learn shows nothing of a run"


@dataclass
class Visitor:
    """Who opens pages of the trapped app: what the text of these planted, said, and asked for."""

    tab: Tab
    asked: list[str] = field(default_factory=list)
    planted: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def look(self, view: str) -> None:
        self.planted += [f"{view}: {found}" for found in self.tab.page.evaluate(PLANTED)]
        self.said.update(self.tab.main.inner_text().replace("\u2060", "").splitlines())

    def walk(self, place: str) -> None:
        """Open a page by its address, and then each of its views."""
        self.tab.open(place)
        self.look(place)
        for view in self.tab.views():
            self.look(f"{place}{view}")

    def point_at_a_patient(self) -> None:
        """The tooltip of the map tells the patient's key."""
        self.tab.page.mouse.move(*PointMap(self.tab).pixels()[PATIENT])
        tip = self.tab.page.locator(".pp-map-tip")
        tip.wait_for()
        self.said.add(tip.inner_text().replace("\u2060", ""))
        self.look("tip")


@pytest.fixture(scope="module")
def window(trapped: str, browser: Browser) -> Iterator[Tab]:
    """One window for all pages: what draws them is fetched once."""
    context = browser.new_context(viewport=SIZE, bypass_csp=True)  # the pages' rules would hide what the text does
    context.add_cookies([{"name": COOKIE, "value": KEY, "url": trapped}])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    tab = Tab(page, trapped)
    tab.watch()
    yield tab
    context.close()


@pytest.mark.parametrize("name", SHOWS)
def test_no_view_asks_a_stranger(window: Tab, name: str) -> None:
    visitor = Visitor(window)
    hear = lambda request: visitor.asked.append(request.url)  # noqa: E731
    window.page.context.on("request", hear)
    for place in PLACES.get(name, [f"{name}?patient={PATIENT}"]):
        visitor.walk(place)
    if name == "phenotypes":
        visitor.tab.open("phenotypes?run=tiny")
        visitor.point_at_a_patient()
    window.page.context.remove_listener("request", hear)
    assert not visitor.planted
    assert {urlsplit(url).netloc for url in visitor.asked if url.startswith("http")} == {
        urlsplit(window.address).netloc
    }
    for trap in SAID.get(name, [TRAP[:30]]):
        assert any(trap in line for line in visitor.said), f"{trap} is there, as text"
