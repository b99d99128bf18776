"""Markup in all that people name stays text: every view opens, and asks nobody but the app.

Planted are keys of patients, names of runs, of one that failed and its reason, of uploads, and notes. Words of a study
that hold markup are refused when it is read.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from app_server import SIZE, serve
from point_map import PointMap
from visitor import PATIENCE, Tab

from app import PAGES
from core.base.files import write_json
from core.cohort import load_cohort, make_cohort, save_cohort
from core.icu.verdicts import give_verdict
from core.icu.view import RunView
from core.runs.folders import owner_of
from core.runs.job import JobRecord
from core.runs.progress import ProgressFile
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
PLACES = {"overview": "", "encoder": "encoder?job=at-work"}  # else the page with a patient
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
    """What the visitor keeps: a run at work, an upload, and a note on every step of a patient."""
    run, home = RunView(data / "runs" / "tiny"), data / "uploads" / owner_of(KEY)
    JobRecord(kind="icu", file="cohort.parquet", name=TRAP, owner=owner_of(KEY)).write(data / "runs" / "at-work")
    ProgressFile(data / "runs" / "at-work", {}).write("failed", error=TRAP)
    stored = home / f"{run.manifest.data_hash}.parquet"
    home.mkdir(parents=True)
    shutil.copy(run.path / "cohort.parquet", stored)
    facts = {"label": TRAP, "n_patients": 3, "simulated": True, "created": "2026-11-01T00:00:00+00:00"}
    write_json(stored.with_suffix(".json"), facts)
    for step in range(1, int(run.cohort.lengths[PATIENT]) + 1):
        give_verdict(
            home / "verdicts" / f"tiny-{run.manifest.data_hash}.parquet", patient=str(run.cohort.patients[PATIENT]),
            step=step, verdict="reject", note=TRAP, recommended=TRAP, given=TRAP, n_clusters=3, lambda_=1.0,
        )  # fmt: skip


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


def tip_of_a_point(tab: Tab) -> list[str]:
    """What the tooltip of the map has planted; it tells the patient's key."""
    tab.open("phenotypes?run=tiny")
    tab.page.mouse.move(*PointMap(tab).pixels()[PATIENT])
    tip = tab.page.locator(".pp-map-tip")
    tip.wait_for()
    assert "evil.test" in tip.inner_text().replace("\u2060", ""), "the trap is there, as text"
    return list(tab.page.evaluate(PLANTED))


@pytest.mark.parametrize("name", SHOWS)
def test_no_view_asks_a_stranger(trapped: str, browser: Browser, name: str) -> None:
    context = browser.new_context(viewport=SIZE, bypass_csp=True)  # the pages' rules would hide what the text does
    context.add_cookies([{"name": COOKIE, "value": KEY, "url": trapped}])
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    tab = Tab(page, trapped)
    tab.watch()
    tab.open(PLACES.get(name, f"{name}?patient={PATIENT}"))
    planted = list(page.evaluate(PLANTED))
    for view in tab.views():
        planted += [f"{view}: {found}" for found in page.evaluate(PLANTED)]
    if name == "phenotypes":
        planted += tip_of_a_point(tab)
    if name in ("patient", "encoder", "registry"):
        assert "evil.test" in tab.main.inner_text().replace("\u2060", ""), "the trap is there, as text"
    context.close()
    assert not planted
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {trapped.split("/")[2]}
