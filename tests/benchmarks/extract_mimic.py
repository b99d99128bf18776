"""Time and memory of the MIMIC-IV extraction at scale: `python tests/benchmarks/extract_mimic.py DEMO_FOLDER COPIES`.

The demo is written COPIES times with shifted patient, admission and stay numbers, then extracted with 1 GB for the
database. Every copy must give the demo's own rows.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from core.cohort.extract import ExtractOptions, extract_mimic_iv
from core.cohort.extract.concepts import load_concepts
from core.cohort.extract.source import read_header

SHIFT = 100_000_000  # above every number of the demo
KEYS = ("subject_id", "hadm_id", "stay_id", "micro_specimen_id")


def multiply(demo: Path, copies: int, folder: Path) -> None:
    import duckdb

    for path in sorted(demo.glob("*/*.csv.gz")):
        if path.name.split(".")[0] not in load_concepts("mimic-iv").tables:
            continue
        (folder / path.parent.name).mkdir(exist_ok=True)
        shifted = [f"{key}::BIGINT + i * {SHIFT} AS {key}" for key in KEYS if key in read_header(path)]
        times, replace = (copies, f"REPLACE ({', '.join(shifted)})") if shifted else (1, "")
        rows = f"range({times}) r(i), read_csv('{path}', all_varchar=true)"
        duckdb.sql(f"""COPY (SELECT * EXCLUDE (i) {replace} FROM {rows})
                       TO '{folder / path.parent.name / path.name}' (HEADER, COMPRESSION gzip)""")


def main(demo: Path, copies: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        multiply(demo, copies, Path(folder))
        for population in ("sepsis-3", "codes", "platelets"):
            options = ExtractOptions.build({"population": population, "memory_gb": 1})
            one = extract_mimic_iv(demo, options).frame
            start = time.perf_counter()
            many = extract_mimic_iv(folder, options).frame
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            same = np.array_equal(
                np.tile(one.drop(columns=["traj", "subject"]), (copies, 1)),
                many.drop(columns=["traj", "subject"]),
                equal_nan=True,
            )
            print(
                f"{population}: {len(many):,} steps in {seconds:.1f} s, peak {peak:.2f} GB, equal to the demo: {same}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
