"""A bundle is installed and tried where there is no network: in a namespace without routes, with loopback alone.

By hand: `unshare -rn python -m core.packaging.check BUNDLE.tar`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

_SIOCSIFFLAGS, _UP = 0x8914, 0x1  # of Linux: set the flags of an interface
PATIENCE = 120  # seconds until the app answers, on a slow machine
PORT = 8501  # in a namespace of its own every port is free


def can_cut_off() -> bool:
    """True where this user may make a network namespace."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0


def cut_off(command: Sequence[str]) -> list[str]:
    """The command in a network namespace without routes; the command as it is where none can be made."""
    return [*(("unshare", "-rn") if can_cut_off() else ()), *command]


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the bundle and try what it installs; exit status 0 where all of it works."""
    (bundle,) = sys.argv[1:] if arguments is None else arguments
    cut = loopback_alone()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with tarfile.open(bundle) as archive:
            archive.extractall(folder, filter="data")
        (opened,) = folder.iterdir()
        installed = folder / "installed"
        subprocess.run(["sh", str(opened / "install.sh"), str(installed)], check=True, env=_python())
        try_out([str(installed / "bin" / "phenopolicy")], folder, {})
    print(f"Installed and tried: help, simulate, check, app. Network cut: {'yes' if cut else 'no, not allowed here'}.")
    return 0


def loopback_alone() -> bool:
    """Bring loopback up in a fresh namespace; True where there is no other interface and no route out."""
    if [name for _, name in socket.if_nameindex()] != ["lo"] or _routes():
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP))
    return True


def try_out(program: Sequence[str], folder: Path, variables: Mapping[str, str]) -> None:
    """Ask for help, simulate and check a cohort, serve the app; `RuntimeError` says what did not answer as it should.

    program: how phenopolicy is called; folder: where it may write; variables: more of its environment.
    """
    env = {**os.environ, "PHENOPOLICY_DATA": str(folder / "data"), **variables}
    cohort = str(folder / "cohort.parquet")
    steps = (
        (["--help"], "usage: phenopolicy"),
        (["simulate", "--patients", "30", "--seed", "0", "--out", cohort], ""),
        (["check", cohort], "The cohort can be used."),
    )
    for step, wanted in steps:
        found = subprocess.run([*program, *step], cwd=folder, env=env, capture_output=True, text=True, check=False)
        if found.returncode or wanted not in found.stdout:
            raise RuntimeError(f"phenopolicy {' '.join(step)}: status {found.returncode}\n{found.stdout}{found.stderr}")
    with (folder / "app.log").open("wb") as log:
        served = subprocess.Popen([*program, "app", "--port", str(PORT)], cwd=folder, env=env, stdout=log, stderr=log)
        try:
            _answers(served, folder / "app.log")
        finally:
            served.terminate()
            served.wait(timeout=60)


def _answers(served: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the app is healthy, and look at its page."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/_stcore/health", timeout=5) as answer:
                healthy = answer.read() == b"ok"
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as page:
                if healthy and "default-src 'self'" in page.headers["Content-Security-Policy"]:
                    return
            raise RuntimeError("the app answers, but not as itself: another server has this port")
        except OSError:
            if served.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the app does not answer:\n{log.read_text(errors='replace')}") from None
            time.sleep(0.2)


def _routes() -> list[str]:
    """Routes of this namespace, of IPv4; its table has a line of titles."""
    return Path("/proc/self/net/route").read_text(encoding="utf-8").splitlines()[1:]


def _python() -> dict[str, str]:
    """The environment, with the Python that runs this as the one to install for."""
    return {**os.environ, "PYTHON": os.path.realpath(sys.executable)}


if __name__ == "__main__":
    sys.exit(main())
