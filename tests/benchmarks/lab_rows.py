"""What the labs share: rows of one seed after another, kept as they come, or read again from files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

Row = dict[str, object]


def lab_parser(description: str | None, seeds: str) -> argparse.ArgumentParser:
    """A parser with --seeds (by default these, "first-last"), --patients, --out and --summarize."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default=seeds, help="first-last")
    parser.add_argument("--patients", type=int, default=2_000)
    parser.add_argument("--out", type=Path, help="CSV of all rows, written after every seed")
    parser.add_argument("--summarize", type=Path, nargs="+", help="only print what these CSV files come to")
    return parser


def lab_rows(asked: argparse.Namespace, world: str, run_seed: Callable[[int], Iterable[Row]]) -> pd.DataFrame:
    """The rows of the files to summarize, else of every seed in turn; world: named as seeds are done."""
    if asked.summarize:
        return pd.concat([pd.read_csv(path) for path in asked.summarize], ignore_index=True)
    first, last = (int(part) for part in asked.seeds.split("-"))
    rows: list[Row] = []
    for seed in range(first, last + 1):
        rows += run_seed(seed)
        print(f"{world}, {asked.patients:,} patients, seed {seed} done", flush=True)
        if asked.out:
            pd.DataFrame(rows).to_csv(asked.out, index=False)
    return pd.DataFrame(rows)
