"""Do encoders find the true phenotypes of simulated patients, and do plain rivals? See `--help`.

Run it in the project's folder: `PYTHONPATH=. python tests/benchmarks/encoder_truth.py --out table.md`.

For every seed: simulate, split, train each encoder on the training patients, cluster at K = 3, measure on all patients.
Writes a Markdown table and, beside it, the same numbers as JSON. `--equal-restlessness` gives the simulator's
phenotypes one and the same memory, so that only their courses, levels and responses to the drug differ. `--reuse` takes
over the settings of an earlier JSON and those of its encoders that `--presets` does not name (none, unless given).
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from core.base.worlds import Phenotypes
from core.cohort import simulate_cohort, split_cohort
from core.encoder import load_encoder, train_encoder
from core.icu.config import load_preset
from core.phenotypes import PhenotypeConfig, fit_phenotypes, honesty_table, rivals_table
from core.trajectories import Trajectories, fit_scaler, make_trajectories

ENCODERS = {"published": "published encoder", "standard": "standard encoder", "quick": "quick encoder"}
K = 3
CONFIG = PhenotypeConfig(n_clusters=K, k_min=K, k_max=K)
EARLY, LATER = CONFIG.early_steps, CONFIG.later_steps
MEASURES = {
    "truth_ari": "ARI, truth",
    "eta2_length": "η² of stay length",
    "bootstrap_ari": "bootstrap ARI",
    "early_ari": f"ARI, {EARLY} steps and whole stay",
    "later_ari": f"ARI, {LATER} steps and whole stay",
    "early_truth_ari": f"ARI, {EARLY} steps and truth",
    "later_truth_ari": f"ARI, {LATER} steps and truth",
    "seconds": "training, CPU s",
}


def train(preset: str, data: Trajectories, fit: np.ndarray, check: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """z (N, H), z_prefix (N, T, H) of the preset's encoder, and the CPU seconds of its training."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for _ in train_encoder(load_preset(preset).encoder, data.subset(fit), data.subset(check), folder):
            pass
        seconds = time.process_time() - began
        encoder = load_encoder(Path(folder), data.study)
    return encoder.encode(data), encoder.encode_prefixes(data), seconds


def measure(like: str, n_patients: int, seed: int, presets: list[str], kind: Phenotypes) -> pd.DataFrame:
    """One row a representation: seed, representation and the columns of MEASURES; without presets the rivals alone."""
    cohort, truth = simulate_cohort(like, n_patients, seed, phenotypes=kind)
    split = split_cohort(cohort, seed)
    data = make_trajectories(cohort, fit_scaler(cohort, split.train))
    tables = [] if presets else [rivals_table(data, split.train, [K], truth.phenotype, CONFIG)]
    for preset in presets:
        z, z_prefix, seconds = train(preset, data, split.train, split.valid)
        phenotypes = fit_phenotypes(z[split.train], CONFIG, data.lengths[split.train])
        table = honesty_table(z, z_prefix, data, phenotypes, split.train, truth.phenotype, CONFIG)
        own = table["representation"] == "encoder"
        tables += [table[own].assign(representation=ENCODERS[preset], seconds=seconds)]
        tables += [table[~own]] if preset == presets[0] else []
        print(f"seed {seed}: {preset} done in {seconds:.0f} s", file=sys.stderr, flush=True)
    rows = pd.concat(tables, ignore_index=True).assign(seed=seed)
    return rows[["seed", "representation", *(name for name in MEASURES if name in rows)]]


def markdown(table: pd.DataFrame) -> str:
    """Mean over seeds, smallest and largest in brackets; encoders first."""
    names = sorted(table["representation"].unique(), key=lambda name: "encoder" not in name)
    lines = ["| representation | " + " | ".join(MEASURES.values()) + " |", "|---" * (len(MEASURES) + 1) + "|"]
    for name in names:
        rows = table[table["representation"] == name]
        cells = [_cell(rows[key].to_numpy(dtype=float), 0 if key == "seconds" else 2) for key in MEASURES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: np.ndarray, digits: int) -> str:
    values = values[~np.isnan(values)]
    if not len(values):
        return ""
    mean = f"{values.mean():.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({values.min():.{digits}f}–{values.max():.{digits}f})"


def circumstances(options: argparse.Namespace) -> dict[str, Any]:
    """What the numbers depend on."""
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn", "torch")}
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "like": options.like,
        "patients": options.patients,
        "seeds": options.seeds,
        "n_clusters": K,
        "equal_restlessness": options.equal_restlessness,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **versions},
        "encoders": {preset: load_preset(preset).encoder.model_dump() for preset in options.presets},
    }


def report(about: dict[str, Any], table: pd.DataFrame) -> str:
    """The Markdown document."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    seeds = f"seed {', '.join(map(str, about['seeds']))}"
    kept = about.get("kept")
    again = f" {', '.join(kept['encoders'])}: measured {kept['date']}." if kept and kept["encoders"] else ""
    equal = ", phenotypes made equally restless" if about["equal_restlessness"] else ""
    return (
        f"# Encoders and plain rivals against the true phenotypes\n\n"
        f"{about['patients']:,} simulated {about['like']} patients a seed, {seeds}{equal}; K = {K}. Mean over seeds "
        f"(smallest–largest), on all patients; encoders and clusters are fitted on the training patients. ARI: 1 is "
        f"agreement, 0 is chance. η²: 0 is right. Of shorter stays, all steps count as the first ones.\n\n"
        f"Measured {about['date']} on {about['threads']} of {about['cores']} cores; {versions}.{again}\n\n"
        f"{markdown(table)}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--like", default="mimic-iv", choices=("mimic-iv", "eicu"))
    parser.add_argument("--presets", nargs="+", choices=list(ENCODERS), help="encoders to train; all, unless given")
    parser.add_argument("--equal-restlessness", action="store_true")
    parser.add_argument("--reuse", type=Path, help="JSON of an earlier run to take over")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file; the JSON is written beside it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    earlier = json.loads(options.reuse.read_text(encoding="utf-8")) if options.reuse else None
    if earlier:
        for name in ("like", "patients", "seeds", "equal_restlessness"):
            setattr(options, name, earlier[name])
    options.presets = options.presets or ([] if earlier else list(ENCODERS))
    kind: Phenotypes = "equally-restless" if options.equal_restlessness else "full"
    table = pd.concat([measure(options.like, options.patients, seed, options.presets, kind) for seed in options.seeds])
    about = circumstances(options)
    if earlier:
        kept = [name for preset, name in ENCODERS.items() if preset not in options.presets]
        trained = pd.DataFrame([row for row in earlier["rows"] if row["representation"] in kept])
        table = pd.concat([trained, table]).sort_values("seed", kind="stable")
        about["encoders"] = {**earlier["encoders"], **about["encoders"]}
        about["kept"] = {"date": earlier["date"], "encoders": sorted(set(trained.get("representation", ())))}
    options.out.write_text(report(about, table), encoding="utf-8")
    rows = json.loads(table.to_json(orient="records"))
    options.out.with_suffix(".json").write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
