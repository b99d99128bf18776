"""Differences to the experts in the registry study, held against the truth on simulated registries.

Simulates registries of the published size, trains what policies need (screening and Q-networks, forests), judges every
policy along both dials on the test patients as a run does, and rolls all out over fresh patients whom every policy
meets alike.

    python -m tests.benchmarks.registry_differences --seeds 931 932 933 934 935 936 --folder data/registry-differences
    python -m tests.benchmarks.registry_differences --seeds 941 942 943 --effect none --folder data/registry-none

--effect and --confounding: the registry's world, as `core registry simulate` takes them.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from core.base.rng import derive_seed
from core.base.worlds import EFFECTS
from core.evaluation.judging.mix import Judged
from core.fusion.dials import Dial
from core.registry.ask.compared import DIALS, GREEDY, MIXTURE, RECOMMENDED
from core.registry.ask.frontier import plans_along, plans_of, softened
from core.registry.ask.judge import Bench, advice, judgment_table
from core.registry.ask.policies import DialedPolicy, SimulatedPolicy
from core.registry.ask.tables import Evaluation
from core.registry.ask.true_values import TRUE_DIFFERENCE, longest_treatment
from core.registry.config import registry_config
from core.registry.simulate import registry_truth, simulate_registry
from core.registry.simulate.world import RegistryWorld
from core.registry.study import REGISTRY
from core.registry.view import RegistryView
from core.runs.run import run
from core.runs.study import Stage

PATIENTS, ROLLED_OUT = 6021, 4_000


class Learned(type(REGISTRY)):  # type: ignore[misc]
    """The registry study without what policies do not need."""

    def stages(self, view) -> dict[str, Stage]:
        needed = [f"{kind} {name}" for name in view.spec.learned for kind in ("screening", "dqn", "forest")]
        return {name: stage for name, stage in super().stages(view).items() if name in needed}


def measure(seed: int, folder: Path, world: RegistryWorld) -> pd.DataFrame:
    """Judgments of one registry, one row a policy, dial and setting, with their true differences."""
    cohort, _ = simulate_registry(PATIENTS, seed, world.effect, world.confounding)
    for _ in run(Learned(), cohort, registry_config({"run.threads": "1"}), folder, str(seed)):
        pass
    view = RegistryView(folder)
    tables = [_judged(view, seed), _truth(view, seed)]
    return tables[0].merge(tables[1], on=["policy", "dial", "setting"]).assign(seed=seed)


def _settings(dial: Dial) -> tuple[float, ...]:
    """Those among which the gate chooses."""
    return (*dial.known, *([dial.settings[-1]] if dial is MIXTURE else []))


def _judged(view: RegistryView, seed: int) -> pd.DataFrame:
    evaluation = Evaluation.own(view)
    both = evaluation.recorded, evaluation.learned
    bench, floor, rows = Bench.of(evaluation.judging, *both), view.config.evaluation.ess_floor, {}
    rare = evaluation.judging.probability_floor
    for policy in GREEDY:
        rows[policy, ""] = bench.judge([plans_of(evaluation, policy)])
        for dial in DIALS.values():
            some = replace(dial, settings=_settings(dial))
            plans = [plans_along(softened(evaluation, courses, policy), some, rare) for courses in both]
            rows[policy, dial.name] = bench.judge(list(zip(*plans, strict=True)))
    tables = [
        judgment_table(found, floor).assign(
            policy=policy, dial=dial, setting=_settings(DIALS[dial]) if dial else np.nan
        )
        for (policy, dial), found in rows.items()
    ]
    found = advice(RECOMMENDED, {dial: _padded(rows[RECOMMENDED, dial], DIALS[dial]) for dial in DIALS}, floor)
    table = pd.concat(tables, ignore_index=True)
    advised = (table["policy"] == found.policy) & (table["dial"] == found.dial) & (table["setting"] == found.setting)
    return table.assign(advised=advised & found.advised, claimed=advised & found.advised & found.claims)


def _padded(judged: list[Judged], dial: Dial) -> list[Judged]:
    """On all the dial's settings, as the gate takes them; it looks only at those that were judged."""
    known = dict(zip(_settings(dial), judged, strict=True))
    return [known.get(setting, judged[0]) for setting in dial.settings]


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
            for setting in _settings(dial):
                acting = {name: DialedPolicy(view.models(name), *known, dial, setting) for name in view.treatments}
                rows.append((policy, dial.name, setting, *earned(acting).less(experts)))
    return pd.DataFrame(rows, columns=["policy", "dial", "setting", *TRUE_DIFFERENCE])


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """By grade, and over all that some recorded course follows: how good differences and their intervals are."""
    followed = table[table["ess"] > 0]
    groups = {"all": followed, **dict(list(followed.groupby("grade")))}
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
                "covers, causes of 2": ((rows["hidden_low"] <= true) & (true <= rows["hidden_high"])).mean(),
                "width, causes of 2": (rows["hidden_high"] - rows["hidden_low"]).mean(),
                "gains at 95 %": (rows["difference_low"] > 0).mean(),
                "width": (rows["difference_high"] - rows["difference_low"]).mean(),
                "sign right": (np.sign(rows["difference"]) == np.sign(true))[beyond].mean(),
            }
        )
    return pd.DataFrame(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--effect", choices=tuple(EFFECTS), default="full")
    parser.add_argument("--confounding", type=float, default=0.0)
    options = parser.parse_args()
    world, tables = RegistryWorld(options.effect, options.confounding), []
    for seed in options.seeds:
        tables.append(measure(seed, options.folder / str(seed), world))
        tables[-1].to_csv(options.folder / f"{seed}.csv", index=False)
        print(seed, flush=True)
    table = pd.concat(tables, ignore_index=True)
    print(summary(table).round(3).to_string(index=False))
    print(table[table["advised"]].drop(columns="doubts").round(3).to_string(index=False))


if __name__ == "__main__":
    main()
