"""Differences to the experts in the registry study, held against the truth on registries that served no choice.

Simulates registries of the published size, trains what policies need (screening and Q-networks, forests), judges every
policy along both dials on the test patients as a run does, and rolls all out over fresh patients whom every policy
meets alike.

    python -m tests.benchmarks.registry_differences --seeds 931 932 933 934 935 936 --folder data/registry-differences
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from core.base.rng import derive_seed
from core.registry.ask.compared import DIALS, GREEDY, MIXTURE
from core.registry.ask.frontier import frontier
from core.registry.ask.policies import DialedPolicy, SimulatedPolicy
from core.registry.ask.tables import Evaluation
from core.registry.ask.true_values import TRUE_DIFFERENCE, longest_treatment
from core.registry.config import registry_config
from core.registry.pipeline import learning_stages, store_cohort
from core.registry.simulate import registry_truth, simulate_registry
from core.registry.study import REGISTRY
from core.registry.view import RegistryView
from core.runs.run import run
from core.runs.study import Stage

PATIENTS, ROLLED_OUT = 6021, 5_000
SETTINGS = {"run.threads": "1", "evaluation.ope_bootstrap": "20"}  # the published estimators are not asked here


class Learned(type(REGISTRY)):  # type: ignore[misc]
    """The registry study without what policies do not need."""

    def stages(self, data) -> dict[str, tuple[Stage, float]]:
        needed = [f"{kind} {name}" for name in data.spec.learned for kind in ("screening", "dqn", "forest")]
        works = learning_stages(data)
        kept = {name: (lambda view, _, work=works[name][0]: work(view), 1) for name in needed}
        return {"cohort": (store_cohort, 1), **kept}


def measure(seed: int, folder: Path) -> pd.DataFrame:
    """Judgments of one registry, one row a policy, dial and setting, with their true differences."""
    cohort, _ = simulate_registry(PATIENTS, seed=seed)
    for _ in run(Learned(), cohort, registry_config(SETTINGS), folder, str(seed)):
        pass
    view = RegistryView(folder)
    found = frontier(Evaluation.own(view))
    table = found.judgments.merge(_truth(view, seed), on=["policy", "dial", "setting"])
    advised = (table["dial"] == found.advice.dial) & (table["setting"] == found.advice.setting)
    advised &= (table["policy"] == found.advice.policy) & found.advice.advised
    return table.assign(seed=seed, advised=advised, claimed=advised & found.advice.claims)


def _truth(view: RegistryView, seed: int) -> pd.DataFrame:
    truth, longest, rows = registry_truth(view.cohort), longest_treatment(view), []
    assert truth is not None

    def earned(acting):
        return truth.returns(acting, ROLLED_OUT, derive_seed(seed, "registry differences"), longest)

    experts = earned({})
    for policy in GREEDY:
        known = (view.encoder, policy, view.screen)
        acting = {name: SimulatedPolicy(view.models(name), *known) for name in view.treatments}
        rows.append((policy, "", np.nan, *earned(acting).less(experts)))
        for dial in DIALS.values():
            for setting in (*dial.known, *([1.0] if dial is MIXTURE else [])):
                acting = {name: DialedPolicy(view.models(name), *known, dial, setting) for name in view.treatments}
                rows.append((policy, dial.name, setting, *earned(acting).less(experts)))
    return pd.DataFrame(rows, columns=["policy", "dial", "setting", *TRUE_DIFFERENCE]).drop_duplicates()


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """By grade, and over all that some recorded course follows: how good differences and their intervals are."""
    groups = {"all": table[table["ess"] > 0], **dict(list(table.groupby("grade")))}
    lines = []
    for name, rows in groups.items():
        true, error = rows["true_difference"], rows["difference"] - rows["true_difference"]
        beyond = true.abs() > 2 * rows["true_difference_se"]
        lines.append(
            {
                "grade": name,
                "estimates": len(rows),
                "RMSE": np.sqrt((error**2).mean()),
                "bias": error.mean(),
                "covers": ((rows["difference_low"] <= true) & (true <= rows["difference_high"])).mean(),
                "width": (rows["difference_high"] - rows["difference_low"]).mean(),
                "sign right": (np.sign(rows["difference"]) == np.sign(true))[beyond].mean(),
            }
        )
    return pd.DataFrame(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    tables = []
    for seed in options.seeds:
        tables.append(measure(seed, options.folder / str(seed)))
        pd.concat(tables).to_csv(options.folder / "differences.csv", index=False)
        print(seed, flush=True)
    table = pd.concat(tables, ignore_index=True)
    print(summary(table).round(3).to_string(index=False))
    print(table[table["advised"]].drop(columns="doubts").round(3).to_string(index=False))


if __name__ == "__main__":
    main()
