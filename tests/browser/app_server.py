"""The real app on a data folder of its own, and a real Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
ALONE = Path(__file__).with_name("alone")  # what is started with it on PYTHONPATH reaches no other machine
SIZE = {"width": 1280, "height": 800}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # the phenotype map is WebGL; without a GPU Chromium draws it in software
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Path of an installed Chromium or Chrome; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def serve(data: Path, seconds: float = 60, port: int = 0, **variables: str) -> Iterator[str]:
    """Address of the app on `data` (PHENOPOLICY_DATA), served until the block ends; its log is `data/server.log`.

    port: 0 for any; variables: more of its environment. `AssertionError` where it, or a run that it started, would have
    looked up or reached another machine.
    """
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    options = {"headless": "true", "address": "127.0.0.1", "port": str(port), "fileWatcherType": "none"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += [part for name, value in options.items() for part in (f"--server.{name}", value)]
    reached = data / "reached_out"
    env = {**os.environ, "PHENOPOLICY_DATA": str(data), "OMP_NUM_THREADS": "1", **variables}
    places = [str(ALONE), *filter(None, [env.get("PYTHONPATH")])]
    env |= {"PYTHONPATH": os.pathsep.join(places), "REACHED_OUT": str(reached)}
    with (data / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            _wait(address, process, seconds)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:  # an open page can hold the server up
                process.kill()
                process.wait()
    assert not reached.exists(), f"the server reached out:\n{reached.read_text(encoding='utf-8')}"


def free_port() -> int:
    """A port that the system hands out: two test processes that ask at once get different ones."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the app did not answer at {address} within {seconds:g} s")


@contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """A headless Chromium that asks nobody but the app."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
