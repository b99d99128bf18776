"""Screenshots for the README: one PNG per page of the app on the default run. Run it with `make screenshots`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app_server import ROOT, SIZE, chromium, find_chromium, serve
from visitor import settle

if TYPE_CHECKING:
    from playwright.sync_api import Page

OWNER = "screenshots-of-the-readme"
# Page: the view to choose on it ("" for its first), and how far to scroll to what the page is for.
VIEWS = {
    "overview": ("", 0),
    "cohort": ("", 0),
    "encoder": ("Training", 0),
    "phenotypes": ("", 190),
    "policies": ("Trust frontier", 420),
    "values": ("Two estimators", 190),
    "patient": ("", 320),
    "experiments": ("", 0),
    "registry": ("Values", 190),
    "learn": ("Importance weights", 60),
}


def main() -> None:
    """Write the pictures and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "data" / "runs" / "default")
    parser.add_argument("--registry", type=Path, default=ROOT / "data" / "registry" / "default")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "screenshots")
    options = parser.parse_args()
    executable = find_chromium()
    if executable is None:
        sys.exit("No Chromium found; install it, for example with 'sudo apt-get install chromium'.")
    for run, how in ((options.run, "make demo"), (options.registry, "python -m core registry demo")):
        if not (run / "manifest.json").is_file():
            sys.exit(f"No run in {run}; `{how}` builds the default one.")
    options.out.mkdir(parents=True, exist_ok=True)
    # A data folder that holds these two runs alone keeps everybody's other runs out of the pictures.
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        for study, run in (("runs", options.run), ("registry", options.registry)):
            (data / study).mkdir()
            (data / study / run.name).symlink_to(run.resolve(), target_is_directory=True)
        with serve(data) as address, chromium(executable) as browser:
            page = browser.new_page(viewport=SIZE, device_scale_factor=1, color_scheme="light")
            for name, (view, scroll) in VIEWS.items():
                if (ROOT / "pages" / f"{name}.py").is_file():
                    print(take(page, address, name, view, scroll, options.out), flush=True)


def take(page: Page, address: str, name: str, view: str, scroll: int, out: Path) -> Path:
    """One picture of one page."""
    page.goto(f"{address}/{'' if name == 'overview' else name}?owner={OWNER}")
    settle(page)
    if view:
        page.get_by_test_id("stMain").get_by_role("radio", name=view, exact=True).click()
        settle(page)
    page.get_by_test_id("stMain").evaluate("(element, top) => element.scrollTo(0, top)", scroll)
    page.mouse.move(SIZE["width"] - 4, 4)  # away from every tool bar that hovering opens
    page.wait_for_timeout(700)
    path = out / f"{name}.png"
    page.screenshot(path=path)
    return path


if __name__ == "__main__":
    main()
