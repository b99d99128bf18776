"""Obtain the validation error that the published recipe ends with, once: `python -m tests.benchmarks.published_error`.

Trains the published encoder (batch 32, lr 5e-5, 50 epochs) to its end on the benchmark's cohort and stores the error
with how it was obtained in results/published_error.json. It resumes where it was cut short.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.base.files import write_json
from core.base.threads import set_threads
from core.encoder import EncoderConfig, load_encoder, train_encoder
from tests.benchmarks.__main__ import WORK
from tests.benchmarks.report import circumstances
from tests.benchmarks.workspace import PUBLISHED_ERROR, SEED, SIZES, Workspace, published_encoder


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.published_error", description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK, help="folder of the cohort and the training")
    options = parser.parse_args()
    set_threads(0)
    work = Workspace(options.work, SIZES["published"])
    work.write_cohort()
    data, config = work.trajectories, published_encoder()
    folder = work.folder / "published_encoder"
    for progress in train_encoder(config, data.subset(work.split.train), data.subset(work.split.valid), folder):
        print(progress.message, flush=True)
    history = load_encoder(folder, work.study).history
    write_json(PUBLISHED_ERROR, record(work, config, min(row["valid_loss"] for row in history), len(history)))


def record(work: Workspace, config: EncoderConfig, valid_loss: float, epochs: int) -> dict[str, Any]:
    """The error with what it depends on."""
    about = circumstances(work.size.name, work.size.patients, threads=0)
    return {
        "valid_loss": valid_loss,
        "epochs": epochs,
        "encoder": config.model_dump(),
        "cohort": {"like": "mimic-iv", "patients": work.size.patients, "seed": SEED, "hash": work.loaded[0].data_hash},
        "split_seed": SEED,
        "how": "trained to the end; lowest validation error (mean squared error of scaled states, teacher forcing off)",
        "date": about["date"],
        "versions": about["versions"],
    }


if __name__ == "__main__":
    main()
