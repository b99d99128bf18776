"""Time and memory of the MIMIC-IV extraction at scale: `python -m tests.benchmarks.extract_mimic DEMO COPIES FOLDER`.

The open demo is written COPIES times to FOLDER/release with shifted patient, admission and stay numbers, in the columns
of the real release (233 copies hold 60 million chart rows), unless it is there. Then each of these runs in a process of
its own, which is measured: the columnar copy, extractions from it, one straight from the files. Every copy must give
the demo's own rows. With `columnar` as a fourth word the demo's columnar copy is multiplied instead of its files, for
sizes that would take hours to compress: 1,554 copies hold 400 million chart rows.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.cohort.extract import ExtractOptions, copy_source, extract_mimic_iv
from core.cohort.extract.concepts import load_concepts
from core.cohort.extract.dialect import read_header
from core.cohort.extract.manifest import read_manifest

SHIFT = 100_000_000  # above every number of the demo
KEYS = ("subject_id", "hadm_id", "stay_id", "micro_specimen_id")
MARK, LEVEL = b"\x01", 3  # stands in no table of the demo; how hard members are compressed
PART_ROWS = 700_000  # about what a part of a real copy holds of the chart
POPULATIONS = ("sepsis-3", "codes", "platelets")
# The demo's rebuilt tables lack columns of the release, which cost time to unpack and to step over.
RELEASED = {
    "chartevents": "subject_id, hadm_id, stay_id, 12345 AS caregiver_id, charttime, charttime AS storetime, itemid, "
    "valuenum AS value, valuenum, valueuom, 0 AS warning",
    "labevents": "1 AS labevent_id, subject_id, hadm_id, 1234567 AS specimen_id, itemid, '' AS order_provider_id, "
    "charttime, charttime AS storetime, valuenum AS value, valuenum, valueuom, 0 AS ref_range_lower, "
    "100 AS ref_range_upper, '' AS flag, 'ROUTINE' AS priority, '' AS comments",
}


def multiply(demo: Path, copies: int, folder: Path) -> None:
    """Write the demo's tables `copies` times, each copy with numbers of its own, as one member of the gzip file."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(demo.glob("*/*.csv.gz")):
            if path.name.split(".")[0] not in load_concepts("mimic-iv").tables:
                continue
            (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
            header, rows = _template(demo, path, Path(scratch) / "one.csv")
            hidden = folder / path.parent.name / f".{path.name}"
            with hidden.open("wb") as file:
                file.write(gzip.compress(header, LEVEL))
                for i in range(1, copies + 1) if MARK in rows else [0]:
                    file.write(gzip.compress(rows.replace(MARK, str(i).encode()), LEVEL))
            hidden.replace(hidden.with_name(path.name))


def _template(demo: Path, path: Path, scratch: Path) -> tuple[bytes, bytes]:
    """Header and rows of a table in the columns of the release, MARK before each number that copies have of their own.

    A number n of copy i is then written as the digits of i and the eight of n.
    """
    import duckdb

    name = path.name.split(".")[0]
    rows = f"SELECT * FROM read_csv('{path}', all_varchar=true)"
    if name == "chartevents":
        stays = f"SELECT DISTINCT stay_id, hadm_id FROM read_csv('{demo}/icu/icustays.csv.gz', all_varchar=true)"
        rows = f"SELECT * FROM ({rows}) LEFT JOIN ({stays}) USING (stay_id)"
    columns = RELEASED.get(name, ", ".join(read_header(path).names))
    marked = [f"'{MARK.decode()}' || lpad({key}, 8, '0') AS {key}" for key in KEYS if key in columns]
    replace = f"REPLACE ({', '.join(marked)})" if marked else ""
    with duckdb.connect(config={"threads": 1, "memory_limit": "2GB"}) as db:
        db.execute(f"COPY (SELECT * {replace} FROM (SELECT {columns} FROM ({rows}))) TO '{scratch}' (HEADER)")
    header, _, body = scratch.read_bytes().partition(b"\n")
    return header + b"\n", body


def multiply_copy(demo: Path, copies: int, folder: Path) -> None:
    """Write the columnar copy of the demo `copies` times, in parts, ordered by copy as a release is by person."""
    import duckdb

    one = folder.with_name("copy of one")
    list(copy_source("mimic-iv", demo, one))
    db = duckdb.connect(config={"threads": 1, "memory_limit": "2GB"})
    tables = {}
    for name, table in read_manifest(one).tables.items():
        (source,) = one.glob(f"*/{name}/part-00000.parquet")
        target = folder / source.parent.relative_to(one)
        target.mkdir(parents=True, exist_ok=True)
        held = [row[0] for row in db.execute(f"DESCRIBE SELECT * FROM '{source}'").fetchall()]
        shifted = [f'CAST("{c}" AS BIGINT) + i * {SHIFT} AS "{c}"' for c in held if c.removesuffix(" as ident") in KEYS]
        times, replace = (copies, f"REPLACE ({', '.join(shifted)})") if shifted else (1, "")
        each = max(PART_ROWS // max(table.kept, 1), 1)
        for part, begin in enumerate(range(0, times, each)):
            numbers = f"range({begin}, {min(begin + each, times)}) r(i)"
            db.execute(f"""COPY (SELECT * EXCLUDE (i) {replace} FROM {numbers}, '{source}')
                           TO '{target}/part-{part:05d}.parquet' (FORMAT parquet)""")
        counts = {"rows": table.rows * times, "kept": table.kept * times, "parts": -(-times // each)}
        tables[name] = table.model_copy(update=counts)
    read_manifest(one).model_copy(update={"tables": tables}).write(folder)
    shutil.rmtree(one)


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds on the clock and of the processors, and its largest memory in GB."""

    clock: float
    cpu: float
    peak: float

    def __str__(self) -> str:
        return f"{self.clock:.0f} s on the clock, {self.cpu / 60:.1f} CPU-minutes, peak {self.peak:.2f} GB"


def run(*arguments: str | Path) -> Cost:
    """Run `python -m core extract ...`; `RuntimeError` where it fails."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "core", "extract", *map(str, arguments)]
    _, status, used = os.wait4(os.spawnv(os.P_NOWAIT, sys.executable, command), 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return Cost(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)


def equal_to_the_demo(demo: Path, copies: int, file: Path, population: str) -> bool:
    """Whether the extraction holds the demo's rows `copies` times."""
    one = extract_mimic_iv(demo, ExtractOptions.build({"population": population})).frame
    many = pd.read_parquet(file)[list(one)]
    names = ["traj", "subject"]
    return np.array_equal(np.tile(one.drop(columns=names), (copies, 1)), many.drop(columns=names), equal_nan=True)


def main(demo: Path, copies: int, folder: Path, columnar: bool) -> None:
    release, copy, out = folder / "release", folder / "copy", folder / "cohort.parquet"
    if columnar:
        if read_manifest(copy) is None:
            multiply_copy(demo, copies, copy)
    else:
        if not (release / "icu" / "procedureevents.csv.gz").is_file():
            multiply(demo, copies, release)
        shutil.rmtree(copy, ignore_errors=True)
        print(f"columnar copy: {run('cache', release, '--out', copy)}", flush=True)
    size = sum(file.stat().st_size for file in copy.rglob("*.parquet"))
    print(f"size of the copy: {size / 1e9:.2f} GB", flush=True)
    for population in POPULATIONS:
        cost = run("mimic-iv", copy, "--out", out, "--population", population)
        same = equal_to_the_demo(demo, copies, out, population)
        print(f"{population} from the copy: {cost}, equal to the demo: {same}", flush=True)
    if columnar:
        return
    print(f"sepsis-3 from the files: {run('mimic-iv', release, '--out', out, '--population', 'sepsis-3')}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), "columnar" in sys.argv[4:])
