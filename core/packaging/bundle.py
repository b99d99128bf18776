"""`make offline`: everything that the app needs, as one file that installs without a network.

The wheels are those that pip finds for this machine's Python. Each is held against requirements.lock, which names the
files of the public index by their SHA-256; a build that is not on it, as torch for the CPU alone, is named on screen
and in the bill of materials. The same wheels always make the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.packaging.check import cut_off
from core.packaging.licenses import license_text
from core.packaging.sbom import bill
from core.packaging.shipped import foreign, needed, pins, read_lock, wheels_of, write_lock

ROOT = Path(__file__).resolve().parents[2]
MAP = ROOT / "assets" / "point_map"
PROJECT, EXTRA = "phenopolicy", "app"
LOCK, SUMS = "requirements.lock", "SHA256SUMS"
PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}-{sysconfig.get_platform()}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the bundle, then install it without a network and try it."""
    parser = argparse.ArgumentParser(prog="make offline", description="make a bundle that installs without a network")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        wheels = Path(made) / "wheels"
        collect(wheels)
        try:
            bundle = assemble(wheels, options.out)
        except ValueError as error:
            print(f"make offline: {error}", file=sys.stderr)
            return 2
    print(f"{bundle}\nSHA-256 {_sha256(bundle)}", flush=True)
    return subprocess.call(cut_off([sys.executable, "-m", "core.packaging.check", str(bundle)]), cwd=ROOT)


def collect(wheels: Path) -> None:
    """The project's own wheel, and those of all that requirements.txt leads to, in the locked versions."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    constraints = wheels.parent / "pins.txt"
    constraints.write_text(pins((ROOT / LOCK).read_text(encoding="utf-8")), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(wheels)]
    command += ["--requirement", str(ROOT / "requirements.txt"), "--constraint", str(constraints)]
    subprocess.run(command, check=True)


def assemble(wheels: Path, out: Path, lock: Path = ROOT / LOCK, root: str = PROJECT, extra: str = EXTRA) -> Path:
    """The bundle's file in the folder `out`, from a folder with its wheels.

    `ValueError` where a wheel is missing, superfluous, or a file that the lock does not allow.
    """
    found = wheels_of(wheels)
    own = next(wheel for wheel in found if wheel.name == root)
    needs = needed(found, root, (extra,))
    others = foreign((wheel for wheel in found if wheel is not own), read_lock(lock.read_text(encoding="utf-8")))
    for wheel in others:
        print(f"{wheel.path.name} is not from the public index: it is a build that this machine's pip was given.")
    name = f"{root}-offline-{own.version}-{PYTHON}"
    texts = {
        LOCK: write_lock(found, {root: f"[{extra}]"}),
        "PYTHON": f"{PYTHON}\n",
        "sbom.cdx.json": bill(found, needs, root, others, MAP),
        "LICENSES.txt": license_text(found, MAP),
        "install.sh": Path(__file__).with_name("install.sh").read_text(encoding="utf-8"),
        "docs/deploy.md": (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8"),
    }
    sums = {text: hashlib.sha256(content.encode()).hexdigest() for text, content in texts.items()}
    sums |= {f"wheels/{wheel.path.name}": wheel.sha256 for wheel in found}
    texts[SUMS] = "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))
    out.mkdir(parents=True, exist_ok=True)
    part = out / f".{name}.part"
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in sorted(texts.items()):
            content = text.encode()
            archive.addfile(_entry(f"{name}/{path}", len(content)), io.BytesIO(content))
        for wheel in found:
            with wheel.path.open("rb") as file:
                archive.addfile(_entry(f"{name}/wheels/{wheel.path.name}", wheel.path.stat().st_size), file)
    return Path(shutil.move(part, out / f"{name}.tar"))


def _entry(path: str, size: int) -> tarfile.TarInfo:
    """A file of nobody, of no time, that everybody may read."""
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = size, 0o644
    return entry


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
