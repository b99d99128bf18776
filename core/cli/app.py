"""The verb that starts the app."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

from core.base.errors import ConfigError
from core.base.shipped import app_script
from core.cli.shared import positive


def add_app_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Serve the app to this machine's browser."""
    verb = verbs.add_parser("app", help="serve the app at http://127.0.0.1:PORT until it is stopped")
    verb.add_argument("--port", type=positive, default=8501)
    verb.set_defaults(function=app)


def app(options: argparse.Namespace) -> int:
    """Exit status of the server; `ConfigError` where its library is not installed."""
    if importlib.util.find_spec("streamlit") is None:
        raise ConfigError("streamlit, which serves the app, is not installed: pip install 'phenopolicy[app]'.")
    command = [sys.executable, "-m", "streamlit", "run", str(app_script()), "--server.port", str(options.port)]
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:
        return 0
