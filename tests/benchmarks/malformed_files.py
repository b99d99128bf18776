"""A fuzz of the upload's door: generated malformed files through `check` and `map`, each answered in words or read.

python -m tests.benchmarks.malformed_files --files 2000 --seed 0 --jobs 2

Counts tracebacks (any exception that is no error of ours, any exit status but 0 and 2), hangs (over 60 s) and keys
rewritten (a stay of an accepted file whose key the file does not hold as text), and the peak memory of the workers.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import multiprocessing
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.base.errors import CohortError
from core.cli.main import main as command
from core.cohort import load_cohort, simulate_cohort

PATIENCE = 60  # seconds
ENDINGS = ("csv", "csv", "csv.gz", "parquet")
CELLS = ("", "NA", "M", "> 89", "1,5", "1.234,5", "0x1f", "1e400", "-inf", "nan", "Yes", "2150-03-01 08:00", "9" * 400,
         "=1+1", "\u0663", "\ud7ff", "'", "true", "-9999", "1_000", "\x1b[31m")  # fmt: skip
KEYS: tuple[Callable[[int], str], ...] = (
    lambda i: f"{i:03d}",
    lambda i: str(11111111111111110000 + i),
    lambda i: hex(i),
    lambda i: f"{i}e5",
    lambda i: f"+{i}",
    lambda i: f"{i}.0{i % 2}",
    lambda i: f"p {i}",
    lambda i: f"é{i}",
)


@dataclass(frozen=True)
class Answer:
    """What one file came to."""

    file: int
    ending: str
    status: int  # of check: 0 read, 2 refused, -1 traceback, -2 hang
    seconds: float
    rewritten: int
    peak_mib: float
    fault: str = ""


def make(rng: np.random.Generator, base: pd.DataFrame, folder: Path, name: str) -> tuple[Path, set[str]]:
    """A file with odd keys and up to four faults, and the keys that it may be read with."""
    key = KEYS[rng.integers(len(KEYS))]
    number = pd.factorize(base["traj"])[0]
    table = base.astype(object).assign(traj=[key(int(i)) for i in number])
    for _ in range(max(rng.integers(-2, 5), 0)):
        table = TABLES[rng.integers(len(TABLES))](rng, table)
    ending = ENDINGS[rng.integers(len(ENDINGS))]
    path = folder / f"{name}.{ending}"
    keys = set(table["traj"].astype(str)) if "traj" in table and not isinstance(table["traj"], pd.DataFrame) else set()
    data = written(rng, table, ending)
    if rng.random() < 0.4:
        data = BYTES[rng.integers(len(BYTES))](rng, data)
        keys = set()  # a damaged byte may stand in a key
    path.write_bytes(data)
    return path, keys


def written(rng: np.random.Generator, table: pd.DataFrame, ending: str) -> bytes:
    """The table as a file of that ending."""
    if ending == "parquet":
        names = [f"{name}" if list(table.columns).count(name) == 1 else f"{name}.{i}" for i, name in enumerate(table)]
        plain = table.set_axis(names, axis=1)
        typed = {
            n: pd.to_numeric(plain[n], errors="coerce") if rng.random() < 0.8 else plain[n].astype(str) for n in names
        }
        typed |= {"traj": plain["traj"].astype(str)} if "traj" in names else {}
        return bytes(pd.DataFrame(typed).to_parquet(compression=rng.choice(["snappy", "zstd"])))
    text = table.to_csv(index=False, sep=str(rng.choice([",", ",", ";", "\t", "|"])))
    data = text.encode(str(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])), "replace")
    return gzip.compress(data) if ending == "csv.gz" else data


def _cells(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    out = table.astype(object)
    if not len(out) or not len(out.columns):
        return out
    for _ in range(rng.integers(1, 9)):
        out.iloc[rng.integers(len(out)), rng.integers(len(out.columns))] = CELLS[rng.integers(len(CELLS))]
    return out


def _column(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    out, names = table.copy(), list(table.columns)
    if names:
        at = rng.integers(len(names))
        out.isetitem(at, [CELLS[rng.integers(len(CELLS))]] * len(out))
    return out


def _rename(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    names = list(table.columns)
    for _ in range(rng.integers(1, 6)):
        if names:
            others = (
                "",
                "id",
                "temp",
                "PO2",
                names[rng.integers(len(names))],
                "\n",
                "x" * 5000,
                "charttime",
                "heparin",
            )
            names[rng.integers(len(names))] = others[rng.integers(len(others))]
    return table.set_axis(names, axis=1)


def _drop(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    keep = rng.random(len(table.columns)) > 0.1
    return table.loc[:, keep]


def _rows(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[rng.integers(0, max(len(table), 1), rng.integers(0, len(table) + 1))] if len(table) else table


def _scale(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    at = rng.integers(max(len(table.columns), 1))
    if not len(table.columns):
        return table
    out = table.copy()
    values = pd.to_numeric(out.iloc[:, at], errors="coerce")
    if out.columns[at] != "traj":
        out.isetitem(at, values * float(rng.choice([0.0, -1.0, 1e-3, 1e300, 10.0])))
    return out


def _times(rng: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    if "step" not in table or isinstance(table["step"], pd.DataFrame):
        return table
    step = pd.to_numeric(table["step"], errors="coerce").fillna(0)
    at = pd.Timestamp("2150-03-01") + pd.to_timedelta(step.clip(-1e3, 1e3) * rng.choice([4, 0.5, 400]), unit="h")
    return table.drop(columns="step").assign(charttime=at.astype(str))


TABLES: tuple[Callable[[np.random.Generator, pd.DataFrame], pd.DataFrame], ...] = (
    _cells, _cells, _column, _rename, _drop, _rows, _scale, _times,
)  # fmt: skip


def _flip(rng: np.random.Generator, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        if out:
            out[rng.integers(len(out))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _cut(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: rng.integers(len(data) + 1)]


def _splice(rng: np.random.Generator, data: bytes) -> bytes:
    at = int(rng.integers(len(data) + 1))
    junk = (b"\0" * 40, b'"', b"\r", b",,,,,\n", b"\xff\xfe", rng.bytes(200), b'"' + b"," * 5000, b"PK\x03\x04")
    return data[:at] + junk[rng.integers(len(junk))] + data[at:]


def _twice(rng: np.random.Generator, data: bytes) -> bytes:
    return data + data[: rng.integers(len(data) + 1)]


def _bomb(rng: np.random.Generator, data: bytes) -> bytes:
    return gzip.compress((b"a" + b"," * 2000 + b"\n") * int(rng.integers(10, 20_000)))


BYTES: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (_flip, _cut, _splice, _twice, _bomb)


def ask(path: Path, keys: set[str], number: int) -> Answer:
    """One file through `check`, every fourth through `map` as well, and through the loader where it is accepted."""
    start, status, rewritten, fault = time.monotonic(), -1, 0, ""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(PATIENCE)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            status = command(["check", str(path)])
            other = command(["map", str(path), "--out", str(path) + ".toml"]) if number % 4 == 0 else 0
        if status not in (0, 2) or other not in (0, 2):
            fault, status = f"exit status {status}, {other}", -1
        if status == 0 and keys:
            with contextlib.suppress(CohortError):
                rewritten = len(set(load_cohort(path).frame["traj"].astype(str)) - {key.strip() for key in keys})
    except TimeoutError:
        status, fault = -2, "hang"
    except Exception:
        status, fault = -1, traceback.format_exc()[-1500:]
    finally:
        signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ending = path.name.partition(".")[2]
    return Answer(number, ending, status, time.monotonic() - start, rewritten, peak, fault)


def _too_long(_signal: int, _frame: object) -> None:
    raise TimeoutError


def batch(given: tuple[int, int, int]) -> list[Answer]:
    """Files first..last of a seed, in one worker; each has a generator of its own, to be made again from."""
    seed, first, last = given
    base = simulate_cohort("mimic-iv", 12, seed=seed)[0].frame
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, last):
            path, keys = make(np.random.default_rng([seed, number]), base, Path(folder), str(number))
            answers.append(ask(path, keys, number))
            path.unlink()
    return answers


def main() -> None:
    """Run and print the figures as JSON; every fault with the number of its file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    size = 50
    tasks = [(options.seed, i, min(i + size, options.files)) for i in range(0, options.files, size)]
    answers: list[Answer] = []
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for part in pool.imap_unordered(batch, tasks):
            answers += part
            for answer in part:
                if answer.fault or answer.rewritten:
                    print(json.dumps(asdict(answer)), flush=True)
    print(json.dumps({
        "files": len(answers),
        "seed": options.seed,
        "read": sum(a.status == 0 for a in answers),
        "refused": sum(a.status == 2 for a in answers),
        "tracebacks": sum(a.status == -1 for a in answers),
        "hangs": sum(a.status == -2 for a in answers),
        "files_with_keys_rewritten": sum(a.rewritten > 0 for a in answers),
        "peak_mib": round(max(a.peak_mib for a in answers)),
        "slowest_seconds": round(max(a.seconds for a in answers), 2),
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
