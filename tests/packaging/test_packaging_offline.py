"""A bundle holds exactly what it installs, says what that is, and installs it where there is no network.

The bundle of the tests holds two small wheels in place of the real ones, some 500 MB; `make offline` installs and tries
those by the same code.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from core.packaging.bundle import LOCK, PYTHON, SUMS, assemble
from core.packaging.check import can_cut_off, cut_off
from core.packaging.licenses import license_text
from core.packaging.shipped import Wheel, foreign, needed, pins, read_lock

ROOT = Path(__file__).resolve().parents[2]
MAP = ROOT / "assets" / "point_map"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a ZIP archive

no_network = pytest.mark.skipif(not can_cut_off(), reason="this user may not make a network namespace (unshare -rn)")


def write_wheel(folder: Path, name: str, version: str, *fields: str, license_text: str = "") -> Wheel:
    """A wheel of one module, with a script of its own name that prints the module's version."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f'def main() -> None:\n    print("{name} {version}")\n',
        f"{info}/METADATA": "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *fields, ""]),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    if license_text:
        files[f"{info}/licenses/LICENSE"] = license_text
    digests = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for path, text in files.items()}
    record = [f"{path},sha256={digest.rstrip(b'=').decode()}," for path, digest in digests.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(zipfile.ZipInfo(inside, EARLIEST), text)
    return Wheel(path)


def locked(*wheels: Wheel) -> str:
    return "".join(f"{each.name}=={each.version} \\\n    --hash=sha256:{each.sha256}\n" for each in wheels)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """phenopolicy[app] needs engine; nothing else is there."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    needs = ("Provides-Extra: app", 'Requires-Dist: engine==2.0; extra == "app"', 'Requires-Dist: other; extra == "x"')
    write_wheel(folder, "phenopolicy", "9.9", "License-Expression: MIT", *needs, license_text="Copyright A\n")
    write_wheel(folder, "engine", "2.0+cpu", "License: BSD", license_text="Copyright B\n")
    return folder


@pytest.fixture
def bundle(wheels: Path, tmp_path: Path) -> Path:
    """The bundle, opened."""
    (tmp_path / "lock").write_text("")
    with tarfile.open(assemble(wheels, tmp_path / "dist", tmp_path / "lock")) as archive:
        archive.extractall(tmp_path / "opened", filter="data")
    return next((tmp_path / "opened").iterdir())


def install(bundle: Path, target: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `install.sh` says where there is no network, however this machine's pip is set."""
    env = {**os.environ, "PYTHON": os.path.realpath(sys.executable), "PIP_INDEX_URL": "http://192.0.2.1/", **variables}
    command = cut_off(["sh", str(bundle / "install.sh"), str(target)])
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


@no_network
def test_it_installs_without_a_network_and_no_file_that_was_changed(bundle: Path, tmp_path: Path) -> None:
    assert bundle.name == f"phenopolicy-offline-9.9-{PYTHON}"
    done = install(bundle, tmp_path / "a b")
    assert done.returncode == 0, done.stderr
    program = tmp_path / "a b" / "bin" / "phenopolicy"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "phenopolicy 9.9\n"
    assert "give a new folder" in install(bundle, tmp_path / "a b").stderr

    (bundle / "PYTHON").write_text("cp27-plan9\n")
    assert "this bundle is for cp27-plan9" in install(bundle, tmp_path / "other").stderr
    (bundle / "PYTHON").write_text(f"{PYTHON}\n")

    changed = next(bundle.glob("wheels/engine*"))
    with zipfile.ZipFile(changed, "a") as archive:
        archive.writestr("more.py", "")
    assert "the bundle is damaged" in install(bundle, tmp_path / "other").stderr
    sums = (bundle / SUMS).read_text()
    (bundle / SUMS).write_text(re.sub(r"\w{64}(  wheels/engine)", Wheel(changed).sha256 + r"\1", sums))
    refused = install(bundle, tmp_path / "other")
    assert refused.returncode == 2
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in refused.stderr, "pip itself holds to the lock"
    assert not (tmp_path / "other").exists()


def test_the_same_wheels_make_the_same_bytes_and_every_file_is_summed(wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    made = [assemble(wheels, tmp_path / name, tmp_path / "lock").read_bytes() for name in ("one", "two")]
    assert made[0] == made[1]
    with tarfile.open(next((tmp_path / "one").iterdir())) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
        sums = archive.extractfile(next(name for name in archive.getnames() if name.endswith(SUMS)))
        assert sums is not None
        assert {line.split("  ")[1] for line in sums.read().decode().splitlines()} == files - {SUMS}
    assert files >= {LOCK, "install.sh", "sbom.cdx.json", "LICENSES.txt", "docs/deploy.md"}


def test_its_bill_names_every_wheel_and_library_with_hash_license_and_needs(bundle: Path, wheels: Path) -> None:
    bill = json.loads((bundle / "sbom.cdx.json").read_text())
    own = bill["metadata"]["component"]
    parts = {part["purl"]: part for part in bill["components"]}
    engine = parts["pkg:pypi/engine@2.0%2Bcpu"]
    assert (own["name"], own["version"], own["licenses"][0]["license"]["id"]) == ("phenopolicy", "9.9", "MIT")
    assert engine["hashes"] == [{"alg": "SHA-256", "content": Wheel(next(wheels.glob("engine*"))).sha256}]
    assert engine["properties"][0]["value"] == "a build that is not on the public index"
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    assert "pkg:pypi/engine@2.0%2Bcpu" in needs[own["bom-ref"]]
    built_in = json.loads((MAP / "package.json").read_text())["dependencies"]
    assert {f"pkg:npm/{name}@{version}" for name, version in built_in.items()} <= set(needs[own["bom-ref"]])
    assert not any("esbuild" in purl for purl in parts), "a tool that builds is not shipped"
    assert "timestamp" not in bill["metadata"], "the same wheels make the same bill"


def test_licenses_hold_every_text_and_say_where_there_is_none(wheels: Path) -> None:
    bare = write_wheel(wheels, "bare", "1.0", f"License: {'All rights. ' * 20}")
    named = write_wheel(wheels, "named", "1.0", "Classifier: License :: OSI Approved :: MIT License")
    long = write_wheel(wheels, "long", "1.0", f"License-Expression: {' AND '.join(['MIT'] * 30)}")
    text = license_text([Wheel(path) for path in sorted(wheels.glob("*.whl"))], MAP)
    assert "Copyright A" in text
    assert "Copyright B" in text
    assert "The wheel carries no license text. Its metadata state: All rights." in text
    assert (MAP / "LICENSES.txt").read_text() in text
    assert (bare.license, named.license, long.license) == ("", "MIT License", " AND ".join(["MIT"] * 30))


def test_what_is_needed_is_there_and_nothing_else(wheels: Path) -> None:
    found = [Wheel(path) for path in wheels.glob("*.whl")]
    assert needed(found, "phenopolicy", ["app"]) == {"engine": (), "phenopolicy": ("engine",)}
    with pytest.raises(ValueError, match="engine: nothing in the bundle needs this"):
        needed(found, "phenopolicy", [])
    with pytest.raises(ValueError, match='phenopolicy needs other; extra == "x"'):
        needed(found, "phenopolicy", ["app", "x"])
    for path in wheels.glob("engine*"):
        path.unlink()
    older = write_wheel(wheels, "engine", "1.0")
    with pytest.raises(ValueError, match=r"phenopolicy needs engine==2\.0"):
        needed([*wheels_named(wheels, "phenopolicy"), older], "phenopolicy", ["app"])


def wheels_named(folder: Path, name: str) -> list[Wheel]:
    return [Wheel(path) for path in folder.glob(f"{name}-*")]


def test_extras_that_a_wheel_asks_of_another_are_followed(tmp_path: Path) -> None:
    found = [
        write_wheel(tmp_path, "phenopolicy", "1", "Requires-Dist: a", "Requires-Dist: b[fast]"),
        write_wheel(tmp_path, "a", "1", "Requires-Dist: b"),
        write_wheel(tmp_path, "b", "1", 'Requires-Dist: c; extra == "fast"', 'Requires-Dist: z; python_version < "3"'),
        write_wheel(tmp_path, "c", "1", "Requires-Dist: a"),  # round in a circle
    ]
    needs = needed(found, "phenopolicy", [])
    assert needs == {"a": ("b",), "b": ("c",), "c": ("a",), "phenopolicy": ("a", "b")}


def test_a_file_of_the_public_index_is_the_locked_one_and_only_a_build_of_ones_own_is_another(tmp_path: Path) -> None:
    plain, own = write_wheel(tmp_path, "plain", "1.0"), write_wheel(tmp_path, "torch", "2.13.0+cpu")
    lock = read_lock(locked(plain) + f"torch==2.13.0 ; sys_platform == 'linux' \\\n    --hash=sha256:{'0' * 64}\n")
    assert foreign([plain, own], lock) == (own,)
    with zipfile.ZipFile(plain.path, "a") as archive:
        archive.writestr("more.py", "")
    with pytest.raises(ValueError, match=r"plain-1\.0-py3-none-any\.whl is none of the files that requirements\.lock"):
        foreign([Wheel(plain.path)], lock)


LOCKS = {
    LOCK: ("requirements.txt",),
    "requirements-dev.lock": ("requirements.txt", "requirements-dev.txt"),
    "requirements-extra.lock": ("requirements-fixtures.txt", "requirements-bench.txt"),
}


def stated_in(lock: str) -> set[str]:
    """Name and version of all that a lock names."""
    return {pin.split(" ;")[0] for pin in pins((ROOT / lock).read_text(encoding="utf-8")).splitlines()}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_every_pin_and_hashes_for_all(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    allowed = read_lock(text)
    entries = {line.split("==")[0] for line in text.splitlines() if re.match(r"[a-z]", line)}
    assert entries == allowed.keys()
    assert all(allowed.values())
    stated = stated_in(lock)
    asked = [line for file in LOCKS[lock] for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
    wanted = {re.sub(r"\[.*\]", "", line).lower() for line in asked if "==" in line}
    assert wanted <= stated, "run make lock"


def test_the_app_is_the_same_whether_it_is_developed_or_served() -> None:
    assert stated_in(LOCK) <= stated_in("requirements-dev.lock")


@no_network
def test_the_installed_package_works_and_serves_its_app_without_a_network(site: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from core.packaging.check import loopback_alone, try_out
assert loopback_alone()
try_out([sys.executable, "-m", "phenopolicy"], Path({str(tmp_path)!r}), {{"PYTHONPATH": {str(site)!r}}})
"""
    tried = subprocess.run(
        cut_off([sys.executable, "-c", code]), cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert tried.returncode == 0, tried.stderr
