"""Screenshots of every page of the app on the default run, for the README. Run it with `make screenshots`.

With `--every-view` it shows each view of each page, with `--dark` and `--size` on another screen: to look at them all.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app_server import ROOT, SIZE, chromium, find_chromium, serve
from visitor import LEVELS, PATIENCE, Tab

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

# Page: the view to choose on it ("" for its first), and how far to scroll to what the page is for.
VIEWS = {
    "overview": ("", 0),
    "cohort": ("", 0),
    "encoder": ("Training", 0),
    "phenotypes": ("", 0),
    "policies": ("Trust frontier", 0),
    "values": ("Two estimators", 0),
    "patient": ("", 0),
    "experiments": ("", 0),
    "registry": ("Values", 0),
    "learn": ("Importance weights", 0),
    "classroom": ("", 0),
}


def main() -> None:
    """Write the pictures and print their paths."""
    options = _options()
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
            scheme = "dark" if options.dark else "light"
            page = browser.new_page(viewport=options.size, device_scale_factor=1, color_scheme=scheme)
            page.set_default_timeout(PATIENCE)
            tab = Tab(page, address)
            tab.watch()
            for name, (view, scroll) in VIEWS.items():
                tab.open("" if name == "overview" else name)
                if options.every_view:
                    for path in tab.views(LEVELS[:1]):
                        print(take(tab, options.out / f"{file_name(name + path)}.png"), flush=True)
                    continue
                if view:
                    tab.choose(view)
                print(take(tab, options.out / f"{name}.png", scroll), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, default=ROOT / "data" / "runs" / "default")
    parser.add_argument("--registry", type=Path, default=ROOT / "data" / "registry" / "default")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "screenshots")
    parser.add_argument("--size", type=_size, default=SIZE, metavar="WIDTHxHEIGHT", help="of the window, in pixels")
    parser.add_argument("--dark", action="store_true", help="on a dark ground")
    parser.add_argument("--every-view", action="store_true", help="each view of each page, not the README's alone")
    return parser.parse_args()


def _size(text: str) -> ViewportSize:
    width, _, height = text.partition("x")
    return {"width": int(width), "height": int(height)}


def file_name(path: str) -> str:
    """'values / Two estimators' as 'values-two-estimators'."""
    return re.sub(r"[^a-zλ0-9]+", "-", path.lower()).strip("-")


def take(tab: Tab, path: Path, scroll: int = 0) -> Path:
    """One picture of what the tab shows."""
    tab.main.evaluate("(element, top) => element.scrollTo(0, top)", scroll)
    tab.page.mouse.move(tab.page.viewport_size["width"] - 4, 4)  # away from every tool bar that hovering opens
    tab.page.wait_for_timeout(700)  # transitions of the figures and of the tool bars end
    tab.page.screenshot(path=path)
    return path


if __name__ == "__main__":
    main()
