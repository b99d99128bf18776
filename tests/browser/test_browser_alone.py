"""What every browser test rests on when it says that nothing leaves: a server that reaches out is stopped and named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from app_server import ALONE


@pytest.mark.parametrize(
    ("code", "reached"),
    [
        ("socket.create_connection(('192.0.2.1', 80), timeout=1)", "socket.getaddrinfo 192.0.2.1"),
        ("socket.getaddrinfo('stats.test', 443)", "socket.getaddrinfo stats.test"),
        ("socket.socket().connect(('192.0.2.1', 80))", "socket.connect 192.0.2.1"),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))", "socket.sendto 192.0.2.1"),
        ("socket.create_server(('127.0.0.1', 0))", ""),
    ],
)
def test_a_process_that_reaches_out_is_stopped_and_named(code: str, reached: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    env = {**os.environ, "PYTHONPATH": str(ALONE), "REACHED_OUT": str(told)}
    command = [sys.executable, "-c", f"import socket; {code}"]
    found = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ("PermissionError: a test forbids" in found.stderr) == bool(reached)
    assert (told.read_text() if told.exists() else "").startswith(reached)
