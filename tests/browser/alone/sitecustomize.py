"""On PYTHONPATH: Python is stopped where it would look up or reach another machine; the file REACHED_OUT says so."""

from __future__ import annotations

import os
import sys

HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", None)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host: object = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name not in HERE:
        with open(os.environ["REACHED_OUT"], "a", encoding="utf-8") as file:
            file.write(f"{event} {name}: {' '.join(sys.argv)}\n")
        raise PermissionError(f"a test forbids to reach {name}")


sys.addaudithook(_watch)
