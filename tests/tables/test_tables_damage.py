"""Damaged files are refused, and no small file fills the memory."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.base.errors import CohortError
from core.cohort import load_cohort, save_cohort, simulate_cohort
from core.registry import load_registry, save_registry, simulate_registry
from core.tables.read import read_table
from core.tables.seal import broken, seal

MIB = 1024**2
MEASURE = """
import re, sys
from pathlib import Path
from core.base.errors import CohortError
from core.cohort import load_cohort

def peak():  # of this program alone; what getrusage says begins with the peak of the parent
    return int(re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

load_cohort(sys.argv[1])
before = peak()
try:
    load_cohort(sys.argv[2])
    print("read")
except CohortError as error:
    print(error.report.errors[0].rule)
print(peak() - before)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("saved")
    cohort, registry = simulate_cohort(n_patients=20, seed=0)[0], simulate_registry(20, seed=0)[0]
    return {
        "cohort": save_cohort(cohort, folder / "c.parquet").read_bytes(),
        "registry": save_registry(registry, folder / "r.parquet").read_bytes(),
        "csv": save_cohort(cohort, folder / "c.csv").read_bytes(),
    }


def refusal(data: bytes) -> str:
    with pytest.raises(CohortError) as caught:
        read_table(io.BytesIO(data))
    assert caught.value.report is not None
    return f"{caught.value.report.errors[0].rule}: {caught.value}"


@pytest.mark.parametrize("name", ["cohort", "registry"])
def test_no_flipped_bit_of_our_parquet_passes(name: str, saved: dict[str, bytes]) -> None:
    data, rng = saved[name], np.random.default_rng(5)
    places = [*rng.integers(0, 8 * len(data), 300), *rng.integers(8 * (len(data) - 400), 8 * len(data), 100)]
    for place in places:
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << (place % 8)
        with pytest.raises(CohortError):
            read_table(io.BytesIO(bytes(damaged)))


def test_page_checksums_are_verified_where_the_seal_is_gone(saved: dict[str, bytes]) -> None:
    """A tool that copies pages leaves the checksums; a flip in a page is then told by them."""
    frame = pd.DataFrame({"x": np.arange(20_000) * 7919 % 1000})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame), out, compression="none", use_dictionary=False, write_page_checksum=True)
    data = bytearray(out.getvalue())
    data[len(data) // 3] ^= 4
    assert "broken-file" in refusal(bytes(data))


def test_a_file_written_anew_by_another_tool_is_read(saved: dict[str, bytes]) -> None:
    table = pq.read_table(pa.BufferReader(saved["cohort"]))
    out = io.BytesIO()
    pq.write_table(table, out)
    assert len(read_table(out).frame) == table.num_rows
    assert read_table(out).origin.simulated


def test_a_seal_fits_its_file_alone(saved: dict[str, bytes]) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"x": [1, 2]}), out)
    assert not broken(out.getvalue())
    sealed = seal(out.getvalue())
    assert not broken(sealed)
    assert pq.read_table(pa.BufferReader(sealed)).column("x").to_pylist() == [1, 2]
    for place in range(4, len(sealed) - 8):
        assert broken(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]), place


