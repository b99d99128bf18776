"""What another hospital needs of a run, in one file without a patient's row: weights, centroids, scaling, study.

A bundle is a ZIP of safetensors, arrays of numbers and JSON, with the SHA-256 of each. Nothing in it is run or
unpickled; names other than the known ones are refused. Scaling and the encoder hold quantiles of the training patients'
columns, their extremes among them. The manifest holds the mapping through which the run's file was read: names of
columns, units and codes, so that a site whose files are of the same form needs none of its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from core.base.errors import ArtifactError
from core.base.files import write_atomic
from core.icu.manifest import icu_manifest
from core.icu.view import REPRESENTATION, RunView
from core.phenotypes import Phenotypes, load_phenotypes
from core.runs.manifest import sealed

CONTENT = "bundle.json"
FILES = (
    "manifest.json",
    "scaler.json",
    REPRESENTATION,
    "encoder/encoder.json",
    "encoder/encoder.safetensors",
    "phenotypes/centroids.npz",
    "phenotypes/indices.parquet",
    "agents/agents.json",
    "agents/agents.safetensors",
)
LARGEST = 1 << 30  # bytes of all files of a bundle together


def write_bundle(view: RunView, path: Path) -> str:
    """Write the bundle of a finished run; returns its digest. `ArtifactError` where a part is missing."""
    content, digest = make_bundle(view)
    write_atomic(path, lambda file: file.write(content))
    return digest


def make_bundle(view: RunView) -> tuple[bytes, str]:
    """The bundle of a finished run as the content of its file, and its digest; `ArtifactError` as in `write_bundle`."""
    parts = {name: _part(view.path, name) for name in FILES}
    digests = _digests(parts)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {CONTENT: _text(digests), **parts}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return held.getvalue(), bundle_digest(digests)


def digest_of(view: RunView) -> str:
    """The digest that the bundle of a finished run has, by which the results of sites name it."""
    return bundle_digest(_digests({name: _part(view.path, name) for name in FILES}))


class BundledRun(RunView):
    """What a bundle holds of a run; asked for anything of its patients, it has no such file."""

    @cached_property
    def phenotypes(self) -> Phenotypes:
        return load_phenotypes(self.path / "phenotypes", self.encoder().z_dim)


@contextmanager
def opened(path: Path) -> Iterator[tuple[BundledRun, str]]:
    """The run of a bundle, as far as it goes, and the bundle's digest; unpacked while the context lasts.

    `ArtifactError` where it is no bundle, holds more than a bundle does, or was changed.
    """
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            digests = _unpack(archive, path, Path(folder))
            yield BundledRun(folder), bundle_digest(digests)
    except (zipfile.BadZipFile, FileNotFoundError):
        raise ArtifactError(f"{path} is no bundle; write one with `python -m core bundle`.") from None


def bundle_digest(digests: dict[str, str]) -> str:
    """64 hex digits over the digests of all files."""
    return hashlib.sha256(_text(digests)).hexdigest()


def _digests(parts: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


def _part(folder: Path, name: str) -> bytes:
    """The content of one file; the manifest goes out without owner, name and the digests of patients' files."""
    path = folder / name
    if not path.is_file():
        raise ArtifactError(f"the run in {folder} lacks {name}; only a finished run can be bundled.")
    if name != "manifest.json":
        return path.read_bytes()
    outgoing = icu_manifest(folder).model_copy(update={"owner": "", "name": "bundle", "stages": {}})
    return _text(sealed(outgoing.model_dump(mode="json")))


def _text(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, sort_keys=True).encode()


def _unpack(archive: zipfile.ZipFile, path: Path, folder: Path) -> dict[str, str]:
    """Write the known files under folder; returns their digests."""
    infos = archive.infolist()
    if sorted(info.filename for info in infos) != sorted((CONTENT, *FILES)):
        raise ArtifactError(f"{path.name} does not hold what a bundle holds; write it anew.")
    if sum(info.file_size for info in infos) > LARGEST:
        raise ArtifactError(f"{path.name} is larger than a bundle may be ({LARGEST >> 30} GiB).")
    try:
        stored = json.loads(archive.read(CONTENT))
    except ValueError:
        raise ArtifactError(f"{path.name} is damaged: its list of files cannot be read.") from None
    digests = {}
    for name in FILES:
        content = archive.read(name)
        digests[name] = hashlib.sha256(content).hexdigest()
        if not isinstance(stored, dict) or stored.get(name) != digests[name]:
            raise ArtifactError(f"{path.name} was changed: {name} is not the file that was bundled.")
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return digests
