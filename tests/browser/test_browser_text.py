"""Markup in patients' keys and in a run's name stays text: every view opens, and asks nobody but the app."""

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
from visitor import PATIENCE, Tab

from app import PAGES
from core.cohort import load_cohort, make_cohort, save_cohort
from core.icu.view import RunView
from tests.manifests import edit_manifest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

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
)
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


@pytest.fixture(scope="module")
def trapped(browser: Browser, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an app whose only run is full of traps."""
    data = tmp_path_factory.mktemp("trapped")
    plant(Path(shutil.copytree(tiny_run, data / "runs" / "tiny")))
    with serve(data) as address:
        yield address


def test_the_views_are_those_of_the_app() -> None:
    names = {name for name, _, _ in chain.from_iterable(PAGES.values())}
    assert set(SHOWS) | {"learn", "registry"} == names, "learn and registry show nothing of an ICU run"


@pytest.mark.parametrize("name", SHOWS)
def test_no_view_asks_a_stranger(trapped: str, browser: Browser, name: str) -> None:
    context = browser.new_context(viewport=SIZE, bypass_csp=True)  # the pages' rules would hide what the text does
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    tab = Tab(page, trapped)
    tab.watch()
    tab.open("" if name == "overview" else f"{name}?patient=3")
    planted = list(page.evaluate(PLANTED))
    for view in tab.views():
        planted += [f"{view}: {found}" for found in page.evaluate(PLANTED)]
    if name == "patient":
        assert "evil.test" in tab.main.inner_text().replace("\u2060", ""), "the trap is there, as text"
    context.close()
    assert not planted
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {trapped.split("/")[2]}
