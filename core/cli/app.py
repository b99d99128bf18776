"""The verb that starts the app, and builds beside it the default runs that are not there yet."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from core.access.settings import server_settings
from core.base.errors import ConfigError
from core.base.priority import give_way
from core.base.shipped import NAME, app_script
from core.cli.shared import positive, terminate
from core.runs.status import read_job
from core.runs.study import AnyStudy, studies


def add_app_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Serve the app to this machine's browser."""
    verb = verbs.add_parser("app", help="serve the app at http://127.0.0.1:PORT until it is stopped")
    verb.add_argument("--port", type=positive, default=8501)
    verb.set_defaults(function=app)


def app(options: argparse.Namespace) -> int:
    """Exit status of the server; `ConfigError` where its library is not installed, or a setting is not usable."""
    if importlib.util.find_spec("streamlit") is None:
        raise ConfigError("streamlit, which serves the app, is not installed: pip install 'phenopolicy[app]'.")
    server_settings()
    command = [sys.executable, "-m", "streamlit", "run", str(app_script()), "--server.port", str(options.port)]
    signal.signal(signal.SIGTERM, terminate)  # the server and what is built beside it end with this process
    try:
        with default_runs():
            return subprocess.call(command)
    except KeyboardInterrupt:
        return 0


@contextmanager
def default_runs() -> Iterator[list[AnyStudy]]:
    """Within it the default run of every study that has none is built, in processes of low priority; gives the studies.

    A run that another server builds already is left to it (its folder is locked). What is not finished when the server
    stops goes on at the next start.
    """
    missing = [study for study in studies() if read_job(study.demo_folder).state != "done"]
    children = [_building(study) for study in missing]
    try:
        yield missing
    finally:
        for child in children:
            with suppress(psutil.NoSuchProcess):  # it has ended already
                child.terminate()
            child.wait()


def _building(study: AnyStudy) -> psutil.Popen:
    verb = [study.verb, "demo"] if study.verb else ["demo"]
    child = psutil.Popen(
        [sys.executable, "-m", NAME, *verb],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    give_way(child.pid)
    return child
