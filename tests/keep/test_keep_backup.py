"""A backup comes back byte by byte, or not at all: damaged, foreign and hostile archives leave nothing behind."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import ArtifactError, RunError
from core.cli.main import main
from core.icu.study import ICU
from core.keep.backup import INDEX, backup, restore
from core.runs.integrity import verify
from core.runs.lock import LOCK, hold

FILES = {"uploads/" + "a" * 32 + "/c.parquet": b"rows" * 500, "links/" + "f" * 32: b"1,2,3", "audit/key": b"k" * 64}


def filled(root: Path) -> Path:
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "reference").mkdir()
    (root / "reference" / "features.csv").write_text("of the program", encoding="utf-8")
    return root


def content(root: Path) -> dict[str, bytes]:
    """Every file by its path, but for locks and what belongs to the program."""
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if LOCK not in name and "reference" not in name}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small backup; read only."""
    folder = tmp_path_factory.mktemp("saved")
    backup(filled(folder / "data"), folder / "kept.tar")
    return folder / "kept.tar"


def test_a_whole_data_folder_comes_back_byte_by_byte(tmp_path: Path, tiny_run: Path, monkeypatch) -> None:
    before = filled(tmp_path / "before")
    shutil.copytree(tiny_run, before / "runs" / "tiny")
    monkeypatch.setenv("PHENOPOLICY_DATA", str(before))
    assert main(["backup", str(tmp_path / "kept.tar")]) == 0
    assert (tmp_path / "kept.tar").stat().st_mode & 0o077 == 0
    saved = content(before)
    after = tmp_path / "after"
    restore(tmp_path / "kept.tar", after)
    assert content(after) == saved
    assert len(saved) > 40
    assert all(path.stat().st_mode & 0o077 == 0 for path in (after, *after.rglob("*")))
    verify(after / "runs" / "tiny")
    assert ICU.open(after / "runs" / "tiny").complete
    monkeypatch.setenv("PHENOPOLICY_DATA", str(after))
    assert main(["audit", "verify"]) == 0
    assert main(["restore", str(tmp_path / "kept.tar")]) == 2, "a folder that keeps something is not written over"


def test_a_run_at_work_and_links_are_left_out_and_named(tmp_path: Path, tiny_run: Path) -> None:
    root = filled(tmp_path / "data")
    shutil.copytree(tiny_run, root / "runs" / "busy")
    (root / "runs" / "elsewhere").symlink_to(tiny_run)
    with hold(root / "runs" / "busy"):
        pass
    copied = backup(root, tmp_path / "kept.tar")
    assert copied.left_out == ("runs/elsewhere is a link",)
    with pytest.raises(RunError, match="is there already"):
        backup(root, tmp_path / "kept.tar")


def refused(archive: Path, root: Path) -> str:
    with pytest.raises(ArtifactError) as error:
        restore(archive, root)
    assert not root.exists() or not any(root.iterdir()), "nothing is left behind"
    return str(error.value)


@settings(max_examples=40)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_nothing(
    archive: Path, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    """Padding between members, and fields such as times, may change; no byte of a file does."""
    folder = tmp_path_factory.mktemp("flipped")
    data = bytearray(archive.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    (folder / "bad.tar").write_bytes(data)
    try:
        restore(folder / "bad.tar", folder / "out")
    except ArtifactError:
        assert not any((folder / "out").iterdir())
    else:
        assert content(folder / "out") == FILES


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.75])
def test_an_archive_that_was_cut_short_is_refused(archive: Path, tmp_path: Path, share: float) -> None:
    data = archive.read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[: int(len(data) * share)])
    refused(tmp_path / "cut.tar", tmp_path / "out")


Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


def put(name: str, data: bytes = b"x", **more: object) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for field, value in more.items():
            setattr(info, field, value)
        members.insert(0, (info, data))

    return change


def without_its_first(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.pop(0)


def of_another_program(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    info, data = members.pop()
    data = json.dumps({**json.loads(data), "format": "other backup"}).encode()
    info.size = len(data)
    members.append((info, data))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("../evil"), "leads out"),
        (put("/etc/evil"), "leads out"),
        (put("uploads/../../evil"), "leads out"),
        (put("uploads/.hidden"), "leads out"),
        (put("studies/mine.toml"), "leads out"),
        (put("runs"), "leads out"),
        (put("uploads/x", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "links and devices"),
        (put("uploads/x", b"", type=tarfile.LNKTYPE, linkname="uploads/y"), "links and devices"),
        (put("uploads/x", b"", type=tarfile.CHRTYPE), "links and devices"),
        (put("uploads/x", b"", type=tarfile.DIRTYPE), "links and devices"),
        (put("uploads/not-listed"), "uploads/not-listed not as saved"),
        (put("links/" + "f" * 32, b"1,2,3"), "twice"),
        (without_its_first, "not as saved"),
        (of_another_program, "format"),
    ],
)
def test_a_hostile_or_foreign_archive_is_refused(archive: Path, tmp_path: Path, change: Change, says: str) -> None:
    with tarfile.open(archive) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    assert members[-1][0].name == INDEX
    change(members)
    with tarfile.open(tmp_path / "bad.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    assert says in refused(tmp_path / "bad.tar", tmp_path / "out")
    assert not (tmp_path / "evil").exists()