def test_gzip_members_are_read_whole_or_refused(saved: dict[str, bytes]) -> None:
    text = saved["csv"]
    cut = text.index(b"\n", len(text) // 2) + 1
    first, second = gzip.compress(text[:cut]), gzip.compress(text[cut:])
    rows = text.count(b"\n") - 1
    for tail in (b"", b"\0" * 700):
        assert len(read_table(io.BytesIO(first + second + tail)).frame) == rows
    damaged = {
        "first byte": first + b"\x1e" + second[1:],
        "second byte": first + b"\x1f\x8a" + second[2:],
        "method": first + second[:2] + b"\x07" + second[3:],
        "data": first + second[:200] + bytes([second[200] ^ 255]) + second[201:],
        "checksum": first + second[:-8] + bytes([second[-8] ^ 1]) + second[-7:],
        "length": first + second[:-1] + bytes([second[-1] ^ 1]),
        "cut off": first + second[:-4],
        "a header alone": first + second[:5],
        "rubbish": first + second + b"\0\0rubbish",
        "text behind": first + text[cut:],
    }
    for name, data in damaged.items():
        assert "gzip" in refusal(data), name
        assert refusal(data).startswith("broken-file"), name


def commas(rows: int, columns: int) -> bytes:
    return b"\n".join([b",".join(b"c%d" % i for i in range(columns)), *[b"," * (columns - 1)] * rows]) + b"\n"


def bomb(name: str) -> bytes:
    """Small files that unpack to very much."""
    out = io.BytesIO()
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(40_000, np.int32)), ["x" * 65_536])
    if name == "one long text, 40,000 times":
        pq.write_table(pa.table({"traj": long}), out, compression="zstd", store_schema=False)
    elif name == "the same as a category":
        pq.write_table(pa.table({"traj": long}), out, compression="zstd")
    elif name == "the same name twice":
        twice = pa.Table.from_arrays([long, long], names=["traj", "traj"])
        pq.write_table(twice, out, compression="zstd", store_schema=False)
    elif name == "the same without a dictionary":
        texts = pa.array(["x" * 65_536] * 2_000)
        pq.write_table(pa.table({"traj": texts}), out, compression="zstd", use_dictionary=False)
    elif name == "many equal numbers":
        pq.write_table(pa.table({"traj": pa.array(np.zeros(15_000_000, np.int64))}), out, compression="zstd")
    elif name == "many rows of keys":
        keys = pa.array(np.zeros(3_000_000, np.int64))
        pq.write_table(pa.table({"traj": keys, "step": keys}), out, compression="zstd")
    elif name == "many nulls":
        pq.write_table(pa.table({f"c{i}": pa.nulls(3_000_000, pa.int64()) for i in range(30)}), out, compression="zstd")
    elif name == "long lists":
        lists = pa.ListArray.from_arrays(pa.array([0, 40_000_000], pa.int32()), pa.array(np.zeros(40_000_000, np.int8)))
        pq.write_table(pa.table({"traj": lists}), out, compression="zstd")
    elif name == "commas":
        return gzip.compress(commas(100_000, 2_000), 9)
    elif name == "commas in a plain file":
        return commas(500, 2_000)
    elif name == "lines":
        return gzip.compress(b"traj,step\n" + b",\n" * 20_000_000)
    elif name == "one line":
        return gzip.compress(b"traj,step\n1," + b"0" * 150 * MIB)
    elif name == "two members":
        return gzip.compress(b"traj,step\n") + gzip.compress(b"1,2\n" * 20_000_000)
    elif name == "emoji":
        return gzip.compress(b"traj,step\n" + ("\N{PILL}" * 1_000 + ",1\n").encode() * 10_000, 9)
    return out.getvalue()


BOMBS = [
    "one long text, 40,000 times",
    "the same as a category",
    "the same without a dictionary",
    "the same name twice",
    "many equal numbers",
    "many rows of keys",
    "many nulls",
    "long lists",
    "commas",
    "commas in a plain file",
    "lines",
    "one line",
    "two members",
    "emoji",
]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a program is read from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_never_takes_more_than_300_mib(name: str, tmp_path: Path, saved: dict[str, bytes]) -> None:
    (tmp_path / "good.parquet").write_bytes(saved["cohort"])
    (tmp_path / "bomb").write_bytes(bomb(name))
    assert (tmp_path / "bomb").stat().st_size <= 1.1 * MIB
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "good.parquet"), str(tmp_path / "bomb")],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    rule, kib = done.stdout.split()
    assert rule != "read"
    assert int(kib) * 1024 < 300 * MIB, f"{int(kib) / 1024:.0f} MiB"


def test_a_large_honest_file_is_read(tmp_path: Path) -> None:
    """Rounded values in gzip and Parquet pack to a small part of their size; such files stay readable."""
    cohort, _ = simulate_cohort(n_patients=1_500, seed=1)
    rounded = cohort.frame.round(0)
    text = rounded.to_csv(index=False).encode()
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(text, 9))
    rounded.to_parquet(tmp_path / "c.parquet", compression="zstd")
    for name in ("c.csv.gz", "c.parquet"):
        assert load_cohort(tmp_path / name).n_patients == 1_500
    registry, _ = simulate_registry(3_000, seed=0)
    assert load_registry(save_registry(registry, tmp_path / "r.csv.gz")).n_patients == 3_000
