"""Files: atomic writes, and readers that say what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base import files
from core.base.errors import ArtifactError


def test_round_trips(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    files.write_array(tmp_path / "a.npy", array)
    files.write_arrays(tmp_path / "b.npz", x=array, y=array[0])
    files.write_json(tmp_path / "c.json", {"k": np.int64(3), "v": array[0], "p": tmp_path})
    files.write_table(tmp_path / "d.parquet", pd.DataFrame({"u": [1, 2]}))
    np.testing.assert_array_equal(files.read_array(tmp_path / "a.npy"), array)
    np.testing.assert_array_equal(files.read_arrays(tmp_path / "b.npz")["y"], array[0])
    assert files.read_json(tmp_path / "c.json") == {"k": 3, "v": [0.0, 1.0, 2.0, 3.0], "p": str(tmp_path)}
    assert files.read_table(tmp_path / "d.parquet")["u"].tolist() == [1, 2]


def test_a_failing_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"old": True})

    def fail(file: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_atomic(path, fail)
    assert files.read_json(path) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_nan_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})


@pytest.mark.parametrize(
    ("reader", "name"),
    [
        (files.read_json, "x.json"),
        (files.read_array, "x.npy"),
        (files.read_arrays, "x.npz"),
        (files.read_table, "x.pq"),
    ],
)
def test_missing_and_broken_files_are_named(tmp_path: Path, reader, name: str) -> None:
    with pytest.raises(ArtifactError, match=f"{name} is missing"):
        reader(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x80\x04 not what it says")
    with pytest.raises(ArtifactError, match="is not"):
        reader(tmp_path / name)


def test_a_set_of_arrays_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    files.write_arrays(path, x=np.arange(10))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ArtifactError, match="is not a set of stored arrays"):
        files.read_arrays(path)


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError):
        files.read_array(tmp_path / "evil.npy")
