"""The ZIP file of an encoder: what is downloaded can be uploaded, and nothing else unpacks."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ArtifactError
from core.encoder import EncoderConfig, build_encoder, load_encoder, save_encoder
from core.encoder.archive import MOST, pack_encoder, unpack_encoder
from core.study import StudySpec

GOOD = {"encoder.json": b"{}", "encoder.safetensors": b"weights"}


@pytest.fixture
def saved(small_study: StudySpec, tmp_path: Path) -> Path:
    config = EncoderConfig.build({"hidden_size": 12, "embedding_dim": 6, "latent_dim": 4})
    save_encoder(build_encoder(config, small_study), tmp_path / "saved")
    return tmp_path / "saved"


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_what_is_packed_unpacks_to_the_same_encoder(saved: Path, small_study: StudySpec, tmp_path: Path) -> None:
    unpack_encoder(pack_encoder(saved), tmp_path / "again")
    for name in MOST:
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()
    assert load_encoder(tmp_path / "again", small_study).study == small_study


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("encoder.json", b"{}")], "not 'encoder.json'"),
        ([*GOOD.items(), ("run.py", b"import os")], "'run.py'"),
        ([("../encoder.json", b"{}"), ("encoder.safetensors", b"w")], "'../encoder.json'"),
        ([("/tmp/encoder.json", b"{}"), ("encoder.safetensors", b"w")], "'/tmp/encoder.json'"),
        ([*GOOD.items(), ("encoder.json", b"{}")], "'encoder.json' and 'encoder.json'"),
        ([], "not nothing"),
        ([(f"{i}.txt", b"") for i in range(1000)], "not a long list of files"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_members_are_refused_by_name(members: list[tuple[str, bytes]], expected: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=expected):
        unpack_encoder(zipped(members), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("claimed", [None, 10])
def test_a_bomb_is_refused_before_it_is_unpacked(claimed: int | None, tmp_path: Path) -> None:
    """5 MiB of zeros in 5 KB, by its true size and by a claimed one of 10 bytes."""
    content = zipped([("encoder.json", bytes(MOST["encoder.json"] + (1 << 20))), ("encoder.safetensors", b"w")])
    assert len(content) < 10_000
    if claimed is not None:
        true = (MOST["encoder.json"] + (1 << 20)).to_bytes(4, "little")
        content = content.replace(true, claimed.to_bytes(4, "little"))
    tracemalloc.start()
    with pytest.raises(ArtifactError, match=r"unpacks to more than the 4 MiB|cannot be read"):
        unpack_encoder(content, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 3 * MOST["encoder.json"]
    tracemalloc.stop()
    assert not (tmp_path / "out").exists()


def test_an_archive_that_wants_a_password_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(list(GOOD.items())))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 1)
    with pytest.raises(ArtifactError, match="cannot be read"):
        unpack_encoder(bytes(content), tmp_path / "out")


@given(st.data())
def test_damaged_archives_are_refused_in_a_sentence(data: st.DataObject) -> None:
    """Any byte changed, or an end cut off: an error of ours, or the very same files."""
    import tempfile

    content = bytearray(zipped(list(GOOD.items())))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), len(content) - 1, len(content) // 2]))]
    with tempfile.TemporaryDirectory() as folder:
        try:
            unpack_encoder(bytes(content), folder)
        except ArtifactError:
            return
        assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == GOOD
